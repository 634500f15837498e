// The list of drifts: the inbox and the history.

import { ApiError, explain } from './api.js';
import { announce, h, screenReaderText } from './dom.js';
import { FilterBar } from './filters.js';
import { fieldName, kindName, plural, resolution, resourceName, visibleLine } from './format.js';
import { PAGE } from './queries.js';
import { filterInput, matches, routeUrl } from './router.js';
import { emptyState } from './empty_state.js';
import { GroupList, causeKeyOf, idOf } from './groups.js';
import { ListCounts } from './list_counts.js';
import { addressElement, columnNames, looksAlike, placeElements, rowElement } from './row.js';
import { ListWindow } from './paged_list.js';
import { Selection, SelectionBar } from './selection.js';
/** @import { Batch, Context, Drift, DriftFilterInput, Route } from './types.js' */

/** How long a closed row stays in the list, in milliseconds. */
const CLOSED_ROW_MS = 5000;
/** Maximum age of a new row in milliseconds. The server sends changes at most two minutes late. */
const NEW_ROW_MS = 180_000;
/** Maximum number of new rows that are inserted at once. If there are more, only their number is shown. */
const MOST_AT_ONCE = 30;
/** Maximum number of rows of the first page, including inserted rows. */
const MOST_ON_FIRST_PAGE = 250;
/** Number of rows below the reviewed one from which the next page is loaded. */
const LOADED_AHEAD = 20;

export class ListView {
  #context;
  #filters;
  /** @type {Route} */
  #route;
  /** @type {DriftFilterInput} */
  #filter;
  #shown = '';
  #named = false;
  #title = h('h2', { id: 'view-title', tabindex: '-1' });
  #pill = h('button', { type: 'button', class: 'pill', testid: 'new-pill', hidden: true, on: { click: () => this.reload() } });
  #pages = h('div', { class: 'pages', testid: 'list', tabindex: '-1' });
  #columns = columnNames();
  #grouping = h('button', { type: 'button', class: 'quiet', testid: 'group-by-cause', 'aria-pressed': 'false', 'aria-keyshortcuts': 'g', title: 'One row for each cause (g)', text: 'By cause', on: { click: () => void this.toggleGroups() } });
  #selection = new Selection();
  #foot = h('div', { class: 'list-foot' });
  /**
   * The element of each row. A changed row is a new object with a new element.
   * @type {WeakMap<Drift, { element: HTMLElement, inGroup: boolean }>}
   */
  #elements = new WeakMap();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #leaving = new Set();
  /** @type {Map<string, Drift>} */
  #pendingChanges = new Map();
  /** @type {Set<string>} */
  #unseenNew = new Set();
  /** @type {unknown} */
  #error = null;
  /** Settles when the first page is loaded. @type {Promise<void>} */
  #loading = Promise.resolve();

