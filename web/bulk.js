// The dialog that decides about several drifts: a preview by cause, one confirmation, and what became of each drift.

import { ApiError, explain } from './api.js';
import { BULK_ACTIONS } from './bulk_actions.js';
import { causeElements, hasSameDrifts, read, refusedElement, scopeText, sumOf } from './bulk_preview.js';
import { execute, undoBulks } from './bulk_run.js';
import { announce, h, showNotice } from './dom.js';
import { byteLength, plural } from './format.js';
import { BULK_REFUSED } from './queries.js';
/** @import { BulkAction, Terms } from './bulk_actions.js' */
/** @import { Preview, Refused } from './bulk_preview.js' */
/** @import { Run } from './bulk_run.js' */
/** @import { Batch, BulkActionName, Context } from './types.js' */

/** Maximum length of a note in bytes. */
const LONGEST_NOTE = 4096;
/** Maximum number of refused drifts that are listed. */
const MOST_REFUSED = 100;

/**
 * @typedef {{ action: BulkAction, terms: Terms, batch: Batch, unfinished: Set<string> }} Task
 * `unfinished`: the bulks that have begun and whose end is not known.
 * @typedef {{ previews: Preview[], chosen: string, terms: { [name: string]: unknown } }} Previewed
 * `chosen`, `terms`: the terms that the previews have.
 */

