// Snoozes: the dialog that leaves drifts out of the inbox for a while, their marks, and their undo.

import { ApiError, explain } from './api.js';
import { h, showNotice } from './dom.js';
import { byteLength, fieldName, plural, resourceName, visible, visibleLine } from './format.js';
import { EXECUTE_BULK, PREVIEW_BULK, SNOOZE, UNDO_BULK, UNSNOOZE } from './queries.js';
/** @import { Undone } from './decisions.js' */
/** @import { Batch, BulkInput, Context, Drift } from './types.js' */

/** Maximum length of a reason in bytes. */
const LONGEST_REASON = 4096;

/**
 * @typedef {{ until?: string, untilChange?: boolean }} End
 * @typedef {{ id: string, label: string, end: (now: Date) => End }} Preset
 */

/** @type {Preset[]} */
export const PRESETS = [
  { id: 'hour', label: '1 hour', end: (now) => ({ until: new Date(now.getTime() + 3_600_000).toISOString() }) },
  { id: 'tomorrow', label: 'Until tomorrow, 9:00', end: (now) => ({ until: morning(now, 1) }) },
  { id: 'week', label: 'Until next Monday, 9:00', end: (now) => ({ until: morning(now, ((8 - now.getDay()) % 7) || 7) }) },
  { id: 'change', label: 'Until a value changes', end: () => ({ untilChange: true }) },
];

/**
 * Returns nine o'clock some days later, by the clock of this machine.
 * @param {Date} now
 * @param {number} days
 */
function morning(now, days) {
  const day = new Date(now);
  day.setDate(day.getDate() + days);
  day.setHours(9, 0, 0, 0);
  return day.toISOString();
}

/**
 * Says when the snooze of a drift ends; empty if it is not snoozed.
 * @param {Pick<Drift, 'snoozed' | 'snoozedUntil' | 'snoozedUntilChange'>} drift
 */
export function snoozeText({ snoozed, snoozedUntil, snoozedUntilChange }) {
  if (!snoozed) return '';
  const time = snoozedUntil === null ? '' : ` until ${new Date(snoozedUntil).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })}`;
  if (!snoozedUntilChange) return `Snoozed${time}`;
  return time === '' ? 'Snoozed until a value changes' : `Snoozed${time}, or until a value changes`;
}

