// The sign-in view: at an OpenID Connect issuer, by a proxy, or with a token that the user pastes.

import { ApiError, askAs, explain } from './api.js';
import { h } from './dom.js';
import { SignInProblem } from './oidc.js';
import { issuerName, problemSentence, refusedSentence } from './oidc_text.js';
import { VIEWER } from './queries.js';
import { cleanToken } from './session.js';
/** @import { Answer, Oidc } from './oidc.js' */
/** @import { Session } from './session.js' */
/** @import { IssuerOptions, SignInWays } from './types.js' */

/** Shown if the server does not tell the ways to sign in. @type {SignInWays} */
const TOKEN_ONLY = { time: 0, received: 0, token: true, ownTokens: true };

export class SignIn {
  #session;
  #oidc;
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
  #button = h('button', { type: 'submit', testid: 'sign-in', text: 'Sign in' });
  /** What went wrong at the issuer or the proxy. */
  #problem = h('p', { class: 'form-error', role: 'alert', testid: 'sign-in-problem' });
  #title = h('h2', { id: 'sign-in-title', tabindex: '-1', text: 'Sign in to Drift Inbox' });
  #ways = h('div', { class: 'ways-to-sign-in' });
  #howToGet = h(
    'details',
    { class: 'no-token' },
    h('summary', { text: 'How do I get a token?' }),
    h('p', { text: 'An operator of the server, who has its DRIFT_JWT_SECRET, creates one with this command:' }),
    h('pre', { tabindex: '0', role: 'region', 'aria-label': 'Command', text: 'drift-inbox token --email you@example.com \\\n  --role platform_admin --ttl 8h' }),
    h('p', { text: 'The role platform_viewer has read access, platform_admin also has write access. The demo prints a link that signs you in.' }),
  );
  #form;
  /** Counts the calls of `show` and `hide`, so that a late answer does not change a newer view. */
  #shown = 0;

  /**
   * @param {Session} session
   * @param {Oidc} oidc
   * @param {() => void} retry signs in again by the proxy
   */
  constructor(session, oidc, retry) {
    this.#session = session;
    this.#oidc = oidc;
    this.retry = retry;
    this.#form = h(
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
      h('label', { for: 'token', text: 'Token' }),
      this.#input,
      h('p', { id: 'token-hint', class: 'hint', text: 'A JSON Web Token issued by your identity provider or by this server. It is stored in this tab only and sent to this server only.' }),
      this.#error,
      this.#button,
      this.#howToGet,
    );
    this.element = h('section', { class: 'sign-in', 'aria-labelledby': 'sign-in-title', hidden: true }, h('div', { class: 'sign-in-box' }, this.#title, this.#reason, this.#ways));
    // The browser may show this view as the user left it, when the user returns from the issuer without signing in.
    window.addEventListener('pageshow', (event) => {
      if (event.persisted && !this.element.hidden) void this.show(null);
    });
  }

  /**
   * @param {string | null} reason why the session ended; null if there was none
   * @param {string} [problem] why a sign-in failed
   * @param {{ otherUser?: boolean }} [how] `otherUser`: the user has signed in and has no access
   */
  async show(reason, problem = '', how = {}) {
    const shown = ++this.#shown;
    this.element.hidden = false;
    this.#error.textContent = '';
    this.#reason.textContent = reason ?? '';
    this.#reason.hidden = reason === null;
    this.#input.value = '';
    this.#ways.replaceChildren();
    const ways = await this.#oidc.ways().catch((error) => {
      problem ||= explain(error);
      return TOKEN_ONLY;
    });
    if (shown !== this.#shown) return;
    this.#draw(ways, how.otherUser ?? false);
    // Set after the element is in the page, so that screen readers announce it.
    this.#problem.textContent = problem || issuerProblem(ways.issuer);
  }

  /** @param {string} text what is being done, so that the user waits */
  showBusy(text) {
    this.#shown += 1;
    this.element.hidden = false;
    this.#reason.hidden = true;
    this.#ways.replaceChildren(h('p', { role: 'status', class: 'hint', testid: 'signing-in', text }));
  }

  hide() {
    this.#shown += 1;
    this.element.hidden = true;
    this.#input.value = '';
    this.#ways.replaceChildren();
  }

  /**
   * @param {SignInWays} ways
   * @param {boolean} otherUser
   */
  #draw(ways, otherUser) {
    const { issuer, proxy } = ways;
    const first = issuer !== undefined ? this.#issuerButton(issuer, otherUser) : proxy !== undefined ? h('button', { type: 'button', class: 'primary', testid: 'sign-in-proxy', text: 'Try again', on: { click: () => this.retry() } }) : this.#input;
    const isOnly = issuer === undefined && proxy === undefined;
    this.#button.classList.toggle('primary', isOnly);
    this.#howToGet.hidden = !ways.ownTokens;
    this.#ways.replaceChildren(
      this.#problem,
      ...(issuer === undefined ? [] : [first]),
      ...(proxy === undefined ? [] : [...proxyTexts(proxy), ...(issuer === undefined ? [first] : [])]),
      ...(!ways.token ? [] : isOnly ? [this.#form] : [h('details', { class: 'no-token', testid: 'with-token' }, h('summary', { text: 'Sign in with a token' }), this.#form)]),
    );
    first.focus();
  }

  /**
   * @param {IssuerOptions} issuer
   * @param {boolean} otherUser
   */
  #issuerButton(issuer, otherUser) {
    const isReady = issuer.endpoints !== undefined;
    const name = issuerName(issuer.issuer);
    const text = !isReady ? 'Try again' : otherUser ? 'Sign in with another account' : `Sign in with ${name}`;
    const button = h('button', {
      type: 'button',
      class: 'primary',
      testid: 'sign-in-issuer',
      text,
      on: {
        click: () => {
          button.disabled = true;
          if (!isReady) void this.show(null);
          else void this.#leave(otherUser);
        },
      },
    });
    return button;
  }

  /** @param {boolean} otherUser */
  async #leave(otherUser) {
    try {
      // Without `prompt` the issuer would sign in the same user again.
      await this.#oidc.leave(otherUser ? { prompt: 'login' } : {});
    } catch (error) {
      void this.show(null, problemText(error));
    }
  }

  /**
   * Completes a sign-in at the issuer. Shows this view again if it fails.
   * @param {Answer} answer
   */
  async finish(answer) {
    this.showBusy('Signing you in…');
    let token = '';
    try {
      const signedIn = await this.#oidc.finish(answer);
      ({ token } = signedIn);
      const { viewer } = await askAs(token, VIEWER);
      this.#session.begin(token, viewer, signedIn.grant);
    } catch (error) {
      const { issuer } = await this.#oidc.ways().catch(() => TOKEN_ONLY);
      const otherUser = error instanceof ApiError && error.code === 'FORBIDDEN';
      void this.show(null, newTokenProblem(error, token, issuer, this.#oidc.now), { otherUser });
    }
  }

  /**
   * Signs in the user whom the proxy names. Shows this view if it names none.
   * @param {string | null} reason why the last session ended
   */
  async tryProxy(reason) {
    try {
      const { viewer } = await askAs(null, VIEWER);
      this.#session.begin(null, viewer);
    } catch (error) {
      const isAnonymous = error instanceof ApiError && error.code === 'UNAUTHENTICATED';
      void this.show(reason, isAnonymous ? '' : proxyProblem(error));
    }
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

/** @param {{ user: string, roles: string }} proxy */
function proxyTexts({ user, roles }) {
  return [
    h('p', { testid: 'proxy-missing', text: 'A proxy in front of this server can sign you in. It named no user in your request. Open this page by the address of the proxy.' }),
    h('p', { class: 'hint' }, 'For operators: the proxy must send the headers ', h('code', { text: user }), ' (id of the user) and ', h('code', { text: roles }), ' (roles, separated by commas) with each request, also to /graphql.'),
  ];
}

/** @param {IssuerOptions | undefined} issuer */
function issuerProblem(issuer) {
  return issuer?.problem === undefined ? '' : problemSentence(issuer.problem, issuerName(issuer.issuer));
}

/** @param {unknown} error */
function problemText(error) {
  return error instanceof SignInProblem ? error.message : explain(error);
}

/** @param {unknown} error */
function proxyProblem(error) {
  if (error instanceof ApiError && error.code === 'FORBIDDEN') return 'The proxy signed you in, but access requires the role platform_viewer or platform_admin, and you have neither.';
  return explain(error);
}

/**
 * Explains why a sign-in at the issuer failed.
 * @param {unknown} error
 * @param {string} token the token that the issuer gave; empty if it gave none
 * @param {IssuerOptions | undefined} issuer
 * @param {number} now the time of the server in milliseconds
 */
export function newTokenProblem(error, token, issuer, now) {
  if (!(error instanceof ApiError) || issuer === undefined || token === '') return problemText(error);
  if (error.code === 'UNAUTHENTICATED') return refusedSentence(token, issuer, now);
  if (error.code === 'FORBIDDEN') return `You are signed in at ${issuerName(issuer.issuer)}, but access requires the role platform_viewer or platform_admin, and your account has neither.`;
  return explain(error);
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof ApiError)) return explain(error);
  if (error.code === 'UNAUTHENTICATED') return 'The server does not accept this token. It is not valid or has expired.';
  if (error.code === 'FORBIDDEN') return 'This token is valid, but access requires the role platform_viewer or platform_admin, and it has neither.';
  return explain(error);
}