export class BulkDialog {
  #context;
  /** The fields of the terms, by action. @type {Map<BulkAction, Terms>} */
  #terms = new Map();
  /** What is decided about what; null while the dialog is closed. @type {Task | null} */
  #task = null;
  /** @type {Previewed | null} */
  #previewed = null;
  #busy = false;
  /** Whether the execution of a bulk of this batch has begun. */
  #hasBegun = false;
  #asking = new AbortController();
  #title = h('h2', { id: 'bulk-title', tabindex: '-1' });
  #message = h('div', { class: 'refusal', testid: 'bulk-message', role: 'alert' });
  #summary = h('p', { class: 'bulk-summary', testid: 'bulk-summary' });
  #remarks = h('div');
  #causes = h('div', { class: 'bulk-content', testid: 'bulk-preview' });
  #note = h('input', { id: 'bulk-note', type: 'text', testid: 'bulk-note', autocomplete: 'off', on: { input: () => this.#typed() } });
  #noteLabel = h('label', { for: 'bulk-note' });
  #fields = h('fieldset', { class: 'bulk-fields' });
  #body = h('div', { class: 'dialog-body' });
  #progress = h('progress', { testid: 'bulk-progress', 'aria-label': 'Drifts that are done', hidden: true });
  #count = h('p', { class: 'hint', testid: 'bulk-count', role: 'status' });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-bulk' });
  #cancel = h('button', { type: 'button', testid: 'cancel-bulk', on: { click: () => this.close() } });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    for (const action of Object.values(BULK_ACTIONS)) this.#terms.set(action, action.terms(() => this.#typed()));
    this.element = h(
      'dialog',
      { class: 'dialog bulk', testid: 'bulk-dialog', 'aria-labelledby': 'bulk-title' },
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
        h('div', { class: 'dialog-head' }, this.#title),
        this.#body,
        h('div', { class: 'dialog-foot' }, h('div', { class: 'effect' }, this.#progress, this.#count), this.#cancel, this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
    // A key that is held down must not press several buttons.
    this.element.addEventListener('keydown', (event) => {
      if (event.repeat && event.key === 'Enter') event.preventDefault();
    });
  }

  /**
   * @param {BulkActionName} name
   * @param {Batch} batch
   */
  open(name, batch) {
    const action = BULK_ACTIONS[name];
    const terms = /** @type {Terms} */ (this.#terms.get(action));
    this.#task = { action, terms, batch, unfinished: new Set() };
    this.#hasBegun = false;
    this.#note.value = '';
    this.#note.required = action.needsNote;
    this.#noteLabel.textContent = action.noteLabel;
    terms.reset();
    const note = h('div', { class: 'field' }, this.#noteLabel, this.#note);
    this.#fields.replaceChildren(...(terms.element === null ? [note] : action.needsNote ? [note, terms.element] : [terms.element, note]));
    // Fields that the user has to see are not below a long list.
    const parts = terms.element === null ? [this.#causes, this.#fields] : [this.#fields, this.#causes];
    this.#body.replaceChildren(this.#message, this.#summary, this.#remarks, ...parts);
    this.element.showModal();
    void this.#preview(this.#task);
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    this.#asking.abort();
    const task = this.#task;
    this.#task = null;
    if (task === null || !this.#hasBegun) return;
    if (!this.#busy) this.#keepInterrupted(task);
    this.#context.decided();
  }

  /**
   * Lets the user undo bulks that were interrupted. They may go on without this page.
   * @param {Task} task
   */
  #keepInterrupted({ action: { noun }, unfinished }) {
    const bulks = [...unfinished];
    if (bulks.length > 0) this.#context.decisions.add({ what: `the interrupted ${noun}`, undo: () => undoBulks(bulks, noun, this.#context) });
  }

  /** @param {Task} task */
  async #preview(task) {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#previewed = null;
    this.#busy = false;
    this.#title.textContent = `${task.action.verb} ${task.batch.what}?`;
    this.#message.replaceChildren();
    this.#summary.textContent = '';
    this.#remarks.replaceChildren();
    this.#causes.replaceChildren(h('p', { class: 'hint', text: 'Loading what would change…' }));
    this.#count.textContent = '';
    this.#progress.hidden = true;
    this.#fields.hidden = false;
    this.#cancel.textContent = 'Cancel';
    this.#confirm.hidden = false;
    this.#confirm.textContent = task.action.verb;
    this.#typed();
    if (task.terms.focus === null) this.#note.focus({ preventScroll: true });
    else task.terms.focus();
    try {
      const previewed = await this.#ask(task, signal);
      if (!signal.aborted) this.#show(task, previewed);
    } catch (error) {
      if (signal.aborted) return;
      this.#causes.replaceChildren();
      this.#showMessage('The preview could not be loaded.', explain(error));
    }
  }

  /**
   * @param {Task} task
   * @param {AbortSignal} signal
   * @returns {Promise<Previewed>}
   */
  async #ask({ action, terms: chosenTerms, batch }, signal) {
    const [chosen, terms] = [chosenTerms.chosen(), chosenTerms.read()];
    const previews = [];
    for (const drifts of batch.inputs) {
      const { preview } = await this.#context.api.ask(action.query, { input: { ...drifts, ...action.input, ...terms } }, signal);
      previews.push(read(preview));
    }
    return { previews, chosen, terms };
  }

  /**
   * @param {Task} task
   * @param {Previewed} previewed
   */
  #show({ action, batch }, previewed) {
    this.#previewed = previewed;
    const sum = sumOf(previewed.previews);
    const { drifts, left, closed, retired } = sum;
    const next = batch.inputs.every(action.hasTurns) ? 'They are shown after these, at most 1,000 at a time.' : `At most 1,000 can be decided at a time: filter the list to reach ${left === 1 ? 'it' : 'them'}.`;
    this.#title.textContent = action.title(drifts.length);
    this.#remarks.replaceChildren(
      ...[
        left > 0 && h('p', { class: 'note', testid: 'bulk-left', text: `${plural(left, 'more drift')} ${left === 1 ? 'matches' : 'match'}. ${next}` }),
        closed > 0 && h('p', { class: 'hint', testid: 'bulk-closed', text: `${plural(closed, 'selected drift')} ${closed === 1 ? 'is' : 'are'} closed already.` }),
        retired > 0 && h('p', { class: 'hint', text: `${plural(retired, 'spec')} of missing resources will be retired.` }),
        ...action.warnings(sum).map((text) => h('p', { class: 'warning', testid: 'bulk-warning', text })),
      ].filter((element) => element !== false),
    );
    this.#causes.replaceChildren(...causeElements(drifts).filter((element) => element !== false));
    this.#confirm.textContent = `${action.verb} ${plural(drifts.length, 'drift')}`;
    this.#typed();
    announce(`Preview: ${this.#summary.textContent}`);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #showMessage(title, text) {
    this.#message.replaceChildren(h('p', {}, h('strong', { text: title }), ` ${text}`));
    this.#body.scrollTop = 0;
  }

  /** Shows the effect of the chosen terms, and whether they can be confirmed. */
  #typed() {
    const [task, previewed] = [this.#task, this.#previewed];
    if (task === null) return;
    const { action, terms } = task;
    const over = byteLength(this.#note.value) > LONGEST_NOTE;
    this.#note.setAttribute('aria-invalid', String(over));
    const lacksNote = action.needsNote && this.#note.value.trim() === '';
    const nothing = previewed === null || previewed.previews.every(({ drifts }) => drifts.length === 0);
    this.#confirm.disabled = !terms.isValid() || over || lacksNote || nothing || this.#busy;
    // A bulk that has begun keeps its terms.
    this.#fields.disabled = this.#busy || task.unfinished.size > 0;
    if (previewed === null) return;
    const sum = sumOf(previewed.previews);
    const effect = action.effect(sum, terms.chosen() === previewed.chosen ? previewed.terms : terms.read());
    this.#summary.textContent = `${scopeText(sum.drifts)} ${effect}`;
  }

  async #send() {
    const [task, shown] = [this.#task, this.#previewed];
    if (task === null || shown === null || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const note = this.#note.value.trim();
    try {
      const previewed = await this.#inForce(task, shown);
      if (previewed === null) return;
      const { previews } = previewed;
      const total = sumOf(previews).drifts.length;
      /** @type {Run[]} */
      const runs = [];
      this.#showProgress(0, total);
      for (const { token, drifts } of previews) {
        if (drifts.length === 0) continue;
        this.#hasBegun = true;
        task.unfinished.add(token);
        const before = runs.reduce((sum, run) => sum + run.total, 0);
        const progress = (/** @type {Run} */ run) => this.#task === task && this.#showProgress(before + run.done + run.refused, total);
        runs.push(await execute(this.#context.api, token, note, progress));
      }
      await this.#finished(task, previews, runs);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#task !== task) {
        // The user has closed the dialog, which may be open for another batch.
        this.#keepInterrupted(task);
        if (error.code !== 'UNAUTHENTICATED') showNotice(`The ${task.action.noun} was interrupted. ${explain(error)} What is done stays done.`);
        this.#context.refresh();
        return;
      }
      this.#busy = false;
      if (error.code === 'PREVIEW_EXPIRED') {
        // Nothing of this bulk has begun, so what would be decided is shown again.
        task.unfinished.clear();
        await this.#preview(task);
        this.#showMessage('The preview had expired.', 'This is a new one.');
        return;
      }
      // The same token goes on where it was interrupted.
      this.#showMessage(`The ${task.action.noun} was interrupted.`, `${explain(error)} What is done stays done. Press ${task.action.verb} again to go on.`);
      this.#typed();
      // Its fields lost the focus when they were disabled.
      this.#confirm.focus();
    }
  }

  /**
   * Returns previews with the chosen terms. If the drifts are not those that the user has seen, they are shown instead, and
   * the result is null.
   * @param {Task} task
   * @param {Previewed} shown
   * @returns {Promise<Previewed | null>}
   */
  async #inForce(task, shown) {
    if (task.terms.chosen() === shown.chosen) return shown;
    const { signal } = this.#asking;
    const previewed = await this.#ask(task, signal);
    if (signal.aborted) return null;
    if (hasSameDrifts(previewed.previews, shown.previews)) {
      this.#previewed = previewed;
      return previewed;
    }
    this.#busy = false;
    this.#show(task, previewed);
    this.#showMessage('The drifts have changed.', `Look at them again, then press ${task.action.verb}.`);
    this.#confirm.focus({ preventScroll: true });
    return null;
  }

  /**
   * @param {number} done
   * @param {number} total
   */
  #showProgress(done, total) {
    this.#progress.hidden = false;
    this.#progress.max = total;
    this.#progress.value = done;
    this.#count.textContent = `${done.toLocaleString('en')} of ${plural(total, 'drift')}`;
  }

  /**
   * @param {Task} task
   * @param {Preview[]} previews
   * @param {Run[]} runs
   */
  async #finished(task, previews, runs) {
    const { action, batch } = task;
    const done = runs.reduce((sum, run) => sum + run.done, 0);
    const refused = runs.reduce((sum, run) => sum + run.refused, 0);
    const { left } = sumOf(previews);
    const bulks = previews.filter(({ drifts }) => drifts.length > 0).map(({ token }) => token);
    for (const token of bulks) task.unfinished.delete(token);
    const isShown = this.#task === task;
    // An open dialog lists the refused drifts, and previews those that are left.
    const more = [
      !isShown && refused > 0 && `${plural(refused, 'drift')} moved meanwhile and ${refused === 1 ? 'was left as it is' : 'were left as they are'}.`,
      !isShown && left > 0 && `${plural(left, 'more drift')} ${left === 1 ? 'matches' : 'match'}.`,
    ].filter((text) => text !== false);
    const text = [`${action.done} ${plural(done, 'drift')}.`, ...more].join(' ');
    if (done > 0) {
      const what = `the ${action.noun} of ${plural(done, 'drift')}`;
      this.#context.decisions.made(text, { what, undo: () => undoBulks(bulks, action.noun, this.#context) }, { isWarning: more.length > 0 });
    } else if (!isShown) showNotice(text);
    if (!isShown) {
      // Another selection may have been made since, so it stays.
      this.#context.refresh();
      return;
    }
    if (refused > 0) await this.#showRefused(action, previews, bulks, done);
    // The next ones are previewed in their turn. If nothing was done about these, nothing would be done about the rest.
    else if (left > 0 && done > 0 && batch.inputs.every(action.hasTurns)) await this.#preview(task);
    else this.close();
  }

  /**
   * Lists the drifts that were left as they are.
   * @param {BulkAction} action
   * @param {Preview[]} previews
   * @param {string[]} bulks
   * @param {number} done
   */
  async #showRefused(action, previews, bulks, done) {
    /** @type {Refused[]} */
    const refused = [];
    for (const id of bulks) {
      const { bulkRun } = await this.#context.api.ask(BULK_REFUSED, { id });
      refused.push(...(bulkRun?.items ?? []));
    }
    this.#previewed = null;
    this.#title.textContent = `${action.done} ${plural(done, 'drift')}`;
    this.#summary.textContent = '';
    this.#remarks.replaceChildren();
    this.#causes.replaceChildren(
      h('p', { testid: 'bulk-refused', text: `${plural(refused.length, 'drift')} moved meanwhile and ${refused.length === 1 ? 'was' : 'were'} left as ${refused.length === 1 ? 'it is' : 'they are'}.` }),
      refusedElement(refused.slice(0, MOST_REFUSED), sumOf(previews).drifts),
    );
    this.#fields.hidden = true;
    this.#progress.hidden = true;
    this.#count.textContent = refused.length > MOST_REFUSED ? `${plural(refused.length - MOST_REFUSED, 'more drift')}` : '';
    this.#confirm.hidden = true;
    this.#cancel.textContent = 'Close';
    this.#cancel.focus();
  }
}