/** @param {Drift} drift */
function nameOf(drift) {
  return `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
}

export class SnoozeDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  /** @type {Batch | null} */
  #batch = null;
  #busy = false;
  #what = h('p', { class: 'crumbs' });
  #message = h('div', { class: 'refusal', testid: 'snooze-refusal', role: 'alert' });
  #choices = PRESETS.map(({ id }) => h('input', { id: `snooze-${id}`, type: 'radio', name: 'snooze-end', testid: `snooze-${id}`, value: id }));
  #reason = h('input', { id: 'snooze-reason', type: 'text', testid: 'snooze-reason', autocomplete: 'off', on: { input: () => this.#typed() } });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-snooze', text: 'Snooze' });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const rows = PRESETS.map(({ id, label }, at) => h('p', { class: 'check' }, /** @type {HTMLElement} */ (this.#choices[at]), h('label', { for: `snooze-${id}`, text: label })));
    this.element = h(
      'dialog',
      { class: 'dialog snooze', testid: 'snooze-dialog', 'aria-labelledby': 'snooze-title' },
      h(
        'form',
        {
          on: {
            submit: (event) => {
              event.preventDefault();
              void this.#send();
            },
          },
        },
        h('div', { class: 'dialog-head' }, h('h2', { id: 'snooze-title', text: 'Snooze?' })),
        h(
          'div',
          { class: 'dialog-body' },
          this.#message,
          this.#what,
          h('div', { class: 'field', role: 'radiogroup', 'aria-label': 'End of the snooze' }, ...rows),
          h('div', { class: 'field' }, h('label', { for: 'snooze-reason', text: 'Reason' }), this.#reason),
          h('p', { class: 'hint', text: 'The drift stays open. The inbox leaves it out until then: the filter is:snoozed shows it.' }),
        ),
        h('div', { class: 'dialog-foot' }, h('button', { type: 'button', testid: 'cancel-snooze', text: 'Cancel', on: { click: () => this.close() } }), this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
  }

  /** @param {Drift} drift */
  open(drift) {
    this.#drift = drift;
    this.#batch = null;
    this.#what.replaceChildren(h('strong', { text: visibleLine(resourceName(drift.resource)) }), h('code', { text: visibleLine(fieldName(drift)) }));
    this.#show();
  }

  /** @param {Batch} batch */
  openAll(batch) {
    this.#drift = null;
    this.#batch = batch;
    this.#what.replaceChildren(h('strong', { text: batch.what }));
    this.#show();
  }

  #show() {
    this.#busy = false;
    this.#message.replaceChildren();
    this.#reason.value = '';
    const [first] = this.#choices;
    if (first !== undefined) first.checked = true;
    this.#typed();
    this.element.showModal();
    first?.focus();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    const drift = this.#drift;
    this.#drift = null;
    this.#batch = null;
    if (drift !== null && this.#context.router.route.drift === null) this.#context.focus(drift.id);
  }

  #typed() {
    const over = byteLength(this.#reason.value) > LONGEST_REASON;
    this.#reason.setAttribute('aria-invalid', String(over));
    this.#confirm.disabled = this.#busy || over;
  }

  async #send() {
    const [drift, batch] = [this.#drift, this.#batch];
    const preset = PRESETS.find((_, at) => this.#choices[at]?.checked);
    if (preset === undefined || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const end = preset.end(new Date());
    const reason = this.#reason.value.trim();
    try {
      if (drift !== null) await this.#snooze(drift, end, reason);
      else if (batch !== null) await this.#snoozeAll(batch, end, reason);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#message.replaceChildren(h('p', {}, h('strong', { text: error.code === 'NETWORK' ? 'It is not known whether the drift is snoozed.' : 'Not snoozed.' }), ` ${explain(error)}`));
    }
    this.#busy = false;
    this.#typed();
  }

  /**
   * @param {Drift} drift
   * @param {End} end
   * @param {string} reason
   */
  async #snooze(drift, end, reason) {
    const input = { driftId: drift.id, revision: drift.revision, ...end, ...(reason === '' ? {} : { reason }) };
    const { snoozeDrift } = await this.#context.api.ask(SNOOZE, { input });
    const next = this.#context.next(drift.id);
    this.close();
    if (next !== null) this.#context.focus(next.id);
    this.#context.changed(snoozeDrift.drift);
    this.#context.decisions.made(`${snoozeText(snoozeDrift.drift)}: ${nameOf(drift)}.`, { what: `the snooze of ${nameOf(drift)}`, undo: () => unsnooze(drift, this.#context) });
    this.#context.refresh();
  }

  /**
   * @param {Batch} batch
   * @param {End} end
   * @param {string} reason
   */
  async #snoozeAll(batch, end, reason) {
    const { bulks, done, refused } = await decideAll(batch.inputs, { action: 'SNOOZE', ...end }, reason, this.#context);
    this.close();
    const left = refused === 0 ? '' : ` ${plural(refused, 'drift')} had changed and stayed as ${refused === 1 ? 'it was' : 'they were'}.`;
    this.#context.decisions.made(`Snoozed ${plural(done, 'drift')}.${left}`, { what: `the snooze of ${plural(done, 'drift')}`, undo: () => undoAll(bulks, this.#context) }, { isWarning: refused > 0 });
    this.#context.decided();
  }
}

/**
 * Previews and executes a decision about drifts in two steps, so that no drift that moved in between is decided.
 * @param {BulkInput[]} inputs
 * @param {{ action: string, until?: string, untilChange?: boolean, assignee?: string }} decision
 * @param {string} note
 * @param {Context} context
 */
export async function decideAll(inputs, decision, note, context) {
  /** @type {string[]} */
  const bulks = [];
  let [done, refused] = [0, 0];
  for (const input of inputs) {
    const { previewBulk } = await context.api.ask(PREVIEW_BULK, { input: { ...input, ...decision } });
    const { executeBulk } = await context.api.ask(EXECUTE_BULK, { input: { token: previewBulk.token, ...(note === '' ? {} : { note }) } });
    bulks.push(previewBulk.token);
    done += executeBulk.run.done;
    refused += executeBulk.run.refused;
  }
  return { bulks, done, refused };
}

/**
 * Undoes bulks, the newest first.
 * @param {string[]} bulks
 * @param {Context} context
 * @returns {Promise<Undone>}
 */
export async function undoAll(bulks, context) {
  let [undone, refused] = [0, 0];
  try {
    for (const bulkId of bulks.toReversed()) {
      const { undoBulk } = await context.api.ask(UNDO_BULK, { input: { bulkId } });
      undone += undoBulk.undone;
      refused += undoBulk.refused.length;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { text: `Not all is undone. ${explain(error)}`, isProblem: true };
  }
  context.refresh();
  const left = refused === 0 ? '' : ` ${plural(refused, 'drift')} ${refused === 1 ? 'was' : 'were'} decided again since.`;
  return { text: `Undid the decision about ${plural(undone, 'drift')}.${left}`, isProblem: refused > 0 };
}

/**
 * Ends the snooze of a drift.
 * @param {Drift} drift
 * @param {Context} context
 * @returns {Promise<Undone | null>}
 */
export async function unsnooze(drift, context) {
  try {
    const { unsnoozeDrift } = await context.api.ask(UNSNOOZE, { input: { driftId: drift.id } });
    context.changed(unsnoozeDrift.drift);
    context.refresh();
    return { text: `${nameOf(drift)} is in the inbox again.`, isProblem: false };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 'UNAUTHENTICATED' ? null : { text: `The snooze has not ended. ${explain(error)}`, isProblem: true };
  }
}

/**
 * Ends the snooze of the shown drift, and says so.
 * @param {Drift} drift
 * @param {Context} context
 */
export async function unsnoozeShown(drift, context) {
  const undone = await unsnooze(drift, context);
  if (undone !== null) showNotice(undone.text);
}

/**
 * The marks of a row: whether the drift is snoozed, and who takes care of it.
 * @param {Drift} drift
 */
export function careMarks(drift) {
  return [
    drift.snoozed && h('span', { class: 'badge snoozed', testid: 'row-snoozed', title: snoozeText(drift), text: 'Snoozed' }),
    drift.assignee !== null && h('span', { class: 'badge assignee', testid: 'row-assignee', title: `Assigned to ${visible(drift.assignee)}`, text: visibleLine(drift.assignee.split('@')[0] ?? '') }),
  ].filter((mark) => mark !== false);
}
