// Creates the elements that show values and their differences.

import { ExactNumber, isMap, isSecret, printJson } from './json.js';
import { grouped, inlineDiff, isUnset, summary } from './changes.js';
import { h, screenReaderText } from './dom.js';
import { inLine, plural, visible, visibleLine } from './format.js';
import { differences } from './differences.js';
import { comparedLines } from './lines.js';
/** @import { Change, ChangedLine, ChangedSet, ChangedText, ChangedValue } from './changes.js' */
/** @import { Drift, Json } from './types.js' */
/** @typedef {Pick<Drift, 'kind' | 'expected' | 'actual' | 'redacted' | 'changes' | 'changesTruncated'>} Difference */
/** @typedef {ChangedLine | { op: 'same', text: string }} Line */
/** @typedef {{ between: string, removed: string, added: string, most: number }} Style The words for screen readers, and the maximum number of changes, and of members of a set */

/** A row of the list. @type {Style} */
const ROW = { between: ' expected, live value ', removed: 'expected only ', added: 'live only ', most: 3 };
/** What changed over time. @type {Style} */
const OVER_TIME = { between: ' then ', removed: 'removed ', added: 'added ', most: 8 };
/** Maximum number of characters of a value in a row of the list. The detail view shows all. */
const SHORT = 160;
/** Number of unchanged lines that are shown before and after a changed line. */
const CONTEXT = 3;
/** Maximum number of members or lines in a full difference. The full values are shown below it. */
const MOST_SHOWN = 500;
/** Text that is shown in place of both values of a drift and of their difference. */
const SECRET = 'secret, not shown';
/** Texts that look like a number, a JSON keyword or an unset value, or that start or end with white space. */
const LOOKS_OTHER = /^(?:true|false|null|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|unset)$|^\s|\s$/i;

/** Shows that a drift has secret values, which the server never sends. */
function secretElement() {
  return h('span', { class: 'value unset plain', testid: 'secret', text: SECRET });
}

/** @param {string} text */
function shortened(text) {
  return text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}

/**
 * @param {Json} value
 * @param {'expected' | 'live' | 'plain'} role
 * @param {boolean} brief
 */
function valueElement(value, role, brief) {
  if (isUnset(value)) return h('span', { class: `value unset ${role}`, text: 'unset' });
  const text = visibleLine(summary(value));
  return h('span', { class: `value ${role}`, text: brief ? shortened(text) : text });
}

/**
 * Shows a difference in one or two lines.
 * @param {Difference} drift
 * @returns {HTMLElement}
 */
export function briefDifference(drift) {
  if (drift.kind === 'MISSING') return h('span', { class: 'difference' }, h('span', { class: 'gone', text: 'Deleted' }), ...identity(drift.expected).flatMap((text) => [' · ', text]));
  if (drift.redacted) return h('span', { class: 'difference' }, secretElement());
  return briefChanges(grouped(drift.changes), drift.changesTruncated, 'no difference', ROW);
}

/**
 * @param {Change[]} changes
 * @param {boolean} truncated
 * @param {string} none the text if there are no changes
 * @param {Style} style
 */
function briefChanges(changes, truncated, none, style) {
  const shown = changes.slice(0, style.most).map((change) => h('span', { class: 'change' }, ...parts(change, null, style)));
  const more = changes.length - shown.length;
  return h(
    'span',
    { class: 'difference' },
    ...(shown.length === 0 ? [h('span', { class: 'value plain', text: none })] : shown),
    more > 0 && h('span', { class: 'more', text: `+${more}${truncated ? '+' : ''} more` }),
  );
}

/**
 * Shows in a few lines how a value changed over time.
 * @param {Json} before
 * @param {Json} after
 */
export function briefChange(before, after) {
  return briefChanges(grouped(differences(before, after)), false, 'changed in a part that is not shown', OVER_TIME);
}

