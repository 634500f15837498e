import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readSearch, valuesIn, withChips, withoutChip } from '../chips.js';
import { NAMES } from '../dimensions.js';
import { filterInput, matches, parseRoute, routeSearch } from '../router.js';

const read = (text, done = true) => {
  const { chips, words, kept, problem } = readSearch(text, done);
  return [chips.map(({ dimension, value, negated }) => `${negated ? '-' : ''}${dimension}=${value}`).join(' '), words, kept.trim(), problem === null];
};

test('words and filters of a search are told apart', () => {
  assert.deepEqual(read('web kind:droplet region:fra1 1'), ['kind=droplet region=fra1', 'web 1', 'web 1', true]);
  assert.deepEqual(read('Field:tags'), ['field=tags', '', '', true]);
  assert.deepEqual(read('source:"a b" address:module.net["a b"].x.y'), ['source=a b address=module.net["a b"].x.y', '', '', true]);
  assert.deepEqual(read('arn:aws:sqs'), ['', 'arn:aws:sqs', 'arn:aws:sqs', true]);
  assert.deepEqual(read('constructor:x'), ['', 'constructor:x', 'constructor:x', true]);
});

test('a filter takes several values, and excludes them after a minus', () => {
  assert.deepEqual(read('kind:droplet,volume -region:fra1,nyc3 web'), ['kind=droplet kind=volume -region=fra1 -region=nyc3', 'web', 'web', true]);
  assert.deepEqual(read('source:"a, b",c address:module.net["a,b"]'), ['source=a, b source=c address=module.net["a,b"]', '', '', true]);
  assert.deepEqual(read('status:Open,STALE -type:missing'), ['status=open status=stale -type=missing', '', '', true]);
});

test('the last word filters only when it is finished', () => {
  assert.deepEqual(read('web kind:dro', false), ['', 'web', 'web kind:dro', true]);
  assert.deepEqual(read('kind:droplet ', false), ['kind=droplet', '', '', true]);
});

test('a value that the list does not have is reported and does not become a word', () => {
  for (const text of ['status:closd', 'type:new', 'kind:', 'kind:,', '-status:stale,x']) assert.deepEqual(read(text), ['', '', text, false], text);
});

const values = { severity: 'high', assignee: 'bob@example.com', is: 'any', kind: 'droplet', region: 'fra1', field: 'tags', source: 'lab', address: 'module.net', type: 'missing', status: 'stale' };

test('a chip of each dimension narrows the list, is in the address, and is removed again', () => {
  const start = parseRoute('');
  for (const dimension of NAMES) {
    for (const negated of [false, true]) {
      const chip = { dimension, value: values[dimension], negated };
      const narrowed = withChips(start, [chip]);
      assert.deepEqual(narrowed.filters.chips, [chip]);
      assert.notDeepEqual(filterInput(narrowed), filterInput(start));
      assert.deepEqual(parseRoute(routeSearch({ ...start, ...narrowed })).filters.chips, [chip]);
      assert.deepEqual(withoutChip(narrowed, chip).filters.chips, []);
    }
  }
});

test('excluding a value replaces choosing it', () => {
  const start = parseRoute('?kind=droplet&kind=volume');
  const chips = (narrowing) => narrowing.filters.chips.map(({ value, negated }) => `${negated ? '-' : ''}${value}`);
  const excluded = withChips(start, [{ dimension: 'kind', value: 'droplet', negated: true }]);
  assert.deepEqual(chips(excluded), ['volume', '-droplet']);
  assert.deepEqual(chips(withChips(excluded, [{ dimension: 'kind', value: 'droplet', negated: false }])), ['volume', 'droplet']);
});

test('statuses decide between the inbox and the history', () => {
  const add = (search, text) => {
    const { view, filters } = withChips(parseRoute(search), readSearch(text, true).chips);
    return [view, filters.chips.map(({ value, negated }) => `${negated ? '-' : ''}${value}`).join(' ')];
  };
  assert.deepEqual(add('', 'status:stale'), ['history', 'stale']);
  assert.deepEqual(add('', 'status:open,stale'), ['history', 'open stale']);
  assert.deepEqual(add('?status=stale', 'status:accepted'), ['history', 'stale accepted']);
  assert.deepEqual(add('?view=history', 'status:open'), ['inbox', '']);
  assert.deepEqual(add('?status=stale', 'status:closed'), ['history', '']);
  assert.deepEqual(add('', '-status:open'), ['history', '']);
  assert.deepEqual(add('', '-status:stale'), ['history', '-stale']);
  assert.deepEqual(add('', '-status:closed'), ['inbox', '']);
  assert.deepEqual(valuesIn(parseRoute(''), 'status', false), ['open']);
  assert.deepEqual(valuesIn(parseRoute('?view=history'), 'status', false), ['closed']);
});

test('an address matches itself and, if it is a module, what is below it', () => {
  const passes = (address, wanted) => matches({ kind: 'CHANGED', address, field: 'x', status: 'OPEN', resource: { kind: 'a', name: 'b', region: null, providerId: '7', source: null } }, { view: 'inbox', filters: { chips: [{ dimension: 'address', value: wanted, negated: false }], q: '' } });
  for (const [address, wanted] of [['a.b', 'a.b'], ['module.net.a.b', 'module.net'], ['module.net["eu.w"].a.b', 'module.net'], ['module.net["eu.w"].a.b', 'module.net["eu.w"]'], ['module.n[0].module.m.a.b', 'module.n[0].module.m']]) {
    assert.ok(passes(address, wanted), `${address} ${wanted}`);
  }
  for (const [address, wanted] of [[null, 'a.b'], ['a.b.c', 'a.b'], ['module.network.a.b', 'module.net'], ['module.net[1].a.b', 'module.net[0]'], ['module.net.a.b', 'module.net.a']]) {
    assert.ok(!passes(address, wanted), `${address} ${wanted}`);
  }
});
