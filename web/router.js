// The address of the page. It contains the view, the filters and the drift, so that users can share or bookmark them.
// It never contains the token.

import { viewOf } from './views.js';
/** @import { DriftFilterInput, DriftStatus, Filters, Route } from './types.js' */

/** @type {readonly DriftStatus[]} */
export const RESOLVED = ['ACCEPTED', 'REVERTED', 'STALE'];
// The address of a module: `module.net["eu.west"].module.dns`. A key may contain dots, brackets and escaped quotes.
const MODULE = /^module\.[^.[]+(?:\[(?:"(?:[^"\\]|\\.)*"|[^"\]][^\]]*)\])?(?:\.module\.[^.[]+(?:\[(?:"(?:[^"\\]|\\.)*"|[^"\]][^\]]*)\])?)*$/;
/** A revision of a drift, as links in notifications name it. */
const REVISION = /^[1-9]\d{0,8}$/;
/** @type {Filters} */
export const NO_FILTERS = { kind: '', region: '', field: '', source: '', address: '', type: '', status: '', q: '' };

/**
 * @param {string} search
 * @returns {Route}
 */
export function parseRoute(search) {
  const query = new URLSearchParams(search);
  const text = (/** @type {string} */ name) => (query.get(name) ?? '').trim();
  const status = text('status').toUpperCase();
  const resolved = RESOLVED.find((known) => known === status);
  const type = text('type').toUpperCase();
  const view = viewOf(text('view')) ?? viewOf(resolved === undefined ? 'inbox' : 'history');
  const own = (view?.parameters ?? []).map((name) => [name, text(name)]).filter(([, value]) => value !== '');
  return {
    view: view?.id ?? 'inbox',
    ...(own.length === 0 ? {} : { own: Object.fromEntries(own) }),
    filters: {
      kind: text('kind'),
      region: text('region'),
      field: text('field'),
      source: text('source'),
      address: text('address'),
      type: type === 'CHANGED' || type === 'MISSING' ? type : '',
      status: resolved ?? '',
      q: text('q'),
    },
    drift: text('drift') || null,
    ...(text('drift') !== '' && REVISION.test(text('revision')) ? { revision: Number(text('revision')) } : {}),
  };
}

/**
 * Returns the names of parameters that have no effect: unknown names, unknown values, and repeated names.
 * @param {string} search
 */
export function unreadParameters(search) {
  const route = parseRoute(search);
  const read = new URLSearchParams(routeUrl(route).slice(1));
  if (route.view === 'inbox') {
    read.set('view', 'inbox');
    read.set('status', 'open');
  }
  const same = (/** @type {string} */ one, /** @type {string} */ other) => one.trim().toLowerCase() === other.trim().toLowerCase();
  const unread = [...new URLSearchParams(search)].filter(([name, value]) => value.trim() !== '' && !same(value, read.get(name) ?? ''));
  return [...new Set(unread.map(([name]) => name))];
}

/** @param {Route} route */
export function routeUrl(route) {
  const query = new URLSearchParams();
  if (route.view !== 'inbox') query.set('view', route.view);
  if (route.view === 'inbox' || route.view === 'history') {
    for (const [name, value] of Object.entries(route.filters)) {
      if (value !== '') query.set(name, name === 'type' || name === 'status' ? value.toLowerCase() : value);
    }
  }
  for (const name of viewOf(route.view)?.parameters ?? []) {
    const value = route.own?.[name] ?? '';
    if (value !== '') query.set(name, value);
  }
  if (route.drift !== null) query.set('drift', route.drift);
  if (route.drift !== null && route.revision !== undefined) query.set('revision', String(route.revision));
  const text = query.toString();
  return text === '' ? '/' : `/?${text}`;
}

/**
 * @param {Route} route
 * @returns {DriftFilterInput}
 */
export function filterInput({ view, filters }) {
  /** @type {DriftFilterInput} */
  const input = {
    status: view === 'inbox' ? ['OPEN'] : filters.status === '' ? [...RESOLVED] : [filters.status],
  };
  if (filters.kind !== '') input.resourceKind = filters.kind;
  if (filters.region !== '') input.region = filters.region;
  if (filters.field !== '') input.field = filters.field;
  if (filters.source !== '') input.source = filters.source;
  if (filters.address !== '') input.address = filters.address;
  if (filters.type !== '') input.kind = filters.type;
  if (filters.q !== '') input.search = filters.q;
  return input;
}

/**
 * Returns whether a drift matches a filter, by the rules of the server.
 * @param {import('./types.js').Drift} drift
 * @param {DriftFilterInput} filter
 */
export function matches(drift, filter) {
  const { resource } = drift;
  const lower = (/** @type {string | null} */ text) => (text ?? '').replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const searched = lower(filter.search ?? '');
  return (
    filter.status.includes(drift.status) &&
    (filter.resourceKind === undefined || filter.resourceKind === resource.kind) &&
    (filter.region === undefined || filter.region === resource.region) &&
    (filter.field === undefined || filter.field === drift.field) &&
    (filter.source === undefined || filter.source === resource.source) &&
    (filter.address === undefined || isAt(drift.address, filter.address)) &&
    (filter.kind === undefined || filter.kind === drift.kind) &&
    [resource.name, resource.providerId, drift.address, drift.field].some((text) => lower(text).includes(searched))
  );
}

/**
 * Returns whether an address is the wanted one, or is below it if the wanted one names a module.
 * @param {string | null} address
 * @param {string} wanted
 */
function isAt(address, wanted) {
  if (address === null) return false;
  if (address === wanted) return true;
  if (!MODULE.test(wanted)) return false;
  // A module without a key includes all instances that `count` or `for_each` made of it.
  return address.startsWith(`${wanted}.`) || (!wanted.endsWith(']') && address.startsWith(`${wanted}[`));
}

export class Router extends EventTarget {
  route = parseRoute(location.search);

  constructor() {
    super();
    window.addEventListener('popstate', () => this.#read());
  }

  #read() {
    this.route = parseRoute(location.search);
    this.dispatchEvent(new Event('change'));
  }

  /**
   * @param {Partial<Route>} change
   * @param {{ replace?: boolean }} [how]
   */
  go(change, how = {}) {
    const route = { ...this.route, ...change };
    // The revision is that of the linked drift.
    if (route.drift !== this.route.drift && change.revision === undefined) delete route.revision;
    const url = routeUrl(route);
    if (url === location.pathname + location.search) return;
    if (how.replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.route = route;
    this.dispatchEvent(new Event('change'));
  }
}
