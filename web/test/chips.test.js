import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chipsOf, readSearch, valueIn, withChip, withoutChip } from '../chips.js';
import { filterInput, matches, parseRoute } from '../router.js';

const read = (text, done = true) => {
  const { chips, words, kept, problem } = readSearch(text, done);
  return [chips.map(({ dimension, value }) => `${dimension}=${value}`).join(' '), words, kept.trim(), problem === null];
};

test('words and filters of a search are told apart', () => {
  assert.deepEqual(read('web kind:droplet region:fra1 1'), ['kind=droplet region=fra1', 'web 1', 'web 1', true]);
  assert.deepEqual(read('Field:tags'), ['field=tags', '', '', true]);
  assert.deepEqual(read('source:"a b" address:module.net["a b"].x.y'), ['source=a b address=module.net["a b"].x.y', '', '', true]);
  assert.deepEqual(read('arn:aws:sqs'), ['', 'arn:aws:sqs', 'arn:aws:sqs', true]);
  assert.deepEqual(read('constructor:x'), ['', 'constructor:x', 'constructor:x', true]);
});

test('the last word filters only when it is finished', () => {
  assert.deepEqual(read('web kind:dro', false), ['', 'web', 'web kind:dro', true]);
  assert.deepEqual(read('kind:droplet ', false), ['kind=droplet', '', '', true]);
});

test('a filter that the list does not have is reported and does not become a word', () => {
  for (const text of ['-region:fra1', 'status:closd', 'type:new', 'kind:']) assert.deepEqual(read(text), ['', '', text, false], text);
});

test('a chip of each dimension narrows the list and is removed again', () => {
  const start = parseRoute('');
  for (const [dimension, value] of [['kind', 'droplet'], ['region', 'fra1'], ['field', 'tags'], ['source', 'lab'], ['address', 'module.net'], ['type', 'missing'], ['status', 'stale']]) {
    const narrowed = withChip(start, { dimension, value });
    assert.deepEqual(chipsOf(narrowed), [{ dimension, value, negated: false }]);
    assert.notDeepEqual(filterInput({ ...start, ...narrowed }), filterInput(start));
    assert.deepEqual(chipsOf(withoutChip(narrowed, dimension)), []);
  }
  assert.equal(valueIn(withChip(start, { dimension: 'status', value: 'closed' }), 'status'), 'closed');
  assert.equal(withChip(parseRoute('?view=history'), { dimension: 'status', value: 'open' }).view, 'inbox');
});

test('an address matches itself and, if it is a module, what is below it', () => {
  const passes = (address, wanted) => matches({ kind: 'CHANGED', address, field: 'x', status: 'OPEN', resource: { kind: 'a', name: 'b', region: null, providerId: '7', source: null } }, { status: ['OPEN'], address: wanted });
  for (const [address, wanted] of [['a.b', 'a.b'], ['module.net.a.b', 'module.net'], ['module.net["eu.w"].a.b', 'module.net'], ['module.net["eu.w"].a.b', 'module.net["eu.w"]'], ['module.n[0].module.m.a.b', 'module.n[0].module.m']]) {
    assert.ok(passes(address, wanted), `${address} ${wanted}`);
  }
  for (const [address, wanted] of [[null, 'a.b'], ['a.b.c', 'a.b'], ['module.network.a.b', 'module.net'], ['module.net[1].a.b', 'module.net[0]'], ['module.net.a.b', 'module.net.a']]) {
    assert.ok(!passes(address, wanted), `${address} ${wanted}`);
  }
});
