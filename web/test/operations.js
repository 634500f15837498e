// Writes the operations of the page to files, or compares them.

import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as leftoverQueries from '../leftover_queries.js';
import * as queries from '../queries.js';

const FOLDER = new URL('../../operations/page/', import.meta.url);

/** Returns the files with their texts: one for each operation of the page. */
export function documents() {
  return new Map(Object.entries({ ...queries, ...leftoverQueries }).map(([name, text]) => [`${name.toLowerCase().replaceAll('_', '-')}.graphql`, `${dedent(text)}\n`]));
}

/** @param {string} text */
function dedent(text) {
  const lines = text.trim().split('\n');
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** Reads the stored files. */
export async function stored() {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.graphql'));
  return new Map(await Promise.all(names.sort().map(async (name) => [name, await readFile(new URL(name, FOLDER), 'utf8')])));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(FOLDER, { recursive: true });
  for (const name of await readdir(FOLDER)) await rm(new URL(name, FOLDER));
  for (const [name, text] of documents()) await writeFile(new URL(name, FOLDER), text);
}
