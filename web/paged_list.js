// A long list of which only the pages near the visible part are loaded. Pages far above and below are dropped, and
// loaded again by their cursors when the user scrolls back. Until then an empty element of the same height replaces
// them.

/** @import { Connection } from './types.js' */

/**
 * @template Row
 * @typedef {{
 *   element: HTMLElement,
 *   rows: Row[] | null,
 *   start: string | null,
 *   end: string | null,
 *   loading: boolean,
 * }} ListPage
 */

/** Number of rows of a page. */
export const PAGE_SIZE = 100;
/** Maximum number of loaded pages. */
const MOST_PAGES = 5;
/** Maximum number of rows of a page that is loaded again. */
const REFETCHED = 200;
/** Pages within this distance of the screen are loaded, in pixels. */
const MARGIN = 1200;

/** @template {{ id: string }} Row */
export class ListWindow {
  /** @type {ListPage<Row>[]} */
  pages = [];
  hasNext = false;
  loadingNext = false;
  /** Whether the next page failed to load. Scrolling then does not load it again. */
  stalled = false;
  #container;
  #options;
  #generation = new AbortController();
  #updateScheduled = false;

  /**
   * @param {HTMLElement} container
   * @param {{
   *   fetch: (range: { first: number, after: string | null, before: string | null }, signal: AbortSignal) => Promise<Connection<Row>>,
   *   render: (page: ListPage<Row>) => void,
   *   changed: () => void,
   *   failed: (error: unknown) => void,
   *   outgrown: () => void,
   * }} options
   */
  constructor(container, options) {
    this.#container = container;
    this.#options = options;
    const update = () => this.update();
    window.addEventListener('scroll', update, { passive: true });
    window.addEventListener('resize', update, { passive: true });
  }

  get signal() {
    return this.#generation.signal;
  }

  /** Drops all pages. */
  clear() {
    this.#generation.abort();
    this.#generation = new AbortController();
    this.pages = [];
    this.hasNext = false;
    this.loadingNext = false;
    this.stalled = false;
    this.#container.replaceChildren();
  }

  /** Whether the rows of all pages are loaded: those of distant pages are dropped until they are near again. */
  get isLoaded() {
    return this.pages.every(({ rows }) => rows !== null);
  }

  /** @returns {Row[]} all loaded rows */
  get rows() {
    return this.pages.flatMap((page) => page.rows ?? []);
  }

  /**
   * @param {string} id
   * @returns {{ page: ListPage<Row>, row: Row } | null}
   */
  find(id) {
    for (const page of this.pages) {
      const row = page.rows?.find((candidate) => candidate.id === id);
      if (row !== undefined) return { page, row };
    }
    return null;
  }

  /** Loads the next page. */
  async loadNext() {
    if (this.loadingNext) return;
    this.loadingNext = true;
    this.stalled = false;
    this.#options.changed();
    const { signal } = this;
    const after = this.pages.at(-1)?.end ?? null;
    try {
      const answer = await this.#options.fetch({ first: PAGE_SIZE, after, before: null }, signal);
      if (signal.aborted) return;
      this.hasNext = answer.pageInfo.hasNextPage;
      this.loadingNext = false;
      this.#append(answer);
      this.#options.changed();
      this.update();
    } catch (error) {
      if (signal.aborted) return;
      this.loadingNext = false;
      this.stalled = true;
      this.#options.failed(error);
    }
  }

  /** @param {Connection<Row>} answer */
  #append({ nodes, pageInfo }) {
    const element = document.createElement('div');
    element.className = 'page';
    const page = { element, rows: nodes, start: pageInfo.startCursor, end: pageInfo.endCursor, loading: false };
    this.pages.push(page);
    this.#options.render(page);
    this.#container.append(element);
  }

  /**
   * Changes rows above the visible part without moving the visible rows.
   * @param {() => void} change
   */
  keepPlace(change) {
    const anchor = [...this.#container.querySelectorAll('.row')].find(
      (row) => row.getBoundingClientRect().bottom > 120,
    );
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (anchor === undefined || !anchor.isConnected || window.scrollY === 0) return;
    const moved = anchor.getBoundingClientRect().top - before;
    if (moved !== 0) window.scrollBy({ top: moved, behavior: 'instant' });
  }

  /**
   * Draws a page again.
   * @param {ListPage<Row>} page
   */
  redraw(page) {
    this.keepPlace(() => this.#options.render(page));
  }

  /** Loads all loaded pages again. */
  async refresh() {
    const { signal } = this;
    for (const page of this.pages.filter(({ rows }) => rows !== null)) {
      await this.#reload(page);
      if (signal.aborted) return;
    }
  }

  /** @param {ListPage<Row>} page */
  async #reload(page) {
    if (page.loading) return;
    page.loading = true;
    const { signal } = this;
    const at = this.pages.indexOf(page);
    const after = at === 0 ? null : (this.pages[at - 1]?.end ?? null);
    const before = this.pages[at + 1]?.start ?? null;
    try {
      const answer = await this.#options.fetch({ first: before === null ? PAGE_SIZE : REFETCHED, after, before }, signal);
      if (signal.aborted) return;
      if (before !== null && answer.nodes.length === REFETCHED) {
        // There are more rows between the neighbouring pages than one page can hold.
        this.#options.outgrown();
        return;
      }
      this.keepPlace(() => {
        page.rows = answer.nodes;
        if (at === this.pages.length - 1) {
          page.start = answer.pageInfo.startCursor ?? page.start;
          page.end = answer.pageInfo.endCursor ?? page.end;
          this.hasNext = answer.pageInfo.hasNextPage;
        }
        page.element.style.height = '';
        this.#options.render(page);
      });
      this.#options.changed();
      this.update();
    } catch (error) {
      if (!signal.aborted) this.#options.failed(error);
    } finally {
      page.loading = false;
    }
  }

  /** Loads pages near the visible part and drops distant ones, at most once per frame. */
  update() {
    if (this.#updateScheduled) return;
    this.#updateScheduled = true;
    requestAnimationFrame(() => {
      this.#updateScheduled = false;
      // The list is hidden while another view is shown.
      if (this.#container.offsetParent === null || this.pages.length === 0) return;
      const boxes = this.pages.map((page) => ({ page, box: page.element.getBoundingClientRect() }));
      const near = boxes.filter(({ box }) => box.bottom > -MARGIN && box.top < window.innerHeight + MARGIN);
      for (const { page } of near) if (page.rows === null) void this.#reload(page);
      const end = boxes.at(-1)?.box.bottom ?? 0;
      if (this.hasNext && !this.stalled && end < window.innerHeight + MARGIN) void this.loadNext();
      this.#dropDistantPages(boxes);
    });
  }

  /** @param {{ page: ListPage<Row>, box: DOMRect }[]} boxes */
  #dropDistantPages(boxes) {
    const middle = window.innerHeight / 2;
    const distance = (/** @type {DOMRect} */ box) => Math.max(box.top - middle, middle - box.bottom, 0);
    const loaded = boxes
      .filter(({ page }) => page.rows !== null)
      .sort((a, b) => distance(a.box) - distance(b.box));
    for (const { page, box } of loaded.slice(MOST_PAGES)) {
      page.rows = null;
      page.element.style.height = `${box.height}px`;
      if (page.element.contains(document.activeElement)) this.#container.focus({ preventScroll: true });
      page.element.replaceChildren();
    }
  }
}
