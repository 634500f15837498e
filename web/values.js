// Shows values and what differs between them.

import { ExactNumber, isMap, printJson } from './json.js';
import { differences, inlineDiff, isUnset, pathText, summary } from './diff.js';
import { h, unseen } from './dom.js';
import { inLine, plural, visible, visibleLine } from './format.js';
/** @import { Change, Line, SetChange, TextChange, ValueChange } from './diff.js' */
/** @import { DriftKind, Json } from './types.js' */

/** Changes, and members of a set, that a row of the list shows. */
const IN_A_ROW = 3;
/** Characters of one value in a row: the rest is a click away. */
const SHORT = 160;
/** Unchanged lines around a change of a text. */
const CONTEXT = 3;
/** What the whole difference shows of each: the values themselves stand below it. */
const MOST_SHOWN = 500;
/** Texts that read like a number, a word of JSON, or have an end that cannot be seen. */
const LOOKS_OTHER = /^(?:true|false|null|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|unset)$|^\s|\s$/i;

/** @param {string} text */
function shortened(text) {
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}

/**
 * @param {Json} value
 * @param {'removed' | 'added' | 'plain'} role
 * @param {boolean} brief
 */
function valueElement(value, role, brief) {
  if (isUnset(value)) return h('span', { class: `value unset ${role}`, text: 'unset' });
  const text = visibleLine(summary(value));
  return h('span', { class: `value ${role}`, text: brief ? shortened(text) : text });
}

/**
 * @param {{ expected: Json, actual: Json, kind: DriftKind }} drift
 * @returns {HTMLElement} in a line or two
 */
export function briefDifference(drift) {
  if (drift.kind === 'MISSING') {
    return h(
      'span',
      { class: 'difference' },
      h('span', { class: 'value gone', text: 'resource is gone' }),
      h('span', { class: 'path', text: ' asked for ' }),
      h('span', { class: 'value plain', text: shortened(visibleLine(summary(drift.expected))) }),
    );
  }
  const changes = differences(drift.expected, drift.actual);
  const shown = changes.slice(0, IN_A_ROW).map((change) => h('span', { class: 'change' }, ...parts(change, true)));
  const more = changes.length - shown.length;
  return h(
    'span',
    { class: 'difference' },
    ...(shown.length === 0 ? [h('span', { class: 'value plain', text: 'means the same' })] : shown),
    more > 0 && h('span', { class: 'more', text: `+${more} more` }),
  );
}

/**
 * @param {Change} change
 * @param {boolean} brief
 * @returns {(HTMLElement | string | false)[]}
 */
function parts(change, brief) {
  const path = change.path.length > 0 && h('span', { class: 'path', text: `${visibleLine(pathText(change.path))} ` });
  switch (change.form) {
    case 'value':
      return [path, ...valueParts(change, brief)];
    case 'set':
      return [path, ...setParts(change, brief)];
    case 'text': {
      const count = (/** @type {Line['op']} */ op) => change.lines.filter((line) => line.op === op).length;
      return brief ? [path, ...textParts(change, count('removed'), count('added'))] : [path, textElement(change)];
    }
  }
}

/**
 * @param {TextChange} change
 * @param {number} removed
 * @param {number} added
 */
function textParts(change, removed, added) {
  const first = change.lines.find((line) => line.op === 'added') ?? change.lines.find((line) => line.op === 'removed');
  return [
    h('span', { class: 'value removed', text: `−${plural(removed, 'line')}` }),
    ' ',
    h('span', { class: 'value added', text: `+${plural(added, 'line')}` }),
    ' ',
    h('span', { class: 'value plain', text: shortened(visibleLine(first?.text ?? '')) }),
  ];
}

/**
 * @param {ValueChange} change
 * @param {boolean} brief
 */
function valueParts({ before, after }, brief) {
  const texts = typeof before === 'string' && typeof after === 'string';
  const shared = texts ? inlineDiff(before, after) : null;
  const arrow = [h('span', { class: 'arrow', 'aria-hidden': 'true', text: ' → ' }), unseen(' was asked for, is ')];
  if (shared === null) return [valueElement(before, 'removed', brief), ...arrow, valueElement(after, 'added', brief)];
  const whole = (/** @type {'removed' | 'added'} */ role, /** @type {string} */ middle) =>
    h(
      'span',
      { class: `value ${role}` },
      inLine(shared.head),
      middle === '' ? false : h(role === 'removed' ? 'del' : 'ins', { text: inLine(middle) }),
      inLine(shared.tail),
    );
  return [whole('removed', shared.before), ...arrow, whole('added', shared.after)];
}

