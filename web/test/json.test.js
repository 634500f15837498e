import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ExactNumber, parseJson, printJson } from '../json.js';

test('numbers that JavaScript would round keep their digits', () => {
  const value = parseJson('{"a": 9007199254740993, "b": [18446744073709551615, -9223372036854775808], "c": 25.0, "d": 1e3}');
  assert.ok(value.a instanceof ExactNumber);
  assert.equal(printJson(value.a), '9007199254740993');
  assert.deepEqual(value.b.map(String), ['18446744073709551615', '-9223372036854775808']);
  assert.equal(String(value.c), '25.0');
  assert.equal(String(value.d), '1e3');
});

test('numbers that JavaScript holds exactly stay numbers', () => {
  const value = parseJson('{"a": 1, "b": -2.5, "c": 0, "d": 9007199254740993}');
  assert.deepEqual([value.a, value.b, value.c], [1, -2.5, 0]);
});

test('digits inside of strings and keys are unchanged', () => {
  const text = '{"9007199254740993": "id \\"9007199254740993\\" \\\\", "n": 9007199254740993}';
  const value = parseJson(text);
  assert.equal(value['9007199254740993'], 'id "9007199254740993" \\');
  assert.equal(String(value.n), '9007199254740993');
});

test('a top level number is exact', () => {
  assert.equal(String(parseJson('9007199254740993')), '9007199254740993');
});

test('a long string is read', () => {
  const text = JSON.stringify({ long: 'a\\"b'.repeat(1_000_000), n: 1 });
  assert.equal(parseJson(text.replace('"n":1', '"n":1.0')).long.length, 4_000_000);
});

test('invalid JSON is refused', () => {
  for (const text of ['', '{', '<html>12345678901234567890</html>', '01', '{"a":1}}']) {
    assert.throws(() => parseJson(text), SyntaxError, text);
  }
});

test('printed JSON is exact and ordered by keys', () => {
  const value = parseJson('{"b": [1, {"c": 9007199254740993}], "a": "x", "e": {}, "f": []}');
  assert.equal(
    printJson(value),
    '{\n  "a": "x",\n  "b": [\n    1,\n    {\n      "c": 9007199254740993\n    }\n  ],\n  "e": {},\n  "f": []\n}',
  );
});
