// The dialog that accepts several drifts: a preview by cause, one confirmation, and what became of each drift.

import { ApiError, explain } from './api.js';
import { causesOf } from './causes.js';
import { announce, h, showNotice } from './dom.js';
import { byteLength, fieldName, kindName, plural, resourceName, visibleLine } from './format.js';
import { ACCEPT_PREVIEW, BULK_PREVIEW, BULK_REFUSED, BULK_RUN, UNDO_BULK } from './queries.js';
import { briefDifference } from './values.js';
/** @import { Batch, Context, Drift } from './types.js' */

/** Maximum length of a note in bytes. */
const LONGEST_NOTE = 4096;
/** Maximum number of causes in the preview, and of resources of each. */
const MOST_CAUSES = 50;
const MOST_NAMES = 100;
/** Maximum number of refused drifts that are listed. */
const MOST_REFUSED = 100;
/** Time in milliseconds between two looks at a bulk that is being executed. */
const LOOK = 400;

/**
 * @typedef {{ token: string, drifts: Drift[], matching: number, closed: number, warnings: number, retired: number }} Preview
 * @typedef {{ total: number, done: number, refused: number, pending: number, finishedAt: string | null }} Run
 * @typedef {{ driftId: string, field: string, code: string, message: string }} Refused
 */

