// Asks before a live value becomes the desired one. What is accepted is what the dialog shows, at the revision
// that it shows; whenever that changes under it, somebody has to look again first.

import { ApiError, explain } from './api.js';
import { announce, h } from './dom.js';
import { byteLength, fieldName, kindName, resolution, resourceName, timeElement, visible, visibleLine } from './format.js';
import { ACCEPT, DETECT, DRIFT_ROW } from './queries.js';
import { fullDifference, specFields, wholeValue } from './values.js';
/** @import { Context, Drift } from './types.js' */

/** How the source of a spec begins that a Terraform state owns; the name of the state follows. */
const STATE_SOURCE = 'terraform:';
/** Bytes that the server takes. */
const LONGEST_NOTE = 4096;

export class AcceptDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  #busy = false;
  /** How often it was opened: an answer may come when it is about another drift already. */
  #opened = 0;
  /** Whether the value that is shown has been looked at since it came. */
  #seen = true;
  /** Notes that were not sent, by drift: a session may end while one is written. @type {Map<string, string>} */
  #drafts = new Map();
  #content = h('div', { class: 'accept-content' });
  #message = h('div', { class: 'refusal', testid: 'refusal', role: 'alert' });
  #note = h('textarea', { id: 'accept-note', testid: 'note', rows: '3', 'aria-describedby': 'accept-note-size', on: { input: () => this.#typed() } });
  #size = h('span', { id: 'accept-note-size', class: 'hint' });
  #review = h('button', { type: 'button', testid: 'accept-review', hidden: true, text: 'I have looked at the new value', on: { click: () => this.#looked() } });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-accept' });
  #cancel = h('button', { type: 'button', testid: 'cancel-accept', on: { click: () => this.element.close() } });
  #noteField = h('div', { class: 'field' }, h('label', { for: 'accept-note', text: 'Note, for those who come later (optional)' }), this.#note, this.#size);

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
        h('h2', { id: 'accept-title', text: 'Accept what is there' }),
        h('div', { class: 'dialog-body' }, this.#message, this.#content, this.#noteField),
        h('div', { class: 'dialog-foot' }, this.#review, this.#cancel, this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
    // A key that is held would press one button after the other.
    this.element.addEventListener('keydown', (event) => {
      if (event.repeat && event.target instanceof HTMLButtonElement) event.preventDefault();
    });
  }

  /**
   * @param {Drift} drift as it is on the screen
   */
  open(drift) {
    this.#busy = false;
    this.#opened += 1;
    this.#message.replaceChildren();
    this.#note.value = this.#drafts.get(drift.id) ?? '';
    this.#show(drift, true);
    this.element.showModal();
    this.#note.focus();
    // What is on the screen may be a while old.
    void this.#lookUp(drift.id);
  }

  /** Closes it without a word, such as when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    if (this.#drift !== null && this.#drift.status === 'OPEN' && this.#note.value !== '') {
      this.#drafts.set(this.#drift.id, this.#note.value);
    }
    this.#drift = null;
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
    this.#content.replaceChildren(
      h('p', { class: 'crumbs' }, h('strong', { text: visibleLine(resourceName(resource)) }), h('span', { class: 'kind', text: kindName(resource.kind) }), h('code', { text: visibleLine(fieldName(drift)) })),
      ...(open ? effect(drift) : [h('h3', { text: 'What it was about' }), fullDifference(drift)]),
    );
    this.#noteField.hidden = !open;
    this.#confirm.hidden = !open;
    this.#review.hidden = !open || seen;
    this.#confirm.textContent = drift.kind === 'MISSING' ? 'Accept and retire the spec' : 'Accept this value';
    this.#cancel.textContent = open ? 'Cancel' : 'Close';
    this.#typed();
  }

  #typed() {
    const bytes = byteLength(this.#note.value);
    const over = bytes > LONGEST_NOTE;
    this.#size.textContent = over
      ? `${bytes - LONGEST_NOTE} bytes too long`
      : bytes > LONGEST_NOTE / 2
        ? `${LONGEST_NOTE - bytes} bytes left`
        : '';
    this.#note.setAttribute('aria-invalid', String(over));
    this.#confirm.disabled = over || this.#busy || !this.#seen;
  }

  #looked() {
    this.#seen = true;
    this.#review.hidden = true;
    this.#message.replaceChildren();
    this.#typed();
    this.#confirm.focus();
  }

  /**
   * @param {string} title
   * @param {...(HTMLElement | string | false)} more
   */
  #say(title, ...more) {
    this.#message.replaceChildren(h('p', {}, h('strong', { text: title }), ' ', ...more));
    this.#message.scrollIntoView({ block: 'nearest' });
  }

  /**
   * Somebody else may have changed what the dialog is about.
   * @param {Drift} now
   */
  hear(now) {
    const shown = this.#drift;
    if (shown === null || !this.element.open || now.id !== shown.id || shown.status !== 'OPEN') return;
    if (now.status !== 'OPEN') {
      if (!this.#busy) this.#resolvedMeanwhile(now);
      return;
    }
    if (now.revision > shown.revision) {
      this.#show(now, false);
      this.#say('This changed while you were looking.', 'Below is what is there now: look again before you accept.');
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
      this.#say('It no longer differs.', 'What is there is what is asked for: nothing is left to decide.');
    } else {
      this.#say('Somebody was faster.', `It was ${visible(resolution(now))} `, when, '.', note, ' Nothing is left to decide.');
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
      // The accept itself says what is wrong, if it still is by then.
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
      if (this.#opened === opened) {
        this.#note.value = '';
        this.#drift = null;
        this.element.close();
      }
      this.#drafts.delete(drift.id);
      this.#context.changed(acceptDrift.drift);
      announce(`Accepted ${fieldName(drift)} of ${resourceName(drift.resource)}`);
    } catch (error) {
      if (this.#opened === opened) this.#busy = false;
      await this.#refused(drift, error, () => this.element.open && this.#opened === opened);
    }
    if (this.#opened !== opened) return;
    this.#busy = false;
    this.#typed();
  }

  /**
   * @param {Drift} drift
   * @param {unknown} error
   * @param {() => boolean} isShown whether the dialog is still about it
   */
  async #refused(drift, error, isShown) {
    const code = error instanceof ApiError ? error.code : '';
    if (code === 'UNAUTHENTICATED') return;
    const now = ['ALREADY_RESOLVED', 'LIVE_VALUE_MOVED', 'NETWORK', 'REQUEST_TIMEOUT'].includes(code) ? await this.#lookUp(drift.id) : null;
    // Closed, or already told by the row itself.
    if (!isShown() || (now !== null && now.status !== 'OPEN')) return;
    switch (code) {
      case 'LIVE_VALUE_MOVED':
        this.#seen = false;
        if (now !== null) this.#show(now, false);
        this.#say('Refused: the live value moved.', 'Below is what is there now: look again before you accept.');
        break;
      case 'SPEC_MOVED':
        this.#say('Refused: the spec was recorded anew since.', 'What this drift compares with is no longer what is asked for. ', this.#compareAgain(drift));
        break;
      case 'FORBIDDEN':
        this.#say('Refused: your role may not accept.', 'Accepting needs the role platform_admin.');
        break;
      case 'NETWORK':
      case 'REQUEST_TIMEOUT':
        this.#say(explain(error), now === null ? 'Whether the accept went through is not known; try again when the server is back.' : 'The drift is still open: try again.');
        break;
      default:
        this.#say('Not accepted.', explain(error));
    }
  }

  /** @param {Drift} drift */
  #compareAgain(drift) {
    const button = h('button', { type: 'button', text: 'Compare again now' });
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await this.#context.api.ask(DETECT, { input: { resourceIds: [drift.resource.id] } });
        const now = await this.#lookUp(drift.id);
        if (now?.status === 'OPEN' && now.revision === drift.revision) this.#say('Compared again.', 'Nothing changed.');
      } catch (error) {
        this.#say('Not compared.', explain(error));
      }
    });
    return button;
  }
}