/**
 * @param {SetChange} change
 * @param {boolean} brief
 */
function setParts({ added, removed, kept }, brief) {
  const limit = brief ? IN_A_ROW : MOST_SHOWN;
  const members = [
    ...removed.map((value) => ({ value, role: /** @type {const} */ ('removed'), sign: '−', word: 'lacks ' })),
    ...added.map((value) => ({ value, role: /** @type {const} */ ('added'), sign: '+', word: 'has also ' })),
  ];
  const shown = members.slice(0, limit).map(({ value, role, sign, word }) =>
    h(
      'span',
      { class: `member ${role}` },
      h('span', { 'aria-hidden': 'true', text: `${sign} ` }),
      unseen(word),
      valueElement(value, role, brief),
    ),
  );
  const more = members.length - shown.length;
  return [
    ...shown,
    more > 0 && h('span', { class: 'more', text: `+${more} more` }),
    !brief && kept > 0 && h('span', { class: 'more', text: `${plural(kept, 'member')} as asked for` }),
  ];
}

/**
 * The whole difference.
 * @param {{ expected: Json, actual: Json, kind: DriftKind }} drift
 */
export function fullDifference(drift) {
  if (drift.kind === 'MISSING') {
    return h('p', { class: 'full-difference' }, 'A complete listing of the cloud lacks this resource. This is what was asked for:');
  }
  const changes = differences(drift.expected, drift.actual);
  return h(
    'ul',
    { class: 'full-difference' },
    ...changes.slice(0, MOST_SHOWN).map((change) => h('li', { class: `change ${change.form}` }, ...parts(change, false))),
    changes.length > MOST_SHOWN && h('li', { class: 'more', text: `+${changes.length - MOST_SHOWN} more` }),
    changes.length === 0 && h('li', { text: 'The two mean the same.' }),
  );
}

/** @param {TextChange} change */
function textElement({ lines }) {
  const near = lines.map((_, at) =>
    lines.slice(Math.max(at - CONTEXT, 0), at + CONTEXT + 1).some((line) => line.op !== 'same'),
  );
  const shown = h('div', { class: 'lines', role: 'group', 'aria-label': 'Changed lines' });
  let hidden = 0;
  const flush = () => {
    if (hidden > 0) shown.append(h('div', { class: 'line skipped', text: plural(hidden, shown.childElementCount >= MOST_SHOWN ? 'more line' : 'unchanged line') }));
    hidden = 0;
  };
  lines.forEach(({ op, text }, at) => {
    if (!near[at] || shown.childElementCount >= MOST_SHOWN) {
      hidden += 1;
      return;
    }
    flush();
    const [sign, word] = { same: [' ', ''], removed: ['−', 'asked for: '], added: ['+', 'live: '] }[op];
    shown.append(
      h('div', { class: `line ${op}` }, h('span', { 'aria-hidden': 'true', class: 'sign', text: sign }), word !== '' && unseen(word), visible(text)),
    );
  });
  flush();
  return shown;
}

/**
 * A value in full, exactly.
 * @param {Json} value
 * @param {string} label
 */
export function wholeValue(value, label) {
  const simple = value === null || typeof value !== 'object' || value instanceof ExactNumber;
  // A text that could be taken for something else is quoted.
  const text = simple && typeof value === 'string' && !LOOKS_OTHER.test(value) ? value : printJson(value);
  return h(
    'pre',
    // Scrolls where it is long, and then has to be reachable by keyboard.
    { class: 'whole-value', tabindex: '0', role: 'region', 'aria-label': label },
    isUnset(value) ? h('span', { class: 'unset', text: value === null ? 'unset' : `unset (${printJson(value)})` }) : visible(text),
  );
}

/**
 * The fields of a spec, one a line.
 * @param {Json} spec
 */
export function specFields(spec) {
  if (!isMap(spec)) return wholeValue(spec, 'Spec');
  return h(
    'dl',
    { class: 'facts mono' },
    ...Object.keys(spec)
      .sort()
      .map((key) => h('div', {}, h('dt', { text: visibleLine(key) }), h('dd', {}, valueElement(spec[key] ?? null, 'plain', false)))),
  );
}
