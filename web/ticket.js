// A drift as plain text, for a ticket or a chat.

import { summary } from './changes.js';
import { fieldName, kindName, resolution, resourceName, visibleLine } from './format.js';
/** @import { Drift } from './types.js' */

/** Maximum number of characters of a value. The link leads to the whole value. */
const LONGEST_VALUE = 500;

/**
 * @param {Drift} drift
 * @param {string} link
 */
export function ticketText(drift, link) {
  const { resource } = drift;
  const place = [kindName(resource.kind), resource.region, drift.address].filter((part) => part !== null).map((part) => visibleLine(part ?? ''));
  const state = drift.status === 'OPEN' ? 'open' : resolution(drift);
  return [
    `Drift: ${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(resource))} (${place.join(', ')})`,
    ...(drift.kind === 'MISSING' ? ['The resource is missing.'] : [`Expected: ${valueText(drift, drift.expected)}`, `Live: ${valueText(drift, drift.actual)}`]),
    `Detected: ${drift.detectedAt}`,
    `Status: ${visibleLine(state)}`,
    link,
  ].join('\n');
}

/**
 * @param {Drift} drift
 * @param {import('./types.js').Json} value
 */
function valueText(drift, value) {
  if (drift.redacted) return 'secret, not shown';
  const text = visibleLine(summary(value));
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
