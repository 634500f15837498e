// The check that compares the schema with those of earlier releases.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accepted, breaks, dangers, newestFirst } from '../../scripts/lib/sdl_compatibility.mjs';

const OLD = 'enum Size { S } type Query { size: Size! count: Int drifts(first: Int): [String!]! }';

test('a change that clients notice is a break, and one that adds is none', () => {
  assert.deepEqual(breaks(OLD, OLD), []);
  const added = OLD.replace('{ S }', '{ S M }').replace('size: Size!', 'size: Size! colour: String');
  assert.deepEqual(breaks(OLD, added), []);
  assert.deepEqual(dangers(OLD, added), ['VALUE_ADDED_TO_ENUM: M was added to enum type Size.']);
  for (const [from, to] of [['size: Size!', ''], ['size: Size!', 'size: Size'], ['first: Int', 'first: Int!'], ['first: Int', ''], ['{ S }', '{ M }']]) {
    assert.equal(breaks(OLD, OLD.replace(from ?? '', to ?? '').replace('()', '')).length, 1, `${from} to ${to}`);
  }
});

test('the list of accepted changes has comments', () => {
  assert.deepEqual(accepted('# why\n\nFIELD_REMOVED: Query.a was removed.\n  # more\n'), ['FIELD_REMOVED: Query.a was removed.']);
});

test('the newest releases are those with the greatest numbers', () => {
  assert.deepEqual(newestFirst(['0.9.0', 'README.md', '0.10.0', '1.0.0', '0.10.2']), ['1.0.0', '0.10.2', '0.10.0', '0.9.0']);
});
