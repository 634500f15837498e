// The sources of the inventory: their states above each view, and their table in the runs view.

import { ApiError } from './api.js';
import { h, screenReaderText } from './dom.js';
import { plural, timeElement, visible, visibleLine } from './format.js';
import { SOURCES } from './queries.js';
/** @import { Source, SourceKind, SourceState } from './types.js' */

/** Interval in milliseconds between two requests for the states. */
const REFRESH = 60_000;
/** Maximum number of sources above a view. */
const MOST_LINES = 3;
/** Maximum length of a reason above a view. */
const MOST_REASON = 160;

/** @type {{ [state in SourceState]: string }} */
const STATES = { OK: 'up to date', PARTIAL: 'partial', FAILED: 'failed', REFUSED: 'refused', OVERDUE: 'overdue', NEVER: 'never listed' };
/** The states as the end of a sentence about the source. @type {{ [state in SourceState]: string }} */
export const STATE_TEXTS = {
  OK: 'is up to date',
  PARTIAL: 'was not read completely',
  FAILED: 'could not be listed',
  REFUSED: 'sent a plan that was refused',
  OVERDUE: 'is overdue',
  NEVER: 'has never been listed',
};
/** @type {{ [kind in SourceKind]: string }} */
const KINDS = { ACCOUNT: 'account', FILE: 'file', LINES: 'JSON lines', TERRAFORM_PLAN: 'Terraform plans' };
/** The states in the order of the lines. @type {SourceState[]} */
const ORDER = ['FAILED', 'REFUSED', 'OVERDUE', 'NEVER', 'PARTIAL', 'OK'];

/**
 * Returns whether the inventory of a source is known to be recent.
 * @param {Pick<Source, 'state'>} source
 */
export function isRecent({ state }) {
  return state === 'OK' || state === 'PARTIAL';
}

/**
 * Returns the sources whose state is not OK, the most important states first.
 * @param {Source[]} sources
 */
export function notOk(sources) {
  return sources.filter(({ state }) => state !== 'OK').sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
}

/**
 * Formats a number of seconds as a time of one unit if possible: `every 6 hours`.
 * @param {number} seconds
 */
export function every(seconds) {
  /** @type {[number, string][]} */
  const units = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ];
  const [length, unit] = units.find(([length]) => seconds % length === 0) ?? [1, 'second'];
  const count = seconds / length;
  return count === 1 ? `every ${unit}` : `every ${plural(count, unit)}`;
}

/** Loads the sources, and again every minute. Dispatches `change` if they differ from the last answer. */
export class Sources extends EventTarget {
  #api;
  #last = '[]';
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {Source[]} */
  all = [];

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** Whether the page names the source of a resource. */
  get several() {
    return this.all.length > 1;
  }

  start() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.refresh(), REFRESH);
    void this.refresh();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#set([]);
  }

  async refresh() {
    try {
      const { sources } = await this.#api.ask(SOURCES);
      // The user may have signed out meanwhile.
      if (this.#timer !== undefined) this.#set(sources);
    } catch (error) {
      // The last known states stay. The views report an unreachable server themselves.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** @param {Source[]} sources */
  #set(sources) {
    const text = JSON.stringify(sources);
    if (text === this.#last) return;
    this.#last = text;
    this.all = sources;
    this.dispatchEvent(new Event('change'));
  }
}

/**
 * Creates the lines above the views: one for each source whose state is not OK.
 * @param {Source[]} sources
 */
export function stateLines(sources) {
  const named = notOk(sources);
  const shown = named.slice(0, MOST_LINES);
  const more = named.length - shown.length;
  return [
    ...shown.map((source) =>
      h(
        'li',
        { testid: 'source-state', 'data-state': source.state },
        stateBadge(source.state),
        h('strong', { text: visibleLine(source.name) }),
        h('span', { class: 'when' }, ...lastSuccess(source)),
        source.reason !== null && h('span', { class: 'why', title: visible(source.reason), text: visibleLine(short(source.reason)) }),
      ),
    ),
    ...(more > 0 ? [h('li', {}, h('a', { href: './?view=runs', 'data-route': true, testid: 'more-sources', text: `and ${more.toLocaleString('en')} more` }))] : []),
  ];
}

/** @param {Pick<Source, 'state' | 'lastSuccessAt'>} source */
function lastSuccess({ state, lastSuccessAt }) {
  if (lastSuccessAt !== null) return ['last success ', timeElement(lastSuccessAt)];
  return state === 'NEVER' ? [] : ['never succeeded'];
}

/** @param {SourceState} state */
function stateBadge(state) {
  return h('span', { class: `badge source-${state.toLowerCase()}`, text: STATES[state] });
}

/** @param {string} text */
function short(text) {
  return text.length > MOST_REASON ? `${text.slice(0, MOST_REASON)}…` : text;
}

/**
 * Creates the table of all sources. `sync` returns the button of a source, if it has one.
 * @param {Source[]} sources
 * @param {(source: Source) => HTMLElement | null} sync
 */
export function sourcesTable(sources, sync) {
  const heads = ['Source', 'Kind', 'State', 'Last success', 'Expected', 'Reason'];
  const buttons = new Map(sources.map((source) => [source, sync(source)]));
  const withButtons = [...buttons.values()].some((button) => button !== null);
  return h(
    'div',
    { class: 'table-place sources-table', tabindex: '0', role: 'region', 'aria-label': 'Sources of the inventory', testid: 'sources-table' },
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...heads.map((text) => h('th', { scope: 'col', text })), withButtons && h('th', { scope: 'col' }, screenReaderText('Sync')))),
      h('tbody', {}, ...sources.map((source) => row(source, withButtons ? h('td', {}, buttons.get(source)) : null))),
    ),
  );
}

/**
 * @param {Source} source
 * @param {HTMLElement | null} last
 */
function row(source, last) {
  const expected = source.schedule ?? (source.expectedInterval === null ? '' : every(source.expectedInterval));
  return h(
    'tr',
    { testid: 'source', 'data-source': source.name, 'data-state': source.state },
    h('th', { scope: 'row', class: 'name', text: visibleLine(source.name) }),
    h('td', { text: KINDS[source.kind] }),
    h('td', {}, stateBadge(source.state)),
    h('td', {}, source.lastSuccessAt === null ? 'never' : timeElement(source.lastSuccessAt)),
    h('td', {}, source.schedule === null ? expected || 'as scheduled' : h('code', { text: expected, title: 'Cron expression in UTC, with seconds first' })),
    h('td', { class: 'reason', text: source.reason === null ? '' : visible(source.reason) }),
    last,
  );
}
