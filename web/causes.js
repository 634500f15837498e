// Causes: what drifts have in common, as the page knows it. The groups of the server are by canonical values.

/** @import { Drift } from './types.js' */

/**
 * Returns a text that drifts with the same field, values and kind of resource have in common.
 * @param {Drift} drift
 */
export function causeOf({ id, kind, field, expected, actual, redacted, resource }) {
  // Secret values cannot be compared here.
  if (redacted) return JSON.stringify(['secret', id]);
  return JSON.stringify(kind === 'MISSING' ? [kind, resource.kind] : [kind, resource.kind, field, expected, actual]);
}

/**
 * Groups drifts by cause, the largest group first.
 * @param {Drift[]} drifts
 * @returns {Drift[][]}
 */
export function causesOf(drifts) {
  /** @type {Map<string, Drift[]>} */
  const causes = new Map();
  for (const drift of drifts) {
    const cause = causeOf(drift);
    const known = causes.get(cause);
    if (known === undefined) causes.set(cause, [drift]);
    else known.push(drift);
  }
  return [...causes.values()].sort((a, b) => b.length - a.length);
}
