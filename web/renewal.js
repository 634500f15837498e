// Renews the session of a user who signed in at an issuer, before its token ends. Dispatches 'problem' whenever a renewal
// failed for a reason that may pass. The session dispatches 'renewed' after one that succeeded.

import { ApiError, askAs, explain } from './api.js';
import { SignInProblem } from './oidc.js';
import { VIEWER } from './queries.js';
/** @import { Oidc } from './oidc.js' */
/** @import { Session } from './session.js' */

/** How long before the end of the token it is renewed, in milliseconds, at most a fifth of its life. */
const EARLY = 60_000;
/** Milliseconds between two looks at the clock. Timers stand still while the computer sleeps. */
const LOOK = 15_000;
/** Shortest and longest time in milliseconds between two attempts. */
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

export class Renewal extends EventTarget {
  #session;
  #oidc;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The renewal under way. @type {Promise<boolean> | null} */
  #running = null;
  #failures = 0;
  /** Time before which no attempt is made on its own. */
  #pausedUntil = 0;
  /** Why the last attempt failed, if another one can succeed; otherwise empty. */
  problem = '';

  /**
   * @param {Session} session
   * @param {Oidc} oidc
   */
  constructor(session, oidc) {
    super();
    this.#session = session;
    this.#oidc = oidc;
    for (const event of ['begin', 'renewed', 'end', 'lapsed']) session.addEventListener(event, () => this.#look());
    document.addEventListener('visibilitychange', () => this.#look());
    window.addEventListener('online', () => this.#look());
    window.addEventListener('pageshow', () => this.#look());
  }

  /** Whether the session can be renewed without the user. */
  get #canRenew() {
    const { grant, lapsed, viewer } = this.#session;
    return viewer !== null && !lapsed && (grant?.refreshToken ?? null) !== null;
  }

  /** Whether the token has ended, and a renewal may help. */
  get isLate() {
    const expiresAt = this.#session.grant?.expiresAt ?? Infinity;
    return this.#canRenew && Date.now() >= expiresAt;
  }

  /** Returns the milliseconds until the token should be renewed. */
  #left() {
    const { grant } = this.#session;
    if (grant === null || grant.expiresAt === null) return Infinity;
    return grant.expiresAt - Math.min(EARLY, (grant.expiresAt - grant.receivedAt) / 5) - Date.now();
  }

  #look() {
    clearTimeout(this.#timer);
    if (!this.#canRenew) {
      this.problem = '';
      return;
    }
    if (this.#left() <= 0) void this.renew();
    const next = Math.max(this.#left(), this.#pausedUntil - Date.now(), 0);
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(next, 200), LOOK));
  }

  /**
   * Renews the session, unless an attempt failed a moment ago. There is one renewal at a time, because an issuer accepts
   * each refresh token once.
   * @param {{ atOnce?: boolean }} [how] `atOnce`: the user has asked for it
   * @returns {Promise<boolean>} whether the session has a new token
   */
  renew({ atOnce = false } = {}) {
    if (!this.#canRenew || (Date.now() < this.#pausedUntil && !atOnce)) return Promise.resolve(false);
    this.#running ??= this.#attempt().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #attempt() {
    const { grant, viewer } = this.#session;
    if (grant === null || viewer === null) return false;
    try {
      const { token, grant: next } = await this.#oidc.renew(grant);
      // The user may have signed out in the meantime.
      if (this.#session.grant?.refreshToken !== grant.refreshToken) return false;
      // Kept at once, because the issuer no longer accepts the refresh token before it.
      this.#session.keep(token, next);
      // The roles may have changed.
      const now = await askAs(token, VIEWER).then(
        (data) => data.viewer,
        (error) => (error instanceof ApiError && error.code === 'NETWORK' ? viewer : Promise.reject(error)),
      );
      if (this.#session.token !== token) return false;
      this.#succeeded();
      this.#session.renewed(token, now, next);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #succeeded() {
    this.problem = '';
    this.#failures = 0;
    this.#pausedUntil = 0;
  }

  /** @param {unknown} error */
  #failed(error) {
    const passes = error instanceof SignInProblem ? error.kind === 'network' : error instanceof ApiError && !['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code);
    if (!passes) {
      this.problem = '';
      if (!(error instanceof SignInProblem || error instanceof ApiError)) console.error(error);
      this.#session.lapse(lapseReason(error));
      return;
    }
    this.problem = error instanceof SignInProblem ? error.message : explain(error);
    this.#pausedUntil = Date.now() + Math.min(FIRST_PAUSE * 2 ** this.#failures, LONGEST_PAUSE);
    this.#failures += 1;
    this.dispatchEvent(new Event('problem'));
  }
}

/** @param {unknown} error */
function lapseReason(error) {
  if (error instanceof SignInProblem) return error.message;
  if (error instanceof ApiError && error.code === 'FORBIDDEN') return 'Your account no longer has the role platform_viewer or platform_admin.';
  if (error instanceof ApiError) return 'The server does not accept your renewed token.';
  return `The page failed: ${String(error)}`;
}
