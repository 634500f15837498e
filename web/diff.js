// What differs between what was asked for and what is there, in the server's own sense of "differs": lists are
// sets, null and empty are unset, a number is its text. Pure: knows neither the page nor the server.

import { ExactNumber, isMap } from './json.js';

/** @import { Json } from './types.js' */

/**
 * @typedef {{ op: 'same' | 'removed' | 'added', text: string }} Line
 * @typedef {{ path: string[], form: 'value', before: Json, after: Json }} ValueChange
 * @typedef {{ path: string[], form: 'text', lines: Line[] }} TextChange
 * @typedef {{ path: string[], form: 'set', added: Json[], removed: Json[], kept: number }} SetChange
 * @typedef {ValueChange | TextChange | SetChange} Change
 */

/** Texts that are longer, or have several lines, are compared line by line. */
const LONG_TEXT = 120;
/** Edits after which a line diff stops looking for the shortest one. */
const MAX_EDITS = 600;
const UNSET = '-';

/**
 * Two values mean the same if and only if their canonical forms are the same.
 * @param {Json | undefined} value
 * @returns {string}
 */
export function canonical(value) {
  if (value === null || value === undefined || value === '') return UNSET;
  if (value instanceof ExactNumber) return JSON.stringify(plainDecimal(value.text));
  if (typeof value === 'number') return JSON.stringify(plainDecimal(String(value)));
  if (Array.isArray(value)) {
    if (value.length === 0) return UNSET;
    return `[${[...new Set(value.map(canonical))].sort().join(',')}]`;
  }
  if (isMap(value)) {
    const members = Object.keys(value)
      .sort()
      .map((key) => ({ key, form: canonical(value[key]) }))
      .filter(({ form }) => form !== UNSET);
    if (members.length === 0) return UNSET;
    return `{${members.map(({ key, form }) => `${JSON.stringify(key)}:${form}`).join(',')}}`;
  }
  return JSON.stringify(String(value));
}

/**
 * @param {Json | undefined} value
 * @returns {boolean}
 */
export function isUnset(value) {
  return canonical(value) === UNSET;
}

/**
 * `1e3` is `1000`, `25.0` is `25`, `-0.0` is `0`.
 * @param {string} text
 * @returns {string}
 */
export function plainDecimal(text) {
  const sign = text.startsWith('-') ? '-' : '';
  const [mantissa = '', exponent = '0'] = text.slice(sign.length).split(/e/i);
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(exponent);
  const left = '0'.repeat(Math.max(-shift, 0));
  const point = left.length + whole.length + shift;
  const digits = (left + whole + fraction).padEnd(point, '0');
  const before = digits.slice(0, point).replace(/^0+/, '');
  const after = digits.slice(point).replace(/0+$/, '');
  if (before === '' && after === '') return '0';
  return `${sign}${before === '' ? '0' : before}${after === '' ? '' : `.${after}`}`;
}

/**
 * What differs, leaf by leaf; empty if the two mean the same.
 * @param {Json | undefined} expected
 * @param {Json | undefined} actual
 * @returns {Change[]}
 */
export function differences(expected, actual) {
  /** @type {Change[]} */
  const changes = [];
  compare(expected ?? null, actual ?? null, [], changes);
  return changes;
}

/**
 * @param {Json} before
 * @param {Json} after
 * @param {string[]} path
 * @param {Change[]} into
 */
function compare(before, after, path, into) {
  if (canonical(before) === canonical(after)) return;
  const beforeUnset = isUnset(before);
  const afterUnset = isUnset(after);
  if ((isMap(before) || beforeUnset) && (isMap(after) || afterUnset) && !(Array.isArray(before) || Array.isArray(after))) {
    if (isMap(before) || isMap(after)) {
      compareMaps(isMap(before) ? before : {}, isMap(after) ? after : {}, path, into);
      return;
    }
  }
  if ((Array.isArray(before) || beforeUnset) && (Array.isArray(after) || afterUnset)) {
    if (Array.isArray(before) || Array.isArray(after)) {
      compareSets(Array.isArray(before) ? before : [], Array.isArray(after) ? after : [], path, into);
      return;
    }
  }
  if (typeof before === 'string' && typeof after === 'string' && (isLong(before) || isLong(after))) {
    into.push({ path, form: 'text', lines: lineDiff(before, after) });
    return;
  }
  into.push({ path, form: 'value', before, after });
}

/** @param {string} text */
function isLong(text) {
  return text.length > LONG_TEXT || text.includes('\n');
}

/**
 * @param {{ [key: string]: Json }} before
 * @param {{ [key: string]: Json }} after
 * @param {string[]} path
 * @param {Change[]} into
 */
function compareMaps(before, after, path, into) {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  for (const key of keys) compare(own(before, key), own(after, key), [...path, key], into);
}

/**
 * Not what every object inherits: a key may be called `constructor`.
 * @param {{ [key: string]: Json }} map
 * @param {string} key
 * @returns {Json}
 */
function own(map, key) {
  return Object.hasOwn(map, key) ? (map[key] ?? null) : null;
}

/**
 * @param {Json[]} before
 * @param {Json[]} after
 * @param {string[]} path
 * @param {Change[]} into
 */