export class BulkDialog {
  #context;
  /** @type {Batch | null} */
  #batch = null;
  /** @type {Preview[] | null} */
  #previews = null;
  #busy = false;
  /** Whether the execution of a bulk of this batch has begun. */
  #hasBegun = false;
  /** The bulks that have begun and whose end is not known. @type {Set<string>} */
  #unfinished = new Set();
  #asking = new AbortController();
  #title = h('h2', { id: 'bulk-title', tabindex: '-1' });
  #message = h('div', { class: 'refusal', testid: 'bulk-message', role: 'alert' });
  #content = h('div', { class: 'bulk-content', testid: 'bulk-preview' });
  #note = h('input', { id: 'bulk-note', type: 'text', testid: 'bulk-note', autocomplete: 'off', on: { input: () => this.#typed() } });
  #noteField = h('div', { class: 'field' }, h('label', { for: 'bulk-note', text: 'Note' }), this.#note);
  #progress = h('progress', { testid: 'bulk-progress', 'aria-label': 'Accepted drifts', hidden: true });
  #count = h('p', { class: 'hint', testid: 'bulk-count', role: 'status' });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-bulk' });
  #cancel = h('button', { type: 'button', testid: 'cancel-bulk', on: { click: () => this.close() } });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
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
        h('div', { class: 'dialog-body' }, this.#message, this.#content, this.#noteField, this.#progress, this.#count),
        h('div', { class: 'dialog-foot' }, this.#cancel, this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
    // A key that is held down must not press several buttons.
    this.element.addEventListener('keydown', (event) => {
      if (event.repeat && event.key === 'Enter') event.preventDefault();
    });
  }

  /** @param {Batch} batch */
  open(batch) {
    this.#batch = batch;
    this.#hasBegun = false;
    this.#unfinished.clear();
    this.#note.value = '';
    this.element.showModal();
    void this.#preview(batch);
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    this.#asking.abort();
    const batch = this.#batch;
    this.#batch = null;
    if (batch === null || !this.#hasBegun) return;
    const bulks = [...this.#unfinished];
    // They may go on without this page, so they can be undone too.
    if (!this.#busy && bulks.length > 0) this.#context.decisions.add({ what: 'the interrupted accept', undo: () => undoBulks(bulks, this.#context) });
    this.#context.decided();
  }

  /** @param {Batch} batch */
  async #preview(batch) {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#previews = null;
    this.#busy = false;
    this.#title.textContent = `Accept ${batch.what}?`;
    this.#message.replaceChildren();
    this.#content.replaceChildren(h('p', { class: 'hint', text: 'Loading what would change…' }));
    this.#count.textContent = '';
    this.#progress.hidden = true;
    this.#noteField.hidden = false;
    this.#cancel.textContent = 'Cancel';
    this.#confirm.hidden = false;
    this.#confirm.textContent = 'Accept';
    this.#typed();
    this.#note.focus({ preventScroll: true });
    try {
      /** @type {Preview[]} */
      const previews = [];
      for (const input of batch.inputs) {
        const { previewAcceptDrifts } = await this.#context.api.ask(BULK_PREVIEW, { input }, signal);
        previews.push(read(previewAcceptDrifts));
      }
      if (signal.aborted) return;
      this.#previews = previews;
      this.#show(previews);
    } catch (error) {
      if (signal.aborted) return;
      this.#content.replaceChildren();
      this.#showMessage('The preview could not be loaded.', explain(error));
    }
  }

  /** @param {Preview[]} previews */
  #show(previews) {
    const drifts = previews.flatMap((preview) => preview.drifts);
    const sum = (/** @type {(preview: Preview) => number} */ of) => previews.reduce((total, preview) => total + of(preview), 0);
    const causes = causesOf(drifts);
    const left = sum(({ matching }) => matching) - sum(({ closed }) => closed) - drifts.length;
    this.#title.textContent = drifts.length === 1 ? 'Accept 1 live value?' : `Accept ${drifts.length.toLocaleString('en')} live values?`;
    this.#content.replaceChildren(
      ...[
        h('p', { class: 'bulk-summary', testid: 'bulk-summary', text: `${plural(drifts.length, 'drift')} of ${plural(resources(drifts), 'resource')}, ${plural(causes.length, 'cause')}. The live values become the expected ones.` }),
        left > 0 && h('p', { class: 'note', testid: 'bulk-left', text: `${plural(left, 'more drift')} ${left === 1 ? 'matches' : 'match'}. They are shown after these, at most 1,000 at a time.` }),
        sum(({ closed }) => closed) > 0 && h('p', { class: 'hint', text: `${plural(sum(({ closed }) => closed), 'selected drift')} ${sum(({ closed }) => closed) === 1 ? 'is' : 'are'} closed already.` }),
        sum(({ retired }) => retired) > 0 && h('p', { class: 'hint', text: `${plural(sum(({ retired }) => retired), 'spec')} of missing resources will be retired.` }),
        sum(({ warnings }) => warnings) > 0 && h('p', { class: 'warning', testid: 'bulk-warning', text: `Terraform states own the specs of ${plural(sum(({ warnings }) => warnings), 'resource')}. The next apply undoes these accepts unless the configuration has the live values.` }),
        h('ul', { class: 'causes' }, ...causes.slice(0, MOST_CAUSES).map((cause) => causeElement(cause))),
        causes.length > MOST_CAUSES && h('p', { class: 'hint', text: `${plural(causes.length - MOST_CAUSES, 'more cause')}` }),
      ].filter((element) => element !== false),
    );
    this.#confirm.textContent = drifts.length === 1 ? 'Accept 1 drift' : `Accept ${drifts.length.toLocaleString('en')} drifts`;
    this.#typed();
    announce(`Preview: ${plural(drifts.length, 'drift')}, ${plural(causes.length, 'cause')}`);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #showMessage(title, text) {
    this.#message.replaceChildren(h('p', {}, h('strong', { text: title }), ` ${text}`));
  }

  #typed() {
    const over = byteLength(this.#note.value) > LONGEST_NOTE;
    const nothing = this.#previews === null || this.#previews.every(({ drifts }) => drifts.length === 0);
    this.#note.setAttribute('aria-invalid', String(over));
    this.#confirm.disabled = this.#busy || over || nothing;
  }

  async #send() {
    const [batch, previews] = [this.#batch, this.#previews];
    if (batch === null || previews === null || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const note = this.#note.value.trim();
    const total = previews.reduce((sum, { drifts }) => sum + drifts.length, 0);
    /** @type {Run[]} */
    const runs = [];
    this.#showProgress(0, total);
    try {
      for (const { token, drifts } of previews) {
        if (drifts.length === 0) continue;
        this.#hasBegun = true;
        this.#unfinished.add(token);
        const before = runs.reduce((sum, run) => sum + run.total, 0);
        runs.push(await this.#execute(token, note, (run) => this.#showProgress(before + run.done + run.refused, total)));
      }
      await this.#finished(batch, previews, runs);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The same token goes on where it was interrupted.
      this.#showMessage('The accept was interrupted.', `${explain(error)} What was accepted stays accepted. Accept again to go on.`);
      this.#busy = false;
      this.#typed();
    }
  }

  /**
   * Executes a preview, and reports its progress until it is finished.
   * @param {string} token
   * @param {string} note
   * @param {(run: Run) => void} progress
   * @returns {Promise<Run>}
   */
  async #execute(token, note, progress) {
    const { api } = this.#context;
    const input = { token, ...(note === '' ? {} : { note }) };
    let isAnswered = false;
    const answer = api.ask(ACCEPT_PREVIEW, { input }).finally(() => {
      isAnswered = true;
    });
    const look = async () => {
      const { bulkRun } = await api.ask(BULK_RUN, { id: token });
      if (bulkRun !== null) progress(bulkRun);
      return bulkRun;
    };
    // A failed look is no failed accept: the answer to the accept itself reports that.
    while (!(await settledWithin(answer, LOOK)) && !isAnswered) await look().catch(() => null);
    const { acceptDrifts } = await answer;
    /** @type {Run} */
    let run = acceptDrifts.run;
    while (run.finishedAt === null) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      run = (await look()) ?? run;
    }
    progress(run);
    return run;
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
   * @param {Batch} batch
   * @param {Preview[]} previews
   * @param {Run[]} runs
   */
  async #finished(batch, previews, runs) {
    const done = runs.reduce((sum, run) => sum + run.done, 0);
    const refused = runs.reduce((sum, run) => sum + run.refused, 0);
    const left = previews.reduce((sum, { matching, drifts, closed }) => sum + matching - closed - drifts.length, 0);
    const bulks = previews.filter(({ drifts }) => drifts.length > 0).map(({ token }) => token);
    for (const token of bulks) this.#unfinished.delete(token);
    if (done > 0) {
      const what = `the accept of ${plural(done, 'drift')}`;
      this.#context.decisions.made(`Accepted ${plural(done, 'drift')}.`, { what, undo: () => undoBulks(bulks, this.#context) });
    }
    if (this.#batch !== batch) {
      this.#context.decided();
      return;
    }
    if (refused > 0) await this.#showRefused(previews, bulks, done);
    // The next ones are previewed in their turn. If none of these was accepted, the rest would not be either.
    else if (left > 0 && done > 0) await this.#preview(batch);
    else this.close();
  }

  /**
   * Lists the drifts that were left as they are.
   * @param {Preview[]} previews
   * @param {string[]} bulks
   * @param {number} done
   */
  async #showRefused(previews, bulks, done) {
    /** @type {Refused[]} */
    const refused = [];
    for (const id of bulks) {
      const { bulkRun } = await this.#context.api.ask(BULK_REFUSED, { id });
      refused.push(...(bulkRun?.items ?? []));
    }
    const drifts = new Map(previews.flatMap((preview) => preview.drifts).map((drift) => [drift.id, drift]));
    this.#previews = null;
    this.#title.textContent = `Accepted ${plural(done, 'drift')}`;
    this.#content.replaceChildren(
      h('p', { testid: 'bulk-refused', text: `${plural(refused.length, 'drift')} moved meanwhile and ${refused.length === 1 ? 'was' : 'were'} left as ${refused.length === 1 ? 'it is' : 'they are'}.` }),
      h(
        'ul',
        { class: 'refused' },
        ...refused.slice(0, MOST_REFUSED).map(({ driftId, field, message }) => {
          const drift = drifts.get(driftId);
          return h('li', {}, h('strong', { text: drift === undefined ? '' : visibleLine(resourceName(drift.resource)) }), h('code', { text: visibleLine(field) }), h('span', { class: 'soft', text: message }));
        }),
      ),
    );
    this.#noteField.hidden = true;
    this.#progress.hidden = true;
    this.#count.textContent = refused.length > MOST_REFUSED ? `${plural(refused.length - MOST_REFUSED, 'more drift')}` : '';
    this.#confirm.hidden = true;
    this.#cancel.textContent = 'Close';
    this.#cancel.focus();
  }
}

