// Signs users in at an OpenID Connect issuer: authorization code flow with PKCE, renewal by refresh token, sign-out.
// The protocol itself is in the library oauth4webapi, which is loaded only if an issuer is used.

import { signInWays } from './api.js';
import { claimsOf, clockSentence, endedSentence, errorSentence, issuerName, problemSentence, unreachableSentence } from './oidc_text.js';
/** @import { Grant, IssuerOptions, SignInWays } from './types.js' */

/** Key of the sign-in that this tab has begun. */
const FLOW_KEY = 'drift-inbox:flow';
/** State of a sign-in in a window of its own, whose answer goes to the tab that opened it. */
const WINDOW_STATE = 'window.';
const CHANNEL = 'drift-inbox:sign-in';
/** Time limit of a request to the issuer in milliseconds. */
const REQUEST_TIMEOUT = 20_000;
/** Allowed difference in seconds between the clocks of the issuer and of this server: the same as on the server. */
const LEEWAY = 60;

/**
 * @typedef {{ state: string, nonce: string, verifier: string, view: string }} Flow a sign-in that was begun; `view` is the
 *   address that the user asked for
 * @typedef {{ query: URLSearchParams, flow: Flow | null }} Answer what the issuer sent; without flow this tab has not asked
 * @typedef {{ token: string, grant: Grant }} SignedIn
 */

/** A sign-in that failed. The message is for the user. */
export class SignInProblem extends Error {
  /**
   * @param {'network' | 'refused'} kind whether another attempt can succeed without the user
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = 'SignInProblem';
    this.kind = kind;
  }
}

/**
 * Removes the answer of the issuer from the address, so that neither the history nor a bookmark contains it, and restores
 * the address that the user asked for.
 * @returns {Answer | null}
 */
export function takeAnswer() {
  const query = new URLSearchParams(location.search);
  const state = query.get('state');
  if (state === null || !(query.has('code') || query.has('error'))) return null;
  const begun = takeFlow();
  const flow = begun?.state === state ? begun : null;
  history.replaceState(null, '', flow?.view ?? location.pathname);
  return { query, flow };
}

/**
 * If this is the window of another tab's sign-in, sends the answer to that tab.
 * @param {Answer} answer
 * @returns {boolean} whether it is such a window
 */
export function handOver({ query }) {
  if (!query.get('state')?.startsWith(WINDOW_STATE)) return false;
  new BroadcastChannel(CHANNEL).postMessage(query.toString());
  return true;
}

/** @returns {Flow | null} */
function takeFlow() {
  try {
    const text = sessionStorage.getItem(FLOW_KEY);
    sessionStorage.removeItem(FLOW_KEY);
    return text === null ? null : JSON.parse(text);
  } catch {
    // The browser has no storage, so no sign-in was begun.
    return null;
  }
}

export class Oidc {
  /** @type {Promise<SignInWays> | null} */
  #asked = null;
  /** Milliseconds by which the clock of the server is ahead of this clock. */
  #ahead = 0;

  /**
   * Returns the ways to sign in. An answer that is not usable is requested again by the next call.
   * @returns {Promise<SignInWays>}
   */
  async ways() {
    this.#asked ??= signInWays();
    const asked = this.#asked;
    try {
      const ways = await asked;
      if (ways.issuer !== undefined && ways.issuer.endpoints === undefined) this.#forget(asked);
      this.#ahead = ways.time - ways.received;
      return ways;
    } catch (error) {
      this.#forget(asked);
      throw error;
    }
  }

  /** @param {Promise<SignInWays>} asked */
  #forget(asked) {
    if (this.#asked === asked) this.#asked = null;
  }

  /** The time of the server in milliseconds. */
  get now() {
    return Date.now() + this.#ahead;
  }

  /** Returns the issuer with its addresses. */
  async #issuer() {
    const { issuer } = await this.ways();
    if (issuer === undefined) throw new SignInProblem('refused', 'This server no longer signs users in by OpenID Connect.');
    const { endpoints } = issuer;
    if (endpoints === undefined) throw new SignInProblem('network', problemSentence(issuer.problem ?? 'unreachable', issuerName(issuer.issuer)));
    return { issuer, endpoints, name: issuerName(issuer.issuer) };
  }

