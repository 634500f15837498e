// Groups the changes inside a field for the page, and formats values on one line.

import { isMap, isSecret } from './json.js';

/** @import { Json, ValueChange } from './types.js' */

/**
 * @typedef {{ form: 'value', path: string, before: Json, after: Json }} ChangedValue
 * @typedef {{ form: 'set', path: string, added: Json[], removed: Json[] }} ChangedSet
 * @typedef {{ form: 'text', path: string, lines: ChangedLine[] }} ChangedText
 * @typedef {{ number: number, op: 'removed' | 'added', text: string }} ChangedLine
 * @typedef {ChangedValue | ChangedSet | ChangedText} Change
 */

/** Suffix of the path of a list member. */
const MEMBER = '[]';

/**
 * Groups changes: one entry per changed value, per list with changed members, and per text with changed lines.
 * @param {ValueChange[]} changes
 * @returns {Change[]}
 */
export function grouped(changes) {
  /** @type {Change[]} */
  const found = [];
  for (const change of changes) {
    if (change.line !== null) addLine(found, change, change.line);
    else if (change.path.endsWith(MEMBER)) addMember(found, change);
    else found.push({ form: 'value', path: change.path, before: change.before, after: change.after });
  }
  return found;
}

/**
 * @param {Change[]} found
 * @param {ValueChange} change
 * @param {number} number
 */
function addLine(found, { path, kind, before, after }, number) {
  const last = found.at(-1);
  /** @type {ChangedLine} */
  const line = kind === 'REMOVED' ? { number, op: 'removed', text: String(before) } : { number, op: 'added', text: String(after) };
  if (last?.form === 'text' && last.path === path) last.lines.push(line);
  else found.push({ form: 'text', path, lines: [line] });
}

/**
 * @param {Change[]} found
 * @param {ValueChange} change
 */
function addMember(found, { path, kind, before, after }) {
  const list = path.slice(0, -MEMBER.length);
  let last = found.at(-1);
  if (last?.form !== 'set' || last.path !== list) {
    last = { form: 'set', path: list, added: [], removed: [] };
    found.push(last);
  }
  if (kind === 'REMOVED') last.removed.push(before);
  else last.added.push(after);
}

/**
 * Returns whether the server treats a value as unset.
 * @param {Json | undefined} value
 * @returns {boolean}
 */
export function isUnset(value) {
  if (value === null || value === undefined || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.values(value).every(isUnset);
}

/**
 * Returns the value of an own key. Ignores inherited properties, because a key may be named `constructor`.
 * @param {{ [key: string]: Json }} map
 * @param {string} key
 * @returns {Json}
 */
function own(map, key) {
  return Object.hasOwn(map, key) ? (map[key] ?? null) : null;
}

/**
 * Splits two texts into their common start, their different middle parts and their common end. Returns null if they
 * have too little in common.
 * @param {string} before
 * @param {string} after
 * @returns {{ head: string, before: string, after: string, tail: string } | null}
 */
export function inlineDiff(before, after) {
  const a = [...before];
  const b = [...after];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  if ((start + end) * 2 < Math.min(a.length, b.length) || start + end < 3) return null;
  return {
    head: a.slice(0, start).join(''),
    before: a.slice(start, a.length - end).join(''),
    after: b.slice(start, b.length - end).join(''),
    tail: a.slice(a.length - end).join(''),
  };
}

/**
 * Formats a value on one line.
 * @param {Json | undefined} value
 * @returns {string}
 */
export function summary(value) {
  if (isUnset(value) || value === undefined || value === null) return 'unset';
  if (Array.isArray(value)) return value.map(nested).join(', ');
  if (isSecret(value)) return 'secret';
  if (isMap(value)) return rule(value) ?? forwarding(value) ?? typed(value) ?? pairs(value);
  return String(value);
}

/**
 * @param {Json} value
 * @returns {string}
 */
function nested(value) {
  if (Array.isArray(value)) return `[${summary(value)}]`;
  return isMap(value) && Object.keys(value).length > 1 && rule(value) === null && forwarding(value) === null && typed(value) === null
    ? `{${summary(value)}}`
    : summary(value);
}

/**
 * @param {{ [key: string]: Json }} map
 * @param {string[]} known
 */
function hasOnly(map, known) {
  return Object.keys(map).every((key) => known.includes(key) || isUnset(map[key]));
}

/**
 * Formats a firewall rule. Returns null for other maps.
 * @param {{ [key: string]: Json }} map
 * @returns {string | null}
 */
function rule(map) {
  const protocol = own(map, 'protocol');
  if (typeof protocol !== 'string' || !hasOnly(map, ['protocol', 'ports', 'sources', 'destinations'])) return null;
  const ports = own(map, 'ports');
  const head = isUnset(ports) ? protocol : `${protocol} ${summary(ports)}`;
  const ends = [];
  for (const [key, word] of [['sources', 'from'], ['destinations', 'to']]) {
    const end = own(map, key ?? '');
    if (!isUnset(end)) ends.push(`${word} ${isMap(end) ? endsOf(end) : summary(end)}`);
  }
  return ends.length === 0 && isUnset(ports) ? null : [head, ...ends].join(' ');
}

/** @param {{ [key: string]: Json }} end */
function endsOf(end) {
  const keys = Object.keys(end).filter((key) => !isUnset(end[key]));
  return keys.map((key) => (key === 'addresses' ? summary(everyoneFirst(end[key])) : `${key} ${summary(end[key])}`)).join(', ');
}

/**
 * Puts the addresses that stand for everyone first, so that they are visible where the text is cut.
 * @param {Json | undefined} addresses
 */
function everyoneFirst(addresses) {
  if (!Array.isArray(addresses)) return addresses;
  const isEveryone = (/** @type {Json} */ address) => address === '0.0.0.0/0' || address === '::/0';
  return [...addresses.filter(isEveryone), ...addresses.filter((address) => !isEveryone(address))];
}

/**
 * Formats a forwarding rule of a load balancer. Returns null for other maps.
 * @param {{ [key: string]: Json }} map
 * @returns {string | null}
 */
function forwarding(map) {
  const ends = ['entry_protocol', 'entry_port', 'target_protocol', 'target_port'];
  if (ends.some((key) => isUnset(own(map, key)))) return null;
  const [entry, entryPort, target, targetPort] = ends.map((key) => summary(own(map, key)));
  const others = Object.keys(map).filter((key) => !ends.includes(key) && !isUnset(map[key]) && map[key] !== false);
  const more = others.map((key) => ` ${key}=${nested(own(map, key))}`).join('');
  return `${entry} ${entryPort} → ${target} ${targetPort}${more}`;
}

/**
 * @param {{ [key: string]: Json }} map
 * @returns {string | null}
 */
function typed(map) {
  const type = own(map, 'type');
  const value = own(map, 'value');
  if (typeof type !== 'string' || isUnset(value) || !hasOnly(map, ['type', 'value'])) return null;
  return `${type} ${nested(value)}`;
}

/** @param {{ [key: string]: Json }} map */
function pairs(map) {
  const keys = Object.keys(map).filter((key) => !isUnset(map[key]));
  return keys.map((key) => `${key}=${nested(own(map, key))}`).join(' ');
}
