// The session of the signed-in user. The token is stored in sessionStorage, for this tab only, under the key that the
// GraphiQL page uses too. It is in no address and no cookie, and it is sent only to the API of this server. So is what
// an issuer gave besides the token; it is sent only to the issuer. A user whom a proxy signs in has no token.

/** @import { Grant, Viewer } from './types.js' */

const TOKEN_KEY = 'drift-inbox:token';
const GRANT_KEY = 'drift-inbox:grant';
const MINUTE = 60_000;
/** How long before the end of a session the user is warned, in milliseconds. */
const WARNING = 5 * MINUTE;
/** Maximum delay of setTimeout in milliseconds. */
const LONGEST_TIMER = 2_147_483_647;

export class Session extends EventTarget {
  /** @type {string | null} */
  #kept = null;
  /** @type {Viewer | null} */
  viewer = null;
  /** @type {Grant | null} */
  #keptGrant = null;
  /** Whether the token is no longer valid and the user is asked to sign in again. The page stays as it is. */
  lapsed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @returns {string | null} */
  get token() {
    try {
      return sessionStorage.getItem(TOKEN_KEY) ?? this.#kept;
    } catch {
      // The browser has no storage, so the token is kept in a variable.
      return this.#kept;
    }
  }

  /** What the issuer gave besides the token; null if the token is not from a sign-in at an issuer. */
  get grant() {
    try {
      const text = sessionStorage.getItem(GRANT_KEY);
      return text === null ? this.#keptGrant : /** @type {Grant} */ (JSON.parse(text));
    } catch {
      return this.#keptGrant;
    }
  }

  /**
   * @param {string | null} token
   * @param {Grant | null} [grant]
   */
  #write(token, grant = null) {
    this.#kept = token;
    this.#keptGrant = grant;
    try {
      if (grant === null) sessionStorage.removeItem(GRANT_KEY);
      else sessionStorage.setItem(GRANT_KEY, JSON.stringify(grant));
      if (token === null) sessionStorage.removeItem(TOKEN_KEY);
      else sessionStorage.setItem(TOKEN_KEY, token);
    } catch {
      // The browser has no storage. The variable has the token.
    }
  }

  /**
   * Removes `#token=...` from the address, so that no bookmark, history entry or screenshot contains the token.
   * @returns {boolean} whether the address had a token
   */
  takeTokenFromAddress() {
    const given = new URLSearchParams(location.hash.slice(1)).get('token');
    if (given === null) return false;
    history.replaceState(history.state, '', location.pathname + location.search);
    const token = cleanToken(given);
    this.#write(token === '' ? null : token);
    this.viewer = null;
    return true;
  }

  get canDecide() {
    return this.viewer?.roles.includes('PLATFORM_ADMIN') ?? false;
  }

  /**
   * @param {string | null} token null if a proxy signs the user in
   * @param {Viewer} viewer
   * @param {Grant | null} [grant]
   */
  begin(token, viewer, grant = null) {
    this.#write(token, grant);
    this.viewer = viewer;
    this.lapsed = false;
    this.dispatchEvent(new Event('begin'));
    this.#watchExpiry();
  }

  /**
   * Stores a new token of the same user, before it is used.
   * @param {string} token
   * @param {Grant} grant
   */
  keep(token, grant) {
    this.#write(token, grant);
  }

  /**
   * Continues the session of the same user with a new token.
   * @param {string} token
   * @param {Viewer} viewer
   * @param {Grant} grant
   */
  renewed(token, viewer, grant) {
    this.#write(token, grant);
    this.viewer = viewer;
    this.lapsed = false;
    this.dispatchEvent(new Event('renewed'));
    this.#watchExpiry();
  }

  /**
   * Asks the user to sign in again at the issuer. The page stays as it is, so that nothing that was typed is lost.
   * @param {string} why
   */
  lapse(why) {
    if (this.lapsed || this.viewer === null) return;
    clearTimeout(this.#timer);
    this.lapsed = true;
    this.dispatchEvent(new CustomEvent('lapsed', { detail: why }));
  }

  /**
   * @param {string} [why] the reason to show; absent if the user signed out
   */
  end(why) {
    if (this.token === null && this.viewer === null) return;
    clearTimeout(this.#timer);
    this.#write(null);
    this.viewer = null;
    this.lapsed = false;
    this.dispatchEvent(new CustomEvent('end', { detail: why ?? null }));
  }

  /** Returns the expiry time of the token; null if it cannot be read. */
  get expiresAt() {
    return this.grant?.expiresAt ?? (this.token === null ? null : expiryOf(this.token));
  }

  // Only warns the user: this clock may be wrong, and the server decides whether a token is valid.
  #watchExpiry() {
    clearTimeout(this.#timer);
    const expiresAt = this.expiresAt;
    // With a refresh token the session is renewed without the user.
    if (expiresAt === null || (this.grant?.refreshToken ?? null) !== null) return;
    const left = expiresAt - Date.now();
    if (left <= 0) {
      this.dispatchEvent(new Event('expired'));
      return;
    }
    if (left <= WARNING) this.dispatchEvent(new Event('expiring'));
    const next = left > WARNING ? left - WARNING : Math.min(left, MINUTE);
    this.#timer = setTimeout(() => this.#watchExpiry(), Math.min(next, LONGEST_TIMER));
  }
}

/**
 * Returns the token in a pasted text, which may also be a link or a header.
 * @param {string} text
 */
export function cleanToken(text) {
  const trimmed = text.trim();
  const link = /[#&]token=([^&\s]+)/.exec(trimmed);
  return (link?.[1] ?? trimmed).replace(/^(?:authorization:\s*)?bearer\s+/i, '').trim();
}

/**
 * @param {string} token
 * @returns {number | null} milliseconds since 1970
 */
export function expiryOf(token) {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof claims.exp === 'number' ? claims.exp * 1000 : null;
  } catch {
    // The page cannot read this token, but the server may accept it.
    return null;
  }
}
