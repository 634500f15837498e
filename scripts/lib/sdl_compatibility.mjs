// Compares the GraphQL schema with those of earlier releases. See scripts/sdl-compatibility.

import { createRequire } from 'node:module';
import { readFile, readdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

// The package of the page's tests: the repository has one set of Node packages.
const { buildSchema, findBreakingChanges, findDangerousChanges } = createRequire(new URL('../../web/package.json', import.meta.url))('graphql');

const ROOT = new URL('../../', import.meta.url);
/** How many releases back a client may be: docs/upgrading.md promises it. */
const RANGE = 2;

/**
 * Returns the changes between two schemas that break clients. `old` and `now` are texts in the schema definition language.
 * @param {string} old @param {string} now
 * @returns {string[]}
 */
export function breaks(old, now) {
  return findBreakingChanges(buildSchema(old), buildSchema(now)).map(described);
}

/**
 * Returns the changes that break only clients that are not prepared for them, such as new values of an enum.
 * @param {string} old @param {string} now
 * @returns {string[]}
 */
export function dangers(old, now) {
  return findDangerousChanges(buildSchema(old), buildSchema(now)).map(described);
}

/** @param {{ type: string, description: string }} change */
const described = ({ type, description }) => `${type}: ${description}`;

/**
 * Returns the lines of the list of accepted changes.
 * @param {string} text
 */
export const accepted = (text) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));

/**
 * Sorts versions by their numbers, the newest first.
 * @param {string[]} versions
 */
export function newestFirst(versions) {
  const numbers = (/** @type {string} */ version) => version.split('.').map(Number);
  const compared = (/** @type {string} */ one, /** @type {string} */ other) => numbers(one).map((part, at) => (numbers(other)[at] ?? 0) - part).find((difference) => difference !== 0) ?? 0;
  return versions.filter((version) => /^\d+\.\d+\.\d+$/.test(version)).sort(compared);
}

async function main() {
  const read = (/** @type {string} */ path) => readFile(new URL(path, ROOT), 'utf8');
  const [now, allowed] = await Promise.all([read('schema.graphql'), read('releases/accepted-breaks.txt').then(accepted)]);
  const versions = newestFirst(await readdir(new URL('releases/', ROOT))).slice(0, RANGE);
  if (versions.length === 0) throw new Error('the folder releases has no schema of a release');
  const unused = new Set(allowed);
  let broken = 0;
  for (const version of versions) {
    const old = await read(`releases/${version}/schema.graphql`);
    const found = breaks(old, now);
    for (const line of found) unused.delete(line);
    const refused = found.filter((line) => !allowed.includes(line));
    for (const line of refused) console.log(`${version}: ${line}`);
    broken += refused.length;
    console.log(`compared with ${version}: ${refused.length} changes break clients, ${found.length - refused.length} are accepted, ${dangers(old, now).length} others are dangerous`);
  }
  for (const line of unused) console.log(`releases/accepted-breaks.txt: no such change any more: ${line}`);
  if (broken > 0) console.log('Keep what clients use and mark it as deprecated. If it must break, see releases/README.md.');
  process.exitCode = broken + unused.size > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
