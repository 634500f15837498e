import assert from 'node:assert/strict';
import { test } from 'node:test';

import { briefChange, briefDifference, fullDifference, sideOf } from '../values.js';

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

test('only what changed of a long value is shown', () => {
  const services = (count) => ({ domains: [{ domain: 'a.example.com', type: 'PRIMARY' }], name: 'x'.repeat(200), services: [{ name: 'web', instance_count: count }, { name: 'db' }] });
  assert.equal(briefChange(services(1), services(3)).textContent, 'services[web].instance_count 1 →  then 3');
  const rules = (more) => [{ protocol: 'tcp', ports: '22', sources: { addresses: [...Array.from({ length: 30 }, (_, at) => `192.0.2.${at}`), ...more] } }];
  assert.equal(briefChange(rules([]), rules(['0.0.0.0/0'])).textContent, '[tcp 22].sources.addresses + added 0.0.0.0/0');
  assert.equal(briefChange(['a', 'b'], ['b', 'a']).textContent, 'changed in a part that is not shown');
  assert.equal(briefChange({ a: null, b: 1 }, { b: 2 }).textContent, 'b 1 →  then 2');
  assert.equal(briefChange(null, { a: 1 }).textContent, 'a unset →  then 1');
});

test('what lets everyone in is shown first, and members of both sides are shown', () => {
  const many = Array.from({ length: 40 }, (_, at) => `192.0.2.${at}`);
  const shown = briefChange(many, ['198.51.100.1', '::/0']).textContent;
  assert.match(shown, /\+ added ::\/0\+ added 198\.51\.100\.1\+34 more$/);
  const rule = [{ protocol: 'udp', sources: { addresses: [...many, '0.0.0.0/0'] } }];
  assert.match(briefChange([], rule).textContent, /udp from 0\.0\.0\.0\/0, 192/);
});

test('a long text is cut around what changed', () => {
  const text = (part) => `${'a'.repeat(300)}${part}${'z'.repeat(300)}`;
  assert.equal(briefChange(text('1'), text('2')).textContent, `…${'a'.repeat(24)}1${'z'.repeat(24)}… →  then …${'a'.repeat(24)}2${'z'.repeat(24)}…`);
  assert.equal(briefChange('one\ntwo', 'one\nthree').textContent, '−1 line +1 line three');
});
