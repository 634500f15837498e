import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../api.js';

// lit-html needs these when it is loaded.
globalThis.document = { createTreeWalker: () => ({}), createComment: () => ({}) };
const { Pages } = await import('../view.js');

const page = (nodes, endCursor) => ({ nodes, pageInfo: { hasNextPage: true, endCursor } });
const foot = (pages) => pages.foot().strings.join('');

test('a list that was loaded again does not show the failure of before', async () => {
  let fails = false;
  const pages = new Pages(
    async () => {
      if (fails) throw new ApiError('NETWORK', 'no answer');
      return page(['a'], 'a');
    },
    () => {},
  );
  await pages.restart();
  assert.match(foot(pages), /show-more/);
  fails = true;
  await pages.more();
  assert.match(foot(pages), /alert/);
  fails = false;
  await pages.restart();
  assert.match(foot(pages), /show-more/);
});

test('a page that fails after the list was loaded again is not a failure of the new list', async () => {
  let fail = () => {};
  const answers = [page(['a'], 'a'), new Promise((_, reject) => { fail = () => reject(new ApiError('NETWORK', 'no answer')); }), page(['b'], 'b')];
  const pages = new Pages(async () => answers.shift(), () => {});
  await pages.restart();
  const more = pages.more();
  await pages.restart();
  fail();
  await more;
  assert.deepEqual(pages.rows, ['b']);
  assert.match(foot(pages), /show-more/);
});
