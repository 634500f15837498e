// The properties by which the list is filtered. The address, the search field, the chips, the panel and the test of
// changed drifts read this table, so that a new property is one row.

import { kindName } from './format.js';
import { assigneeOf } from './me.js';
/** @import { Drift, Facets } from './types.js' */

/**
 * @typedef {{
 *   label: string,
 *   condition: string | null,
 *   of: (drift: Drift) => string | null,
 *   values?: { [value: string]: string },
 *   facet?: keyof Facets,
 *   name?: (value: string) => string,
 *   passes?: (value: string, wanted: string) => boolean,
 * }} Property
 * `condition`: its name in `DriftConditions` of the API; null if the view decides it.
 * `of`: the value of a drift.
 * `values`: the values and their labels if the list is fixed. The API has them in upper case.
 * `facet`: its name in `DriftFacets` of the API, if there are counts.
 * `passes`: whether a value is a wanted one, if that is not equality.
 */

// The address of a module: `module.net["eu.west"].module.dns`. A key may contain dots, brackets and escaped quotes.
const MODULE = /^module\.[^.[]+(?:\[(?:"(?:[^"\\]|\\.)*"|[^"\]][^\]]*)\])?(?:\.module\.[^.[]+(?:\[(?:"(?:[^"\\]|\\.)*"|[^"\]][^\]]*)\])?)*$/;

/** @satisfies {{ [dimension: string]: Property }} */
const TABLE = {
  kind: { label: 'Kind', condition: 'resourceKind', of: ({ resource }) => resource.kind, facet: 'resourceKinds', name: kindName },
  region: { label: 'Region', condition: 'region', of: ({ resource }) => resource.region, facet: 'regions' },
  field: { label: 'Field', condition: 'field', of: ({ field }) => field, facet: 'fields', name: (value) => (value === '*' ? '* (missing)' : value) },
  source: { label: 'Source', condition: 'source', of: ({ resource }) => resource.source },
  address: { label: 'Address', condition: 'address', of: ({ address }) => address, passes: isAt },
  severity: { label: 'Severity', condition: 'severity', of: ({ severity }) => severity.toLowerCase(), values: { critical: 'Critical', high: 'High', normal: 'Normal', low: 'Low' } },
  assignee: { label: 'Assignee', condition: 'assignee', of: ({ assignee }) => assignee ?? 'none', passes: (value, wanted) => value === assigneeOf(wanted) },
  is: { label: 'Snooze', condition: null, of: ({ snoozed }) => (snoozed ? 'snoozed' : 'any'), values: { snoozed: 'Snoozed', any: 'Snoozed or not' } },
  type: { label: 'Difference', condition: 'kind', of: ({ kind }) => kind.toLowerCase(), values: { changed: 'Changed field', missing: 'Missing resource' } },
  status: { label: 'Status', condition: null, of: ({ status }) => status.toLowerCase(), values: { open: 'Open', closed: 'All closed', accepted: 'Accepted', reverted: 'Reverted', stale: 'Stale' } },
};

/** @typedef {keyof typeof TABLE} Dimension */

/** @type {{ [dimension in Dimension]: Property }} */
export const DIMENSIONS = TABLE;
/** The names of the dimensions, in the order in which they are shown. */
export const NAMES = /** @type {Dimension[]} */ (Object.keys(TABLE));

/**
 * @param {string} name
 * @returns {name is Dimension}
 */
export function isDimension(name) {
  return Object.hasOwn(TABLE, name);
}

/**
 * Returns a value as the table has it, or null if the dimension does not have it.
 * @param {Dimension} dimension
 * @param {string} text
 */
export function knownValue(dimension, text) {
  const { values } = DIMENSIONS[dimension];
  const value = text.trim();
  if (values === undefined) return value === '' ? null : value;
  return Object.hasOwn(values, value.toLowerCase()) ? value.toLowerCase() : null;
}

/**
 * Returns a value as users read it.
 * @param {Dimension} dimension
 * @param {string} value
 */
export function labelOf(dimension, value) {
  const { values, name } = DIMENSIONS[dimension];
  return values?.[value] ?? name?.(value) ?? value;
}

/**
 * Returns whether an address is the wanted one, or is below it if the wanted one names a module.
 * @param {string} address
 * @param {string} wanted
 */
export function isAt(address, wanted) {
  if (address === wanted) return true;
  if (!MODULE.test(wanted)) return false;
  // A module without a key includes all instances that `count` or `for_each` made of it.
  return address.startsWith(`${wanted}.`) || (!wanted.endsWith(']') && address.startsWith(`${wanted}[`));
}
