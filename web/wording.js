// Sentences of the views of plans and leftovers.

import { plural, relativeTime, visible } from './format.js';
/** @import { LeftoverSummary, Money, RevertPlan } from './types.js' */

/**
 * Writes an amount such as `$50.00`.
 * @param {Money} money
 */
export function price({ amount, currency }) {
  return currency === 'USD' ? `$${amount}` : `${amount} ${currency}`;
}

/**
 * Says how many leftovers there are and what they cost.
 * @param {LeftoverSummary} summary
 */
export function summaryText({ leftovers, unknown, unpriced, monthlyPrice }) {
  const cost = leftovers === 0 ? '' : `, ${price(monthlyPrice)} per month at list price`;
  const without = unpriced === 0 ? '' : ` (${unpriced.toLocaleString('en')} without a known price)`;
  const more = unknown === 0 ? '' : `; not known for ${unknown.toLocaleString('en')}`;
  return `${plural(leftovers, 'leftover')}${cost}${without}${more}`;
}

/**
 * Says which sweep closes the drift.
 * @param {RevertPlan['closing']} closing
 */
export function closes({ source, nextSyncAt, nextSweepAt }) {
  const from = source === null ? '' : ` of ${visible(source)}`;
  const sync = nextSyncAt === null ? '' : ` (next one ${relativeTime(nextSyncAt)})`;
  const sweep = nextSweepAt === null ? '' : ` (next one ${relativeTime(nextSweepAt)})`;
  return `The drift closes with the first detection${sweep} after a complete listing${from}${sync} shows the expected value: as reverted if it is marked, otherwise as stale.`;
}
