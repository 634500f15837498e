import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isUndoable } from '../actions.js';
import { ApiError } from '../api.js';
import { closeReasonText, severityText } from '../format.js';
import { definitionOf, endOf } from '../ignore.js';
import { previewText } from '../rule_preview.js';
import { undoProblem } from '../undo.js';

test('the severity names its rule', () => {
  assert.equal(severityText({ severity: 'CRITICAL', severityRule: 'a droplet is missing' }), 'Critical: a droplet is missing');
  assert.equal(severityText({ severity: 'NORMAL', severityRule: null }), 'Normal');
});

test('each reason of a closed drift has words, and an unknown one has none', () => {
  const reasons = ['ACCEPTED', 'FIELD_REMOVED', 'HEALED', 'IGNORED', 'NOT_COMPARED', 'RESOURCE_GONE', 'RESOURCE_RETURNED', 'REVERTED', 'SPEC_CHANGED', 'SPEC_RETIRED'];
  const texts = reasons.map((closeReason) => closeReasonText({ kind: 'CHANGED', closeReason }));
  assert.equal(new Set(texts).size, reasons.length);
  assert.ok(texts.every((text) => text.endsWith('.')));
  assert.equal(closeReasonText({ kind: 'CHANGED', closeReason: null }), '');
  assert.match(closeReasonText({ kind: 'MISSING', closeReason: 'ACCEPTED' }), /retired/);
});

test('only an accept that stands can be undone', () => {
  assert.ok(isUndoable({ status: 'ACCEPTED', undoneAt: null }));
  assert.ok(!isUndoable({ status: 'ACCEPTED', undoneAt: '2026-11-25T10:00:00Z' }));
  assert.ok(!isUndoable({ status: 'STALE', undoneAt: null }));
});

test('a refused undo is explained by its reason', () => {
  const refused = (code, reason) => undoProblem(new ApiError(code, 'the message of the server', { reason }));
  assert.match(refused('SPEC_MOVED', 'VALUE_CHANGED'), /^Not undone\. The expected value/);
  assert.match(refused('NOT_UNDOABLE', 'VERSION_NOT_KEPT'), /not kept/);
  assert.equal(refused('SPEC_MOVED', 'toString'), 'Not undone. The message of the server');
  assert.match(undoProblem(new ApiError('NETWORK', 'no answer')), /not known/);
});

test('a rule covers the field of one resource, or of those with matching names', () => {
  const drift = { field: '*', resource: { id: '7', kind: 'droplet' } };
  assert.deepEqual(definitionOf(drift, null), { kind: 'droplet', field: '*', resourceId: '7' });
  assert.deepEqual(definitionOf(drift, 'web-*'), { kind: 'droplet', field: '*', namePattern: 'web-*' });
});

test('the preview says what a rule closes, and the last day counts', () => {
  assert.equal(previewText({ openCount: 1, resourceCount: 1, pastCount: 3, truncated: false }), 'Closes 1 open drift of 1 resource. It would have ignored 3 drifts of the last 90 days.');
  assert.match(previewText({ openCount: 9, resourceCount: 1, pastCount: 3, truncated: true }), /at least 9 .* at least 3 /);
  assert.equal(endOf(''), null);
  assert.equal(endOf('2027-06-30'), '2027-06-30T23:59:59Z');
});
