// The sign-in form: the user pastes a token. It also explains how to get one.

import { ApiError, askAs, explain } from './api.js';
import { h } from './dom.js';
import { VIEWER } from './queries.js';
import { cleanToken } from './session.js';
/** @import { Session } from './session.js' */

export class SignIn {
  #session;
  #input = h('input', {
    type: 'password',
    id: 'token',
    testid: 'token-input',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'off',
    required: true,
    'aria-describedby': 'sign-in-error token-hint',
  });
  #error = h('p', { id: 'sign-in-error', class: 'form-error', role: 'alert', testid: 'sign-in-error' });
  #reason = h('p', { class: 'note', testid: 'sign-in-reason', hidden: true });
  #button = h('button', { type: 'submit', class: 'primary', testid: 'sign-in', text: 'Sign in' });

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
    this.element = h(
      'section',
      { class: 'sign-in', 'aria-labelledby': 'sign-in-title', hidden: true },
      h(
        'form',
        {
          testid: 'sign-in-form',
          on: {
            submit: (event) => {
              event.preventDefault();
              void this.tryToken(cleanToken(this.#input.value));
            },
          },
        },
        h('h2', { id: 'sign-in-title', tabindex: '-1', text: 'Sign in to Drift Inbox' }),
        this.#reason,
        h('label', { for: 'token', text: 'Token' }),
        this.#input,
        h('p', { id: 'token-hint', class: 'hint', text: 'A JSON Web Token issued by your identity provider or by this server. It is stored in this tab only and sent to this server only.' }),
        this.#error,
        this.#button,
        h(
          'details',
          { class: 'no-token' },
          h('summary', { text: 'How do I get a token?' }),
          h('p', { text: 'An operator of the server, who has its DRIFT_JWT_SECRET, creates one with this command:' }),
          h('pre', { tabindex: '0', role: 'region', 'aria-label': 'Command', text: 'drift-inbox token --email you@example.com \\\n  --role platform_admin --ttl 8h' }),
          h('p', { text: 'The role platform_viewer has read access, platform_admin also has write access. The demo prints a link that signs you in.' }),
        ),
      ),
    );
  }

  /** @param {string | null} reason why the session ended; null if there was none */
  show(reason) {
    this.element.hidden = false;
    this.#error.textContent = '';
    this.#reason.textContent = reason ?? '';
    this.#reason.hidden = reason === null;
    this.#input.value = '';
    this.#input.focus();
  }

  hide() {
    this.element.hidden = true;
    this.#input.value = '';
  }

  /**
   * @param {string} token
   * @returns {Promise<boolean>}
   */
  async tryToken(token) {
    this.#error.textContent = '';
    this.#input.removeAttribute('aria-invalid');
    if (token === '') {
      this.#refuse('Paste a token first.');
      return false;
    }
    this.#button.disabled = true;
    try {
      const { viewer } = await askAs(token, VIEWER);
      this.#session.begin(token, viewer);
      return true;
    } catch (error) {
      this.#refuse(reasonOf(error));
      return false;
    } finally {
      this.#button.disabled = false;
    }
  }

  /** @param {string} text */
  #refuse(text) {
    this.#error.textContent = text;
    this.#input.setAttribute('aria-invalid', 'true');
    this.#input.focus();
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof ApiError)) return explain(error);
  if (error.code === 'UNAUTHENTICATED') return 'The server does not accept this token. It is not valid or has expired.';
  if (error.code === 'FORBIDDEN') return 'This token is valid, but access requires the role platform_viewer or platform_admin, and it has neither.';
  return explain(error);
}
