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
  try {
    /** @type {string[]} */
    const bulks = [];
    let done = 0;
    for (const input of batch.inputs) {
      const { previewBulk } = await context.api.ask(PREVIEW_TAKE, { input: { ...input, action: 'ASSIGN', assignee: me() } });
      bulks.push(previewBulk.token);
      done += (await execute(context.api, previewBulk.token, '')).done;
    }
    const what = done === 1 ? '1 drift is' : `${done.toLocaleString('en')} drifts are`;
    context.decisions.made(`${what} assigned to you.`, { what: `the assignment of ${plural(done, 'drift')}`, undo: () => undoBulks(bulks, 'assignment', context) });
    context.decided();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code !== 'UNAUTHENTICATED') showNotice(`The assignees have not changed. ${explain(error)}`);
  }
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
