// Writes `web/queries.js`, the operations of the page as a module, out of the documents in the folder `page`. The page needs
// no build: the module is stored, and a test compares it with the documents.
//
//   node operations/write.mjs            writes the module
//   node operations/write.mjs VERSION    copies all documents to the folder of a release

import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const EXAMPLES = new URL('./', import.meta.url);
const PAGE = new URL('page/', EXAMPLES);
const FRAGMENTS = new URL('page/fragments/', EXAMPLES);
const RELEASED = new URL('released/', EXAMPLES);
const MODULE = new URL('../web/queries.js', EXAMPLES);

/**
 * Reads the documents of a folder, by the names of their files without the ending.
 * @param {URL} folder
 */
export async function read(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.graphql')).sort();
  const texts = names.map(async (name) => /** @type {const} */ ([name.replace('.graphql', ''), await readFile(new URL(name, folder), 'utf8')]));
  return new Map(await Promise.all(texts));
}

/** Reads the operations and the fragments of the page, without comments. */
async function ofPage() {
  const without = (/** @type {Map<string, string>} */ texts) => new Map([...texts].map(([name, text]) => [name, text.replaceAll(/^\s*#.*\n/gm, '').trim()]));
  const fragments = new Map([...without(await read(FRAGMENTS)).values()].map((text) => [/^fragment (\w+) on /.exec(text)?.[1] ?? '', text]));
  return { operations: without(await read(PAGE)), fragments };
}

/**
 * Returns the names of the fragments that a text spreads, also through others, in the order of their first use.
 * @param {string} text @param {Map<string, string>} fragments @param {Set<string>} [found]
 */
function used(text, fragments, found = new Set()) {
  for (const [, name = ''] of text.matchAll(/\.\.\.(\w+)/g)) {
    const fragment = fragments.get(name);
    if (name === 'on' || fragment === undefined || found.has(name)) continue;
    found.add(name);
    used(fragment, fragments, found);
  }
  return found;
}

/** Returns the operations of the page, each with its fragments, by the names of their files. */
export async function documents() {
  const { operations, fragments } = await ofPage();
  return new Map([...operations].map(([name, text]) => [name, `${[text, ...[...used(text, fragments)].map((each) => fragments.get(each))].join('\n')}\n`]));
}

/** Returns the names of the fragments that no operation uses. */
export async function unused() {
  const { operations, fragments } = await ofPage();
  const found = new Set([...operations.values()].flatMap((text) => [...used(text, fragments)]));
  return [...fragments.keys()].filter((name) => !found.has(name));
}

/** @param {string} name */
const constant = (name) => name.replaceAll(/[a-z](?=[A-Z])/g, '$&_').replaceAll('-', '_').toUpperCase();

/** @param {string} text */
function literal(text) {
  if (/[`\\]|\$\{/.test(text)) throw new Error(`this text cannot be part of a template: ${text}`);
  return text;
}

/** Returns the text of the module. */
export async function written() {
  const { operations, fragments } = await ofPage();
  const shared = [...fragments].map(([name, text]) => `const F_${constant(name)} = \`\n${literal(text)}\`;`);
  const exported = [...operations].map(([name, text]) => {
    const spread = [...used(text, fragments)].map((each) => `\${F_${constant(each)}}`);
    return `export const ${constant(name)} = \`${literal(text)}${spread.join('')}\`;`;
  });
  return ['// The GraphQL operations of the page. Written by `npm run operations` out of operations/page: change the files there.', ...shared, ...exported].join('\n\n') + '\n';
}

/** Reads the stored module. */
export const stored = () => readFile(MODULE, 'utf8');

/**
 * Copies the examples and the operations of the page, each with its fragments, to the folder of a release.
 * @param {string} version
 */
async function release(version) {
  const folder = new URL(`${version}/`, RELEASED);
  await mkdir(folder);
  for (const [name, text] of await read(EXAMPLES)) await writeFile(new URL(`${name}.graphql`, folder), text);
  for (const [name, text] of await documents()) await writeFile(new URL(`page-${name}.graphql`, folder), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , version] = process.argv;
  await (version === undefined ? writeFile(MODULE, await written()) : release(version));
}
