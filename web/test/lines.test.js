import assert from 'node:assert/strict';
import { test } from 'node:test';

import { comparedLines } from '../lines.js';

const signs = { same: ' ', removed: '-', added: '+' };
const shown = (expected, live) => comparedLines(expected, live).map(({ op, text }) => `${signs[op]} ${text}`);

test('equal parts are unchanged lines, and changed values are next to each other', () => {
  assert.deepEqual(shown({ b: 1, a: 'x', c: { d: [1, 2] } }, { a: 'y', b: 1, c: { d: [1, 2] } }), [
    '  {', '-   "a": "x"', '+   "a": "y"', '    "b": 1', '    "c": {', '      "d": [', '        1', '        2', '      ]', '    }', '  }',
  ]);
});

test('keys of one side only are marked, unless their values are unset', () => {
  assert.deepEqual(shown({ a: 1, n: null }, { b: 2, e: [] }), ['  {', '-   "a": 1', '+   "b": 2', '    "e": []', '    "n": null', '  }']);
});

test('the order of a list does not matter', () => {
  assert.deepEqual(shown(['b', 'a', 'a'], ['a', 'c', 'b']), ['  [', '    "b"', '    "a"', '-   "a"', '+   "c"', '  ]']);
});

test('members of a list that are alike are compared with each other', () => {
  const rule = (port, from) => ({ protocol: 'tcp', port, from });
  assert.deepEqual(shown([rule(22, ['10.0.0.0/8']), rule(80, ['*'])], [rule(80, ['*']), rule(22, ['10.0.0.0/8', '0.0.0.0/0'])]), [
    '  [', '    {', '      "from": [', '        "10.0.0.0/8"', '+       "0.0.0.0/0"', '      ]', '      "port": 22', '      "protocol": "tcp"', '    }',
    '    {', '      "from": [', '        "*"', '      ]', '      "port": 80', '      "protocol": "tcp"', '    }', '  ]',
  ]);
});

test('a value of another type is removed and added as a whole, and a text may end with a comma', () => {
  assert.deepEqual(shown({ a: [1] }, { a: 'x,' }), ['  {', '-   "a": [', '-     1', '-   ]', '+   "a": "x,"', '  }']);
});

test('keys with the names of inherited properties are compared', () => {
  assert.deepEqual(shown({ constructor: 1 }, { toString: 1 }), ['  {', '-   "constructor": 1', '+   "toString": 1', '  }']);
});
