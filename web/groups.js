// The list by cause: one row for each cause, which opens to its drifts.

import { ROW_ACTIONS } from './actions.js';
import { announce, h, screenReaderText } from './dom.js';
import { kindName, plural, resourceName, timeElement, visibleLine } from './format.js';
import { ListWindow } from './paged_list.js';
import { GROUPS, PAGE } from './queries.js';
import { selectBox, severityMark } from './row.js';
import { briefDifference } from './values.js';
/** @import { Batch, Connection, Context, Drift, DriftFilterInput, DriftGroup } from './types.js' */

/** Number of drifts of a cause that are loaded at a time. */
const FIRST = 100;
/** Delay in milliseconds between a change and the next request for the causes. */
const REFRESH_DELAY_MS = 1500;

/**
 * @typedef {DriftGroup & { id: string }} Group
 * @typedef {{ rows: Drift[], end: string | null, hasNext: boolean }} Opened
 * @typedef {{
 *   filter: () => DriftFilterInput,
 *   row: (drift: Drift) => HTMLElement,
 *   select: ((event: MouseEvent, id: string) => void),
 *   canDecide: () => boolean,
 *   changed: () => void,
 *   refreshed: () => void,
 *   drawn: () => void,
 *   failed: (error: unknown) => void,
 * }} Options
 */

export class GroupList {
  #context;
  #options;
  /** The causes that are open, with their loaded drifts. @type {Map<string, Opened>} */
  #opened = new Map();
  /** The requests for drifts of causes, by cause. @type {Map<string, AbortController>} */
  #loads = new Map();
  /** The row that had the focus last, and its place, so that the focus can move on when it disappears. */
  #place = { id: '', at: 0 };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  element = h('div', { class: 'pages groups', testid: 'groups', tabindex: '-1', hidden: true });
  /** @type {ListWindow<Group>} */
  window;

  /**
   * @param {Context} context
   * @param {Options} options
   */
  constructor(context, options) {
    this.#context = context;
    this.#options = options;
    this.window = new ListWindow(this.element, {
      fetch: (range, signal) => this.#fetch(range, signal),
      render: (page) => this.#render(page),
      changed: options.changed,
      failed: options.failed,
      outgrown: () => void this.refresh(),
    });
    this.element.addEventListener('focusin', () => this.#remember());
  }

  /**
   * @param {{ first: number, after: string | null, before: string | null }} range
   * @param {AbortSignal} signal
   * @returns {Promise<Connection<Group>>}
   */
  async #fetch(range, signal) {
    const { driftGroups } = await this.#context.api.ask(GROUPS, { filter: this.#options.filter(), ...range }, signal);
    return { ...driftGroups, nodes: driftGroups.nodes.map((/** @type {DriftGroup} */ group) => ({ ...group, id: group.key })) };
  }

