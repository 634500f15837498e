// Keeps a subscription open. Dispatches three events: 'next' for each change, with its data, 'open' when the stream is open
// (views then load their data again), and 'state' when the connection changes.

import { ApiError, isAbort } from './api.js';
/** @import { Api } from './api.js' */

/** @typedef {'off' | 'connecting' | 'live' | 'reconnecting' | 'offline' | 'paused'} LiveState */

const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;
/** Milliseconds without data after which the connection is closed. The server sends data every few seconds. */
const SILENCE = 40_000;
/** Milliseconds after which a hidden tab disconnects, because a browser allows six connections to a server. */
const HIDDEN = 60_000;

export class Live extends EventTarget {
  /** @type {LiveState} */
  state = 'off';
  #api;
  #query;
  #variables;
  /** Ends the subscription with all its connections. */
  #run = new AbortController();
  /** Ends the current connection. */
  #attempt = new AbortController();
  /** Ends the pause between two connections. */
  #wake = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hiding;

  /**
   * @param {Api} api
   * @param {string} query the subscription
   * @param {{ [name: string]: unknown }} [variables]
   */
  constructor(api, query, variables = {}) {
    super();
    this.#api = api;
    this.#query = query;
    this.#variables = variables;
    document.addEventListener('visibilitychange', () => this.#onVisibilityChange());
    window.addEventListener('online', () => this.#wake());
    window.addEventListener('offline', () => this.#attempt.abort());
  }

  start() {
    this.#end('connecting');
    this.#run = new AbortController();
    void this.#keepOpen(this.#run.signal);
  }

  stop() {
    this.#end('off');
  }

  /** @param {LiveState} state */
  #end(state) {
    clearTimeout(this.#hiding);
    this.#run.abort();
    this.#attempt.abort();
    this.#wake();
    this.#setState(state);
  }

  #onVisibilityChange() {
    clearTimeout(this.#hiding);
    if (this.state === 'off') return;
    if (document.hidden) this.#hiding = setTimeout(() => this.#end('paused'), HIDDEN);
    else if (this.state === 'paused') this.start();
    else this.#wake();
  }

  /** @param {LiveState} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  /** @param {AbortSignal} ended */
  async #keepOpen(ended) {
    let failures = 0;
    while (!ended.aborted) {
      try {
        await this.#listen(() => {
          failures = 0;
        });
      } catch (error) {
        if (error instanceof ApiError && ['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code)) {
          if (!ended.aborted) this.#setState('off');
          return;
        }
        if (!isAbort(error) && !(error instanceof ApiError)) console.error(error);
      }
      if (ended.aborted) return;
      this.#setState(navigator.onLine ? 'reconnecting' : 'offline');
      // Random delays keep all clients from reconnecting at once after a restart of the server.
      await this.#pause(Math.min(FIRST_DELAY * 2 ** failures, LONGEST_DELAY) * (0.5 + Math.random()));
      failures += 1;
    }
  }

  /** @param {() => void} opened */
  async #listen(opened) {
    const attempt = new AbortController();
    this.#attempt = attempt;
    let silence = setTimeout(() => attempt.abort(), SILENCE);
    const received = () => {
      clearTimeout(silence);
      silence = setTimeout(() => attempt.abort(), SILENCE);
    };
    try {
      await this.#api.listen(
        this.#query,
        this.#variables,
        {
          received,
          opened: () => {
            received();
            opened();
            this.#setState('live');
            // Views load their data only now: later changes arrive as events, and the data contains earlier changes.
            this.dispatchEvent(new Event('open'));
          },
          next: (data) => this.dispatchEvent(new CustomEvent('next', { detail: data })),
        },
        attempt.signal,
      );
    } finally {
      clearTimeout(silence);
      attempt.abort();
    }
  }

  /** @param {number} ms */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, undefined);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}
