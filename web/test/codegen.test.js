// A client that generates its types from the schema and the examples, as the docs say, gets types that compile.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { codegen } from '@graphql-codegen/core';
import * as operations from '@graphql-codegen/typescript-operations';
import { buildSchema, isEnumType, parse } from 'graphql';
import ts from 'typescript';
import { EXAMPLES, documents, read } from '../../operations/write.mjs';

const sdl = await readFile(new URL('../schema.graphql', EXAMPLES), 'utf8');
const schema = buildSchema(sdl);
const folder = await mkdtemp(join(tmpdir(), 'codegen-'));
after(() => rm(folder, { recursive: true }));

/** The settings that `docs/api.md` shows. */
const SETTINGS = { strictScalars: true, scalars: { ID: 'string', DateTime: 'string', JSON: 'unknown' } };

/** @param {Map<string, string>} texts */
function generated(texts) {
  return codegen({
    filename: 'operations.ts',
    schema: parse(sdl),
    schemaAst: schema,
    documents: [...texts].map(([location, text]) => ({ location, document: parse(text) })),
    plugins: [{ operations: SETTINGS }],
    pluginMap: { operations },
    config: {},
  });
}

/**
 * Compiles a module beside the generated one, and returns the problems of both.
 * @param {string} types @param {string} client
 */
async function problems(types, client) {
  const files = { 'operations.ts': types, 'client.ts': client };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const program = ts.createProgram(Object.keys(files).map((name) => join(folder, name)), {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    lib: ['lib.es2022.d.ts'],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ES2022,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  });
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

test('the types of the examples compile, and have the codes of refusals', async () => {
  const types = await generated(await read(EXAMPLES));
  assert.ok([...types.matchAll(/^export type \w+(Query|Mutation|Subscription) = /gm)].length >= 12);
  const code = schema.getType('RefusalCode');
  assert.ok(isEnumType(code));
  const names = code.getValues().map(({ name }) => name);
  assert.ok(names.length >= 12);
  const client = `
import type { AcceptMutation, AcceptMutationVariables, RefusalCode } from './operations';

// One entry too many or too few does not compile.
export const sentences: Record<RefusalCode, string> = { ${names.map((name) => `${name}: ''`).join(', ')} };
// @ts-expect-error There is no such code.
export const none: RefusalCode = 'NONE';

export const variables: AcceptMutationVariables = { input: { driftId: 'id', revision: 1 } };

export function explain({ acceptDrift }: AcceptMutation): string {
  if (acceptDrift === null) return '';
  const { refusal, drift } = acceptDrift;
  if (refusal === null) return drift.id;
  return refusal.code === 'LIVE_VALUE_MOVED' ? String(refusal.revision) : sentences[refusal.code];
}
`;
  assert.deepEqual(await problems(types, client), []);
  assert.notDeepEqual(await problems(types, client.replace('driftId', 'id')), [], 'a wrong client does not compile');
});

test('the types of the operations of the page compile', async () => {
  // The page sends each operation with its fragments. Here, each fragment may be there once.
  const fragments = new Map();
  const texts = new Map();
  for (const [name, text] of await documents()) {
    const [operation = '', ...spread] = text.split(/^(?=fragment )/m);
    texts.set(name, operation);
    for (const fragment of spread) fragments.set(fragment.trim(), fragment);
  }
  for (const [index, fragment] of [...fragments.values()].entries()) texts.set(`fragment ${index}`, fragment);
  const types = await generated(texts);
  assert.deepEqual(await problems(types, "import type { RowFragment } from './operations';\nexport const id = (row: RowFragment): string => row.id;\n"), []);
});