  clear() {
    clearTimeout(this.#settling);
    for (const key of [...this.#loads.keys()]) this.#stopLoading(key);
    this.#opened.clear();
    this.#place = { id: '', at: 0 };
    this.window.clear();
  }

  /** Loads the causes again after a change, once for many changes. */
  refreshSoon() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => void this.refresh(), REFRESH_DELAY_MS);
  }

  /** Loads the visible causes and the drifts of the open ones again. The focus moves on if its row disappears. */
  async refresh() {
    clearTimeout(this.#settling);
    const { signal } = this.window;
    for (const [key, opened] of [...this.#opened]) {
      // The user may have closed it meanwhile.
      if (this.#opened.has(key)) await this.#load(key, { ...opened, rows: [], end: null });
    }
    if (signal.aborted) return;
    await this.window.refresh();
    if (signal.aborted) return;
    this.#options.refreshed();
    const rows = this.#rows;
    const isLost = document.activeElement === null || document.activeElement === document.body;
    if (!isLost || this.#place.id === '' || rows.some((row) => idOf(row) === this.#place.id)) return;
    const link = rows[Math.min(this.#place.at, rows.length - 1)]?.querySelector('.row-link');
    if (link instanceof HTMLElement) link.focus({ preventScroll: true });
  }

  get #rows() {
    return [...this.element.querySelectorAll('.row')];
  }

  #remember() {
    const row = document.activeElement?.closest('.row') ?? null;
    const at = row === null ? -1 : this.#rows.indexOf(row);
    if (row !== null && at !== -1) this.#place = { id: idOf(row), at };
  }

  /** The cause whose row has the focus. */
  get focused() {
    const key = document.activeElement?.closest('.cause-row')?.getAttribute('data-group-key');
    return key ? this.find(key) : null;
  }

  /** @param {string} key */
  find(key) {
    return this.window.find(key)?.row ?? null;
  }

  /** The loaded drifts of the open causes. */
  get drifts() {
    return [...this.#opened.values()].flatMap(({ rows }) => rows);
  }

  /**
   * Returns the drifts of a cause as one decision.
   * @param {DriftGroup} group
   * @returns {Batch}
   */
  batchOf(group) {
    return {
      what: `the cause with ${plural(group.count, 'drift')}`,
      count: group.count,
      inputs: [{ filter: { ...this.#options.filter(), group: group.key } }],
      example: group.newest,
    };
  }

  /**
   * Opens a cause, or closes it.
   * @param {string} key
   */
  async toggle(key) {
    const wasLoading = this.#stopLoading(key);
    if (this.#opened.delete(key)) {
      this.#draw(key);
      return;
    }
    // It was to open, and now it is not.
    if (wasLoading) return;
    await this.#load(key, { rows: [], end: null, hasNext: false });
    const opened = this.#opened.get(key);
    if (opened !== undefined) announce(`${plural(opened.rows.length, 'drift')} shown`);
  }

  /**
   * Drops the answer to the request for the drifts of a cause.
   * @param {string} key
   * @returns {boolean} whether there was a request
   */
  #stopLoading(key) {
    this.#loads.get(key)?.abort();
    return this.#loads.delete(key);
  }

  /**
   * Loads the next drifts of a cause.
   * @param {string} key
   * @param {Opened} from
   */
  async #load(key, from) {
    this.#stopLoading(key);
    const load = new AbortController();
    this.#loads.set(key, load);
    // The list may get another filter, or the cause may be closed, before the answer arrives.
    const signal = AbortSignal.any([load.signal, this.window.signal]);
    const filter = { ...this.#options.filter(), group: key };
    const orderBy = { field: 'DETECTED_AT', direction: 'DESC' };
    try {
      const { drifts } = await this.#context.api.ask(PAGE, { filter, orderBy, first: FIRST, after: from.end, before: null }, signal);
      if (signal.aborted) return;
      this.#opened.set(key, { rows: [...from.rows, ...drifts.nodes], end: drifts.pageInfo.endCursor, hasNext: drifts.pageInfo.hasNextPage });
      this.#draw(key);
    } catch (error) {
      if (!signal.aborted) this.#options.failed(error);
    } finally {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
    }
  }

  /** @param {string} key */
  #draw(key) {
    const found = this.window.find(key);
    if (found !== null) this.window.redraw(found.page);
  }

  /** @param {import('./paged_list.js').ListPage<Group>} page */
  #render(page) {
    const focused = page.element.contains(document.activeElement) ? document.activeElement?.closest('.row') : null;
    const id = focused ? idOf(focused) : '';
    page.element.replaceChildren(...(page.rows ?? []).map((group) => this.#group(group)));
    this.#options.drawn();
    if (id === '') return;
    const again = this.#rows.find((row) => idOf(row) === id)?.querySelector('.row-link');
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }

  /** @param {Group} group */
  #group(group) {
    const opened = this.#opened.get(group.key);
    return h(
      'section',
      { class: opened === undefined ? 'group cause' : 'group cause open', testid: 'cause-group' },
      this.#head(group, opened !== undefined),
      opened !== undefined && h('ul', { class: 'rows' }, ...opened.rows.map((drift) => this.#options.row(drift))),
      opened?.hasNext && h('p', { class: 'more-of-cause' }, h('button', { type: 'button', text: 'Load more', on: { click: () => void this.#load(group.key, opened) } })),
    );
  }

  /**
   * @param {Group} group
   * @param {boolean} isOpen
   */
  #head(group, isOpen) {
    const { key, newest, count, resourceCount } = group;
    const field = group.field === '*' ? 'missing' : visibleLine(group.field);
    const name = resourceCount === 1 && newest !== null ? visibleLine(resourceName(newest.resource)) : plural(resourceCount, 'resource');
    const canDecide = this.#options.canDecide() && newest?.status === 'OPEN';
    return h(
      'div',
      { class: 'row cause-row', testid: 'cause', 'data-group-key': key },
      newest === null ? h('span', { class: 'row-severity' }) : severityMark(newest),
      canDecide && selectBox(`the cause ${field} of ${name}`, (event) => this.#options.select(event, key)),
      h('span', { class: 'row-resource' }, h('span', { class: 'row-name', title: name, 'aria-hidden': 'true', text: name })),
      h('span', { class: 'row-kind', text: kindName(group.resourceKind) }),
      h('button', { type: 'button', class: 'row-link', 'aria-expanded': String(isOpen), on: { click: (/** @type {MouseEvent} */ event) => this.#clicked(event, key) } }, screenReaderText(`${name}, `), field, screenReaderText(`, ${plural(count, 'drift')}`)),
      h('span', { class: 'row-difference' }, newest !== null && briefDifference(newest)),
      h('span', { class: 'row-place' }),
      timeElement(group.lastDetectedAt, { short: true, class: 'age' }),
      h(
        'span',
        { class: 'row-actions' },
        ...ROW_ACTIONS.filter(({ many }) => canDecide && many !== undefined).map((action) =>
          h('button', {
            type: 'button',
            class: 'row-action',
            testid: `cause-${action.name}`,
            title: `${action.label} all ${plural(count, 'drift')} (${action.key})`,
            'aria-label': `${action.label} all ${plural(count, 'drift')} of the cause ${field}`,
            text: action.label,
            on: { click: () => action.many?.(this.batchOf(group), this.#context) },
          }),
        ),
      ),
    );
  }

  /**
   * @param {MouseEvent} event
   * @param {string} key
   */
  #clicked(event, key) {
    if (event.shiftKey) this.#options.select(event, key);
    else void this.toggle(key);
  }
}

/**
 * Returns the id of the drift of a row, or the key of its cause.
 * @param {Element} row
 */
export function idOf(row) {
  return row.getAttribute('data-drift-id') ?? row.getAttribute('data-group-key') ?? '';
}

/**
 * Returns the key of the cause below which a row is shown; null for other rows.
 * @param {Element | null} row
 */
export function causeKeyOf(row) {
  return row?.closest('.cause')?.querySelector('[data-group-key]')?.getAttribute('data-group-key') ?? null;
}
