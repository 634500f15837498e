import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Decisions } from '../decisions.js';

test('decisions are undone from the newest to the oldest, one after another, and each once', async () => {
  const decisions = new Decisions();
  const done = [];
  const decision = (name, ms) => ({
    what: name,
    undo: async () => {
      done.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, ms));
      done.push(`${name} ends`);
      return null;
    },
  });
  decisions.add(decision('first', 1));
  decisions.add(decision('second', 20));
  decisions.undoLast();
  decisions.undoLast();
  decisions.undoLast();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(done, ['second begins', 'second ends', 'first begins', 'first ends']);
});

test('nothing is undone after the decisions were cleared', async () => {
  const decisions = new Decisions();
  let undone = 0;
  decisions.add({
    what: 'one',
    undo: async () => {
      undone += 1;
      return null;
    },
  });
  decisions.clear();
  decisions.undoLast();
  await Promise.resolve();
  assert.equal(undone, 0);
});
