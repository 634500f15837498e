// The dialog that asks a user whose session has ended to sign in at the issuer again. It opens above all others and
// leaves the page as it is, so that nothing that was typed is lost.

import { askAs, isAbort } from './api.js';
import { h } from './dom.js';
import { signInBesides } from './oidc.js';
import { VIEWER } from './queries.js';
import { newTokenProblem } from './signin.js';
/** @import { Oidc } from './oidc.js' */
/** @import { Session } from './session.js' */

export class SignInAgain {
  #session;
  #oidc;
  #why = h('p', { testid: 'lapsed-reason' });
  #problem = h('p', { class: 'form-error', role: 'alert', testid: 'again-problem' });
  #button = h('button', { type: 'button', class: 'primary', testid: 'sign-in-again', text: 'Sign in again', on: { click: () => void this.#signIn() } });
  /** The sign-in under way. */
  #attempt = new AbortController();
  /** The user of the session that ended. */
  #user = '';

  /**
   * @param {Session} session
   * @param {Oidc} oidc
   */
  constructor(session, oidc) {
    this.#session = session;
    this.#oidc = oidc;
    this.element = h(
      'dialog',
      { class: 'dialog confirm', testid: 'again-dialog', 'aria-labelledby': 'again-title', on: { close: () => this.#attempt.abort() } },
      h('div', { class: 'dialog-head' }, h('h2', { id: 'again-title', text: 'Sign in again' })),
      h('div', { class: 'dialog-body' }, this.#why, h('p', { class: 'hint', text: 'The sign-in opens in a window of its own. What you typed on this page is kept.' }), this.#problem),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'button', testid: 'not-now', text: 'Not now', on: { click: () => this.close() } }), this.#button),
    );
  }

  /** @param {string} why why the session ended */
  open(why) {
    this.#why.textContent = why;
    this.#problem.textContent = '';
    this.#user = this.#session.viewer?.id ?? '';
    if (!this.element.open) this.element.showModal();
    this.#button.focus();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  async #signIn() {
    this.#attempt.abort();
    this.#attempt = new AbortController();
    const { signal } = this.#attempt;
    this.#problem.textContent = '';
    let token = '';
    try {
      const signedIn = await signInBesides(this.#oidc, signal);
      ({ token } = signedIn);
      const { viewer } = await askAs(token, VIEWER);
      if (signal.aborted) return;
      if (viewer.id === this.#user) this.#session.renewed(token, viewer, signedIn.grant);
      else this.#beginAnew(token, viewer, signedIn.grant);
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      const { issuer } = await this.#oidc.ways().catch(() => ({ issuer: undefined }));
      this.#problem.textContent = newTokenProblem(error, token, issuer, this.#oidc.now);
    }
  }

  /**
   * Another user has signed in, who must not see what the one before has typed.
   * @param {string} token
   * @param {import('./types.js').Viewer} viewer
   * @param {import('./types.js').Grant} grant
   */
  #beginAnew(token, viewer, grant) {
    this.#session.end();
    this.#session.begin(token, viewer, grant);
  }
}
