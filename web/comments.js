// Who takes care of a drift, and what users write about it.

import { ApiError, explain } from './api.js';
import { execute, undoBulks } from './bulk_run.js';
import { announce, h, showNotice } from './dom.js';
import { byteLength, fieldName, plural, resourceName, visible, visibleLine } from './format.js';
import { me } from './me.js';
import { ADD_COMMENT, PREVIEW_TAKE, TAKE, UNASSIGN } from './queries.js';
import { snoozeText, unsnoozeShown } from './snooze.js';
/** @import { Batch, Context, Drift } from './types.js' */

/** Maximum length of a comment in bytes. */
const LONGEST_COMMENT = 4096;

/**
 * Assigns a drift to the user, or to no user if it is assigned to this one.
 * @param {Drift} drift
 * @param {Context} context
 */
export async function take(drift, context) {
  const mine = drift.assignee === me();
  const what = `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
  try {
    const answer = await context.api.ask(mine ? UNASSIGN : TAKE, { input: { driftId: drift.id } });
    context.changed((answer.takeDrift ?? answer.unassignDrift).drift);
    announce(mine ? `${what} is assigned to no user` : `${what} is assigned to you`);
    context.refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code !== 'UNAUTHENTICATED') showNotice(`The assignee has not changed. ${explain(error)}`);
  }
}

/**
 * Assigns all drifts of a batch to the user.
 * @param {Batch} batch
 * @param {Context} context
 */
export async function takeAll(batch, context) {
  /** @type {string[]} */
  const bulks = [];
  let [done, refused, left] = [0, 0, 0];
  /** @type {ApiError | null} */
  let problem = null;
  try {
    for (const input of batch.inputs) {
      const { previewBulk } = await context.api.ask(PREVIEW_TAKE, { input: { ...input, action: 'ASSIGN', assignee: me() } });
      const seen = previewBulk.resources.reduce((/** @type {number} */ sum, /** @type {{ drifts: unknown[] }} */ { drifts }) => sum + drifts.length, 0);
      left += Math.max(previewBulk.matching - seen, 0);
      if (seen === 0) continue;
      bulks.push(previewBulk.token);
      const run = await execute(context.api, previewBulk.token, '');
      done += run.done;
      refused += run.refused;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'UNAUTHENTICATED') return;
    problem = error;
  }
  const text = takenText({ done, refused, left, problem });
  // An interrupted bulk may have assigned drifts without an answer, so it can be undone too.
  if (bulks.length > 0) context.decisions.made(text, { what: `the assignment of ${plural(done, 'drift')}`, undo: () => undoBulks(bulks, 'assignment', context) }, { isWarning: problem !== null || refused + left > 0 });
  else showNotice(text);
  context.decided();
}

/**
 * Says what became of the assignment of many drifts.
 * @param {{ done: number, refused: number, left: number, problem: ApiError | null }} outcome
 */
export function takenText({ done, refused, left, problem }) {
  const are = (/** @type {number} */ count) => `${plural(count, 'drift')} ${count === 1 ? 'is' : 'are'}`;
  return [
    `${are(done)} assigned to you.`,
    refused > 0 && `${are(refused)} not, because ${refused === 1 ? 'it' : 'they'} moved meanwhile.`,
    left > 0 && `${plural(left, 'more drift')} ${left === 1 ? 'matches' : 'match'}: at most 1,000 are assigned at a time. Filter the list to reach ${left === 1 ? 'it' : 'them'}.`,
    problem !== null && `The rest failed: ${explain(problem)}`,
  ]
    .filter((part) => part !== false)
    .join(' ');
}

/**
 * Says that a drift is snoozed, and who takes care of it.
 * @param {Drift} drift
 * @param {Context} context
 */
export function careNotes(drift, context) {
  if (!drift.snoozed && drift.assignee === null) return [];
  const by = drift.snoozedBy === null ? '' : ` by ${visible(drift.snoozedBy)}`;
  const note = h(
    'div',
    { class: 'note', testid: 'care' },
    drift.snoozed && h('p', { testid: 'snoozed', text: `${snoozeText(drift)}${by}.` }),
    drift.snoozed && drift.snoozeReason !== null && h('blockquote', { text: visible(drift.snoozeReason) }),
    drift.snoozed && context.session.canDecide && h('button', { type: 'button', testid: 'unsnooze', text: 'End the snooze', on: { click: () => void unsnoozeShown(drift, context) } }),
    drift.assignee !== null && h('p', { testid: 'assignee', text: `Assigned to ${visible(drift.assignee)}.` }),
  );
  return [note];
}

/**
 * The form with which a user writes about a drift; null for users who only read.
 * @param {Drift} drift
 * @param {Context} context
 */
export function commentForm(drift, context) {
  if (!context.session.canDecide) return null;
  const text = h('textarea', { id: 'comment', rows: '2', testid: 'comment', placeholder: 'Write a comment', 'aria-label': 'Comment' });
  const button = h('button', { type: 'submit', testid: 'add-comment', disabled: true, text: 'Comment' });
  const problem = h('p', { class: 'hint', role: 'status' });
  const check = () => {
    const over = byteLength(text.value) > LONGEST_COMMENT;
    text.setAttribute('aria-invalid', String(over));
    problem.textContent = over ? 'The comment is longer than 4,096 bytes.' : '';
    button.disabled = over || text.value.trim() === '';
  };
  text.addEventListener('input', check);
  const send = async () => {
    const hadFocus = form.contains(document.activeElement);
    button.disabled = true;
    text.readOnly = true;
    try {
      await context.api.ask(ADD_COMMENT, { input: { driftId: drift.id, body: text.value } });
      text.value = '';
      problem.textContent = '';
      // The browser takes the focus from the button, because it is disabled.
      if (hadFocus && (document.activeElement === document.body || form.contains(document.activeElement))) text.focus({ preventScroll: true });
      announce('The comment was added');
      context.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = `The comment was not added. ${explain(error)}`;
      button.disabled = false;
    } finally {
      text.readOnly = false;
    }
  };
  const form = h(
    'form',
    {
      class: 'comment-form',
      on: {
        submit: (event) => {
          event.preventDefault();
          if (!button.disabled) void send();
        },
      },
    },
    text,
    problem,
    button,
  );
  return form;
}

/**
 * Says what an event about a snooze, an assignee or a comment has; empty for other events.
 * @param {import('./types.js').ResourceEvent} event
 */
export function careText({ type, data }) {
  const text = (/** @type {string} */ name) => (typeof data[name] === 'string' ? visible(String(data[name])) : '');
  switch (type) {
    case 'DRIFT_COMMENTED':
      return text('body');
    case 'DRIFT_ASSIGNED':
      return `to ${text('assignee')}`;
    case 'DRIFT_UNASSIGNED':
      return `from ${text('assignee')}`;
    case 'DRIFT_SNOOZED':
      return snoozeText({ snoozed: true, snoozedUntil: text('until') || null, snoozedUntilChange: data['untilChange'] === true }).replace(/^Snoozed /, '');
    case 'SNOOZE_ENDED':
      return { time: 'its time has passed', change: 'a value changed', closed: 'the drift was closed' }[text('end')] ?? '';
    default:
      return '';
  }
}