/**
 * Returns whether a promise settles within a time.
 * @param {Promise<unknown>} promise
 * @param {number} ms
 * @returns {Promise<boolean>}
 */
function settledWithin(promise, ms) {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, new Promise((resolve) => setTimeout(resolve, ms, false))]);
}

/** @param {any} answer */
function read({ token, matching, closed, resources: of }) {
  /** @type {any[]} */
  const resources = of;
  return {
    token,
    matching,
    closed: closed.length,
    warnings: resources.filter(({ warning }) => warning !== null).length,
    retired: resources.filter(({ retiresSpec }) => retiresSpec).length,
    drifts: resources.flatMap(({ resource, drifts }) => drifts.map((/** @type {any} */ { drift }) => ({ ...drift, resource }))),
  };
}

/** @param {Drift[]} drifts */
function resources(drifts) {
  return new Set(drifts.map(({ resource }) => resource.id)).size;
}

/** @param {Drift[]} drifts the drifts of one cause */
function causeElement(drifts) {
  const first = /** @type {Drift} */ (drifts[0]);
  const names = drifts.slice(0, MOST_NAMES).map(({ resource }) => visibleLine(resourceName(resource)));
  const more = drifts.length - names.length;
  const brief = names.slice(0, 3).join(', ');
  return h(
    'li',
    { class: 'bulk-cause', testid: 'bulk-cause' },
    h('p', { class: 'bulk-cause-head' }, h('code', { text: visibleLine(fieldName(first)) }), h('span', { class: 'kind', text: kindName(first.resource.kind) }), h('span', { class: 'soft', text: plural(drifts.length, 'resource') })),
    h('p', { class: 'bulk-difference' }, briefDifference(first)),
    drifts.length <= 3 ? h('p', { class: 'hint', text: brief }) : h('details', {}, h('summary', { text: `${brief} and ${(drifts.length - 3).toLocaleString('en')} more` }), h('p', { class: 'hint', text: `${names.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}` })),
  );
}

/**
 * Undoes bulks, the newest first.
 * @param {string[]} bulks
 * @param {Context} context
 * @returns {Promise<import('./decisions.js').Undone | null>}
 */
async function undoBulks(bulks, context) {
  let undone = 0;
  /** @type {{ message: string }[]} */
  const refused = [];
  try {
    for (const bulkId of [...bulks].reverse()) {
      const { undoBulk } = await context.api.ask(UNDO_BULK, { input: { bulkId } });
      undone += undoBulk.undone;
      refused.push(...undoBulk.refused);
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'UNAUTHENTICATED') return null;
    showNotice(`Not undone. ${explain(error)}`, { label: 'Try again', run: () => context.decisions.retry({ what: 'the accept', undo: () => undoBulks(bulks, context) }) });
    return null;
  } finally {
    context.refresh();
  }
  const [first] = refused;
  if (first === undefined) return { text: `Undid the accept of ${plural(undone, 'drift')}.`, isProblem: false };
  const stand = `${plural(refused.length, 'accept')} ${refused.length === 1 ? 'stands' : 'stand'}: ${first.message}${refused.length > 1 ? ', and others' : ''}`;
  return { text: `Undid the accept of ${plural(undone, 'drift')}. ${stand}.`, isProblem: true };
}
