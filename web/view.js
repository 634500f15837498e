// The base of a view that lit-html draws, and the states that all views share. CONTRIBUTING.md has an example.

import { ApiError, explain, isAbort } from './api.js';
import { exactTime, relativeTime } from './format.js';
import { html, nothing, render } from './vendor/lit-html/lit-html.js';
import { repeat } from './vendor/lit-html/directives/repeat.js';
/** @import { Connection, Route } from './types.js' */

export { html, nothing, render, repeat };
/** @typedef {import('lit-html').TemplateResult | typeof nothing | string} Content */

/** Number of rows that `Pages` requests at once. */
const PAGE = 50;
/** Maximum number of rows that `Pages` keeps. */
const MOST_ROWS = 1000;

/**
 * A view: a pane with a title. A subclass loads its data in `load`, describes its content in `content`, and calls
 * `update` after each change of its state.
 */
export class View {
  /** Whether the view is shown. */
  visible = false;
  /** What the view loads; aborted by `clear` and by the next load. */
  #loading = new AbortController();
  /** @type {unknown} */
  #error = null;
  #loaded = false;
  /** The parameters of the address that are shown. */
  #shown = '';
  /** The address of the last load. @type {Route | null} */
  #route = null;
  #lead;
  #title;
  #id;

  /**
   * @param {string} id the id of its row in views.js
   * @param {string} title
   * @param {string} [lead] one sentence that says what the view shows
   */
  constructor(id, title, lead = '') {
    this.#id = id;
    this.#title = title;
    this.#lead = lead;
    this.element = document.createElement('section');
    this.element.className = 'pane';
    this.element.hidden = true;
    this.element.setAttribute('aria-labelledby', `${id}-title`);
    this.element.dataset.testid = `view-${id}`;
  }

  /**
   * Loads the data of the view. Throws what `Api.ask` throws.
   * @param {AbortSignal} _signal
   * @param {Route} _route
   * @returns {Promise<void>}
   */
  async load(_signal, _route) {}

  /** @returns {Content} the content below the title, once the data is loaded */
  content() {
    return nothing;
  }

  /**
   * Returns whether the content stays right until that of other parameters has arrived. By default it does not.
   * @param {{ [parameter: string]: string }} _before
   * @param {{ [parameter: string]: string }} _now
   */
  keeps(_before, _now) {
    return false;
  }

  /** @returns {{ [key: string]: () => void }} what keys do while the view is shown */
  get keys() {
    return {};
  }

  /** @returns {Content} buttons beside the title */
  actions() {
    return nothing;
  }

