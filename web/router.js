// The address of the page. It contains the view, the filters and the drift, so that users can share or bookmark them.
// It never contains the token. A parameter with a minus before its name excludes its value: `-region=fra1`.

import { DIMENSIONS, NAMES, knownValue } from './dimensions.js';
import { assigneeOf } from './me.js';
import { viewOf } from './views.js';
/** @import { Chip, Drift, DriftFilterInput, DriftStatus, Filters, Route } from './types.js' */

/** @type {readonly DriftStatus[]} */
export const RESOLVED = ['ACCEPTED', 'REVERTED', 'STALE'];
/** A revision of a drift, as links in notifications name it. */
const REVISION = /^[1-9]\d{0,8}$/;
/** @type {Filters} */
export const NO_FILTERS = { chips: [], q: '' };
/** Maximum number of chips of one dimension: the limit of the API. */
const MOST_VALUES = 100;

/**
 * Returns filters with one value of each of these dimensions, for links.
 * @param {{ [dimension in import('./dimensions.js').Dimension]?: string }} values
 * @returns {Filters}
 */
export function filtersOf(values) {
  const chips = NAMES.flatMap((dimension) => {
    const value = knownValue(dimension, values[dimension] ?? '');
    return value === null ? [] : [{ dimension, value, negated: false }];
  });
  return { chips, q: '' };
}

/**
 * @param {string} search
 * @returns {Route}
 */
export function parseRoute(search) {
  const query = new URLSearchParams(search);
  const text = (/** @type {string} */ name) => (query.get(name) ?? '').trim();
  const chips = NAMES.flatMap((dimension) => [...chipsIn(query, dimension, false), ...chipsIn(query, dimension, true)]);
  const isClosed = chips.some(({ dimension, value, negated }) => dimension === 'status' && (negated || value !== 'open'));
  const row = viewOf(text('view'));
  const view = row?.id ?? (isClosed ? 'history' : 'inbox');
  const own = (row?.parameters ?? []).map((name) => [name, text(name)]).filter(([, value]) => value !== '');
  return {
    view,
    ...(own.length === 0 ? {} : { own: Object.fromEntries(own) }),
    // The inbox has the open drifts, and the history all closed ones unless it has others: neither needs a chip.
    filters: { chips: chips.filter(({ dimension, value }) => dimension !== 'status' || (view !== 'inbox' && value !== 'closed')), q: text('q') },
    ...(text('group') === 'cause' ? { group: true } : {}),
    drift: text('drift') || null,
    ...(text('drift') !== '' && REVISION.test(text('revision')) ? { revision: Number(text('revision')) } : {}),
  };
}

/**
 * @param {URLSearchParams} query
 * @param {import('./dimensions.js').Dimension} dimension
 * @param {boolean} negated
 * @returns {Chip[]}
 */
function chipsIn(query, dimension, negated) {
  const values = query.getAll(negated ? `-${dimension}` : dimension).map((value) => knownValue(dimension, value));
  const different = [...new Set(values)].filter((value) => value !== null);
  return different.slice(0, MOST_VALUES).map((value) => ({ dimension, value, negated }));
}

/**
 * Returns the names of parameters that have no effect: unknown names, unknown values, and names that have one value.
 * @param {string} search
 */
export function unreadParameters(search) {
  const route = parseRoute(search);
  const read = new URLSearchParams(routeSearch(route));
  if (route.view === 'inbox') {
    read.set('view', 'inbox');
    read.set('status', 'open');
  }
  const same = (/** @type {string} */ one, /** @type {string} */ other) => one.trim().toLowerCase() === other.trim().toLowerCase();
  const unread = [...new URLSearchParams(search)].filter(([name, value]) => value.trim() !== '' && !read.getAll(name).some((known) => same(value, known)));
  return [...new Set(unread.map(([name]) => name))];
}

/**
 * Returns the address of a route. It is relative to the page, which a proxy may serve below a path of its own.
 * @param {Route} route
 */
export const routeUrl = (route) => `./${routeSearch(route)}`;

/**
 * Returns the query of the address of a route, with the question mark. The empty text is the inbox.
 * @param {Route} route
 */
