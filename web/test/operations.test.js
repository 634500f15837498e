import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documents, stored } from './operations.js';

test('the operations of the page are those in the folder operations/page', async () => {
  const sorted = [...documents()].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual([...(await stored())], sorted, 'run: npm run operations --prefix web');
});
