// Sends requests to the server. No other module does; oidc.js sends requests to the issuer at which users sign in.

import { parseJson } from './json.js';
import { EventParser } from './sse.js';
/** @import { Renewal } from './renewal.js' */
/** @import { Session } from './session.js' */
/** @import { SignInWays } from './types.js' */

/** Time limit of a request in milliseconds: longer than the request timeout of the server. */
const REQUEST_TIMEOUT = 40_000;

export class ApiError extends Error {
  /**
   * @param {string} code the server's code, NETWORK without a response, or BAD_ANSWER for an unexpected response
   * @param {string} message
   * @param {{ [name: string]: any }} [extensions]
   */
  constructor(code, message, extensions = {}) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.extensions = extensions;
  }
}

export class Api {
  #session;
  #renewal;

  /**
   * @param {Session} session
   * @param {Renewal} renewal
   */
  constructor(session, renewal) {
    this.#session = session;
    this.#renewal = renewal;
  }

  /**
   * @param {string} query
   * @param {{ [name: string]: unknown }} [variables]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>} the data of the response; rejects with its first error
   */
  async ask(query, variables = {}, signal) {
    return this.#signedIn((token) => askAs(token, query, variables, signal));
  }

  /**
   * Runs a subscription over server-sent events until it ends.
   * @param {string} query
   * @param {{ [name: string]: unknown }} variables
   * @param {{ opened: () => void, received: () => void, next: (data: any) => void }} listener `received` is called
   *   whenever data arrives
   * @param {AbortSignal} signal
   */
  async listen(query, variables, listener, signal) {
    await this.#signedIn(async (token) => {
      const response = await send(token, query, variables, 'text/event-stream', signal);
      const type = response.headers.get('Content-Type') ?? '';
      if (!response.ok || !type.startsWith('text/event-stream') || response.body === null) {
        throw errorOf(response, await response.text());
      }
      listener.opened();
      await readEvents(response.body, listener);
    });
  }

  /**
   * Downloads a file that the server has outside GraphQL. It may be long, so there is no time limit.
   * @param {string} path
   * @returns {Promise<Blob>}
   */
  async download(path) {
    return this.#signedIn(async (token) => {
      const response = await fetch(path, { headers: token === null ? {} : { Authorization: `Bearer ${token}` } }).catch((error) => Promise.reject(unreachable(error)));
      if (!response.ok) throw errorOf(response, await response.text());
      return response.blob().catch((error) => Promise.reject(unreachable(error)));
    });
  }

  /**
   * Sends a request with the token of the session. The server has not done anything if it refuses the token, so the
   * request is repeated after a renewal.
   * @template T
   * @param {(token: string | null) => Promise<T>} request
   * @returns {Promise<T>}
   */
  async #signedIn(request) {
    if (this.#renewal.isLate) await this.#renewal.renew();
    const { token } = this.#session;
    try {
      return await request(token);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (token === null && error.code === 'NETWORK') throw new ApiError('NETWORK', `${error.message} If the proxy has ended your session, reload the page to sign in.`);
      if (error.code !== 'UNAUTHENTICATED') throw error;
      if (this.#session.token === token) await this.#refused(error);
      // The user may have signed in again in the meantime. A session that has ended has no token.
      if (this.#session.viewer === null || this.#session.token === token) throw error;
      return request(this.#session.token);
    }
  }

  /**
   * Renews the session, or ends it.
   * @param {ApiError} error
   */
  async #refused(error) {
    if (await this.#renewal.renew()) return;
    if (this.#renewal.problem !== '') throw new ApiError('NETWORK', `Your session could not be renewed. ${this.#renewal.problem}`);
    if (this.#session.grant === null) {
      this.#session.end(this.#session.token === null ? 'Your session has ended, because the proxy no longer signs you in.' : 'Your session has ended, because the token is no longer valid.');
      throw error;
    }
    this.#session.lapse('Your session has ended, because the token is no longer valid.');
    throw new ApiError('UNAUTHENTICATED', 'Your session has ended. Sign in again, then repeat this.');
  }
}

/**
 * Asks the server how users sign in.
 * @returns {Promise<SignInWays>}
 */
export async function signInWays() {
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT);
  const response = await fetch('sign-in.json', { signal, cache: 'no-store' }).catch((error) => Promise.reject(unreachable(error)));
  const received = Date.now();
  const text = await response.text().catch((error) => Promise.reject(unreachable(error)));
  if (!response.ok) throw errorOf(response, text);
  return { ...JSON.parse(text), received };
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {{ received: () => void, next: (data: any) => void }} listener
 */
async function readEvents(body, listener) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    listener.received();
    for (const event of parser.push(decoder.decode(value, { stream: true }))) {
      if (event.event === 'complete') return;
      if (event.event === 'next') listener.next(dataOf(parseJson(event.data)));
    }
  }
}

/**
 * @param {string | null} token
 * @param {string} query
 * @param {{ [name: string]: unknown }} [variables]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function askAs(token, query, variables = {}, signal) {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const accept = 'application/graphql-response+json, application/json;q=0.9';
  const response = await send(token, query, variables, accept, either);
  /** @type {string} */
  let text;
  try {
    text = await response.text();
  } catch (error) {
    throw unreachable(error);
  }
  return resultOf(response, text);
}