/**
 * Shows in a few lines the difference between an expected and a live value that the server has not compared.
 * @param {Json} expected
 * @param {Json} live
 */
export function briefComparison(expected, live) {
  return briefChanges(grouped(differences(expected, live)), false, 'a difference in a part that is not shown', { ...ROW, most: OVER_TIME.most });
}

/** Fields of a spec that tell at a glance which resource it describes. */
const IDENTITY = ['type', 'size_slug', 'size', 'size_gigabytes', 'region'];

/**
 * Returns the short values of a spec that identify a deleted resource.
 * @param {Json} spec
 */
function identity(spec) {
  if (!isMap(spec)) return [];
  const values = IDENTITY.map((key) => (Object.hasOwn(spec, key) ? (spec[key] ?? null) : null));
  return values.filter((value) => !isUnset(value) && !isSecret(value) && (typeof value !== 'object' || value instanceof ExactNumber)).map((value) => visibleLine(shortened(summary(value))));
}

/**
 * @param {Change} change
 * @param {Difference | null} whole the drift for a full difference; null for a brief one
 * @param {Style} [style]
 * @returns {(HTMLElement | string | false)[]}
 */
function parts(change, whole, style = ROW) {
  const brief = whole === null;
  const path = change.path !== '' && h('span', { class: 'path', text: `${visibleLine(change.path)} ` });
  switch (change.form) {
    case 'value':
      return [path, ...valueParts(change, brief, style)];
    case 'set':
      return [path, ...setParts(change, brief ? style : { ...style, most: MOST_SHOWN }, brief)];
    case 'text': {
      const count = (/** @type {Line['op']} */ op) => change.lines.filter((line) => line.op === op).length;
      return brief ? [path, ...textParts(change, count('removed'), count('added'))] : [path, textElement(withContext(change, whole))];
    }
  }
}

/**
 * @param {ChangedText} change
 * @param {number} removed
 * @param {number} added
 */
function textParts(change, removed, added) {
  const first = change.lines.find((line) => line.op === 'added') ?? change.lines.find((line) => line.op === 'removed');
  return [
    h('span', { class: 'value expected', text: `−${plural(removed, 'line')}` }),
    ' ',
    h('span', { class: 'value live', text: `+${plural(added, 'line')}` }),
    ' ',
    h('span', { class: 'value plain', text: shortened(visibleLine(first?.text ?? '')) }),
  ];
}

/**
 * @param {ChangedValue} change
 * @param {boolean} brief
 * @param {Style} style
 */
function valueParts({ before, after }, brief, { between }) {
  const texts = typeof before === 'string' && typeof after === 'string';
  const shared = texts ? inlineDiff(before, after) : null;
  const arrow = [h('span', { class: 'arrow', 'aria-hidden': 'true', text: ' → ' }), screenReaderText(between)];
  if (shared === null) return [valueElement(before, 'expected', brief), ...arrow, valueElement(after, 'live', brief)];
  const whole = (/** @type {'expected' | 'live'} */ role, /** @type {string} */ middle) =>
    h(
      'span',
      { class: `value ${role}` },
      inLine(shared.head),
      middle === '' ? false : h('mark', { text: inLine(middle) }),
      inLine(shared.tail),
    );
  return [whole('expected', shared.before), ...arrow, whole('live', shared.after)];
}

/**
 * @param {ChangedSet} change
 * @param {Style} style
 * @param {boolean} brief
 */
function setParts({ added, removed }, style, brief) {
  // Members of both sides are shown, even if one side has many.
  const gone = removed.slice(0, Math.max(style.most - added.length, Math.ceil(style.most / 2)));
  const shown = [
    ...gone.map((value) => ({ value, role: /** @type {const} */ ('expected'), sign: '−', word: style.removed })),
    ...added.slice(0, style.most - gone.length).map((value) => ({ value, role: /** @type {const} */ ('live'), sign: '+', word: style.added })),
  ].map(({ value, role, sign, word }) =>
    h(
      'span',
      { class: `member ${role}` },
      h('span', { 'aria-hidden': 'true', text: `${sign} ` }),
      screenReaderText(word),
      valueElement(value, role, brief),
    ),
  );
  const more = added.length + removed.length - shown.length;
  return [
    ...shown,
    more > 0 && h('span', { class: 'more', text: `+${more} more` }),
  ];
}

