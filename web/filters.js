// The filters above the list, with the number of drifts for each value.

import { h } from './dom.js';
import { kindName, visibleLine } from './format.js';
import { NO_FILTERS } from './router.js';
/** @import { Facets, FacetCount, Filters, Route, View } from './types.js' */

/** Time in milliseconds between the last key and the start of a search. */
const TYPING = 250;

/** @typedef {'kind' | 'region' | 'field'} FacetName */

/** @type {[FacetName, string, string][]} */
const FACETS = [
  ['kind', 'Kind', 'All kinds'],
  ['region', 'Region', 'All regions'],
  ['field', 'Field', 'All fields'],
];

export class FilterBar {
  #route;
  #chosen;
  #severalSources = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  #search = h('input', {
    type: 'search',
    id: 'search',
    testid: 'search',
    placeholder: 'Search names, ids, addresses and fields',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '200',
    'aria-keyshortcuts': '/',
  });
  /** @type {{ [name in FacetName | 'source' | 'type' | 'status']: HTMLSelectElement }} */
  #selects = {
    kind: this.#select('kind'),
    region: this.#select('region'),
    field: this.#select('field'),
    source: this.#select('source'),
    type: this.#select('type'),
    status: this.#select('status'),
  };
  #bySource = this.#labelled('Source', this.#selects.source);
  #clear = h('button', { type: 'button', class: 'quiet', testid: 'clear-filters', text: 'Clear', on: { click: () => this.clear() } });

  /**
   * @param {Route} route
   * @param {(view: View, filters: Filters) => void} chosen
   */
  constructor(route, chosen) {
    this.#route = route;
    this.#chosen = chosen;
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#choose(), TYPING);
    });
    this.element = h(
      'form',
      {
        role: 'search',
        class: 'filters',
        'aria-label': 'Filter drifts',
        on: {
          submit: (event) => {
            event.preventDefault();
            clearTimeout(this.#typing);
            this.#choose();
          },
        },
      },
      this.#labelled('Search', this.#search, 'search'),
      ...FACETS.map(([name, label]) => this.#labelled(label, this.#selects[name])),
      this.#bySource,
      this.#labelled('Difference', this.#selects.type),
      this.#labelled('Status', this.#selects.status),
      this.#clear,
    );
    options(this.#selects.type, [
      ['', 'Any difference'],
      ['CHANGED', 'Changed field'],
      ['MISSING', 'Missing resource'],
    ]);
    options(this.#selects.status, [
      ['OPEN', 'Open'],
      ['', 'All closed'],
      ['ACCEPTED', 'Accepted'],
      ['REVERTED', 'Reverted'],
      ['STALE', 'Stale'],
    ]);
    this.showFacets(null);
    this.showSources([]);
  }

  /** @param {string} name */
  #select(name) {
    return h('select', { id: `filter-${name}`, testid: `filter-${name}`, on: { change: () => this.#choose() } });
  }

  /**
   * @param {string} label
   * @param {HTMLElement} control
   * @param {string} [more]
   */
  #labelled(label, control, more = '') {
    return h('div', { class: `filter ${more}` }, h('label', { for: control.id, text: label }), control);
  }

  #choose() {
    clearTimeout(this.#typing);
    const status = /** @type {'OPEN' | Filters['status']} */ (this.#selects.status.value);
    this.#chosen(status === 'OPEN' ? 'inbox' : 'history', {
      kind: this.#selects.kind.value,
      region: this.#selects.region.value,
      field: this.#selects.field.value,
      source: this.#selects.source.value,
      type: /** @type {Filters['type']} */ (this.#selects.type.value),
      status: status === 'OPEN' ? '' : status,
      q: this.#search.value.trim(),
    });
  }

  clear() {
    clearTimeout(this.#typing);
    this.#chosen(this.#route.view, NO_FILTERS);
    this.#search.focus();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  get narrowed() {
    return Object.values(this.#route.filters).some((value) => value !== '');
  }

  /** @param {Route} route */
  show(route) {
    this.#route = route;
    const { filters } = route;
    if (this.#search !== document.activeElement || this.#search.value.trim() !== filters.q) this.#search.value = filters.q;
    for (const [name] of FACETS) choose(this.#selects[name], filters[name]);
    choose(this.#selects.source, filters.source);
    this.#showBySource();
    this.#selects.type.value = filters.type;
    this.#selects.status.value = route.view === 'inbox' ? 'OPEN' : filters.status;
    this.#clear.hidden = !this.narrowed;
    for (const [name, select] of Object.entries(this.#selects)) {
      select.classList.toggle('active', name !== 'status' && select.value !== '');
    }
  }

  /**
   * Offers the sources if there are several.
   * @param {string[]} names
   */
  showSources(names) {
    options(this.#selects.source, [['', 'All sources'], ...names.map((name) => /** @type {[string, string]} */ ([name, visibleLine(name)]))]);
    this.#severalSources = names.length > 1;
    choose(this.#selects.source, this.#route.filters.source);
    this.#showBySource();
  }

  // An address may have a filter by source although there is only one source.
  #showBySource() {
    const shown = this.#severalSources || this.#route.filters.source !== '';
    this.#bySource.hidden = !shown;
    this.element.classList.toggle('with-source', shown);
  }

  /** @param {Facets | null} facets null until they are loaded */
  showFacets(facets) {
    const lists = { kind: facets?.resourceKinds, region: facets?.regions, field: facets?.fields };
    for (const [name, , all] of FACETS) {
      const select = this.#selects[name];
      /** @param {FacetCount} facet */
      const label = ({ value, count }) => `${name === 'kind' ? kindName(value) : value === '*' ? '* (missing)' : value} (${count.toLocaleString('en')})`;
      options(select, [['', all], ...(lists[name] ?? []).map((facet) => /** @type {[string, string]} */ ([facet.value, label(facet)]))]);
      choose(select, this.#route.filters[name]);
    }
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} entries
 */
function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => h('option', { value, text })));
}

/**
 * Selects a value. Adds an option for it if no drift has the value.
 * @param {HTMLSelectElement} select
 * @param {string} value
 */
function choose(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.append(h('option', { value, text: value }));
  select.value = value;
}
