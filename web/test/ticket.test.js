import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ticketText } from '../ticket.js';

const drift = {
  kind: 'CHANGED', field: 'size_slug', address: null, expected: 's-1', actual: 's-2', redacted: false, status: 'OPEN', detectedAt: '2026-01-01T00:00:00Z', resolvedBy: null,
  resource: { kind: 'load_balancer', name: 'web-1', region: 'fra1', providerId: '7' },
};

test('a drift as text names the field, the resource, both values and the link', () => {
  assert.equal(ticketText(drift, 'LINK'), 'Drift: size_slug of web-1 (load balancer, fra1)\nExpected: s-1\nLive: s-2\nDetected: 2026-01-01T00:00:00Z\nStatus: open\nLINK');
});

test('the text has no secret, no second line of a value and no value of a missing resource', () => {
  assert.match(ticketText({ ...drift, expected: null, actual: null, redacted: true }, ''), /Expected: secret, not shown\nLive: secret, not shown/);
  assert.match(ticketText({ ...drift, actual: 'a\nb' }, ''), /Live: a⏎b\n/);
  assert.match(ticketText({ ...drift, kind: 'MISSING', field: '*' }, ''), /^Drift: missing of web-1 .*\nThe resource is missing\.\nDetected/);
});
