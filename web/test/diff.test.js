import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { canonical, differences, inlineDiff, lineDiff, pathText, plainDecimal, summary } from '../diff.js';
import { parseJson } from '../json.js';

const vectors = parseJson(readFileSync(new URL('../../src/domain/canonical/cases.json', import.meta.url), 'utf8'));

test('the page and the server agree on what differs', () => {
  assert.ok(vectors.length >= 42);
  for (const { expected, actual, absent, equal, why } of vectors) {
    const live = absent ? null : actual;
    assert.equal(canonical(expected) === canonical(live), equal, why);
    assert.equal(differences(expected, live).length === 0, equal, why);
    assert.equal(differences(live, expected).length === 0, equal, why);
  }
});

test('integers beyond 2^53 differ by one', () => {
  const [change] = differences(parseJson('9007199254740992'), parseJson('9007199254740993'));
  assert.equal(`${change.before} ${change.after}`, '9007199254740992 9007199254740993');
});

test('numbers are written out', () => {
  const cases = [['1e3', '1000'], ['25.0', '25'], ['-0.0', '0'], ['1.5e-7', '0.00000015'], ['-12.50', '-12.5'], ['1.25e1', '12.5']];
  for (const [text, plain] of cases) assert.equal(plainDecimal(text), plain);
});

test('of a set, what came and what went', () => {
  assert.deepEqual(differences(['b', 'a', 'a'], ['a', 'c', 'a']), [
    { path: [], form: 'set', removed: ['b'], added: ['c'], kept: 1 },
  ]);
  assert.deepEqual(differences(null, ['c']), [{ path: [], form: 'set', removed: [], added: ['c'], kept: 0 }]);
  assert.deepEqual(differences(['c'], ''), [{ path: [], form: 'set', removed: ['c'], added: [], kept: 0 }]);
});

test('of a map, the keys that changed, by path', () => {
  const changes = differences({ a: 1, b: { c: 'x', d: null }, e: 2 }, { a: 1, b: { c: 'y', d: [] }, f: 3 });
  assert.deepEqual(changes, [
    { path: ['b', 'c'], form: 'value', before: 'x', after: 'y' },
    { path: ['e'], form: 'value', before: 2, after: null },
    { path: ['f'], form: 'value', before: null, after: 3 },
  ]);
});

test('a member that is named is looked into', () => {
  const rules = (addresses) => [{ protocol: 'tcp', ports: '22', sources: { addresses } }];
  const [change, ...others] = differences(rules(['10.0.0.0/8']), rules(['10.0.0.0/8', '0.0.0.0/0']));
  assert.deepEqual(others, []);
  assert.equal(pathText(change.path), '[tcp 22].sources.addresses');
  assert.deepEqual(change.added, ['0.0.0.0/0']);
  const services = (count) => ({ services: [{ name: 'web', count }, { name: 'mail', count: 1 }] });
  assert.equal(pathText(differences(services(1), services(2))[0].path), 'services[web].count');
});

test('members that share a name are not taken for each other', () => {
  const before = [{ name: 'a', n: 1 }, { name: 'a', n: 2 }];
  const [change, ...others] = differences(before, [{ name: 'a', n: 3 }]);
  assert.deepEqual(others, []);
  assert.equal(change.form, 'set');
  assert.equal(change.removed.length, 2);
});

test('keys that every object inherits are keys like others', () => {
  const [change] = differences(parseJson('{"constructor": 1, "__proto__": 2}'), {});
  assert.equal(change.after, null);
  assert.equal(differences(parseJson('{"constructor": 1, "__proto__": 2}'), {}).length, 2);
});

test('another type is another value', () => {
  assert.deepEqual(differences({ a: 1 }, ['a']), [{ path: [], form: 'value', before: { a: 1 }, after: ['a'] }]);
  assert.deepEqual(differences(false, null), [{ path: [], form: 'value', before: false, after: null }]);
});

test('long texts are compared line by line', () => {
  const [change] = differences('a\nb\nc\nd', 'a\nx\nc\nd\ne');
  assert.equal(change.form, 'text');
  const marks = { same: ' ', removed: '-', added: '+' };
  assert.deepEqual(change.lines.map(({ op, text }) => marks[op] + text), [' a', '-b', '+x', ' c', ' d', '+e']);
});

test('a line diff leads from one text to the other', () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let round = 0; round < 300; round += 1) {
    const text = () => Array.from({ length: random(12) }, () => 'abc'[random(3)]).join('\n');
    const [before, after] = [text(), text()];
    const lines = lineDiff(before, after);
    const without = (op) => lines.filter((line) => line.op !== op).map((line) => line.text).join('\n');
    assert.equal(without('added'), before);
    assert.equal(without('removed'), after);
  }
});

test('texts with nothing in common do not take for ever', () => {
  const text = (mark) => Array.from({ length: 20_000 }, (_, n) => `${mark}${n}`).join('\n');
  const began = performance.now();
  assert.equal(lineDiff(text('a'), text('b')).length, 40_000);
  assert.ok(performance.now() - began < 2000);
});

test('what two short texts share is told apart', () => {
  assert.deepEqual(inlineDiff('v=spf1 -all', 'v=spf1 mx -all'), { head: 'v=spf1 ', before: '', after: 'mx ', tail: '-all' });
  assert.equal(inlineDiff('abc', 'xyz'), null);
});

test('values in one line', () => {
  const cases = [
    [null, 'unset'],
    [{ a: { b: null } }, 'unset'],
    [false, 'false'],
    [['a', 'b'], 'a, b'],
    [{ protocol: 'tcp', ports: '22', sources: { addresses: ['10.0.0.0/8'], tags: ['web'] } }, 'tcp 22 from 10.0.0.0/8, tags web'],
    [{ protocol: 'icmp', destinations: { addresses: ['::/0'] } }, 'icmp to ::/0'],
    [{ entry_protocol: 'https', entry_port: 443, target_protocol: 'http', target_port: 80, tls_passthrough: false }, 'https 443 → http 80'],
    [{ type: 'tag', value: 'api' }, 'tag api'],
    [{ a: 1, b: { c: 2, d: 3 } }, 'a=1 b={c=2 d=3}'],
  ];
  for (const [value, text] of cases) assert.equal(summary(value), text);
});
