// The filters of the list as chips, and as the words of the search field: `kind:droplet status:stale web`.

import { NO_FILTERS } from './router.js';
/** @import { Filters, View } from './types.js' */

/**
 * A filter by one value. The server of today takes one value of each dimension and excludes none, so `chipsOf` makes no
 * negated chip, and `readSearch` reports one as a problem.
 * @typedef {{ dimension: Dimension, value: string, negated: boolean }} Chip
 * @typedef {'kind' | 'region' | 'field' | 'source' | 'address' | 'type' | 'status'} Dimension
 * @typedef {{ view: View, filters: Filters }} Narrowing
 */

/** @type {{ [dimension in Dimension]: string }} */
export const DIMENSIONS = { kind: 'Kind', region: 'Region', field: 'Field', source: 'Source', address: 'Address', type: 'Difference', status: 'Status' };
/** The values of the dimensions that have a fixed list. @type {{ [dimension: string]: { [value: string]: string } }} */
export const FIXED = {
  type: { changed: 'Changed field', missing: 'Missing resource' },
  status: { open: 'Open', closed: 'All closed', accepted: 'Accepted', reverted: 'Reverted', stale: 'Stale' },
};

// A word: a text without spaces whose quoted parts may contain spaces.
const WORD = /(?:[^\s"]|"[^"]*"?)+/g;

/**
 * @param {string} name
 * @returns {name is Dimension}
 */
function isDimension(name) {
  return Object.hasOwn(DIMENSIONS, name);
}

/**
 * Returns the chips of the filters. The open drifts of the inbox have no chip.
 * @param {Narrowing} narrowing
 * @returns {Chip[]}
 */
export function chipsOf({ view, filters }) {
  const names = /** @type {Dimension[]} */ (Object.keys(DIMENSIONS));
  return names.flatMap((dimension) => {
    const value = valueIn({ view, filters }, dimension);
    return value === '' || (dimension === 'status' && ['open', 'closed'].includes(value)) ? [] : [{ dimension, value, negated: false }];
  });
}

/**
 * Returns the value that narrows a dimension; empty if none does.
 * @param {Narrowing} narrowing
 * @param {Dimension} dimension
 */
export function valueIn({ view, filters }, dimension) {
  if (dimension !== 'status') return dimension === 'type' ? filters.type.toLowerCase() : filters[dimension];
  return view === 'inbox' ? 'open' : filters.status === '' ? 'closed' : filters.status.toLowerCase();
}

/**
 * Adds a chip. It replaces the one of the same dimension.
 * @param {Narrowing} narrowing
 * @param {Pick<Chip, 'dimension' | 'value'>} chip
 * @returns {Narrowing}
 */
export function withChip({ view, filters }, { dimension, value }) {
  switch (dimension) {
    case 'status': {
      const status = value === 'open' || value === 'closed' ? '' : /** @type {Filters['status']} */ (value.toUpperCase());
      return { view: value === 'open' ? 'inbox' : 'history', filters: { ...filters, status } };
    }
    case 'type':
      return { view, filters: { ...filters, type: /** @type {Filters['type']} */ (value.toUpperCase()) } };
    default:
      return { view, filters: { ...filters, [dimension]: value } };
  }
}

/**
 * @param {Narrowing} narrowing
 * @param {Dimension} dimension
 * @returns {Narrowing}
 */
export function withoutChip({ view, filters }, dimension) {
  return { view, filters: { ...filters, [dimension]: NO_FILTERS[dimension] } };
}

/**
 * Reads the text of the search field. The last word is still being typed unless `done`, so it becomes no chip.
 * @param {string} text
 * @param {boolean} done
 * @returns {{ chips: Chip[], words: string, kept: string, problem: string | null }}
 *   `words`: what to search for. `kept`: what stays in the field.
 */
export function readSearch(text, done) {
  /** @type {Chip[]} */
  const chips = [];
  /** @type {string[]} */
  const words = [];
  let kept = text;
  /** @type {string | null} */
  let problem = null;
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const unfinished = !done && index + word.length === text.length;
    const chip = chipOf(word);
    if (chip === null) {
      words.push(word);
      continue;
    }
    if (unfinished) continue;
    problem = problemOf(chip) ?? problem;
    if (problemOf(chip) !== null) continue;
    chips.push(chip);
    kept = kept.replace(word, '');
  }
  return { chips, words: words.join(' '), kept: chips.length === 0 ? text : kept.replace(/\s+/g, ' ').trimStart(), problem };
}

/**
 * @param {string} word
 * @returns {Chip | null} null if the word is one to search for
 */
function chipOf(word) {
  const [, sign, name, rest] = /^(-?)([a-z]+):(.*)$/i.exec(word) ?? [];
  const dimension = (name ?? '').toLowerCase();
  if (!isDimension(dimension) || rest === undefined) return null;
  const value = rest.length > 1 && rest.startsWith('"') && rest.endsWith('"') ? rest.slice(1, -1) : rest;
  return { dimension, value: dimension in FIXED ? value.toLowerCase() : value, negated: sign === '-' };
}

/** @param {Chip} chip */
function problemOf({ dimension, value, negated }) {
  if (negated) return `The list cannot exclude a value, so -${dimension}:${value} does not filter it.`;
  if (value.trim() === '') return `${dimension}: needs a value.`;
  const known = FIXED[dimension];
  return known === undefined || Object.hasOwn(known, value) ? null : `${dimension} is one of ${Object.keys(known).join(', ')}.`;
}
