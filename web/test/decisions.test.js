import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../api.js';
import { Decisions } from '../decisions.js';
import { canTryAgain } from '../undo.js';

/** The part of an element that the notice uses. */
class FakeElement {
  hidden = true;
  dataset = {};
  classList = { contains: () => false };
  setAttribute() {}
  addEventListener() {}
  append() {}
  replaceChildren() {}
}
globalThis.HTMLElement = FakeElement;
globalThis.document = { createElement: () => new FakeElement(), getElementById: () => new FakeElement() };

test('decisions are undone from the newest to the oldest, one after another, and each once', { timeout: 30_000 }, async () => {
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
  while (done.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
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

test('an undo that may not have run is tried again before an earlier decision is undone', async () => {
  const decisions = new Decisions();
  const asked = [];
  let reachable = false;
  const decision = (name) => ({
    what: name,
    undo: async () => {
      asked.push(name);
      return reachable ? null : { text: 'no answer', isProblem: true, again: true };
    },
  });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
  decisions.add(decision('first'));
  decisions.add(decision('second'));
  decisions.undoLast();
  // Pressed before the answer: the earlier decision stays as long as the later one may stand.
  decisions.undoLast();
  await settled();
  assert.deepEqual(asked, ['second']);
  reachable = true;
  decisions.undoLast();
  await settled();
  decisions.undoLast();
  await settled();
  decisions.undoLast();
  await settled();
  assert.deepEqual(asked, ['second', 'second', 'first']);
});

test('nothing is tried again after another user may have signed in', async () => {
  const decisions = new Decisions();
  let asked = 0;
  decisions.add({
    what: 'one',
    undo: async () => {
      asked += 1;
      decisions.clear();
      return { text: 'no answer', isProblem: true, again: true };
    },
  });
  decisions.undoLast();
  await new Promise((resolve) => setTimeout(resolve, 5));
  decisions.undoLast();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(asked, 1);
});

test('an undo can be tried again unless the server has refused it', () => {
  for (const code of ['NETWORK', 'REQUEST_TIMEOUT', 'DATABASE_BUSY']) assert.ok(canTryAgain(new ApiError(code, '')), code);
  for (const code of ['SPEC_MOVED', 'NOT_UNDOABLE', 'FORBIDDEN']) assert.ok(!canTryAgain(new ApiError(code, '')), code);
});