/**
 * Shows a difference in full.
 * @param {Difference} drift
 */
export function fullDifference(drift) {
  if (drift.kind === 'MISSING') return h('p', { class: 'full-difference' }, briefDifference(drift));
  if (drift.redacted) return h('p', { class: 'full-difference' }, 'The values differ: ', secretElement());
  const changes = grouped(drift.changes);
  return h(
    'ul',
    { class: 'full-difference' },
    ...changes.map((change) => h('li', { class: `change ${change.form}` }, ...parts(change, drift))),
    drift.changesTruncated && h('li', { class: 'more', text: `Only the first ${drift.changes.length} changes are listed.` }),
    changes.length === 0 && h('li', { text: 'The values do not differ.' }),
  );
}

/**
 * Shows a difference for a decision: two values below each other, or the lines that differ with the unchanged ones
 * folded.
 * @param {Difference} drift
 * @returns {HTMLElement}
 */
export function comparison(drift) {
  const { expected, actual } = drift;
  if (drift.kind === 'MISSING' || drift.redacted) return fullDifference(drift);
  const multiline = [expected, actual].some((value) => typeof value === 'string' && value.includes('\n'));
  if (!isContainer(expected) && !isContainer(actual) && !multiline) return twoValues(expected, actual);
  if (multiline) return h('div', { class: 'comparison' }, legend(), fullDifference(drift));
  const lines = comparedLines(expected, actual);
  // The comparison of the server may see a difference where the lines have none, such as in the order of a list.
  const differ = lines.some(({ op }) => op !== 'same');
  return h('div', { class: 'comparison' }, fullDifference(drift), ...(differ ? [legend(), textElement(lines)] : []));
}

/** @param {Json} value */
function isContainer(value) {
  return Array.isArray(value) || isMap(value);
}

/** Names the two sides of the lines. */
function legend() {
  return h('p', { class: 'legend', 'aria-hidden': 'true' }, h('span', { class: 'value expected', text: '− expected' }), ' ', h('span', { class: 'value live', text: '+ live' }));
}

/**
 * Shows two simple values below each other, with the parts marked that differ.
 * @param {Json} expected
 * @param {Json} live
 */
function twoValues(expected, live) {
  const plain = typeof expected === 'string' && typeof live === 'string' && !LOOKS_OTHER.test(expected) && !LOOKS_OTHER.test(live);
  const shared = plain ? inlineDiff(expected, live) : null;
  const side = (/** @type {string} */ label, /** @type {'expected' | 'live'} */ role, /** @type {Json} */ value, /** @type {string | undefined} */ middle) =>
    h(
      'div',
      {},
      h('dt', { text: label }),
      h(
        'dd',
        {},
        isUnset(value)
          ? h('span', { class: `value unset ${role}`, text: value === null ? 'unset' : `unset (${printJson(value)})` })
          : shared === null || middle === undefined
            ? h('span', { class: `value ${role}`, text: visible(simpleText(value)) })
            : h('span', { class: `value ${role}` }, inLine(shared.head), middle === '' ? false : h('mark', { text: inLine(middle) }), inLine(shared.tail)),
      ),
    );
  return h('dl', { class: 'two-values' }, side('Expected', 'expected', expected, shared?.before), side('Live', 'live', live, shared?.after));
}

/**
 * Returns a simple value as text. A text that could be mistaken for another value is quoted.
 * @param {Json} value
 */
function simpleText(value) {
  return typeof value === 'string' && !LOOKS_OTHER.test(value) ? value : printJson(value);
}