  /**
   * Shows or hides the view. It is loaded when it appears and when a parameter of its own in the address changes.
   * @param {boolean} visible
   * @param {Route} route
   */
  show(visible, route) {
    this.element.hidden = !visible;
    const parameters = JSON.stringify(route.own ?? {});
    const changed = visible && (!this.visible || parameters !== this.#shown);
    this.visible = visible;
    if (!changed) return;
    if (parameters !== this.#shown && !this.keeps(this.#route?.own ?? {}, route.own ?? {})) this.#loaded = false;
    this.#shown = parameters;
    void this.reload(route);
  }

  /**
   * Loads the data again and draws it. What is shown stays until the new data has arrived.
   * @param {Route | null} route
   */
  async reload(route = this.#route) {
    if (route === null) return;
    this.#route = route;
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#error = null;
    this.update();
    try {
      await this.load(signal, route);
      if (signal.aborted) return;
      this.#loaded = true;
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return;
      if (!(error instanceof ApiError)) console.error(error);
      this.#error = error;
    }
    this.update();
  }

  /** Draws the view again from its state. */
  update() {
    let content;
    if (this.#error !== null) content = problem(`${this.#title} could not be loaded.`, this.#error, () => void this.reload());
    else content = this.#loaded ? this.content() : loading();
    render(
      html`<div class="pane-head"><h2 id=${`${this.#id}-title`} tabindex="-1">${this.#title}</h2>${this.#loaded ? this.actions() : nothing}</div>
        ${this.#lead === '' ? nothing : html`<p class="lead">${this.#lead}</p>`} ${content}`,
      this.element,
    );
  }

  focusTitle() {
    if (this.element.childElementCount === 0) this.update();
    this.element.querySelector('h2')?.focus({ preventScroll: true });
  }

  /** Forgets everything that belongs to the session. Subclasses drop their data too. */
  clear() {
    this.#loading.abort();
    this.#loaded = false;
    this.#error = null;
    this.#shown = '';
    this.visible = false;
    render(nothing, this.element);
  }
}

/**
 * The rows of a connection, loaded page by page with the button 'Show more'.
 * @template Row
 */
export class Pages {
  /** @type {Row[]} */
  rows = [];
  #hasNext = false;
  /** @type {string | null} */
  #end = null;
  #busy = false;
  /** @type {unknown} */
  #error = null;
  #ask;
  #changed;

  /**
   * @param {(range: { first: number, after: string | null }, signal?: AbortSignal) => Promise<Connection<Row>>} ask
   * @param {() => void} changed draws the view again
   */
  constructor(ask, changed) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /**
   * Loads the first page and drops the others.
   * @param {AbortSignal} [signal]
   */
  async restart(signal) {
    const page = await this.#ask({ first: PAGE, after: null }, signal);
    if (signal?.aborted) return;
    this.rows = page.nodes;
    this.#error = null;
    this.#read(page);
  }

  /**
   * Loads the other pages too, up to the limit of rows.
   * @param {AbortSignal} signal
   */
  async rest(signal) {
    while (this.#hasNext && this.rows.length < MOST_ROWS) {
      const page = await this.#ask({ first: PAGE, after: this.#end }, signal);
      if (signal.aborted) return;
      this.rows = [...this.rows, ...page.nodes];
      this.#read(page);
    }
  }

  /** Loads the next page. */
  async more() {
    if (this.#busy) return;
    this.#busy = true;
    this.#error = null;
    this.#changed();
    const after = this.#end;
    try {
      const page = await this.#ask({ first: PAGE, after });
      if (this.#end === after) {
        this.rows = [...this.rows, ...page.nodes];
        this.#read(page);
      }
    } catch (error) {
      // The list may have begun again meanwhile.
      if (this.#end === after) this.#error = error;
    }
    this.#busy = false;
    this.#changed();
  }

  clear() {
    this.rows = [];
    this.#hasNext = false;
    this.#end = null;
    this.#error = null;
  }

  /** @param {Connection<Row>} page */
  #read(page) {
    this.#hasNext = page.pageInfo.hasNextPage;
    this.#end = page.pageInfo.endCursor;
  }

  /** @returns {Content} the button below the rows, or why there are no more */
  foot() {
    if (this.#error !== null) return html`<p class="end" role="alert">${explain(this.#error)} <button type="button" @click=${() => void this.more()}>Try again</button></p>`;
    if (!this.#hasNext) return nothing;
    if (this.rows.length >= MOST_ROWS) return html`<p class="end">The first ${this.rows.length.toLocaleString('en')} are shown. Narrow the list to see others.</p>`;
    return html`<p class="end"><button type="button" data-testid="show-more" ?disabled=${this.#busy} @click=${() => void this.more()}>Show more</button></p>`;
  }
}

/** @param {number} [rows] */
export function loading(rows = 6) {
  return html`<div class="skeleton"><span class="visually-hidden">Loading…</span>${Array.from({ length: rows }, () => html`<div class="skeleton-row" aria-hidden="true"></div>`)}</div>`;
}

/**
 * The state of a view without rows.
 * @param {string} title
 * @param {Content} [text] what the user can do about it
 */
export function empty(title, text = nothing) {
  return html`<div class="state" data-testid="empty"><p class="state-title">${title}</p><p>${text}</p></div>`;
}

/**
 * @param {string} title
 * @param {unknown} error
 * @param {() => void} again
 */
export function problem(title, error, again) {
  return html`<div class="state problem" role="alert"><p class="state-title">${title}</p><p>${explain(error)}</p><button type="button" @click=${again}>Try again</button></div>`;
}

/**
 * A time such as `3 hours ago`, which the page keeps up to date.
 * @param {string} at
 */
export function time(at) {
  // The text is a property, because the page changes it too.
  return html`<time class="age" datetime=${at} title=${exactTime(at)} data-age="long" .textContent=${relativeTime(at)}></time>`;
}
