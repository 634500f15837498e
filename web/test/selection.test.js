import assert from 'node:assert/strict';
import { test } from 'node:test';

import { causesOf } from '../causes.js';
import { addressOf } from '../saved_views.js';
import { Selection } from '../selection.js';

const drift = (id, actual = 1, more = {}) => ({ id, kind: 'CHANGED', field: 'size', expected: 0, actual, redacted: false, resource: { id: `r${id}`, kind: 'droplet' }, ...more });
const loaded = new Map(['a', 'b', 'c', 'd'].map((id) => [id, drift(id)]));
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
    const all = new Map(rows.map((row) => [row.key ?? row.id, row]));
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
  const many = new Map(Array.from({ length: 1500 }, (_, n) => [`${n}`, drift(`${n}`)]));
  many.set('k', { key: 'k', count: 40, newest: drift('x', 2) });
  const selection = new Selection();
  selection.toggle('0', many);
  selection.extend('k', many);
  const { count, inputs } = selection.batch(FILTER, null);
  assert.equal(count, 1540);
  assert.deepEqual(inputs[0], { filter: { status: ['OPEN'], group: 'k' } });
  assert.deepEqual(inputs.slice(1).map(({ driftIds }) => driftIds.length), [1000, 500]);
});

test('causes are the same field and values of the same kind, the largest first', () => {
  const missing = (id, kind) => drift(id, null, { kind: 'MISSING', field: '*', expected: { id }, resource: { id, kind } });
  const causes = causesOf([drift('a'), drift('b', 2), drift('c', 2), missing('d', 'volume'), missing('e', 'volume'), missing('f', 'volume'), missing('g', 'droplet')]);
  assert.deepEqual(causes.map((drifts) => drifts.map(({ id }) => id).join('')), ['def', 'bc', 'a', 'g']);
});

test('a saved link is an address of this page, whatever is stored', () => {
  assert.equal(addressOf('kind=droplet&group=cause'), '/?kind=droplet&group=cause');
  assert.equal(addressOf('//evil.example/?kind=droplet&drift=1'), '/');
  assert.equal(addressOf('token=x&kind=droplet'), '/?kind=droplet');
});