  /**
   * @param {Context} context
   * @param {...HTMLElement} buttons what else is in the head of the list
   */
  constructor(context, ...buttons) {
    this.#context = context;
    this.#route = context.router.route;
    this.#filter = filterInput(this.#route);
    this.#filters = new FilterBar(this.#route, (view, filters) => this.#narrow(view, filters));
    this.#window = new ListWindow(this.#pages, {
      fetch: (range, signal) => this.#fetch(range, signal),
      render: (page) => this.#render(page),
      changed: () => this.#showFoot(),
      failed: (error) => this.#failed(error),
      outgrown: () => this.reload(),
    });
    this.#groups = new GroupList(context, {
      filter: () => this.#filter,
      row: (drift) => this.#row(drift, false),
      select: (event, id) => this.#clickedBox(event, id),
      canDecide: () => this.#canSelect,
      changed: () => this.#showFoot(),
      refreshed: () => this.#selection.update((key) => this.#groups.find(key) ?? (this.#groups.window.isLoaded ? null : undefined)),
      drawn: () => this.#markRows(),
      failed: (error) => this.#failed(error),
    });
    this.#counts = new ListCounts(context, {
      shown: () => ({ route: this.#route, filter: this.#filter }),
      counted: (total) => this.#counted(total),
      facets: (facets) => this.#filters.showFacets(facets),
    });
    this.#bar = new SelectionBar(context, this.#selection, () => this.#selection.batch(this.#filter, this.#counts.total));
    this.#selection.addEventListener('change', () => this.#showSelection());
    context.sources.addEventListener('change', () => this.#showSources());
    this.element = h(
      'section',
      { class: 'pane list-pane', 'aria-labelledby': 'view-title' },
      h('div', { class: 'pane-head' }, this.#title, this.#counts.element, h('span', { class: 'pane-actions' }, this.#grouping, ...buttons)),
      this.#filters.element,
      h('div', { class: 'pill-place' }, this.#pill),
      this.#columns,
      this.#pages,
      this.#groups.element,
      this.#foot,
      this.#bar.element,
    );
  }

  /** @type {ListWindow<Drift>} */
  #window;
  #groups;
  #bar;
  #counts;

  /** The rows that are shown: drifts or causes. @returns {ListWindow<any>} */
  get #active() {
    return this.#route.group ? this.#groups.window : this.#window;
  }

  get #canSelect() {
    return this.#context.session.canDecide && this.#route.view === 'inbox';
  }

  /** @param {Route} route */
  show(route) {
    this.#route = route;
    this.#filter = filterInput(route);
    this.#filters.show(route);
    this.#title.textContent = route.view === 'inbox' ? 'Inbox' : 'History';
    const grouped = route.group ?? false;
    this.#pages.hidden = grouped;
    this.#groups.element.hidden = !grouped;
    this.element.classList.toggle('can-select', this.#canSelect);
    this.#grouping.setAttribute('aria-pressed', String(grouped));
    const shown = JSON.stringify([route.view, route.filters, grouped]);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.reload();
    }
    this.#markRows();
  }

  // Groups name their source only if there are several.
  #showSources() {
    const { all, several } = this.#context.sources;
    this.#filters.showSources(all.map(({ name }) => name));
    if (this.#named === several) return;
    this.element.classList.toggle('several-sources', several);
    this.#named = several;
    for (const page of this.#window.pages) if (page.rows !== null) this.#window.redraw(page);
  }

  /**
   * @param {Route['view']} view
   * @param {Route['filters']} filters
   */
  #narrow(view, filters) {
    const before = this.#route.filters;
    // While a search is typed, its history entry is replaced, so that one step back leaves the search.
    const typed = before.q !== '' && filters.q !== '' && before.q !== filters.q;
    this.#context.router.go({ view, filters, drift: null }, { replace: typed });
  }

  /** Loads the list again from the top. */
  reload() {
    for (const timer of this.#leaving) clearTimeout(timer);
    this.#leaving.clear();
    this.#pendingChanges.clear();
    this.#unseenNew.clear();
    this.#pill.hidden = true;
    this.#error = null;
    this.#counts.clear();
    this.#selection.clear();
    this.#window.clear();
    this.#groups.clear();
    window.scrollTo({ top: 0, behavior: 'instant' });
    this.#loading = this.#active.loadNext().then(() => this.#counts.askSoon(0));
  }

  /** Clears the list, because another user may sign in. */
  clear() {
    this.#shown = '';
    this.#counts.clear();
    this.#selection.clear();
    this.#window.clear();
    this.#groups.clear();
  }

  /** Loads the visible rows again and keeps the position. */
  async refresh() {
    // A response that is still pending may be older than the change.
    await this.#loading;
    if (this.#shown === '') return;
    if (this.#active.stalled) {
      this.#error = null;
      await this.#active.loadNext();
    }
    await (this.#route.group ? this.#groups.refresh() : this.#window.refresh());
    this.#counts.askSoon(0);
  }

  focusSearch() {
    this.#filters.focusSearch();
  }

  focusTitle() {
    this.#title.focus({ preventScroll: true });
  }

  /**
   * @param {{ first: number, after: string | null, before: string | null }} range
   * @param {AbortSignal} signal
   */
  async #fetch(range, signal) {
    const field = this.#route.view === 'inbox' ? 'DETECTED_AT' : 'RESOLVED_AT';
    const variables = { filter: this.#filter, orderBy: { field, direction: 'DESC' }, ...range };
    const { drifts } = await this.#context.api.ask(PAGE, variables, signal);
    this.#error = null;
    return drifts;
  }

  /** @param {number} total */
  #counted(total) {
    if (this.#route.view === 'inbox' && !this.#filters.narrowed) this.#context.counted(total);
    this.#showSelection();
  }

  /** @param {import('./paged_list.js').ListPage<Drift>} page */
  #render(page) {
    const focused = page.element.contains(document.activeElement) ? document.activeElement : null;
    const id = focused?.closest('[data-drift-id]')?.getAttribute('data-drift-id');
    /** @type {Map<string, Drift[]>} */
    const groups = new Map();
    for (const drift of page.rows ?? []) {
      const group = groups.get(drift.resource.id);
      if (group === undefined) groups.set(drift.resource.id, [drift]);
      else group.push(drift);
    }
    page.element.replaceChildren(...[...groups.values()].map((drifts) => this.#group(drifts)));
    this.#markRows();
    if (id) linkOf(page.element, id)?.focus({ preventScroll: true });
  }

  /** @param {Drift[]} drifts the drifts of one resource */
  #group(drifts) {
    const first = /** @type {Drift} */ (drifts[0]);
    const several = drifts.length > 1;
    return h(
      'section',
      { class: several ? 'group several' : 'group', testid: 'group', 'data-resource-id': first.resource.id },
      several &&
        h(
          'header',
          { class: 'group-head' },
          h('h3', { text: visibleLine(resourceName(first.resource)) }),
          h('span', { class: 'row-kind', text: kindName(first.resource.kind) }),
          h('span', { class: 'group-count', text: plural(drifts.length, 'field') }),
          addressElement(first.address),
          h('span', { class: 'row-place' }, ...placeElements(first, this.#context)),
        ),
      h('ul', { class: 'rows' }, ...drifts.map((drift) => this.#row(drift, several))),
    );
  }

  /**
   * @param {Drift} drift
   * @param {boolean} inGroup
   */
  #row(drift, inGroup) {
    const known = this.#elements.get(drift);
    if (known?.inGroup === inGroup) return known.element;
    const href = routeUrl({ ...this.#route, drift: drift.id });
    const select = this.#canSelect ? (/** @type {MouseEvent} */ event) => this.#clickedBox(event, drift.id) : null;
    const element = rowElement(drift, { context: this.#context, href, inGroup, select, open: (event) => this.#open(event, drift) });
    this.#elements.set(drift, { element, inGroup });
    return element;
  }

  /**
   * @param {MouseEvent} event
   * @param {Drift} drift
   */
  #open(event, drift) {
    if (event.shiftKey && this.#canSelect && drift.status === 'OPEN') {
      event.preventDefault();
      this.#clickedBox(event, drift.id);
      return;
    }
    // Other clicks open a new tab.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#context.router.go({ drift: drift.id });
  }

  /** Marks the row of the shown drift, and the selected rows. */
  #markRows() {
    for (const link of this.element.querySelectorAll('.row-link')) {
      const id = link.closest('[data-drift-id]')?.getAttribute('data-drift-id') ?? null;
      if (id !== null && id === this.#route.drift) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
    for (const box of this.element.querySelectorAll('.row-select')) {
      const row = box.closest('.row');
      if (!(box instanceof HTMLInputElement) || row === null) continue;
      box.checked = this.#selection.has(idOf(row));
      row.classList.toggle('selected', box.checked);
    }
  }

  #showSelection() {
    this.element.classList.toggle('selecting', !this.#selection.isEmpty);
    this.#bar.show(this.#selection.batch(this.#filter, this.#counts.total), this.#counts.total);
    this.#markRows();
  }

  /** The rows that can be selected, in the order in which they are shown. */
  get #selectable() {
    /** @type {Map<string, import('./selection.js').Item>} */
    const loaded = new Map();
    for (const box of this.element.querySelectorAll('.row-select')) {
      const row = box.closest('.row');
      const id = row === null ? '' : idOf(row);
      const item = this.#driftOf(id) ?? this.#groups.find(id);
      if (item !== null) loaded.set(id, { item, cause: causeKeyOf(row) });
    }
    return loaded;
  }

  /**
   * @param {MouseEvent} event
   * @param {string} id
   */
  #clickedBox(event, id) {
    if (event.shiftKey) {
      document.getSelection()?.removeAllRanges();
      this.#selection.extend(id, this.#selectable);
    } else this.#selection.toggle(id, this.#selectable);
  }

  /**
   * Selects the row with the focus, or all rows between the last selected one and it.
   * @param {boolean} extend
   */
  selectFocused(extend) {
    const row = document.activeElement?.closest('.row') ?? this.element.querySelector('.row:has([aria-current])');
    if (row === null || !this.#canSelect || this.element.hidden) return;
    if (extend) this.#selection.extend(idOf(row), this.#selectable);
    else this.#selection.toggle(idOf(row), this.#selectable);
    announce(this.#selection.isEmpty ? 'Nothing is selected' : `${this.batch?.count ?? 0} selected`);
  }

  /** Selects all drifts that match the filter. */
  selectAll() {
    if (!this.#canSelect || this.element.hidden || this.#active.rows.length === 0) return;
    this.#selection.selectAll();
    announce(`All ${this.#counts.total ?? ''} drifts that match are selected`);
  }

  /** @returns {boolean} whether there was a selection */
  clearSelection() {
    const wasEmpty = this.#selection.isEmpty;
    this.#selection.clear();
    return !wasEmpty;
  }

  /** The selected drifts, or all of the cause whose row has the focus; null if there is neither. @returns {Batch | null} */
  get batch() {
    if (!this.#canSelect) return null;
    if (!this.#selection.isEmpty) return this.#selection.batch(this.#filter, this.#counts.total);
    const group = this.#groups.focused;
    return group === null ? null : this.#groups.batchOf(group);
  }

  /**
   * Shows one row for each cause, or one for each drift.
   * @returns {() => void} takes it back
   */
  toggleGroups() {
    const { router } = this.#context;
    const was = this.#route.group ?? false;
    const show = (/** @type {boolean} */ group) => router.go({ group }, { replace: true });
    show(!was);
    return () => show(was);
  }

  /** Opens the cause whose row has the focus, or closes it. */
  toggleFocusedGroup() {
    const group = this.#groups.focused;
    if (group !== null) void this.#groups.toggle(group.key);
  }

  #showFoot() {
    const list = this.#active;
    this.#pages.setAttribute('aria-busy', String(list.loadingNext));
    const nothing = list.pages.every(({ rows }) => rows !== null && rows.length === 0);
    this.#columns.hidden = nothing;
    if (this.#error !== null) return;
    if (list.loadingNext) {
      this.#foot.replaceChildren(skeleton(list.pages.length === 0 ? 8 : 2));
    } else if (list.hasNext) {
      this.#foot.replaceChildren(
        h('button', { type: 'button', testid: 'load-more', text: 'Load more', on: { click: () => void list.loadNext() } }),
      );
    } else if (nothing) {
      this.#foot.replaceChildren(emptyState(this.#context, this.#route.view, this.#filters.narrowed, () => this.#filters.clear()));
    } else {
      this.#foot.replaceChildren(h('p', { class: 'end', text: 'End of list' }));
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return;
    this.#error = error;
    this.#pages.setAttribute('aria-busy', 'false');
    const retry = () => {
      this.#error = null;
      if (this.#active.stalled) void this.#active.loadNext();
      else {
        this.#showFoot();
        this.#active.update();
      }
    };
    this.#foot.replaceChildren(
      h(
        'div',
        { class: 'state problem', role: 'alert', testid: 'list-error' },
        h('p', { class: 'state-title', text: 'The list could not be loaded.' }),
        h('p', { text: explain(error) }),
        h('button', { type: 'button', text: 'Try again', on: { click: retry } }),
      ),
    );
  }

  /**
   * Handles a drift that changed.
   * @param {Drift} drift
   */
  onDriftChanged(drift) {
    // A first page that is still loading may be older than the change.
    if (this.#pendingChanges.size === 0) setTimeout(() => void this.#loading.then(() => this.#applyChanges()), 100);
    this.#pendingChanges.set(drift.id, drift);
  }

  #applyChanges() {
    const changed = [...this.#pendingChanges.values()];
    this.#pendingChanges.clear();
    if (this.#shown === '' || this.#active.pages.length === 0) return;
    this.#selection.remove(changed.filter((drift) => !this.#lists(drift)).map(({ id }) => id));
    if (changed.length > 0) this.#counts.askSoon();
    if (this.#route.group) {
      this.#groups.refreshSoon();
      return;
    }
    this.#update(changed);
    const fresh = changed.filter((drift) => this.#window.find(drift.id) === null && this.#isNew(drift));
    if (fresh.length > 0) this.#addNew(fresh);
  }

  /**
   * Updates the rows of changed drifts. A bulk changes many at once, so each page is drawn once.
   * @param {Drift[]} changed
   */
  #update(changed) {
    /** @type {Map<import('./paged_list.js').ListPage<Drift>, Map<string, Drift>>} */
    const pages = new Map();
    /** @type {Drift[]} */
    const closed = [];
    for (const drift of changed) {
      const found = this.#window.find(drift.id);
      if (found === null) continue;
      const { page, row } = found;
      // Responses and events may arrive out of order.
      if (drift.revision < row.revision || (row.status !== 'OPEN' && drift.status === 'OPEN')) continue;
      // Snoozes and assignees leave the revision as it is. Of two states of one revision, the one that arrives last stays: each
      // change is also an event, so the last event has the last state.
      if (looksAlike(drift, row)) continue;
      const rows = pages.get(page) ?? new Map();
      pages.set(page, rows.set(drift.id, drift));
      if (this.#lists(row) && !this.#lists(drift)) closed.push(drift);
    }
    const updated = [...pages.values()].flatMap((rows) => [...rows.values()]);
    for (const [page, rows] of pages) {
      page.rows = (page.rows ?? []).map((known) => rows.get(known.id) ?? known);
      this.#window.redraw(page);
    }
    for (const drift of updated) this.#elements.get(drift)?.element.classList.add('touched');
    const [first] = updated;
    if (first === undefined) return;
    const name = `${fieldName(first)} of ${resourceName(first.resource)}`;
    if (updated.length > 1) announce(`${plural(updated.length, 'drift')} changed`);
    else announce(first.status === 'OPEN' ? `${name} changed` : `${name}: ${resolution(first)}`);
    this.#counts.decrease(closed.length);
    this.#leave(updated.filter((drift) => !this.#lists(drift)).map(({ id }) => id));
  }

  /** @param {Drift} drift */
  #lists(drift) {
    return matches(drift, this.#route);
  }

  /**
   * Removes closed rows after a while.
   * @param {string[]} ids
   */
  #leave(ids) {
    if (ids.length === 0) return;
    const timer = setTimeout(() => {
      this.#leaving.delete(timer);
      this.#remove(ids);
    }, CLOSED_ROW_MS);
    this.#leaving.add(timer);
  }

  /** @param {string[]} ids */
  #remove(ids) {
    const focused = document.activeElement?.closest('[data-drift-id]')?.getAttribute('data-drift-id') ?? '';
    const links = this.#links;
    const at = links.findIndex((link) => idOf(/** @type {Element} */ (link.closest('.row'))) === focused);
    const stays = (/** @type {HTMLElement} */ link) => !ids.includes(idOf(/** @type {Element} */ (link.closest('.row'))));
    const next = ids.includes(focused) ? (links.slice(at + 1).find(stays) ?? links.slice(0, at).findLast(stays)) : null;
    const pages = new Set(ids.map((id) => this.#window.find(id)?.page).filter((page) => page !== undefined));
    for (const page of pages) {
      page.rows = (page.rows ?? []).filter(({ id }) => !ids.includes(id));
      this.#window.redraw(page);
    }
    next?.focus({ preventScroll: true });
    if (pages.size > 0) this.#showFoot();
  }

  /** @param {Drift} drift */
  #time(drift) {
    return Date.parse(this.#route.view === 'inbox' ? drift.detectedAt : (drift.resolvedAt ?? ''));
  }

  /** @param {Drift} drift */
  #isNew(drift) {
    if (!matches(drift, this.#route)) return false;
    // A recent change is new, even if its time is before that of the first row because a clock is wrong.
    if ((this.#route.view === 'history' || drift.revision === 1) && Date.now() - this.#time(drift) < NEW_ROW_MS) return true;
    const newest = this.#window.pages[0]?.rows?.[0];
    // If the first page is not loaded, only the age distinguishes new rows from old ones.
    return newest === undefined ? this.#window.pages[0]?.rows?.length === 0 || Date.now() - this.#time(drift) < 60_000 : this.#time(drift) >= this.#time(newest);
  }

  /**
   * Returns whether all of these drifts belong to the first page.
   * @param {Drift[]} drifts
   * @param {Drift[]} rows
   */
  #belongTo(drifts, rows) {
    const last = rows.at(-1);
    if (last === undefined || (this.#window.pages.length === 1 && !this.#window.hasNext)) return true;
    return drifts.every((drift) => this.#time(drift) >= this.#time(last));
  }

  /** @param {Drift[]} drifts */
  #addNew(drifts) {
    const first = this.#window.pages[0];
    if (first === undefined) return;
    const atTop = this.element.offsetParent !== null && first.element.getBoundingClientRect().top >= 0;
    if (atTop && first.rows !== null && drifts.length <= MOST_AT_ONCE && first.rows.length < MOST_ON_FIRST_PAGE && this.#belongTo(drifts, first.rows)) {
      const known = new Set(first.rows.map((row) => row.id));
      const rows = [...drifts.filter((drift) => !known.has(drift.id)).reverse(), ...first.rows];
      first.rows = rows.sort((a, b) => this.#time(b) - this.#time(a));
      this.#render(first);
      for (const drift of drifts) this.#elements.get(drift)?.element.classList.add('touched');
      this.#showFoot();
      announce(plural(drifts.length, 'new drift'));
      return;
    }
    for (const drift of drifts) this.#unseenNew.add(drift.id);
    this.#pill.textContent = `${this.#unseenNew.size.toLocaleString('en')} new`;
    this.#pill.setAttribute('aria-label', `Show ${plural(this.#unseenNew.size, 'new drift')}`);
    this.#pill.hidden = false;
    announce(plural(this.#unseenNew.size, 'new drift'));
  }

  /** @returns {HTMLElement[]} */
  get #links() {
    const shown = this.#route.group ? this.#groups.element : this.#pages;
    return [...shown.querySelectorAll('.row-link')].filter((link) => link instanceof HTMLElement);
  }

  /** @param {1 | -1} step */
  #neighbour(step) {
    const links = this.#links;
    const focused = links.findIndex((link) => link.closest('.row')?.contains(document.activeElement));
    const at = focused === -1 ? links.findIndex((link) => link.hasAttribute('aria-current')) : focused;
    return links[at === -1 ? 0 : at + step] ?? null;
  }

  /**
   * Moves the focus to the next or the previous row.
   * @param {1 | -1} step
   */
  move(step) {
    const link = this.element.hidden ? null : this.#neighbour(step);
    if (link === null) return;
    const id = link.closest('.row')?.getAttribute('data-drift-id');
    if (this.#route.drift !== null && id) this.#context.router.go({ drift: id }, { replace: true });
    link.focus({ preventScroll: true });
    link.closest('.row')?.scrollIntoView({ block: 'nearest' });
  }

  /** Returns the drift whose row has the focus. */
  get focused() {
    const id = document.activeElement?.closest('[data-drift-id]')?.getAttribute('data-drift-id');
    return id ? this.#driftOf(id) : null;
  }

  /** @param {string} id */
  #driftOf(id) {
    if (!this.#route.group) return this.#window.find(id)?.row ?? null;
    return this.#groups.drifts.find((drift) => drift.id === id) ?? null;
  }

  /**
   * Returns the first open drift below a row, or null if no loaded row below it is open.
   * @param {string} id
   * @returns {Drift | null}
   */
  openAfter(id) {
    const rows = this.#inOrder(this.#route.group ? this.#groups.drifts : this.#window.rows);
    const below = rows.slice(rows.findIndex((row) => row.id === id) + 1);
    // The list does not scroll while a dialog covers it.
    if (below.length < LOADED_AHEAD && this.#active.hasNext) void this.#active.loadNext();
    return below.find((row) => row.id !== id && row.status === 'OPEN') ?? null;
  }

  /**
   * Sorts rows as they are shown: those of one resource follow each other.
   * @param {Drift[]} rows
   */
  #inOrder(rows) {
    const shown = new Map([...this.element.querySelectorAll('[data-drift-id]')].map((row, at) => [row.getAttribute('data-drift-id'), at]));
    return rows.filter(({ id }) => shown.has(id)).sort((a, b) => (shown.get(a.id) ?? 0) - (shown.get(b.id) ?? 0));
  }

  /** @param {string} id */
  focusRow(id) {
    const link = linkOf(this.#route.group ? this.#groups.element : this.#pages, id);
    if (link === null) this.focusTitle();
    else {
      link.focus({ preventScroll: true });
      link.closest('.row')?.scrollIntoView({ block: 'nearest' });
    }
  }
}

/**
 * @param {HTMLElement} within
 * @param {string} id
 * @returns {HTMLElement | null}
 */
function linkOf(within, id) {
  return within.querySelector(`[data-drift-id="${CSS.escape(id)}"] .row-link`);
}

/** @param {number} rows */
export function skeleton(rows) {
  return h(
    'div',
    { class: 'skeleton' },
    screenReaderText('Loading…'),
    ...Array.from({ length: rows }, () => h('div', { class: 'skeleton-row', 'aria-hidden': 'true' })),
  );
}

