import assert from 'node:assert/strict';
import { test } from 'node:test';

import { briefDifference, fullDifference, sideOf } from '../values.js';

/** The part of an element that the functions use. */
class FakeElement {
  #text = '';
  children = [];
  setAttribute() {}
  append(...children) {
    this.children.push(...children);
  }
  set textContent(text) {
    this.#text = text;
  }
  get textContent() {
    const texts = this.children.map((child) => (typeof child === 'string' ? child : child.textContent));
    return this.#text + texts.join('');
  }
}
globalThis.document = { createElement: () => new FakeElement() };

const secret = {
  kind: 'CHANGED', expected: null, actual: null, redacted: true, changes: [], changesTruncated: false,
};
const unset = {
  ...secret, redacted: false, actual: 1, changes: [{ path: '', line: null, kind: 'ADDED', before: null, after: 1 }],
};

test('secret values of a drift are not shown as unset', () => {
  assert.equal(briefDifference(secret).textContent, 'secret, not shown');
  assert.equal(fullDifference(secret).textContent, 'The values differ: secret, not shown');
  for (const side of ['expected', 'actual']) assert.equal(sideOf(secret, side, '').textContent, 'secret, not shown');
});

test('values that are not secret are shown', () => {
  assert.match(briefDifference(unset).textContent, /^unset.*1$/);
  assert.equal(sideOf(unset, 'expected', '').textContent, 'unset');
  assert.equal(sideOf(unset, 'actual', '').textContent, '1');
});