/**
 * Returns the changed lines and, if the drift contains the full texts, the unchanged lines between them.
 * @param {ChangedText} change
 * @param {Difference} drift
 * @returns {Line[]}
 */
function withContext({ lines, path }, { expected, actual, changesTruncated }) {
  if (path !== '' || changesTruncated || typeof expected !== 'string' || typeof actual !== 'string') return lines;
  const numbers = (/** @type {'removed' | 'added'} */ op) => new Set(lines.filter((line) => line.op === op).map(({ number }) => number));
  const [removed, added] = [numbers('removed'), numbers('added')];
  const [before, after] = [expected.split('\n'), actual.split('\n')];
  /** @type {Line[]} */
  const all = [];
  for (let [left, right] = [1, 1]; left <= before.length || right <= after.length; ) {
    if (removed.has(left)) all.push({ number: left, op: 'removed', text: before[left - 1] ?? '' });
    else if (added.has(right)) all.push({ number: right, op: 'added', text: after[right - 1] ?? '' });
    else all.push({ op: 'same', text: after[right - 1] ?? '' });
    const { op } = /** @type {Line} */ (all.at(-1));
    left += op === 'added' ? 0 : 1;
    right += op === 'removed' ? 0 : 1;
  }
  return all;
}

/** @param {(Line | import('./lines.js').ComparedLine)[]} lines */
function textElement(lines) {
  const near = lines.map((_, at) =>
    lines.slice(Math.max(at - CONTEXT, 0), at + CONTEXT + 1).some((line) => line.op !== 'same'),
  );
  const shown = h('div', { class: 'lines', role: 'group', 'aria-label': 'Changed lines' });
  let hidden = 0;
  const flush = () => {
    if (hidden > 0) shown.append(h('div', { class: 'line skipped', text: plural(hidden, shown.childElementCount >= MOST_SHOWN ? 'more line' : 'unchanged line') }));
    hidden = 0;
  };
  // A fold takes a line itself, so a single line is shown.
  const folds = near.map((shown, at) => !shown && (near[at - 1] === false || near[at + 1] === false));
  lines.forEach(({ op, text }, at) => {
    if (folds[at] || shown.childElementCount >= MOST_SHOWN) {
      hidden += 1;
      return;
    }
    flush();
    const [sign, word] = { same: [' ', ''], removed: ['−', 'expected: '], added: ['+', 'live: '] }[op];
    shown.append(
      h('div', { class: `line ${op}` }, h('span', { 'aria-hidden': 'true', class: 'sign', text: sign }), word !== '' && screenReaderText(word), visible(text)),
    );
  });
  flush();
  return shown;
}

/**
 * Shows a value in full.
 * @param {Json} value
 * @param {string} label
 */
export function wholeValue(value, label) {
  return h(
    'pre',
    // A long value scrolls, so the element must be reachable by keyboard.
    { class: 'whole-value', tabindex: '0', role: 'region', 'aria-label': label },
    isUnset(value) ? h('span', { class: 'unset', text: value === null ? 'unset' : `unset (${printJson(value)})` }) : visible(simpleText(value)),
  );
}

/**
 * Shows one value of a drift in full.
 * @param {Difference} drift
 * @param {'expected' | 'actual'} side
 * @param {string} label
 */
export function sideOf(drift, side, label) {
  return drift.redacted ? secretElement() : wholeValue(drift[side], label);
}

/**
 * Shows the fields of a spec, one per line.
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

/**
 * Shows a spec behind a toggle with the number of its fields.
 * @param {Json} spec
 * @param {boolean} [retired]
 */
export function specDetails(spec, retired = false) {
  const fields = isMap(spec) ? ` (${plural(Object.keys(spec).length, 'field')})` : '';
  return h('details', { class: 'spec-fields' }, h('summary', { text: `${retired ? 'Spec to be retired' : 'Expected spec'}${fields}` }), specFields(spec));
}