  /** Returns the library and what it has to know of the issuer and of this page. */
  async #client() {
    const found = await this.#issuer();
    const { issuer, endpoints, name } = found;
    const oauth = await library();
    const server = {
      issuer: issuer.issuer,
      authorization_endpoint: endpoints.authorization,
      token_endpoint: endpoints.token,
      authorization_response_iss_parameter_supported: endpoints.namesItself,
      ...(endpoints.algorithms.length === 0 ? {} : { id_token_signing_alg_values_supported: endpoints.algorithms }),
    };
    const client = { client_id: issuer.clientId, [oauth.clockSkew]: Math.round(this.#ahead / 1000), [oauth.clockTolerance]: LEEWAY };
    const options = {
      // The server accepts http for issuers on its own machine only.
      [oauth.allowInsecureRequests]: endpoints.token.startsWith('http:'),
      [oauth.customFetch]: (/** @type {string} */ url, /** @type {any} */ request) => fetchFrom(name, url, request),
      signal: () => AbortSignal.timeout(REQUEST_TIMEOUT),
      // A resource is named in both requests (RFC 8707).
      additionalParameters: new URLSearchParams(issuer.parameters.filter(([parameter]) => parameter === 'resource')),
    };
    return { ...found, oauth, server, client, options };
  }

  /**
   * Prepares a sign-in.
   * @param {{ window?: boolean, prompt?: string }} [how]
   * @returns {Promise<{ url: string, flow: Flow }>} the address of the issuer, and what the answer is checked with
   */
  async prepare(how = {}) {
    if (!window.isSecureContext) throw new SignInProblem('refused', 'The sign-in requires https: open this page by its https address.');
    const { issuer, endpoints, oauth } = await this.#client();
    const verifier = oauth.generateRandomCodeVerifier();
    const flow = { state: (how.window ? WINDOW_STATE : '') + oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier, view: location.pathname + location.search };
    const url = new URL(endpoints.authorization);
    for (const [name, value] of issuer.parameters) if (name !== 'prompt' || how.prompt === undefined) url.searchParams.append(name, value);
    const own = {
      client_id: issuer.clientId,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      nonce: flow.nonce,
      redirect_uri: redirectUri(),
      response_type: 'code',
      scope: issuer.scopes,
      state: flow.state,
      ...(how.prompt === undefined ? {} : { prompt: how.prompt }),
    };
    for (const [name, value] of Object.entries(own)) url.searchParams.set(name, value);
    return { url: url.href, flow };
  }

  /**
   * Leaves the page to sign in at the issuer, which sends the user back to it.
   * @param {{ prompt?: string }} [how]
   */
  async leave(how = {}) {
    const { url, flow } = await this.prepare(how);
    try {
      sessionStorage.setItem(FLOW_KEY, JSON.stringify(flow));
    } catch {
      throw new SignInProblem('refused', 'The sign-in requires the storage of this tab, which your browser blocks for this site.');
    }
    location.assign(url);
  }

  /**
   * Completes a sign-in with the answer of the issuer.
   * @param {Answer} answer
   * @returns {Promise<SignedIn>}
   */
  async finish({ query, flow }) {
    if (flow === null) throw new SignInProblem('refused', 'This tab has not begun this sign-in, or has completed it before. Sign in again.');
    const { issuer, name, oauth, server, client, options } = await this.#client();
    try {
      const checked = oauth.validateAuthResponse(server, client, query, flow.state);
      const response = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), checked, redirectUri(), flow.verifier, options);
      const result = await oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: flow.nonce, requireIdToken: true });
      return this.#signedIn(result, issuer, null);
    } catch (error) {
      throw problemOf(error, oauth, name);
    }
  }

  /**
   * Gets a new token without the user.
   * @param {Grant} grant
   * @returns {Promise<SignedIn>}
   */
  async renew(grant) {
    const { issuer, name, oauth, server, client, options } = await this.#client();
    try {
      const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), grant.refreshToken ?? '', options);
      const result = await oauth.processRefreshTokenResponse(server, client, response);
      return this.#signedIn(result, issuer, grant);
    } catch (error) {
      if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant') throw new SignInProblem('refused', endedSentence(name));
      throw problemOf(error, oauth, name);
    }
  }

  /**
   * @param {import('oauth4webapi').TokenEndpointResponse} result
   * @param {IssuerOptions} issuer
   * @param {Grant | null} before the grant that was renewed
   * @returns {SignedIn}
   */
  #signedIn(result, issuer, before) {
    const name = issuerName(issuer.issuer);
    const token = issuer.token === 'id' ? result.id_token : result.access_token;
    if (token === undefined) throw new SignInProblem('refused', `${name} did not renew its ID token. Sign in again.`);
    const subject = result.id_token === undefined ? before?.subject : claimsOf(result.id_token)?.['sub'];
    if (before !== null && subject !== before.subject) throw new SignInProblem('refused', `${name} answered for another user. Sign in again.`);
    const expiry = claimsOf(token)?.['exp'];
    const expiresAt = typeof expiry === 'number' ? expiry * 1000 - this.#ahead : result.expires_in === undefined ? null : Date.now() + result.expires_in * 1000;
    const grant = {
      // An issuer that does not replace the refresh token leaves it valid.
      refreshToken: result.refresh_token ?? before?.refreshToken ?? null,
      idToken: result.id_token ?? before?.idToken ?? '',
      subject: subject ?? '',
      receivedAt: Date.now(),
      expiresAt,
    };
    return { token, grant };
  }

  /**
   * Returns the address at which the user signs out of the issuer; null if there is none.
   * @param {Grant} grant
   */
  async signOutAddress(grant) {
    const { issuer, endpoints } = await this.#issuer();
    if (endpoints.endSession === undefined) return null;
    const url = new URL(endpoints.endSession);
    // An ID token that the API accepts must not be in an address, which browsers and proxies keep.
    const hint = issuer.token === 'id' ? '' : grant.idToken;
    const own = { client_id: issuer.clientId, post_logout_redirect_uri: redirectUri(), ...(hint === '' ? {} : { id_token_hint: hint }) };
    for (const [name, value] of Object.entries(own)) url.searchParams.set(name, value);
    return url.href;
  }
}

