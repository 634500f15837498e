// The documents of the folder `operations`, the snippets of the docs and the tabs of GraphiQL, checked against the schema by
// the reference implementation of GraphQL.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { NoUnusedFragmentsRule, buildSchema, parse, print, specifiedRules, validate } from 'graphql';
import { EXAMPLES, documents, read } from '../../operations/write.mjs';

const ROOT = new URL('../', EXAMPLES);
const schema = buildSchema(await readFile(new URL('schema.graphql', ROOT), 'utf8'));
const examples = await read(EXAMPLES);

/** @param {import('graphql').DocumentNode} document */
const problems = (document, rules = specifiedRules) => validate(schema, document, rules).map(({ message }) => message);

/** Returns the snippets of GraphQL in the docs, with their pages and lines. */
async function snippets() {
  const docs = new URL('docs/', ROOT);
  const names = (await readdir(docs)).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  const found = [];
  for (const page of ['README.md', ...names.sort()]) {
    const text = await readFile(new URL(page, ROOT), 'utf8');
    for (const match of text.matchAll(/^```graphql\n(.*?)^```$/gms)) {
      const line = text.slice(0, match.index).split('\n').length;
      found.push({ place: `${page}:${line}`, text: match[1] ?? '' });
    }
  }
  return found;
}

test('each operation of this and of earlier releases is valid', async () => {
  const all = [...examples, ...(await documents())];
  for (const version of await readdir(new URL('released/', EXAMPLES))) all.push(...(await read(new URL(`released/${version}/`, EXAMPLES))));
  assert.ok(all.length > 80);
  for (const [name, text] of all) assert.deepEqual(problems(parse(text)), [], name);
});

test('each snippet of the docs is valid', async () => {
  const all = await snippets();
  assert.ok(all.length > 15);
  for (const { place, text } of all) {
    const { definitions } = parse(text);
    const fragments = definitions.filter(({ kind }) => kind === 'FragmentDefinition');
    // A snippet may show several operations without names, which are sent one by one.
    for (const operation of definitions.filter(({ kind }) => kind === 'OperationDefinition')) {
      const rules = specifiedRules.filter((rule) => rule !== NoUnusedFragmentsRule);
      assert.deepEqual(problems({ kind: /** @type {any} */ ('Document'), definitions: [operation, ...fragments] }, rules), [], place);
    }
  }
});

test('a snippet that names a file has its fields', async () => {
  const named = (await snippets()).flatMap(({ place, text }) => {
    const name = /^# operations\/([\w-]+)\.graphql$/m.exec(text)?.[1];
    return name === undefined ? [] : [{ place, text, name }];
  });
  assert.ok(named.length >= 4);
  for (const { place, text, name } of named) {
    assert.match(text, /^# operations\//, place);
    assert.equal(print(parse(text)), print(parse(examples.get(name) ?? `{ ${name} }`)), `${place}: show operations/${name}.graphql as it is`);
  }
});

test('each tab of GraphiQL is an example', async () => {
  const text = await readFile(new URL('web/graphiql/tabs.js', ROOT), 'utf8');
  const files = [...text.matchAll(/\bfile: '([\w-]+)'/g)].map(([, name]) => name);
  assert.ok(files.length >= 4);
  assert.deepEqual(files.filter((name) => !examples.has(name ?? '')), []);
});
