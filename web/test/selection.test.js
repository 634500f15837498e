import assert from 'node:assert/strict';
import { test } from 'node:test';

import { causesOf } from '../causes.js';
import { addressOf } from '../saved_views.js';
import { Selection } from '../selection.js';

const drift = (id, actual = 1, more = {}) => ({ id, kind: 'CHANGED', field: 'size', expected: 0, actual, redacted: false, resource: { id: `r${id}`, kind: 'droplet' }, ...more });
const row = (item, cause = null) => ({ item, cause });
const loaded = new Map(['a', 'b', 'c', 'd'].map((id) => [id, row(drift(id))]));
const FILTER = { status: ['OPEN'] };
const ids = (selection) => selection.batch(FILTER, 9).inputs;

test('rows are selected one by one and by range', () => {
  const selection = new Selection();
  selection.toggle('b', loaded);
  selection.extend('d', loaded);
  assert.deepEqual(ids(selection), [{ driftIds: ['b', 'c', 'd'] }]);
  // The range extends from the row that was selected first, in both directions.
  selection.extend('a', loaded);
  assert.equal(selection.batch(FILTER, 9).count, 4);
  selection.toggle('c', loaded);
  assert.equal(selection.has('c'), false);
  selection.remove(['a', 'x']);
  assert.deepEqual(ids(selection), [{ driftIds: ['b', 'd'] }]);
  selection.clear();
  assert.ok(selection.isEmpty);
});

test('all that match are selected by the filter, and the loaded ones without a row that is taken out', () => {
  const selection = new Selection();
  selection.selectAll();
  assert.deepEqual(ids(selection), [{ filter: FILTER }]);
  assert.equal(selection.batch(FILTER, 1200).count, 1200);
  assert.ok(selection.has('not loaded'));
  selection.toggle('b', loaded);
  assert.deepEqual(ids(selection), [{ driftIds: ['a', 'c', 'd'] }]);
});

test('a selection has an example only if its drifts have one cause', () => {
  const example = (...rows) => {
    const selection = new Selection();
    const all = new Map(rows.map((item) => [item.key ?? item.id, row(item)]));
    for (const id of all.keys()) selection.toggle(id, all);
    return selection.batch(FILTER, 9).example?.id ?? null;
  };
  assert.equal(example(drift('a'), drift('b')), 'a');
  assert.equal(example(drift('a'), drift('b', 2)), null);
  assert.equal(example({ key: 'k', count: 40, newest: drift('a') }), 'a');
  assert.equal(example({ key: 'k', count: 40, newest: drift('a') }, drift('b', 2)), null);
  assert.equal(example({ key: 'k', count: 40, newest: null }), null);
  // Secret values may differ although both are shown as null.
  assert.equal(example(drift('a', null, { redacted: true }), drift('b', null, { redacted: true })), null);
});

test('a large selection is divided, and causes are selected by their keys', () => {
  const many = new Map(Array.from({ length: 1500 }, (_, n) => [`${n}`, row(drift(`${n}`))]));
  many.set('k', row({ key: 'k', count: 40, newest: drift('x', 2) }, 'k'));
  const selection = new Selection();
  selection.toggle('0', many);
  selection.extend('k', many);
  const { count, inputs } = selection.batch(FILTER, null);
  assert.equal(count, 1540);
  assert.deepEqual(inputs[0], { filter: { status: ['OPEN'], group: 'k' } });
  assert.deepEqual(inputs.slice(1).map(({ driftIds }) => driftIds.length), [1000, 500]);
});

test('a drift that is selected with its cause is counted once', () => {
  const cause = { key: 'k', count: 2, newest: drift('a') };
  const rows = new Map([['k', row(cause, 'k')], ['a', row(drift('a'), 'k')], ['b', row(drift('b'), 'other')]]);
  const selection = new Selection();
  for (const id of rows.keys()) selection.toggle(id, rows);
  const { count, inputs } = selection.batch(FILTER, 9);
  assert.equal(count, 3);
  assert.deepEqual(inputs, [{ filter: { status: ['OPEN'], group: 'k' } }, { driftIds: ['b'] }]);
  // Without the cause, the drift is selected by itself.
  selection.toggle('k', rows);
  assert.deepEqual(ids(selection), [{ driftIds: ['a', 'b'] }]);
});

test('selected causes take over new counts, and those without drifts are dropped', () => {
  const rows = new Map(['k', 'l'].map((key) => [key, row({ key, count: 2, newest: drift(key) }, key)]));
  const selection = new Selection();
  selection.toggle('k', rows);
  selection.toggle('l', rows);
  selection.update((key) => (key === 'k' ? { key, count: 5, newest: drift(key) } : null));
  assert.equal(selection.batch(FILTER, 9).count, 5);
  // The row of a cause that is scrolled far away is not loaded.
  selection.update(() => undefined);
  assert.equal(selection.batch(FILTER, 9).count, 5);
  selection.update(() => null);
  assert.ok(selection.isEmpty);
});

test('causes are the same field and values of the same kind, the largest first', () => {
  const missing = (id, kind) => drift(id, null, { kind: 'MISSING', field: '*', expected: { id }, resource: { id, kind } });
  const causes = causesOf([drift('a'), drift('b', 2), drift('c', 2), missing('d', 'volume'), missing('e', 'volume'), missing('f', 'volume'), missing('g', 'droplet')]);
  assert.deepEqual(causes.map((drifts) => drifts.map(({ id }) => id).join('')), ['def', 'bc', 'a', 'g']);
});

test('a saved link is an address of this page, whatever is stored', () => {
  assert.equal(addressOf('kind=droplet&group=cause'), './?kind=droplet&group=cause');
  assert.equal(addressOf('//evil.example/?kind=droplet&drift=1'), './');
  assert.equal(addressOf('token=x&kind=droplet'), './?kind=droplet');
});