/** The address of this page, to which the issuer sends users back. */
function redirectUri() {
  return location.origin + location.pathname;
}

function library() {
  return import('./vendor/oauth4webapi/build/index.js').catch(() => Promise.reject(new SignInProblem('network', 'A file of this page could not be loaded. Try again.')));
}

/**
 * @param {string} name the name of the issuer
 * @param {string} url
 * @param {RequestInit} request
 */
async function fetchFrom(name, url, request) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, request);
  } catch {
    throw new SignInProblem('network', unreachableSentence(name));
  }
  if (response.status >= 500 || response.status === 429) throw new SignInProblem('network', `${name} cannot sign you in at the moment (status ${response.status}).`);
  return response;
}

/**
 * @param {unknown} error
 * @param {typeof import('oauth4webapi')} oauth
 * @param {string} name the name of the issuer
 */
function problemOf(error, oauth, name) {
  if (error instanceof SignInProblem) return error;
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    return new SignInProblem('refused', errorSentence(error.error, name, error.error_description));
  }
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === oauth.JWT_TIMESTAMP_CHECK) return new SignInProblem('refused', clockSentence(name));
  const text = error instanceof Error ? error.message : String(error);
  return new SignInProblem('refused', `The answer of ${name} is not valid: ${text}.`);
}

/**
 * Signs in in a window of its own, so that this page keeps what the user has typed.
 * @param {Oidc} oidc
 * @param {AbortSignal} signal ends the wait for the answer
 * @returns {Promise<SignedIn>}
 */
export async function signInBesides(oidc, signal) {
  // Opened before anything is awaited: browsers block windows that a click does not open at once.
  const opened = window.open('', '_blank', 'popup,width=520,height=720');
  if (opened === null) throw new SignInProblem('refused', 'Your browser blocked the window of the sign-in. Allow windows for this site and try again.');
  try {
    const { url, flow } = await oidc.prepare({ window: true });
    const query = answerTo(flow.state, signal);
    opened.location.replace(url);
    return await oidc.finish({ query: await query, flow });
  } finally {
    opened.close();
  }
}

/**
 * @param {string} state
 * @param {AbortSignal} signal
 * @returns {Promise<URLSearchParams>}
 */
function answerTo(state, signal) {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel(CHANNEL);
    signal.addEventListener('abort', () => {
      channel.close();
      reject(signal.reason);
    });
    channel.addEventListener('message', ({ data }) => {
      const query = new URLSearchParams(String(data));
      if (query.get('state') !== state) return;
      channel.close();
      resolve(query);
    });
  });
}
