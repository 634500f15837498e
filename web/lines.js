// Compares two values line by line for the page: as indented text in which equal parts are unchanged lines. What differs
// at all is decided by the server; these lines only show where.

import { isUnset } from './changes.js';
import { isMap, printJson } from './json.js';
/** @import { Json } from './types.js' */
/** @typedef {{ op: 'same' | 'removed' | 'added', text: string }} ComparedLine */

/**
 * Returns the lines of both values. Removed lines are in the expected value only, added lines in the live one only.
 * @param {Json} expected
 * @param {Json} live
 */
export function comparedLines(expected, live) {
  /** @type {ComparedLine[]} */
  const lines = [];
  compare(lines, expected, live, '', '');
  return lines;
}

/**
 * @param {ComparedLine[]} lines
 * @param {Json} expected
 * @param {Json} live
 * @param {string} label the key before the value
 * @param {string} indent
 */
function compare(lines, expected, live, label, indent) {
  if (isSame(expected, live)) {
    print(lines, 'same', live, label, indent);
  } else if (isMap(expected) && isMap(live)) {
    lines.push({ op: 'same', text: `${indent}${label}{` });
    compareMaps(lines, expected, live, `${indent}  `);
    lines.push({ op: 'same', text: `${indent}}` });
  } else if (Array.isArray(expected) && Array.isArray(live)) {
    lines.push({ op: 'same', text: `${indent}${label}[` });
    compareLists(lines, expected, live, `${indent}  `);
    lines.push({ op: 'same', text: `${indent}]` });
  } else {
    print(lines, 'removed', expected, label, indent);
    print(lines, 'added', live, label, indent);
  }
}

/**
 * @param {ComparedLine[]} lines
 * @param {{ [key: string]: Json }} expected
 * @param {{ [key: string]: Json }} live
 * @param {string} indent
 */
function compareMaps(lines, expected, live, indent) {
  const keys = [...new Set([...Object.keys(expected), ...Object.keys(live)])].sort();
  for (const key of keys) {
    const label = `${JSON.stringify(key)}: `;
    const [before, after] = [valueOf(expected, key), valueOf(live, key)];
    if (before === undefined && after !== undefined) print(lines, isUnset(after) ? 'same' : 'added', after, label, indent);
    else if (after === undefined && before !== undefined) print(lines, isUnset(before) ? 'same' : 'removed', before, label, indent);
    else if (before !== undefined && after !== undefined) compare(lines, before, after, label, indent);
  }
}

/**
 * Compares lists regardless of the order of their members: equal members first, then members that are alike.
 * @param {ComparedLine[]} lines
 * @param {Json[]} expected
 * @param {Json[]} live
 * @param {string} indent
 */
function compareLists(lines, expected, live, indent) {
  const rest = [...live];
  const take = (/** @type {number} */ at) => (at === -1 ? undefined : rest.splice(at, 1)[0]);
  const texts = expected.map((member) => printJson(member));
  const equal = texts.map((text) => take(rest.findIndex((other) => printJson(other) === text)));
  expected.forEach((member, at) => {
    const partner = equal[at] ?? take(mostAlike(member, rest));
    if (partner === undefined) print(lines, 'removed', member, '', indent);
    else compare(lines, member, partner, '', indent);
  });
  for (const member of rest) print(lines, 'added', member, '', indent);
}

/**
 * Returns the position of the map that shares at least half of the keys with a map, with equal values; or -1.
 * @param {Json} member
 * @param {Json[]} others
 */
function mostAlike(member, others) {
  if (!isMap(member)) return -1;
  const keys = Object.keys(member);
  const shared = others.map((other) => (isMap(other) ? keys.filter((key) => isSame(member[key] ?? null, valueOf(other, key) ?? null)).length : 0));
  const most = Math.max(0, ...shared);
  return most * 2 >= keys.length && most > 0 ? shared.indexOf(most) : -1;
}

/**
 * @param {Json} one
 * @param {Json} other
 */
function isSame(one, other) {
  return (isUnset(one) && isUnset(other)) || printJson(one) === printJson(other);
}

/**
 * @param {{ [key: string]: Json }} map
 * @param {string} key
 * @returns {Json | undefined}
 */
function valueOf(map, key) {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/**
 * @param {ComparedLine[]} lines
 * @param {ComparedLine['op']} op
 * @param {Json} value
 * @param {string} label
 * @param {string} indent
 */
function print(lines, op, value, label, indent) {
  const texts = `${label}${printJson(value, '')}`.split('\n');
  for (const text of texts) lines.push({ op, text: indent + text.replace(/,$/, '') });
}
