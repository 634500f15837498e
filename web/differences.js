// The changes between two values of a field, for values that the server does not compare itself. As on the server, a list
// is compared as a set, members with the same name are compared with each other, and unset keys do not count.

import { isUnset } from './changes.js';
import { isMap, printJson } from './json.js';
/** @import { Json, ValueChange } from './types.js' */

/** Keys that identify a member of a list alone, in order of preference. */
const NAMES = ['name', 'id', 'uuid', 'key', 'slug', 'domain'];
/** Pairs of keys that identify a member together. */
const PAIRS = [
  ['protocol', 'ports'],
  ['entry_protocol', 'entry_port'],
];
/** Maximum number of characters of a text that is kept whole. */
const LONG = 120;
/** Number of equal characters that are kept before and after a difference in a long text. */
const AROUND = 24;
/** Addresses that stand for everyone. */
const EVERYONE = /(?:^|[^\d.])0\.0\.0\.0\/0|(?:^|[^\da-f:])::\/0/i;

/**
 * Returns the changes from one value to another. Members of a list that let everyone in come first, so that no limit of
 * what is shown hides them.
 * @param {Json} before
 * @param {Json} after
 * @returns {ValueChange[]}
 */
export function differences(before, after) {
  /** @type {ValueChange[]} */
  const found = [];
  compare(found, '', before, after);
  return found;
}

/**
 * @param {ValueChange[]} found
 * @param {string} path
 * @param {Json} before
 * @param {Json} after
 */
function compare(found, path, before, after) {
  if (isSame(before, after)) return;
  const push = (/** @type {ValueChange['kind']} */ kind, /** @type {Json} */ old, /** @type {Json} */ now) => found.push({ path, line: null, kind, before: old, after: now });
  if (isMap(before) ? isMap(after) || isUnset(after) : isUnset(before) && isMap(after)) compareMaps(found, path, isMap(before) ? before : {}, isMap(after) ? after : {});
  else if (Array.isArray(before) ? Array.isArray(after) || isUnset(after) : isUnset(before) && Array.isArray(after)) compareLists(found, path, Array.isArray(before) ? before : [], Array.isArray(after) ? after : []);
  else if (isUnset(before)) push('ADDED', null, after);
  else if (isUnset(after)) push('REMOVED', before, null);
  else if (typeof before === 'string' && typeof after === 'string') compareTexts(found, path, before, after);
  else push('CHANGED', before, after);
}

/**
 * @param {ValueChange[]} found
 * @param {string} path
 * @param {{ [key: string]: Json }} before
 * @param {{ [key: string]: Json }} after
 */
function compareMaps(found, path, before, after) {
  const valueOf = (/** @type {{ [key: string]: Json }} */ map, /** @type {string} */ key) => (Object.hasOwn(map, key) ? (map[key] ?? null) : null);
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) compare(found, path === '' ? key : `${path}.${key}`, valueOf(before, key), valueOf(after, key));
}

/**
 * @param {ValueChange[]} found
 * @param {string} path
 * @param {Json[]} before
 * @param {Json[]} after
 */
function compareLists(found, path, before, after) {
  const removed = only(before, after);
  const added = only(after, before);
  const [old, now] = [byName(removed), byName(added)];
  /** @type {Set<Json>} */
  const paired = new Set();
  for (const [name, member] of old) {
    const partner = now.get(name);
    if (partner === undefined) continue;
    compare(found, `${path}[${name}]`, member, partner);
    paired.add(member).add(partner);
  }
  const rest = (/** @type {Json[]} */ members) => members.filter((member) => !paired.has(member)).sort((a, b) => Number(isForEveryone(b)) - Number(isForEveryone(a)));
  for (const member of rest(removed)) found.push({ path: `${path}[]`, line: null, kind: 'REMOVED', before: member, after: null });
  for (const member of rest(added)) found.push({ path: `${path}[]`, line: null, kind: 'ADDED', before: null, after: member });
}

/** @param {Json} member */
function isForEveryone(member) {
  return EVERYONE.test(printJson(member));
}

/**
 * Returns the members that only the first list has, without duplicates.
 * @param {Json[]} members
 * @param {Json[]} others
 */
function only(members, others) {
  const seen = new Set(others.map(form));
  return members.filter((member) => !seen.has(form(member)) && seen.add(form(member)));
}

/**
 * Returns the members with a unique name, by name.
 * @param {Json[]} members
 */
function byName(members) {
  /** @type {Map<string, Json>} */
  const found = new Map();
  const ambiguous = new Set();
  for (const member of members) {
    const name = nameOf(member);
    if (name === null) continue;
    if (found.has(name)) ambiguous.add(name);
    found.set(name, member);
  }
  for (const name of ambiguous) found.delete(name);
  return found;
}

/** @param {Json} member */
function nameOf(member) {
  if (!isMap(member)) return null;
  const text = (/** @type {string} */ key) => {
    const value = Object.hasOwn(member, key) ? (member[key] ?? null) : null;
    return isUnset(value) || typeof value === 'boolean' || Array.isArray(value) || isMap(value) ? null : String(value);
  };
  for (const key of NAMES) if (text(key) !== null) return text(key);
  const pair = PAIRS.map((keys) => keys.map(text)).find((texts) => texts.every((one) => one !== null));
  return pair === undefined ? null : pair.join(' ');
}

/**
 * @param {ValueChange[]} found
 * @param {string} path
 * @param {string} before
 * @param {string} after
 */
function compareTexts(found, path, before, after) {
  if (before.includes('\n') || after.includes('\n')) {
    const [old, now] = [before.split('\n'), after.split('\n')];
    const [start, end] = shared(old, now);
    old.slice(start, old.length - end).forEach((line, at) => found.push({ path, line: start + at + 1, kind: 'REMOVED', before: line, after: null }));
    now.slice(start, now.length - end).forEach((line, at) => found.push({ path, line: start + at + 1, kind: 'ADDED', before: null, after: line }));
    return;
  }
  if (before.length <= LONG && after.length <= LONG) {
    found.push({ path, line: null, kind: 'CHANGED', before, after });
    return;
  }
  const [old, now] = [[...before], [...after]];
  const [start, end] = shared(old, now);
  const cut = (/** @type {string[]} */ text) => {
    const from = start > AROUND ? start - AROUND : 0;
    const until = end > AROUND ? text.length - end + AROUND : text.length;
    return `${from > 0 ? '…' : ''}${text.slice(from, until).join('')}${until < text.length ? '…' : ''}`;
  };
  found.push({ path, line: null, kind: 'CHANGED', before: cut(old), after: cut(now) });
}

/**
 * Returns how many parts two texts share at the start, and how many at the end.
 * @param {string[]} a
 * @param {string[]} b
 */
function shared(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return /** @type {const} */ ([start, end]);
}

/**
 * @param {Json} one
 * @param {Json} other
 */
function isSame(one, other) {
  return (isUnset(one) && isUnset(other)) || form(one) === form(other);
}

/**
 * Returns a text that is the same for values that count as equal.
 * @param {Json} value
 * @returns {string}
 */
function form(value) {
  if (Array.isArray(value)) return `[${[...new Set(value.map(form))].sort().join(',')}]`;
  if (!isMap(value)) return printJson(value);
  const set = Object.keys(value).filter((key) => !isUnset(value[key]));
  return `{${set.sort().map((key) => `${JSON.stringify(key)}:${form(value[key] ?? null)}`).join(',')}}`;
}