function compareSets(before, after, path, into) {
  const was = byForm(before);
  const is = byForm(after);
  const removed = [...was].filter(([form]) => !is.has(form)).map(([, value]) => value);
  const added = [...is].filter(([form]) => !was.has(form)).map(([, value]) => value);
  const kept = was.size - removed.length;
  const { pairs, onlyBefore, onlyAfter } = paired(removed, added);
  for (const { name, from, to } of pairs) compare(from, to, [...path, `[${name}]`], into);
  if (onlyBefore.length > 0 || onlyAfter.length > 0) {
    into.push({ path, form: 'set', removed: onlyBefore, added: onlyAfter, kept: kept + pairs.length });
  }
}

/**
 * @param {Json[]} values
 * @returns {Map<string, Json>}
 */
function byForm(values) {
  return new Map(values.map((value) => [canonical(value), value]));
}

/**
 * Members that are the same thing with other contents, such as the rule of a port: better shown as what changed
 * inside of it than as one that went and one that came.
 * @param {Json[]} removed
 * @param {Json[]} added
 */
function paired(removed, added) {
  const was = byIdentity(removed);
  const is = byIdentity(added);
  /** @type {{ name: string, from: Json, to: Json }[]} */
  const pairs = [];
  const taken = new Set();
  for (const [name, from] of was) {
    const to = is.get(name);
    if (from === undefined || to === undefined) continue;
    pairs.push({ name, from, to });
    taken.add(from).add(to);
  }
  return {
    pairs,
    onlyBefore: removed.filter((value) => !taken.has(value)),
    onlyAfter: added.filter((value) => !taken.has(value)),
  };
}

/**
 * Maps by what names them; what two share names neither.
 * @param {Json[]} values
 * @returns {Map<string, Json | undefined>}
 */
function byIdentity(values) {
  /** @type {Map<string, Json | undefined>} */
  const found = new Map();
  for (const value of values) {
    const name = isMap(value) ? identity(value) : null;
    if (name !== null) found.set(name, found.has(name) ? undefined : value);
  }
  return found;
}

/**
 * @param {{ [key: string]: Json }} map
 * @returns {string | null}
 */
function identity(map) {
  for (const key of ['name', 'id', 'uuid', 'key', 'slug', 'domain']) {
    const value = own(map, key);
    if (!isUnset(value) && typeof value !== 'object') return String(value);
  }
  for (const keys of [['protocol', 'ports'], ['entry_protocol', 'entry_port']]) {
    const values = keys.map((key) => own(map, key));
    if (values.every((value) => !isUnset(value) && typeof value !== 'object')) return values.join(' ');
  }
  return null;
}

/**
 * @param {string} before
 * @param {string} after
 * @returns {Line[]}
 */
export function lineDiff(before, after) {
  const a = before === '' ? [] : before.split('\n');
  const b = after === '' ? [] : after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  /** @type {(lines: string[]) => Line[]} */
  const same = (lines) => lines.map((text) => ({ op: 'same', text }));
  return [
    ...same(a.slice(0, start)),
    ...shortestEdit(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...same(a.slice(a.length - end)),
  ];
}

/**
 * Myers' algorithm; where the texts have too little in common, all of one and then all of the other.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {Line[]}
 */
function shortestEdit(a, b) {
  /** @type {Map<number, number>[]} */
  const trace = [];
  /** @type {Map<number, number>} */
  let furthest = new Map([[1, 0]]);
  const limit = Math.min(a.length + b.length, MAX_EDITS);
  for (let edits = 0; edits <= limit; edits += 1) {
    trace.push(furthest);
    furthest = new Map(furthest);
    for (let k = -edits; k <= edits; k += 2) {
      let x = startOf(furthest, k, edits);
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      furthest.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace);
    }
  }
  return [
    ...a.map((text) => /** @type {Line} */ ({ op: 'removed', text })),
    ...b.map((text) => /** @type {Line} */ ({ op: 'added', text })),
  ];
}

/**
 * @param {Map<number, number>} furthest
 * @param {number} k
 * @param {number} edits
 */
function startOf(furthest, k, edits) {
  const below = furthest.get(k + 1) ?? -1;
  const left = furthest.get(k - 1) ?? -1;
  return k === -edits || (k !== edits && left < below) ? below : left + 1;
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @param {Map<number, number>[]} trace
 * @returns {Line[]}
 */
function walkBack(a, b, trace) {
  /** @type {Line[]} */
  const lines = [];
  let x = a.length;
  let y = b.length;
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const furthest = trace[edits] ?? new Map();
    const k = x - y;
    const down = k === -edits || (k !== edits && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const fromX = furthest.get(from) ?? 0;
    const fromY = fromX - from;
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      lines.push({ op: 'same', text: a[x] ?? '' });
    }
    if (edits === 0) break;
    if (down) {
      y -= 1;
      lines.push({ op: 'added', text: b[y] ?? '' });
    } else {
      x -= 1;
      lines.push({ op: 'removed', text: a[x] ?? '' });
    }
  }
  return lines.reverse();
}

/**
 * The parts of two texts that differ, between the parts that they share; null if they share too little for that
 * to help.
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
 * One line about a value.
 * @param {Json | undefined} value
 * @returns {string}
 */
export function summary(value) {
  if (isUnset(value) || value === undefined || value === null) return 'unset';
  if (Array.isArray(value)) return value.map(nested).join(', ');
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
 * A rule of a firewall.
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
  return keys.map((key) => (key === 'addresses' ? summary(end[key]) : `${key} ${summary(end[key])}`)).join(', ');
}

/**
 * A forwarding rule of a load balancer.
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

/**
 * `services[web].instance_count`
 * @param {string[]} path
 */
export function pathText(path) {
  return path.reduce((text, step) => (text === '' || step.startsWith('[') ? text + step : `${text}.${step}`), '');
}
