// The filters of the list as chips, and as the words of the search field: `kind:droplet,volume -region:fra1 web`.

import { DIMENSIONS, isDimension, knownValue } from './dimensions.js';
/** @import { Dimension } from './dimensions.js' */
/** @import { Chip, Filters, View } from './types.js' */

/** @typedef {{ view: View, filters: Filters }} Narrowing */

// A word: a text without spaces whose quoted parts may contain spaces.
const WORD = /(?:[^\s"]|"[^"]*"?)+/g;
// A value: a text without commas whose quoted parts may contain commas.
const VALUE = /(?:[^,"]|"[^"]*"?)+/g;

/**
 * @param {Chip} one
 * @param {Chip} other
 */
export function isSame(one, other) {
  return one.dimension === other.dimension && one.value === other.value && one.negated === other.negated;
}

/**
 * Returns the values that narrow a dimension, chosen or excluded. A list without a chip of the status has the open drifts
 * in the inbox, and the closed ones in the history.
 * @param {Narrowing} narrowing
 * @param {Dimension} dimension
 * @param {boolean} negated
 */
export function valuesIn({ view, filters }, dimension, negated) {
  const values = filters.chips.filter((chip) => chip.dimension === dimension && chip.negated === negated).map(({ value }) => value);
  if (dimension !== 'status' || negated || values.length > 0) return values;
  return [view === 'inbox' ? 'open' : 'closed'];
}

/**
 * Adds chips to those that there are. A chip that excludes a value replaces the one that chooses it, and the reverse.
 * @param {Narrowing} narrowing
 * @param {Chip[]} added
 * @returns {Narrowing}
 */
export function withChips({ view, filters }, added) {
  const isAdded = (/** @type {Chip} */ { dimension, value }) => added.some((chip) => chip.dimension === dimension && chip.value === value);
  const different = added.filter((chip, at) => added.findIndex((other) => isSame(chip, other)) === at);
  const chips = [...filters.chips.filter((chip) => !isAdded(chip)), ...different];
  return added.some(({ dimension }) => dimension === 'status') ? inItsView({ ...filters, chips }) : { view, filters: { ...filters, chips } };
}

/**
 * Returns the view that has the statuses of these chips: the inbox for the open drifts alone. `closed` is all of the
 * history, which needs no chip.
 * @param {Filters} filters
 * @returns {Narrowing}
 */
function inItsView(filters) {
  const others = filters.chips.filter(({ dimension }) => dimension !== 'status');
  const statuses = filters.chips.filter(({ dimension, value, negated }) => dimension === 'status' && !(negated && (value === 'open' || value === 'closed')));
  const excluded = filters.chips.filter((chip) => chip.dimension === 'status' && chip.negated);
  const isOpen = statuses.length === 0 ? excluded.every(({ value }) => value !== 'open') : statuses.every(({ value, negated }) => value === 'open' && !negated);
  if (isOpen) return { view: 'inbox', filters: { ...filters, chips: others } };
  const all = statuses.some(({ value, negated }) => value === 'closed' && !negated);
  return { view: 'history', filters: { ...filters, chips: all ? others : [...others, ...statuses] } };
}

/**
 * @param {Narrowing} narrowing
 * @param {Chip} removed
 * @returns {Narrowing}
 */
export function withoutChip({ view, filters }, removed) {
  return { view, filters: { ...filters, chips: filters.chips.filter((chip) => !isSame(chip, removed)) } };
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
    const read = chipsOfWord(word);
    if (read === null) {
      words.push(word);
      continue;
    }
    if (unfinished) continue;
    if (typeof read === 'string') {
      problem = read;
      continue;
    }
    chips.push(...read);
    kept = kept.replace(word, '');
  }
  return { chips, words: words.join(' '), kept: chips.length === 0 ? text : kept.replace(/\s+/g, ' ').trimStart(), problem };
}

/**
 * @param {string} word
 * @returns {Chip[] | string | null} why it is no filter; null if the word is one to search for
 */
function chipsOfWord(word) {
  const [, sign, name, rest] = /^(-?)([a-z]+):(.*)$/i.exec(word) ?? [];
  const dimension = (name ?? '').toLowerCase();
  if (!isDimension(dimension) || rest === undefined) return null;
  const texts = rest.match(VALUE) ?? [];
  if (texts.length === 0) return `${dimension}: needs a value.`;
  /** @type {Chip[]} */
  const chips = [];
  for (const text of texts) {
    const value = knownValue(dimension, text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text);
    if (value === null) return problemOf(dimension);
    chips.push({ dimension, value, negated: sign === '-' });
  }
  return chips;
}

/** @param {Dimension} dimension */
function problemOf(dimension) {
  const { values } = DIMENSIONS[dimension];
  return values === undefined ? `${dimension}: needs a value.` : `${dimension} is one of ${Object.keys(values).join(', ')}.`;
}