/**
 * Exactly what an accept would do.
 * @param {Drift} drift
 */
function effect(drift) {
  return [...ownerWarning(drift), ...change(drift)];
}

/**
 * An accept that the next import undoes must not come as a surprise.
 * @param {Drift} drift
 */
function ownerWarning(drift) {
  const source = drift.resource.provisioned?.source ?? '';
  if (!source.startsWith(STATE_SOURCE)) return [];
  const state = visibleLine(source.slice(STATE_SOURCE.length));
  const remedy =
    drift.kind === 'MISSING'
      ? 'records the spec again, unless the resource is removed from that state first.'
      : 'records its own value again, unless the configuration gets the live value first.';
  return [
    h('p', { class: 'warning', testid: 'accept-owner' }, h('strong', { text: 'This spec comes from a Terraform state.' }), ` The next import of “${state}” ${remedy}`),
  ];
}

/** @param {Drift} drift */
function change(drift) {
  const version = drift.resource.provisioned?.specVersion;
  const versions = version === undefined ? '' : `, spec version ${version} → ${version + 1}`;
  if (drift.kind === 'MISSING') {
    return [
      h('p', { testid: 'accept-effect', text: `The resource is gone. Its spec will be retired: nothing is wanted any more${versions}.` }),
      h('h3', { text: 'What will no longer be asked for' }),
      specFields(drift.expected),
    ];
  }
  return [
    h('h3', { testid: 'accept-effect', text: `Will be asked for from now on${versions}` }),
    h('div', { testid: 'accept-value' }, h('p', { class: 'desired-field' }, h('code', { text: visibleLine(drift.field) }), ':'), wholeValue(drift.actual, 'Value that will be asked for')),
    h('h3', { text: 'What that changes' }),
    fullDifference(drift),
  ];
}
