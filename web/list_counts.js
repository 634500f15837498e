// The numbers above the list: the drifts and causes that match, and the values that the filter menu offers.

import { ApiError } from './api.js';
import { h } from './dom.js';
import { plural } from './format.js';
import { FACETS, GROUP_TOTAL, TOTAL } from './queries.js';
/** @import { Context, DriftFilterInput, Facets, Route } from './types.js' */

/** Delay in milliseconds between a change and the next request. */
const DELAY_MS = 1500;

/**
 * @typedef {{ route: Route, filter: DriftFilterInput }} Shown
 * @typedef {{ shown: () => Shown, counted: (total: number) => void, facets: (facets: Facets) => void }} Options
 * `shown`: returns what is counted. `counted`: is called with each new total.
 */

export class ListCounts {
  #context;
  #options;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asking = new AbortController();
  /** The number of drifts that match; null until it is loaded. @type {number | null} */
  total = null;
  element = h('span', { class: 'total', testid: 'total' });

  /**
   * @param {Context} context
   * @param {Options} options
   */
  constructor(context, options) {
    this.#context = context;
    this.#options = options;
  }

  /** Forgets the numbers, because they are those of another filter or user. */
  clear() {
    clearTimeout(this.#timer);
    this.#asking.abort();
    this.total = null;
    this.element.textContent = '';
  }

  /**
   * Counts after a delay, once for many changes. Counting is slow, so it also waits until a page has loaded.
   * @param {number} [wait]
   */
  askSoon(wait = DELAY_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }

  /**
   * Decreases the total at once. That of the server replaces it later.
   * @param {number} gone the number of rows that the list does not have any more
   */
  decrease(gone) {
    if (this.total === null || gone === 0) return;
    // A count that is still loading may be older than the change.
    this.#asking.abort();
    this.#show(Math.max(this.total - gone, 0));
  }

  async #ask() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const { api } = this.#context;
    const { route, filter } = this.#options.shown();
    try {
      const { drifts } = await api.ask(TOTAL, { filter }, signal);
      if (signal.aborted) return;
      this.#show(drifts.totalCount);
      if (route.group) {
        const { driftGroups } = await api.ask(GROUP_TOTAL, { filter }, signal);
        if (signal.aborted) return;
        this.element.textContent += ` · ${plural(driftGroups.totalCount, 'cause')}`;
      }
      const { driftFacets } = await api.ask(FACETS, { filter }, signal);
      if (!signal.aborted) this.#options.facets(driftFacets);
    } catch (error) {
      // The list works without counts and reports an unreachable server itself.
      if (!(error instanceof ApiError) && !signal.aborted) throw error;
    }
  }

  /** @param {number} total */
  #show(total) {
    this.total = total;
    const what = this.#options.shown().route.view === 'inbox' ? 'open' : 'closed';
    this.element.textContent = `${total.toLocaleString('en')} ${what}`;
    this.#options.counted(total);
  }
}