/**
 * @param {string | null} token
 * @param {string} query
 * @param {{ [name: string]: unknown }} variables
 * @param {string} accept
 * @param {AbortSignal} signal
 */
async function send(token, query, variables, accept, signal) {
  const headers = new Headers({ Accept: accept, 'Content-Type': 'application/json' });
  try {
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  } catch {
    throw new ApiError('UNAUTHENTICATED', 'This is not a token. It contains invalid characters.');
  }
  try {
    return await fetch('graphql', { method: 'POST', headers, body: JSON.stringify({ query, variables }), signal });
  } catch (error) {
    throw unreachable(error);
  }
}

/** @param {unknown} error */
function unreachable(error) {
  if (error instanceof DOMException && error.name === 'AbortError') return error;
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new ApiError('NETWORK', 'The server did not answer in time.');
  }
  return new ApiError('NETWORK', 'The server cannot be reached.');
}

/**
 * @param {Response} response
 * @param {string} text
 */
function resultOf(response, text) {
  const result = parsed(text);
  if (result === null) throw errorOf(response, text);
  return dataOf(result);
}

/**
 * Returns the data of a GraphQL response, or throws its first error.
 * @param {{ data?: any, errors?: any }} result
 */
export function dataOf(result) {
  const [error] = Array.isArray(result.errors) ? result.errors : [];
  if (error !== undefined) {
    throw new ApiError(String(error.extensions?.code ?? 'BAD_ANSWER'), String(error.message), error.extensions ?? {});
  }
  return result.data;
}

/**
 * @param {Response} response
 * @param {string} text
 */
function errorOf(response, text) {
  const result = parsed(text);
  const error = Array.isArray(result?.errors) ? result.errors[0] : undefined;
  if (error !== undefined) return new ApiError(String(error.extensions?.code), String(error.message), error.extensions);
  if (response.status === 401) return new ApiError('UNAUTHENTICATED', 'The token is not valid.');
  if (response.status === 403) return new ApiError('FORBIDDEN', 'The token does not have the role.');
  if ([502, 503, 504].includes(response.status)) return new ApiError('NETWORK', `The server cannot be reached (${response.status}).`);
  return new ApiError('BAD_ANSWER', `Unexpected response from the server: ${response.status} ${response.statusText}`);
}

/**
 * @param {string} text
 * @returns {{ data?: any, errors?: any } | null}
 */
function parsed(text) {
  try {
    const value = parseJson(text);
    return value !== null && typeof value === 'object' ? value : null;
  } catch {
    // Not JSON, for example the error page of a proxy. The caller reports the status.
    return null;
  }
}

/**
 * Describes an error for users.
 * @param {unknown} error
 */
export function explain(error) {
  if (!(error instanceof ApiError)) return `The page failed: ${String(error)}`;
  switch (error.code) {
    case 'FORBIDDEN':
      return 'Your role does not allow this.';
    case 'INTERNAL_SERVER_ERROR':
      return 'The server failed. Its log has the reason.';
    default:
      return error.message.charAt(0).toUpperCase() + error.message.slice(1);
  }
}

/**
 * Returns whether the error means that the page aborted the request.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === 'AbortError';
}
