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

/** @type {{ [provider: string]: string }} */
const PROVIDERS = { digitalocean: 'DigitalOcean', aws: 'AWS', google: 'Google Cloud', gcp: 'Google Cloud', azure: 'Azure' };

/** @param {Iterable<string>} providers */
function providerNames(providers) {
  return [...new Set([...providers].map((one) => (Object.hasOwn(PROVIDERS, one) ? PROVIDERS[one] : visible(one))))].sort().join(', ');
}

/**
 * Names the providers of the inventory whose resources are not checked for leftovers; empty if there are none.
 * @param {string[]} checked the providers with rules
 * @param {string[]} inventory the providers of the inventory
 */
export function notCheckedText(checked, inventory) {
  const others = inventory.filter((provider) => !checked.includes(provider));
  return others.length === 0 ? '' : `There are rules for ${providerNames(checked)} only. Not checked: resources of ${providerNames(others)}.`;
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
