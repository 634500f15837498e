// One line of the list: a drift.

import { ROW_ACTIONS } from './actions.js';
import { h, screenReaderText } from './dom.js';
import { fieldName, kindName, resolution, resourceName, severityText, timeElement, visibleLine } from './format.js';
import { careMarks } from './snooze.js';
import { briefDifference } from './values.js';
/** @import { Context, Drift } from './types.js' */

/**
 * @typedef {{
 *   context: Context,
 *   href: string,
 *   open: (event: MouseEvent) => void,
 *   select: ((event: MouseEvent) => void) | null,
 *   inGroup: boolean,
 * }} RowOptions
 * `select`: selects the row; null if it cannot be selected. `inGroup`: a heading above the row names the resource.
 */

/** What the mark of a flapping field means. */
export const FLAPPING = 'Flapping: in the week before, at least two drifts of this field opened and ended without a decision';

/** The names of the columns, in order. The place of the severity has no name. */
const COLUMNS = ['Resource', 'Kind', 'Field', 'Expected → live', 'Region', 'Age'];

/** Creates the names of the columns. They are decoration: each row says the same to screen readers. */
export function columnNames() {
  return h('div', { class: 'columns', 'aria-hidden': 'true' }, h('span', { class: 'row-severity' }), ...COLUMNS.map((text, at) => h('span', { class: `column-${at}`, text })));
}

/**
 * @param {Drift} drift
 * @param {RowOptions} options
 */
export function rowElement(drift, { context, href, open, select, inGroup }) {
  const name = visibleLine(resourceName(drift.resource));
  const isOpen = drift.status === 'OPEN';
  return h(
    'li',
    { class: `row ${drift.status.toLowerCase()}`, testid: 'row', 'data-drift-id': drift.id, 'data-status': drift.status },
    severityMark(drift),
    isOpen && select !== null && selectBox(`${visibleLine(fieldName(drift))} of ${name}`, select),
    h(
      'span',
      { class: 'row-resource' },
      !inGroup && h('span', { class: 'row-name', title: name, 'aria-hidden': 'true', text: name }),
      !inGroup && addressElement(drift.address),
    ),
    h('span', { class: 'row-kind', text: inGroup ? '' : kindName(drift.resource.kind) }),
    h('a', { class: 'row-link', href, on: { click: open } }, screenReaderText(`${name}, `), visibleLine(fieldName(drift))),
    h('span', { class: 'row-difference' }, drift.flapping && flappingMark(), briefDifference(drift)),
    !isOpen && h('span', { class: `badge ${drift.status.toLowerCase()}`, text: visibleLine(resolution(drift)) }),
    isOpen && careElement(drift),
    h('span', { class: 'row-place' }, ...(inGroup ? [] : placeElements(drift, context))),
    timeElement(drift.resolvedAt ?? drift.detectedAt, { short: true, class: 'age' }),
    h('span', { class: 'row-actions' }, ...actionButtons(drift, context)),
  );
}

/**
 * Returns whether the rows of two states of a drift look alike.
 * @param {Drift} one
 * @param {Drift} other
 */
export function looksAlike(one, other) {
  return JSON.stringify(look(one)) === JSON.stringify(look(other));
}

/**
 * Returns everything that the row of a drift shows. The values follow from the revision.
 * @param {Drift} drift
 */
function look(drift) {
  const { revision, status, address, severity, severityRule, flapping, detectedAt, resolvedAt, resolvedBy, closeReason, undoneAt } = drift;
  const { snoozed, snoozedUntil, snoozedUntilChange, assignee, resource } = drift;
  const care = [snoozed, snoozedUntil, snoozedUntilChange, assignee];
  return [revision, status, address, severity, severityRule, flapping, detectedAt, resolvedAt, resolvedBy, closeReason, undoneAt, care, resource.name, resource.region, resource.source];
}

/**
 * The mark of the severity: a shape for each, because some users cannot tell the colours apart. Normal has no shape.
 * @param {Drift} drift
 */
export function severityMark(drift) {
  const { severity } = drift;
  if (severity === 'NORMAL') return h('span', { class: 'row-severity', testid: 'severity', 'data-severity': severity });
  const text = severityText(drift);
  return h('span', { class: `row-severity ${severity.toLowerCase()}`, testid: 'severity', 'data-severity': severity, title: text }, screenReaderText(`${text}, `));
}

/**
 * Creates the box that selects a row. It covers the mark of the severity while it is visible.
 * @param {string} what
 * @param {(event: MouseEvent) => void} select
 */
export function selectBox(what, select) {
  return h('input', { type: 'checkbox', class: 'row-select', testid: 'select', 'aria-label': `Select ${what}`, title: 'Select (x)', on: { click: select } });
}

function flappingMark() {
  return h('span', { class: 'flapping-mark', testid: 'flapping', title: FLAPPING }, h('span', { 'aria-hidden': 'true', text: '↻' }), screenReaderText('flapping, '));
}

/** @param {string | null} address */
export function addressElement(address) {
  if (address === null) return null;
  const text = visibleLine(address);
  return h('span', { class: 'address', testid: 'address', title: text, text });
}

/**
 * Names the region and, if there are several sources, the source.
 * @param {Drift} drift
 * @param {Context} context
 */
export function placeElements({ resource }, { sources }) {
  return [
    resource.region !== null && h('span', { class: 'region', text: visibleLine(resource.region) }),
    sources.several && resource.source !== null && h('span', { class: 'source', testid: 'row-source', title: visibleLine(resource.source), text: visibleLine(resource.source) }),
  ];
}

/**
 * @param {Drift} drift
 * @param {Context} context
 */
function actionButtons(drift, context) {
  const what = `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
  return ROW_ACTIONS.filter((action) => action.applies(drift, context)).map((action) =>
    h('button', {
      type: 'button',
      class: 'row-action',
      testid: `row-${action.name}`,
      title: `${action.help} (${action.key})`,
      'aria-label': `${action.label} ${what}`,
      text: action.label,
      on: { click: () => action.run(drift, context) },
    }),
  );
}

/**
 * The marks of an open drift that is snoozed or assigned.
 * @param {Drift} drift
 */
function careElement(drift) {
  const marks = careMarks(drift);
  return marks.length === 0 ? null : h('span', { class: 'row-care' }, ...marks);
}
