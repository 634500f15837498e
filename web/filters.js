// The filters above the list: a search field that also takes `kind:droplet -region:fra1`, chips, and a panel with the
// values of each dimension and their numbers of drifts.

import { isSame, readSearch, valuesIn, withChips, withoutChip } from './chips.js';
import { DIMENSIONS, NAMES, labelOf } from './dimensions.js';
import { announce, h, screenReaderText } from './dom.js';
import { visibleLine } from './format.js';
import { NO_FILTERS } from './router.js';
/** @import { Dimension } from './dimensions.js' */
/** @import { Chip, Facets, Filters, Route, View } from './types.js' */

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
    placeholder: 'Search, or filter such as kind:droplet,volume -region:fra1',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '1000',
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
    const { view, filters } = withChips(start, chips);
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
    const { chips, q } = this.#route.filters;
    return q !== '' || chips.length > 0;
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
    const { chips } = this.#route.filters;
    this.#chips.hidden = chips.length === 0;
    this.#toggle.textContent = chips.length === 0 ? 'Filter' : `Filter (${chips.length})`;
    this.#chips.replaceChildren(
      ...chips.map((chip) => this.#chip(chip)),
      h('li', {}, h('button', { type: 'button', class: 'quiet', testid: 'clear-filters', text: 'Clear', on: { click: () => this.clear() } })),
    );
  }

  /** @param {Chip} chip */
  #chip(chip) {
    const { dimension, value, negated } = chip;
    const { label } = DIMENSIONS[dimension];
    const text = `${negated ? 'not ' : ''}${visibleLine(labelOf(dimension, value))}`;
    const remove = () => {
      this.#set(withoutChip(this.#route, chip));
      this.#search.focus();
      announce(`Filter removed: ${label} ${text}`);
    };
    return h(
      'li',
      { class: negated ? 'chip negated' : 'chip', testid: 'chip' },
      h('span', { class: 'chip-name', text: `${label}: ` }),
      h('span', { class: 'chip-value', title: text, text }),
      h('button', { type: 'button', class: 'chip-remove', testid: `remove-${dimension}`, 'aria-label': `Remove filter ${label} ${text}`, text: '×', on: { click: remove } }),
    );
  }

  /** @param {{ view: View, filters: Filters }} narrowing */
  #set({ view, filters }) {
    this.#chosen(view, filters);
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
    const { dimension, value, sign } = focused instanceof HTMLElement ? focused.dataset : {};
    const scrolled = new Map([...this.#panel.querySelectorAll('fieldset')].map((group) => [group.className, group.querySelector('ul')?.scrollTop ?? 0]));
    this.#panel.replaceChildren(...NAMES.flatMap((name) => this.#group(name, this.#choices(name))));
    for (const group of this.#panel.querySelectorAll('fieldset')) group.querySelector('ul')?.scrollTo({ top: scrolled.get(group.className) ?? 0 });
    if (dimension !== undefined && value !== undefined) {
      const again = this.#panel.querySelector(`[data-dimension="${CSS.escape(dimension)}"][data-value="${CSS.escape(value)}"][data-sign="${sign}"]`);
      if (again instanceof HTMLElement) again.focus({ preventScroll: true });
    }
  }

  /**
   * Returns the values that the panel offers for a dimension.
   * @param {Dimension} dimension
   * @returns {Choice[]}
   */
  #choices(dimension) {
    const { values, facet } = DIMENSIONS[dimension];
    if (values !== undefined) return Object.entries(values).map(([value, label]) => ({ value, label, count: null }));
    const counts = facet === undefined ? undefined : this.#facets?.[facet];
    if (counts !== undefined) return counts.map(({ value, count }) => ({ value, label: labelOf(dimension, value), count }));
    if (dimension !== 'source' || this.#sources.length < 2) return [];
    return this.#sources.map((name) => ({ value: name, label: name, count: null }));
  }

  /**
   * @param {Dimension} dimension
   * @param {Choice[]} choices
   */
  #group(dimension, choices) {
    const chosen = valuesIn(this.#route, dimension, false);
    const excluded = valuesIn(this.#route, dimension, true);
    // Values that no drift has, such as those of a bookmark, stay visible.
    const missing = [...chosen, ...excluded].filter((value) => !choices.some((choice) => choice.value === value));
    const all = [...missing.map((value) => ({ value, label: labelOf(dimension, value), count: 0 })), ...choices];
    if (all.length === 0) return [];
    const items = all.map((choice) => h('li', {}, ...this.#choice(dimension, choice, chosen.includes(choice.value), excluded.includes(choice.value))));
    return [h('fieldset', { class: `facet facet-${dimension}` }, h('legend', { text: DIMENSIONS[dimension].label }), h('ul', {}, ...items))];
  }

  /**
   * Creates the two buttons of a value: one that chooses it, and one that excludes it.
   * @param {Dimension} dimension
   * @param {Choice} choice
   * @param {boolean} isChosen
   * @param {boolean} isExcluded
   */
  #choice(dimension, { value, label, count }, isChosen, isExcluded) {
    const text = visibleLine(label);
    const toggle = (/** @type {boolean} */ negated) => () => {
      const chip = { dimension, value, negated };
      const has = this.#route.filters.chips.some((other) => isSame(other, chip));
      this.#set(has ? withoutChip(this.#route, chip) : withChips(this.#route, [chip]));
    };
    const data = (/** @type {string} */ sign, /** @type {boolean} */ pressed) => ({ type: 'button', 'data-dimension': dimension, 'data-value': value, 'data-sign': sign, 'aria-pressed': String(pressed) });
    return [
      h(
        'button',
        { ...data('+', isChosen), class: 'facet-value', testid: `facet-${dimension}`, title: text, on: { click: toggle(false) } },
        h('span', { class: 'facet-label', text }),
        count !== null && h('span', { class: 'facet-count', text: count.toLocaleString('en') }),
        count !== null && screenReaderText(count === 1 ? ' drift' : ' drifts'),
      ),
      // The view decides the status, so excluding a status is left to the search field.
      dimension !== 'status' && h('button', { ...data('-', isExcluded), class: 'facet-not', testid: `facet-not-${dimension}`, title: `Exclude ${text}`, 'aria-label': `Exclude ${text}`, text: '−', on: { click: toggle(true) } }),
    ];
  }
}
