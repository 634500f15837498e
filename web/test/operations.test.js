import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as queries from '../queries.js';
import { documents, stored, unused, written } from '../../operations/write.mjs';

test('the module of the operations is written out of the folder operations/page', async () => {
  assert.equal(await stored(), await written(), 'run: npm run operations --prefix web');
});

test('each fragment is used, and each operation has each fragment that it spreads once', async () => {
  assert.deepEqual(await unused(), []);
  const all = await documents();
  assert.equal(Object.keys(queries).length, all.size);
  const texts = [...all.values()];
  assert.deepEqual(new Set(Object.values(queries).map((text) => `${text}\n`)), new Set(texts));
  for (const text of texts) {
    const defined = [...text.matchAll(/^fragment (\w+) on /gm)].map(([, name]) => name);
    assert.equal(new Set(defined).size, defined.length, text);
  }
});
