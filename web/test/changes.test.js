import assert from 'node:assert/strict';
import { test } from 'node:test';

import { grouped, inlineDiff, isUnset, summary } from '../changes.js';
import { parseJson, printJson } from '../json.js';
import * as queries from '../queries.js';

const change = (path, kind, before, after, line = null) => ({ path, line, kind, before, after });

test('changes of values are shown one by one', () => {
  const changes = [change('a', 'CHANGED', 1, 2), change('b', 'ADDED', null, 'x'), change('', 'REMOVED', 'y', null)];
  assert.deepEqual(grouped(changes), [
    { form: 'value', path: 'a', before: 1, after: 2 },
    { form: 'value', path: 'b', before: null, after: 'x' },
    { form: 'value', path: '', before: 'y', after: null },
  ]);
});

test('members of one list are shown together', () => {
  const changes = [
    change('tags[]', 'REMOVED', 'a', null),
    change('tags[]', 'ADDED', null, 'b'),
    change('[]', 'ADDED', null, 'c'),
  ];
  assert.deepEqual(grouped(changes), [
    { form: 'set', path: 'tags', removed: ['a'], added: ['b'] },
    { form: 'set', path: '', removed: [], added: ['c'] },
  ]);
});

test('lines of one text are shown together', () => {
  const changes = [
    change('user_data', 'REMOVED', 'b', null, 2),
    change('user_data', 'ADDED', null, '', 2),
    change('other', 'ADDED', null, 'z', 1),
  ];
  assert.deepEqual(grouped(changes), [
    { form: 'text', path: 'user_data', lines: [{ number: 2, op: 'removed', text: 'b' }, { number: 2, op: 'added', text: '' }] },
    { form: 'text', path: 'other', lines: [{ number: 1, op: 'added', text: 'z' }] },
  ]);
});

test('null, empty texts, lists and maps are unset', () => {
  for (const text of ['null', '""', '[]', '{}', '{"a": {"b": []}}']) assert.equal(isUnset(parseJson(text)), true, text);
  for (const text of ['0', 'false', '"a"', '[null]', '{"a": 0}', '{"__proto__": 1}', '12345678901234567890']) {
    assert.equal(isUnset(parseJson(text)), false, text);
  }
});

test('the shared parts of two short texts are separated', () => {
  assert.deepEqual(inlineDiff('v=spf1 -all', 'v=spf1 mx -all'), { head: 'v=spf1 ', before: '', after: 'mx ', tail: '-all' });
  assert.equal(inlineDiff('abc', 'xyz'), null);
});

test('values are shown in one line', () => {
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

test('a secret inside a value is shown as such', () => {
  assert.equal(summary({ redacted: true }), 'secret');
  assert.equal(summary({ name: 'a', password: { redacted: true } }), 'name=a password=secret');
  assert.equal(summary({ redacted: true, by: 'x' }), 'redacted=true by=x');
  assert.equal(printJson({ a: { redacted: true }, b: 'secret' }), '{\n  "a": secret,\n  "b": "secret"\n}');
});

test('each query that reads values of a drift asks whether they are secret', () => {
  for (const [name, query] of Object.entries(queries)) {
    const values = query.match(/\bexpected actual\b/g) ?? [];
    assert.equal((query.match(/\bexpected actual redacted\b/g) ?? []).length, values.length, name);
  }
  assert.match(queries.DRIFT, /expected actual redacted/);
});
