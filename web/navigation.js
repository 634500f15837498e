// The links of the views, and the views themselves, which are loaded when they are first shown.

import { h, showNotice } from './dom.js';
import { NO_FILTERS, routeUrl } from './router.js';
import { VIEWS, viewOf } from './views.js';
/** @import { Context, Route } from './types.js' */
/** @import { PageView } from './views.js' */

/** The links of the header. Links without room are in the menu 'More'. */
export class Navigation {
  #nav;
  #current = '';
  #links = [
    ...VIEWS.map(({ id, title }) => h('a', { href: routeUrl({ view: id, filters: NO_FILTERS, drift: null }), 'data-route': true, 'data-view': id, text: title })),
    h('a', { href: 'graphiql', text: 'GraphiQL' }),
  ];
  #menu = h('div', { class: 'nav-menu', id: 'nav-menu', hidden: true });
  #more = h('button', { type: 'button', class: 'quiet nav-more', 'aria-expanded': 'false', 'aria-controls': 'nav-menu', testid: 'nav-more', text: 'More', on: { click: () => this.#toggle(this.#menu.hidden) } });
  #rest = h('div', { class: 'nav-rest' }, this.#more, this.#menu);

  /** @param {HTMLElement} nav */
  constructor(nav) {
    this.#nav = nav;
    nav.append(...this.#links, this.#rest);
    nav.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#menu.hidden) return;
      event.preventDefault();
      this.#toggle(false);
      this.#more.focus();
    });
    document.addEventListener('click', (event) => {
      if (event.target instanceof Node && !this.#more.contains(event.target)) this.#toggle(false);
    });
    this.#rest.addEventListener('focusout', (event) => {
      if (event.relatedTarget instanceof Node && !this.#rest.contains(event.relatedTarget)) this.#toggle(false);
    });
    const resized = new ResizeObserver(() => this.#fit());
    resized.observe(nav);
    if (nav.parentElement !== null) resized.observe(nav.parentElement);
  }

  /** @param {string | null} view the current view; null hides the links */
  show(view) {
    this.#nav.hidden = view === null;
    this.#current = view ?? '';
    for (const link of this.#links) {
      if (link.dataset.view === view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    this.#fit();
  }

  /** @param {boolean} open */
  #toggle(open) {
    this.#menu.hidden = !open;
    this.#more.setAttribute('aria-expanded', String(open));
  }

  /** Moves the last links into the menu until the others fit. The link of the current view stays in the header. */
  #fit() {
    if (this.#nav.hidden) return;
    const focused = document.activeElement;
    this.#nav.replaceChildren(...this.#links, this.#rest);
    this.#rest.hidden = true;
    /** @type {HTMLElement[]} */
    const moved = [];
    while (this.#nav.scrollWidth > this.#nav.clientWidth) {
      const link = this.#links.findLast((one) => one.parentElement === this.#nav && one.dataset.view !== this.#current);
      if (link === undefined) break;
      this.#rest.hidden = false;
      link.remove();
      moved.unshift(link);
    }
    this.#menu.replaceChildren(...moved);
    if (moved.length === 0) this.#toggle(false);
    // A moved element loses the focus.
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.#nav.contains(focused)) focused.focus({ preventScroll: true });
  }
}

/** The views other than the list of drifts. */
export class Views {
  #context;
  /** @type {Map<string, PageView>} */
  #made = new Map();
  /** The view that is shown or being loaded. */
  #current = '';
  #focus = false;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h('div', { class: 'views' });
  }

  /** @param {Route} route */
  show(route) {
    this.#current = route.view;
    for (const [id, view] of this.#made) if (id !== route.view) view.show(false, route);
    const load = viewOf(route.view)?.load;
    this.element.hidden = load === undefined;
    if (load === undefined) return;
    const view = this.#made.get(route.view);
    if (view === undefined) void this.#load(route.view, load);
    else view.show(true, route);
  }

  /**
   * @param {string} id
   * @param {NonNullable<import('./views.js').ViewRow['load']>} load
   */
  async #load(id, load) {
    try {
      const { create } = await load();
      if (this.#made.has(id)) return;
      const view = create(this.#context);
      this.#made.set(id, view);
      this.element.append(view.element);
    } catch (error) {
      console.error(error);
      showNotice('This view could not be loaded. Reload the page to try again.');
      return;
    }
    // The user may have gone to another view or have signed out.
    if (this.#current !== id) return;
    this.show(this.#context.router.route);
    if (this.#focus) this.focusTitle();
  }

  /** What keys do in the current view. */
  get keys() {
    return this.#made.get(this.#current)?.keys ?? {};
  }

  /** Moves the focus to the title of the current view, now or when it is loaded. */
  focusTitle() {
    const view = this.#made.get(this.#current);
    this.#focus = view === undefined;
    view?.focusTitle();
  }

  clear() {
    this.#current = '';
    for (const view of this.#made.values()) view.clear();
  }
}
