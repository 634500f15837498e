// The dialog that accepts some members of a drifted list. The drift stays open with the others.

import { ApiError, explain } from './api.js';
import { fieldName, kindName, plural, resourceName, visibleLine } from './format.js';
import { summary } from './changes.js';
import { ACCEPT_MEMBERS, MEMBERS, UNDO } from './queries.js';
import { canTryAgain, undoProblem } from './undo.js';
import { html, loading, nothing } from './view.js';
import { render } from './vendor/lit-html/lit-html.js';
/** @import { Context, Drift, DriftMember } from './types.js' */

/** @typedef {{ revision: number, members: DriftMember[] | null }} Loaded */

export class MembersDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  /** @type {Loaded | null} */
  #loaded = null;
  /** The places of the chosen members. @type {Set<number>} */
  #chosen = new Set();
  #note = '';
  #message = '';
  #busy = false;
  #asking = new AbortController();

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = document.createElement('dialog');
    this.element.className = 'dialog members';
    this.element.dataset.testid = 'members-dialog';
    this.element.setAttribute('aria-labelledby', 'members-title');
    this.element.addEventListener('close', () => this.#closed());
  }

  /** @param {Drift} drift */
  open(drift) {
    this.#drift = drift;
    this.#loaded = null;
    this.#chosen.clear();
    this.#note = '';
    this.#message = '';
    this.#busy = false;
    this.#draw();
    this.element.showModal();
    void this.#load();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  async #load() {
    const drift = this.#drift;
    if (drift === null) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const { drift: found } = await this.#context.api.ask(MEMBERS, { id: drift.id }, signal);
      if (signal.aborted) return;
      this.#loaded = found === null ? { revision: 0, members: null } : { revision: found.revision, members: found.status === 'OPEN' ? found.members : null };
    } catch (error) {
      if (signal.aborted) return;
      this.#message = explain(error);
    }
    this.#draw();
    const first = this.element.querySelector('input[type=checkbox]');
    if (first instanceof HTMLElement) first.focus();
  }

  async #send() {
    const [drift, loaded] = [this.#drift, this.#loaded];
    if (drift === null || loaded?.members == null || this.#busy || this.#chosen.size === 0) return;
    this.#busy = true;
    this.#draw();
    const members = loaded.members.filter((_, place) => this.#chosen.has(place)).map(({ value }) => value);
    const note = this.#note.trim();
    const what = `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
    try {
      const input = { driftId: drift.id, revision: loaded.revision, members, ...(note === '' ? {} : { note }) };
      const { acceptDriftMembers: done } = await this.#context.api.ask(ACCEPT_MEMBERS, { input });
      if (this.#drift === drift) this.close();
      const text = `Accepted ${plural(members.length, 'member')}: ${what}${done.drift === null ? '' : '. The others stay open'}`;
      this.#context.decisions.made(done.warning === null ? text : `${text}. ${done.warning}`, { what: `the accept of ${what}`, undo: () => this.#undo(done.accepted.id, what) }, { isWarning: done.warning !== null });
      this.#context.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const unknown = error.code === 'NETWORK' ? ' It is not known whether they were accepted.' : '';
      if (this.#drift !== drift) return;
      this.#message = error.code === 'LIVE_VALUE_MOVED' ? 'Not accepted: the live value has changed. Review the members again.' : `${unknown === '' ? 'Not accepted. ' : ''}${explain(error)}${unknown}`;
      this.#chosen.clear();
      this.#busy = false;
      await this.#load();
    }
  }

  /**
   * @param {string} id
   * @param {string} what
   */
  async #undo(id, what) {
    try {
      await this.#context.api.ask(UNDO, { input: { driftId: id } });
      this.#context.refresh();
      return { text: `Undid the accept of ${what}.`, isProblem: false };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error.code === 'UNAUTHENTICATED' ? null : { text: undoProblem(error), isProblem: true, again: canTryAgain(error) };
    }
  }

  #closed() {
    this.#asking.abort();
    const drift = this.#drift;
    this.#drift = null;
    this.#loaded = null;
    render(nothing, this.element);
    if (drift !== null && this.#context.router.route.drift === null) this.#context.focus(drift.id);
  }

  /** @param {number} place */
  #toggle(place) {
    if (!this.#chosen.delete(place)) this.#chosen.add(place);
    this.#draw();
  }

  #draw() {
    const drift = this.#drift;
    if (drift === null) return;
    const members = this.#loaded?.members ?? null;
    const none = this.#loaded !== null && members === null;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#send();
    };
    render(
      html`<form @submit=${submit}>
        <div class="dialog-head"><h2 id="members-title">Accept some members?</h2></div>
        <div class="dialog-body">
          <p class="crumbs"><strong>${visibleLine(resourceName(drift.resource))}</strong><span class="kind">${kindName(drift.resource.kind)}</span><code>${visibleLine(fieldName(drift))}</code></p>
          <div role="alert">${this.#message === '' ? nothing : html`<p class="refusal" data-testid="members-refusal">${this.#message}</p>`}</div>
          ${none ? html`<p class="note">The values have no members that differ: the drift is closed, or its values are not lists.</p>` : nothing}
          ${members === null ? (none || this.#message !== '' ? nothing : loading(3)) : this.#choices(members)}
        </div>
        <div class="dialog-foot">
          <button type="button" data-testid="cancel-members" @click=${() => this.close()}>Cancel</button>
          <button type="submit" class="primary" data-testid="confirm-members" ?disabled=${this.#busy || this.#chosen.size === 0}>${this.#chosen.size === 0 ? 'Accept' : `Accept ${plural(this.#chosen.size, 'member')}`}</button>
        </div>
      </form>`,
      this.element,
    );
  }

  /** @param {DriftMember[]} members */
  #choices(members) {
    return html`<fieldset class="field">
        <legend>Members that differ</legend>
        ${members.map(
          ({ side, value }, place) => html`<p class="check" data-testid="member">
            <input id="member-${place}" type="checkbox" .checked=${this.#chosen.has(place)} @change=${() => this.#toggle(place)} />
            <label for="member-${place}">${side === 'ADDED' ? '+ ' : '− '}<span class="value ${side === 'ADDED' ? 'live' : 'expected'}">${visibleLine(summary(value))}</span> <span class="hint">${side === 'ADDED' ? 'live only: becomes expected' : 'expected only: is no longer expected'}</span></label>
          </p>`,
        )}
      </fieldset>
      <div class="field"><label for="members-note">Note</label><input id="members-note" type="text" autocomplete="off" data-testid="members-note" .value=${this.#note} @input=${(/** @type {Event} */ event) => (this.#note = /** @type {HTMLInputElement} */ (event.target).value)} /></div>`;
  }
}
