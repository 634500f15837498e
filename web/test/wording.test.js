import assert from 'node:assert/strict';
import { test } from 'node:test';

import { closes, notCheckedText, price, summaryText } from '../wording.js';

const usd = (amount) => ({ amount, currency: 'USD' });

test('the summary names only what there is', () => {
  const summary = { leftovers: 3, unknown: 0, unpriced: 0, monthlyPrice: usd('55.75') };
  assert.equal(summaryText(summary), '3 leftovers, $55.75 per month at list price');
  assert.equal(summaryText({ ...summary, unknown: 2, unpriced: 1 }), '3 leftovers, $55.75 per month at list price (1 without a known price); not known for 2');
  assert.equal(summaryText({ ...summary, leftovers: 0, monthlyPrice: usd('0.00') }), '0 leftovers');
  assert.equal(price({ amount: '1.00', currency: 'EUR' }), '1.00 EUR');
});

test('the plan says which detection closes the drift', () => {
  const text = closes({ source: null, nextSyncAt: null, nextSweepAt: null });
  assert.equal(text, 'The drift closes with the first detection after a complete listing shows the expected value: as reverted if it is marked, otherwise as stale.');
  assert.match(closes({ source: 'lab', nextSyncAt: null, nextSweepAt: null }), /a complete listing of lab shows/);
});

test('providers without rules are named as not checked', () => {
  assert.equal(notCheckedText(['digitalocean'], ['digitalocean', 'digitalocean']), '');
  assert.equal(notCheckedText(['digitalocean'], []), '');
  assert.equal(notCheckedText(['digitalocean'], ['aws', 'digitalocean', 'aws', 'lab']), 'There are rules for DigitalOcean only. Not checked: resources of AWS, lab.');
});
