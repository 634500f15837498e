// Snoozes: the dialog that leaves a drift out of the inbox for a while, their marks, and their undo.

import { ApiError, explain } from './api.js';
import { h, showNotice } from './dom.js';
import { byteLength, fieldName, resourceName, visible, visibleLine } from './format.js';
import { SNOOZE, UNSNOOZE } from './queries.js';
import { canTryAgain } from './undo.js';
/** @import { Undone } from './decisions.js' */
/** @import { Context, Drift } from './types.js' */

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

/** The choice when a snooze ends. */
export class EndChoice {
  #choices;

  /** @param {string} prefix of the ids, because several dialogs have this choice */
  constructor(prefix) {
    this.#choices = PRESETS.map((preset) => ({ preset, input: h('input', { id: `${prefix}-${preset.id}`, type: 'radio', name: `${prefix}-end`, testid: `${prefix}-${preset.id}`, value: preset.id }) }));
    const rows = this.#choices.map(({ preset, input }) => h('p', { class: 'check' }, input, h('label', { for: input.id, text: preset.label })));
    this.element = h('div', { class: 'field', role: 'radiogroup', 'aria-label': 'End of the snooze' }, ...rows);
  }

  /** @returns {{ preset: Preset, input: HTMLInputElement }} */
  get #chosen() {
    const found = this.#choices.find(({ input }) => input.checked) ?? this.#choices[0];
    if (found === undefined) throw new Error('there are no ends of a snooze');
    return found;
  }

  /** The id of the chosen preset. */
  get id() {
    return this.#chosen.preset.id;
  }

  /** Chooses the first preset. */
  reset() {
    for (const [at, { input }] of this.#choices.entries()) input.checked = at === 0;
  }

  focus() {
    this.#chosen.input.focus({ preventScroll: true });
  }

  /** Returns the end, counted from now. */
  read() {
    return this.#chosen.preset.end(new Date());
  }
}

export class SnoozeDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  #busy = false;
  /** The number of times that the dialog was opened. */
  #opened = 0;
  #what = h('p', { class: 'crumbs' });
  #message = h('div', { class: 'refusal', testid: 'snooze-refusal', role: 'alert' });
  #end = new EndChoice('snooze');
  #reason = h('input', { id: 'snooze-reason', type: 'text', testid: 'snooze-reason', autocomplete: 'off', on: { input: () => this.#typed() } });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-snooze', text: 'Snooze' });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
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
          this.#end.element,
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
    this.#opened += 1;
    this.#drift = drift;
    this.#what.replaceChildren(h('strong', { text: visibleLine(resourceName(drift.resource)) }), h('code', { text: visibleLine(fieldName(drift)) }));
    this.#busy = false;
    this.#message.replaceChildren();
    this.#reason.value = '';
    this.#end.reset();
    this.#typed();
    this.element.showModal();
    this.#end.focus();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  /**
   * Takes over a change of the drift, so that the next attempt is about what is shown now.
   * @param {Drift} drift
   */
  onDriftChanged(drift) {
    if (this.#drift?.id === drift.id) this.#drift = drift;
  }

  #closed() {
    const drift = this.#drift;
    this.#drift = null;
    if (drift !== null && this.#context.router.route.drift === null) this.#context.focus(drift.id);
  }

  #typed() {
    const over = byteLength(this.#reason.value) > LONGEST_REASON;
    this.#reason.setAttribute('aria-invalid', String(over));
    this.#confirm.disabled = this.#busy || over;
  }

  async #send() {
    const [drift, opened] = [this.#drift, this.#opened];
    if (drift === null || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const reason = this.#reason.value.trim();
    try {
      await this.#snooze(drift, this.#end.read(), reason);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const [problem, why] = [error.code === 'NETWORK' ? 'It is not known whether the drift is snoozed.' : 'Not snoozed.', explain(error)];
      if (this.#opened !== opened) {
        if (error.code !== 'UNAUTHENTICATED') showNotice(`${nameOf(drift)}: ${problem} ${why}`);
        return;
      }
      this.#message.replaceChildren(h('p', {}, h('strong', { text: problem }), ` ${why}`));
    }
    if (this.#opened !== opened) return;
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
    // The user may have closed the dialog meanwhile, and opened it for another drift.
    if (this.#drift?.id === drift.id) {
      const next = this.#context.next(drift.id);
      // The row of the drift disappears, so the focus does not return to it.
      this.#drift = null;
      this.close();
      if (next !== null) this.#context.focus(next.id);
    }
    this.#context.changed(snoozeDrift.drift);
    this.#context.decisions.made(`${snoozeText(snoozeDrift.drift)}: ${nameOf(drift)}.`, { what: `the snooze of ${nameOf(drift)}`, undo: () => unsnooze(drift, this.#context) });
    this.#context.refresh();
  }
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
    return error.code === 'UNAUTHENTICATED' ? null : { text: `The snooze has not ended. ${explain(error)}`, isProblem: true, again: canTryAgain(error) };
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
