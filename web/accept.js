// The dialog that confirms an accept. The accept applies to the value and the revision that the dialog shows; if they
// change while it is open, the user has to confirm that they have seen the new value.

import { ApiError, explain } from './api.js';
import { announce, h } from './dom.js';
import { byteLength, fieldName, kindName, plural, resolution, resourceName, timeElement, visible, visibleLine } from './format.js';
import { ACCEPT, DETECT, DRIFT_ROW } from './queries.js';
import { undoAccept } from './undo.js';
import { comparison, sideOf, specDetails } from './values.js';
/** @import { Context, Drift } from './types.js' */

/** Maximum length of a note in bytes. */
const LONGEST_NOTE = 4096;
/** Time in milliseconds for which a drift that replaced another one in the dialog cannot be accepted, so that a key that
 *  is pressed twice accepts only the drift that was shown. */
const UNSEEN_MS = 400;

export class AcceptDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  #busy = false;
  /** Number of times the dialog was opened. A response may arrive after it was opened for another drift. */
  #opened = 0;
  /** Whether the dialog shows the next drift after each accept. */
  #review = false;
  /** The number of drifts that this review has decided or skipped. */
  #reviewed = 0;
  /** Runs while the shown drift has replaced another one so recently that the user cannot have seen it. @type {ReturnType<typeof setTimeout> | undefined} */
  #appearing;
  /** Whether the user has seen the value that is shown. */
  #seen = true;
  /** Unsent notes by drift id, because a session may end while the user writes a note. @type {Map<string, string>} */
  #drafts = new Map();
  #content = h('div', { class: 'accept-content' });
  #message = h('div', { class: 'refusal', testid: 'refusal', role: 'alert' });
  #note = h('textarea', { id: 'accept-note', testid: 'note', rows: '1', 'aria-describedby': 'accept-note-size', on: { input: () => this.#typed(), keydown: (event) => this.#noteKey(event) } });
  #size = h('span', { id: 'accept-note-size', class: 'hint' });
  #look = h('button', { type: 'button', testid: 'accept-review', hidden: true, text: 'I have reviewed the new value', on: { click: () => this.#looked() } });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-accept' });
  #cancel = h('button', { type: 'button', testid: 'cancel-accept', on: { click: () => this.element.close() } });
  #skip = h('button', { type: 'button', class: 'quiet', testid: 'skip', hidden: true, text: 'Skip', on: { click: () => this.#next() } });
  #title = h('h2', { id: 'accept-title', tabindex: '-1' });
  #progress = h('span', { class: 'hint', testid: 'review-progress' });
  #noteField = h('div', { class: 'field' }, h('label', { for: 'accept-note', text: 'Note' }), this.#note, this.#size);

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h(
      'dialog',
      { class: 'dialog accept', testid: 'accept-dialog', 'aria-labelledby': 'accept-title' },
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
        h('div', { class: 'dialog-head' }, this.#title, this.#progress),
        h('div', { class: 'dialog-body' }, this.#message, this.#content, this.#noteField),
        h('div', { class: 'dialog-foot' }, this.#skip, this.#look, this.#cancel, this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
    // A key that is held down must not press several buttons.
    this.element.addEventListener('keydown', (event) => {
      if (event.repeat && (event.key === 'Enter' || event.target instanceof HTMLButtonElement)) event.preventDefault();
    });
  }

  /**
   * @param {Drift} drift the drift as the page shows it
   * @param {boolean} review whether to show the next drift after each decision
   */
  open(drift, review) {
    this.#review = review;
    this.#reviewed = 0;
    clearTimeout(this.#appearing);
    this.#appearing = undefined;
    this.#begin(drift);
    this.element.showModal();
    this.#focus();
  }

  /** @param {Drift} drift */
  #begin(drift) {
    this.#busy = false;
    this.#opened += 1;
    this.#message.replaceChildren();
    this.#note.value = this.#drafts.get(drift.id) ?? '';
    this.#show(drift, true);
    this.#progress.textContent = this.#review ? `${plural(this.#reviewed, 'drift')} reviewed` : '';
    // The drift that the page shows may be outdated.
    void this.#lookUp(drift.id);
  }

  #focus() {
    // The keyboard of a phone would cover the value.
    if (window.matchMedia('(pointer: coarse)').matches) this.#title.focus({ preventScroll: true });
    else this.#note.focus({ preventScroll: true });
  }

  /** Shows the next open drift of the list, or closes the dialog at its end. */
  #next() {
    const drift = this.#drift;
    const next = drift === null ? null : this.#context.next(drift.id);
    if (drift === null || next === null) {
      this.element.close();
      announce('No more drifts to review');
      return;
    }
    this.#keepDraft();
    this.#reviewed += 1;
    clearTimeout(this.#appearing);
    this.#appearing = setTimeout(() => {
      this.#appearing = undefined;
      this.#typed();
    }, UNSEEN_MS);
    this.#begin(next);
    this.element.querySelector('.dialog-body')?.scrollTo({ top: 0 });
    this.#focus();
    announce(`Next: ${fieldName(next)} of ${resourceName(next.resource)}`);
  }

  /** @param {KeyboardEvent} event */
  #noteKey(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.repeat) return;
    event.preventDefault();
    void this.#send();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    this.#keepDraft();
    const drift = this.#drift;
    this.#drift = null;
    if (drift !== null && this.#reviewed > 0) this.#context.focus(drift.id);
  }

  #keepDraft() {
    if (this.#drift !== null && this.#drift.status === 'OPEN' && this.#note.value !== '') {
      this.#drafts.set(this.#drift.id, this.#note.value);
    }
  }

  /**
   * @param {Drift} drift
   * @param {boolean} seen
   */
  #show(drift, seen) {
    this.#drift = drift;
    this.#seen = seen;
    const { resource } = drift;
    const open = drift.status === 'OPEN';
    this.#title.textContent = open ? (drift.kind === 'MISSING' ? 'Accept deletion?' : 'Accept live value?') : 'Drift';
    this.#content.replaceChildren(
      h('p', { class: 'crumbs' }, h('strong', { text: visibleLine(resourceName(resource)) }), h('span', { class: 'kind', text: kindName(resource.kind) }), h('code', { text: visibleLine(fieldName(drift)) })),
      ...(open ? effect(drift) : [comparison(drift)]),
    );
    this.#noteField.hidden = !open;
    this.#confirm.hidden = !open;
    this.#look.hidden = !open || seen;
    this.#skip.hidden = !open || !this.#review;
    this.#confirm.textContent = drift.kind === 'MISSING' ? 'Accept deletion' : 'Accept live value';
    this.#cancel.textContent = open ? 'Cancel' : 'Close';
    this.#typed();
  }

  #typed() {
    // The note grows with its lines.
    this.#note.rows = Math.min(this.#note.value.split('\n').length, 6);
    const bytes = byteLength(this.#note.value);
    const over = bytes > LONGEST_NOTE;
    this.#size.textContent = over
      ? `${bytes - LONGEST_NOTE} bytes too long`
      : bytes > LONGEST_NOTE / 2
        ? `${LONGEST_NOTE - bytes} bytes left`
        : '';
    this.#note.setAttribute('aria-invalid', String(over));
    this.#confirm.disabled = over || this.#busy || !this.#seen || this.#appearing !== undefined;
  }

  #looked() {
    this.#seen = true;
    this.#look.hidden = true;
    this.#message.replaceChildren();
    this.#typed();
    this.#confirm.focus();
  }

  /**
   * @param {string} title
   * @param {...(HTMLElement | string | false)} more
   */
  #showMessage(title, ...more) {
    this.#message.replaceChildren(h('p', {}, h('strong', { text: title }), ' ', ...more));
    this.#message.scrollIntoView({ block: 'nearest' });
  }

  /**
   * Shows a drift that another user or a sweep changed.
   * @param {Drift} now
   */
  onDriftChanged(now) {
    const shown = this.#drift;
    if (shown === null || !this.element.open || now.id !== shown.id || shown.status !== 'OPEN') return;
    if (now.status !== 'OPEN') {
      if (!this.#busy) this.#resolvedMeanwhile(now);
      return;
    }
    if (now.revision > shown.revision) {
      this.#show(now, false);
      this.#showMessage('The drift changed while the dialog was open.', 'Review the current value below before you accept.');
    } else if (now.resource.provisioned?.specVersion !== shown.resource.provisioned?.specVersion && now.revision === shown.revision) {
      this.#show(now, this.#seen);
    }
  }

  /** @param {Drift} now */
  #resolvedMeanwhile(now) {
    this.#show(now, true);
    const when = now.resolvedAt === null ? '' : timeElement(now.resolvedAt);
    const note = now.resolutionNote ? ` “${visible(now.resolutionNote)}”` : '';
    if (now.status === 'STALE') {
      this.#showMessage('This drift is stale.', 'It was closed without a decision, so it cannot be accepted.');
    } else {
      this.#showMessage('This drift is already closed.', `It was ${visible(resolution(now))} `, when, '.', note);
    }
    this.#cancel.focus();
  }

  /** @param {string} id */
  async #lookUp(id) {
    try {
      const { drift } = await this.#context.api.ask(DRIFT_ROW, { id });
      if (drift !== null) this.#context.changed(drift);
      return drift;
    } catch (error) {
      // If the error persists, the accept reports it.
      if (error instanceof ApiError) return null;
      throw error;
    }
  }

  async #send() {
    const drift = this.#drift;
    if (drift === null || this.#busy || !this.#seen || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const note = this.#note.value.trim();
    const input = { driftId: drift.id, revision: drift.revision, ...(note === '' ? {} : { note }) };
    const opened = this.#opened;
    try {
      const { acceptDrift } = await this.#context.api.ask(ACCEPT, { input });
      this.#drafts.delete(drift.id);
      if (this.#opened === opened) this.#leave(drift);
      this.#context.changed(acceptDrift.drift);
      const what = `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
      const decision = { what: `the accept of ${what}`, undo: () => undoAccept(acceptDrift.drift, this.#context) };
      const look = { label: 'Show', run: () => this.#context.router.go({ drift: drift.id }) };
      const { decisions } = this.#context;
      if (acceptDrift.warning !== null) decisions.made(visibleLine(acceptDrift.warning), decision, { isWarning: true });
      else if (!this.element.open) decisions.made(`Accepted ${what}.`, decision, { actions: [look] });
      else decisions.add(decision);
      announce(`Accepted ${what}`);
    } catch (error) {
      if (this.#opened === opened) this.#busy = false;
      await this.#refused(drift, error, () => this.element.open && this.#opened === opened);
    }
    if (this.#opened !== opened) return;
    this.#busy = false;
    this.#typed();
  }

  /**
   * Leaves a drift that was accepted: shows the next one in a review, or else moves the focus to the next row.
   * @param {Drift} drift
   */
  #leave(drift) {
    this.#note.value = '';
    if (this.#review && this.element.open) {
      this.#next();
      return;
    }
    const next = this.#context.next(drift.id);
    this.#drift = null;
    this.element.close();
    if (next !== null) this.#context.focus(next.id);
  }

  /**
   * @param {Drift} drift
   * @param {unknown} error
   * @param {() => boolean} isShown whether the dialog still shows this drift
   */
  async #refused(drift, error, isShown) {
    const code = error instanceof ApiError ? error.code : '';
    if (code === 'UNAUTHENTICATED') return;
    const now = ['ALREADY_RESOLVED', 'LIVE_VALUE_MOVED', 'NETWORK', 'REQUEST_TIMEOUT'].includes(code) ? await this.#lookUp(drift.id) : null;
    // The dialog is closed, or it already shows that the drift is closed.
    if (!isShown() || (now !== null && now.status !== 'OPEN')) return;
    switch (code) {
      case 'LIVE_VALUE_MOVED':
        this.#seen = false;
        if (now !== null) this.#show(now, false);
        this.#showMessage('Not accepted: the live value has changed.', 'Review the current value below before you accept.');
        break;
      case 'SPEC_MOVED':
        this.#showMessage('Not accepted: the spec has changed.', 'This drift was detected with an older version of the spec. ', this.#compareAgain(drift));
        break;
      case 'FORBIDDEN':
        this.#showMessage('Not accepted: your role does not allow it.', 'Accepting requires the role platform_admin.');
        break;
      case 'NETWORK':
      case 'REQUEST_TIMEOUT':
        this.#showMessage(explain(error), now === null ? 'It is not known whether the drift was accepted. Try again when the server is available.' : 'The drift is still open. Try again.');
        break;
      default:
        this.#showMessage('Not accepted.', explain(error));
    }
  }

  /** @param {Drift} drift */
  #compareAgain(drift) {
    const button = h('button', { type: 'button', text: 'Compare again' });
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await this.#context.api.ask(DETECT, { input: { resourceIds: [drift.resource.id] } });
        const now = await this.#lookUp(drift.id);
        if (now?.status === 'OPEN' && now.revision === drift.revision) this.#showMessage('Compared again.', 'The drift did not change.');
      } catch (error) {
        this.#showMessage('Not compared.', explain(error));
      }
    });
    return button;
  }
}

/**
 * Creates the elements that describe the effect of an accept.
 * @param {Drift} drift
 */
function effect(drift) {
  return [...ownerWarning(drift), ...change(drift)];
}

/**
 * Creates a warning if the next apply of Terraform will undo the accept.
 * @param {Drift} drift
 */
function ownerWarning(drift) {
  const name = drift.resource.provisioned?.source.name ?? null;
  if (name === null) return [];
  const effects =
    drift.kind === 'MISSING'
      ? 'creates the resource again unless you remove it from the Terraform configuration first.'
      : 'sets the expected value again unless you change the Terraform configuration to the live value first.';
  return [
    h('p', { class: 'warning', testid: 'accept-owner' }, h('strong', { text: 'A Terraform state owns this spec.' }), ` The next apply of “${visibleLine(name)}” ${effects}`),
  ];
}

/** @param {Drift} drift */
function change(drift) {
  const version = drift.resource.provisioned?.specVersion;
  const versions = version === undefined ? '' : `, spec version ${version} → ${version + 1}`;
  if (drift.kind === 'MISSING') {
    return [comparison(drift), h('p', { class: 'hint', testid: 'accept-effect', text: `The spec is retired${versions}. The resource is then no longer expected.` }), specDetails(drift.expected, true)];
  }
  return [
    h('div', { testid: 'accept-value' }, comparison(drift)),
    h('p', { class: 'hint', testid: 'accept-effect', text: `The live value becomes the expected value${versions}.` }),
    h('details', { class: 'new-value' }, h('summary', { text: 'New expected value' }), sideOf(drift, 'actual', 'New expected value')),
  ];
}
