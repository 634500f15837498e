// The filters above the list: a search field that also takes `kind:droplet`, chips, and a panel with the values of each
// dimension and their numbers of drifts.

import { DIMENSIONS, FIXED, chipsOf, readSearch, valueIn, withChip, withoutChip } from './chips.js';
import { announce, h, screenReaderText } from './dom.js';
import { kindName, visibleLine } from './format.js';
import { NO_FILTERS } from './router.js';
/** @import { Chip, Dimension } from './chips.js' */
/** @import { Facets, Filters, Route, View } from './types.js' */

/** Time in milliseconds between the last key and the start of a search. */
const TYPING = 250;

/** @typedef {{ value: string, label: string, count: number | null }} Choice */

export class FilterBar {
  #route;
  #chosen;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  /** @type {Facets | null} */
  #facets = null;
  /** @type {string[]} */
  #sources = [];
  #search = h('input', {
    type: 'search',
    id: 'search',
    testid: 'search',
    placeholder: 'Search, or filter such as kind:droplet region:fra1',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '400',
    'aria-label': 'Search drifts',
    'aria-describedby': 'search-problem',
    'aria-keyshortcuts': '/',
  });
  #problem = h('p', { id: 'search-problem', class: 'hint search-problem', role: 'status' });
  #panel = h('div', { id: 'filter-panel', class: 'filter-panel', testid: 'filter-panel', hidden: true });
  #toggle = h('button', { type: 'button', testid: 'filter-toggle', 'aria-expanded': 'false', 'aria-controls': 'filter-panel', text: 'Filter', on: { click: () => this.#togglePanel() } });
  #chips = h('ul', { class: 'chips', 'aria-label': 'Filters', hidden: true });

  /**
   * @param {Route} route
   * @param {(view: View, filters: Filters) => void} chosen
   */
  constructor(route, chosen) {
    this.#route = route;
    this.#chosen = chosen;
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#read(false), TYPING);
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
            this.#read(true);
          },
        },
      },
      h('div', { class: 'filter-line' }, this.#search, this.#toggle),
      this.#problem,
      this.#panel,
      this.#chips,
    );
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#togglePanel();
      this.#toggle.focus();
    });
  }

  #togglePanel() {
    this.#panel.hidden = !this.#panel.hidden;
    this.#toggle.setAttribute('aria-expanded', String(!this.#panel.hidden));
    this.#showPanel();
  }

  /**
   * Applies the search field.
   * @param {boolean} done whether the last word is finished
   */
  #read(done) {
    clearTimeout(this.#typing);
    const { chips, words, kept, problem } = readSearch(this.#search.value, done);
    if (chips.length > 0) this.#search.value = kept;
    this.#problem.textContent = problem ?? '';
    /** @type {{ view: View, filters: Filters }} */
    const start = { view: this.#route.view, filters: { ...this.#route.filters, q: words } };
    const { view, filters } = chips.reduce(withChip, start);
    this.#chosen(view, filters);
  }

  clear() {
    clearTimeout(this.#typing);
    this.#search.value = '';
    this.#problem.textContent = '';
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
    // A field that is being typed into may hold an unfinished filter besides the words.
    if (this.#search !== document.activeElement || readSearch(this.#search.value, false).words !== route.filters.q) this.#search.value = route.filters.q;
    this.#showChips();
    this.#showPanel();
  }

  #showChips() {
    const chips = chipsOf(this.#route);
    this.#chips.hidden = chips.length === 0;
    this.#toggle.textContent = chips.length === 0 ? 'Filter' : `Filter (${chips.length})`;
    this.#chips.replaceChildren(
      ...chips.map((chip) => this.#chip(chip)),
      h('li', {}, h('button', { type: 'button', class: 'quiet', testid: 'clear-filters', text: 'Clear', on: { click: () => this.clear() } })),
    );
  }

  /** @param {Chip} chip */
  #chip({ dimension, value }) {
    const text = visibleLine(labelOf(dimension, value));
    const remove = () => {
      const { view, filters } = withoutChip(this.#route, dimension);
      this.#chosen(view, filters);
      this.#search.focus();
      announce(`Filter removed: ${DIMENSIONS[dimension]} ${text}`);
    };
    return h(
      'li',
      { class: 'chip', testid: 'chip' },
      h('span', { class: 'chip-name', text: `${DIMENSIONS[dimension]}: ` }),
      h('span', { class: 'chip-value', title: text, text }),
      h('button', { type: 'button', class: 'chip-remove', testid: `remove-${dimension}`, 'aria-label': `Remove filter ${DIMENSIONS[dimension]} ${text}`, text: '×', on: { click: remove } }),
    );
  }

  /** @param {string[]} names the names of the sources, which are offered if there are several */
  showSources(names) {
    this.#sources = names;
    this.#showPanel();
  }

  /** @param {Facets | null} facets null until they are loaded */
  showFacets(facets) {
    this.#facets = facets;
    this.#showPanel();
  }

  #showPanel() {
    if (this.#panel.hidden) return;
    const focused = this.#panel.contains(document.activeElement) ? document.activeElement : null;
    const { dimension, value } = focused instanceof HTMLElement ? focused.dataset : {};
    const scrolled = new Map([...this.#panel.querySelectorAll('fieldset')].map((group) => [group.className, group.querySelector('ul')?.scrollTop ?? 0]));
    const sources = this.#sources.length > 1 ? this.#sources.map((name) => ({ value: name, label: name, count: null })) : [];
    this.#panel.replaceChildren(
      ...this.#group('kind', counted('kind', this.#facets?.resourceKinds)),
      ...this.#group('region', counted('region', this.#facets?.regions)),
      ...this.#group('field', counted('field', this.#facets?.fields)),
      ...this.#group('source', sources),
      ...this.#group('type', fixed('type')),
      ...this.#group('status', fixed('status')),
    );
    for (const group of this.#panel.querySelectorAll('fieldset')) group.querySelector('ul')?.scrollTo({ top: scrolled.get(group.className) ?? 0 });
    if (dimension !== undefined && value !== undefined) {
      const again = this.#panel.querySelector(`[data-dimension="${CSS.escape(dimension)}"][data-value="${CSS.escape(value)}"]`);
      if (again instanceof HTMLElement) again.focus({ preventScroll: true });
    }
  }

  /**
   * @param {Dimension} dimension
   * @param {Choice[]} choices
   */
  #group(dimension, choices) {
    const chosen = valueIn(this.#route, dimension);
    // A value that no drift has, such as one of a bookmark, stays visible.
    const missing = chosen === '' || choices.some(({ value }) => value === chosen) ? [] : [{ value: chosen, label: labelOf(dimension, chosen), count: 0 }];
    const all = [...missing, ...choices];
    if (all.length === 0) return [];
    return [h('fieldset', { class: `facet facet-${dimension}` }, h('legend', { text: DIMENSIONS[dimension] }), h('ul', {}, ...all.map((choice) => h('li', {}, this.#choice(dimension, choice, choice.value === chosen)))))];
  }

  /**
   * @param {Dimension} dimension
   * @param {Choice} choice
   * @param {boolean} chosen
   */
  #choice(dimension, { value, label, count }, chosen) {
    const choose = () => {
      const { view, filters } = chosen && dimension !== 'status' ? withoutChip(this.#route, dimension) : withChip(this.#route, { dimension, value });
      this.#chosen(view, filters);
    };
    return h(
      'button',
      { type: 'button', class: 'facet-value', testid: `facet-${dimension}`, 'data-dimension': dimension, 'data-value': value, 'aria-pressed': String(chosen), title: visibleLine(label), on: { click: choose } },
      h('span', { class: 'facet-label', text: visibleLine(label) }),
      count !== null && h('span', { class: 'facet-count', text: count.toLocaleString('en') }),
      count !== null && screenReaderText(count === 1 ? ' drift' : ' drifts'),
    );
  }
}

/**
 * @param {Dimension} dimension
 * @param {import('./types.js').FacetCount[] | undefined} counts
 * @returns {Choice[]}
 */
function counted(dimension, counts) {
  return (counts ?? []).map(({ value, count }) => ({ value, label: labelOf(dimension, value), count }));
}

/**
 * @param {Dimension} dimension
 * @returns {Choice[]}
 */
function fixed(dimension) {
  return Object.entries(FIXED[dimension] ?? {}).map(([value, label]) => ({ value, label, count: null }));
}

/**
 * @param {Dimension} dimension
 * @param {string} value
 */
function labelOf(dimension, value) {
  if (dimension === 'kind') return kindName(value);
  if (dimension === 'field' && value === '*') return '* (missing)';
  return FIXED[dimension]?.[value] ?? value;
}