export function routeSearch(route) {
  const query = new URLSearchParams();
  if (route.view !== 'inbox') query.set('view', route.view);
  if (route.view === 'inbox' || route.view === 'history') {
    const { chips, q } = route.filters;
    for (const { dimension, value, negated } of chips) query.append(negated ? `-${dimension}` : dimension, value);
    if (q !== '') query.set('q', q);
    if (route.group) query.set('group', 'cause');
  }
  for (const name of viewOf(route.view)?.parameters ?? []) {
    const value = route.own?.[name] ?? '';
    if (value !== '') query.set(name, value);
  }
  if (route.drift !== null) query.set('drift', route.drift);
  if (route.drift !== null && route.revision !== undefined) query.set('revision', String(route.revision));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/**
 * Returns the statuses of the drifts that a list has.
 * @param {Pick<Route, 'view' | 'filters'>} route
 * @returns {DriftStatus[]}
 */
function statusesOf({ view, filters }) {
  if (view === 'inbox') return ['OPEN'];
  const of = (/** @type {boolean} */ negated) =>
    filters.chips.filter((chip) => chip.dimension === 'status' && chip.negated === negated).map(({ value }) => /** @type {DriftStatus} */ (value.toUpperCase()));
  const [chosen, excluded] = [of(false), of(true)];
  return (chosen.length === 0 ? [...RESOLVED] : chosen).filter((status) => !excluded.includes(status));
}

/**
 * @param {Pick<Route, 'view' | 'filters'>} route
 * @returns {DriftFilterInput}
 */
export function filterInput({ view, filters }) {
  const status = statusesOf({ view, filters });
  /** @type {NonNullable<DriftFilterInput['where']>} */
  const where = {};
  for (const { dimension, value, negated } of filters.chips) {
    const { condition, values } = DIMENSIONS[dimension];
    if (condition === null) continue;
    if (dimension === 'assignee' && value === 'none') continue;
    const list = negated ? 'notIn' : 'in';
    const of = (where[condition] ??= {});
    (of[list] ??= []).push(dimension === 'assignee' ? assigneeOf(value) : values === undefined ? value : value.toUpperCase());
  }
  // A list of statuses cannot be empty in the API, but no drift has a status that is excluded and chosen.
  if (status.length === 0) where['status'] = { notIn: ['OPEN', ...RESOLVED] };
  const [snoozed, unassigned] = [snoozedIn({ view, filters }), filters.chips.find(({ dimension, value }) => dimension === 'assignee' && value === 'none')];
  return {
    ...(status.length === 0 ? {} : { status }),
    ...(snoozed === null ? {} : { snoozed }),
    ...(unassigned === undefined ? {} : { assigned: unassigned.negated }),
    ...(Object.keys(where).length === 0 ? {} : { where }),
    ...(filters.q === '' ? {} : { search: filters.q }),
  };
}

/**
 * Returns whether a list has snoozed drifts only, or none of them; null if it has both. The inbox has none unless a chip
 * says otherwise.
 * @param {Pick<Route, 'view' | 'filters'>} route
 */
function snoozedIn({ view, filters }) {
  const chip = filters.chips.find(({ dimension }) => dimension === 'is');
  if (chip === undefined) return view === 'inbox' ? false : null;
  return chip.value === 'snoozed' ? !chip.negated : null;
}

/**
 * Returns whether a drift matches a filter, by the rules of the server.
 * @param {Drift} drift
 * @param {Pick<Route, 'view' | 'filters'>} route
 */
export function matches(drift, route) {
  const { resource } = drift;
  const lower = (/** @type {string | null} */ text) => (text ?? '').replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const searched = lower(route.filters.q);
  return (
    statusesOf(route).includes(drift.status) &&
    snoozedIn(route) !== !drift.snoozed &&
    NAMES.every((dimension) => DIMENSIONS[dimension].condition === null || permits(route.filters.chips.filter((chip) => chip.dimension === dimension), drift)) &&
    [resource.name, resource.providerId, drift.address, drift.field].some((text) => lower(text).includes(searched))
  );
}

/**
 * Returns whether the chips of one dimension permit a drift. A drift without a value meets every exclusion.
 * @param {Chip[]} chips
 * @param {Drift} drift
 */
function permits(chips, drift) {
  const has = (/** @type {Chip} */ { dimension, value: wanted }) => {
    const { of, passes } = DIMENSIONS[dimension];
    const value = of(drift);
    return value !== null && (passes === undefined ? value === wanted : passes(value, wanted));
  };
  const chosen = chips.filter(({ negated }) => !negated);
  return (chosen.length === 0 || chosen.some(has)) && !chips.some((chip) => chip.negated && has(chip));
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
    if (routeSearch(route) === location.search) return;
    if (how.replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.route = route;
    this.dispatchEvent(new Event('change'));
  }
}
