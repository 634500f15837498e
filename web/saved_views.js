// The menu of saved views: filters of the list under a name.

import { ApiError, explain } from './api.js';
import { announce, h } from './dom.js';
import { visibleLine } from './format.js';
import { DELETE_VIEW, SAVED_VIEWS, SAVE_VIEW, SET_DEFAULT_VIEW } from './queries.js';
import { parseRoute, routeSearch, routeUrl } from './router.js';
/** @import { Context } from './types.js' */

/**
 * @typedef {{ viewId: string, name: string, link: string, author: string, isOwn: boolean, isDefault: boolean, shared: boolean }} SavedView
 */

/**
 * Returns the link of a view as an address of the page. Whatever is stored, it is one of this page.
 * @param {string} link
 */
export function addressOf(link) {
  return routeUrl({ ...parseRoute(link), drift: null });
}

/**
 * Describes an address of the page in words that are easy to read.
 * @param {string} address
 */
export function addressText(address) {
  return address === './' ? 'All open drifts' : visibleLine(decodeURIComponent(address.slice(3).replaceAll('+', ' ')));
}

/**
 * Returns the view with which the inbox opens; null if there is none.
 * @param {Context} context
 * @returns {Promise<SavedView | null>}
 */
export async function defaultView({ api }) {
  const { savedViews } = await api.ask(SAVED_VIEWS);
  return savedViews.find((/** @type {SavedView} */ { isDefault }) => isDefault) ?? null;
}

export class SavedViewsDialog {
  #context;
  /** @type {SavedView[]} */
  #views = [];
  #asking = new AbortController();
  #confirm;
  #list = h('ul', { class: 'saved-views', testid: 'saved-views' });
  #message = h('div', { class: 'refusal', testid: 'view-message', role: 'alert' });
  #name = h('input', { id: 'view-name', type: 'text', testid: 'view-name', maxlength: '100', required: true, autocomplete: 'off' });
  #link = h('p', { class: 'hint', testid: 'view-link' });
  #default = h('input', { id: 'view-default', type: 'checkbox', testid: 'view-default' });
  #shared = h('input', { id: 'view-shared', type: 'checkbox', testid: 'view-shared' });
  #sharing = h('p', { class: 'check' }, this.#shared, h('label', { for: 'view-shared', text: 'All users see it' }));

  /**
   * @param {Context} context
   * @param {import('./confirm.js').ConfirmDialog} confirm asks before a view is deleted
   */
  constructor(context, confirm) {
    this.#context = context;
    this.#confirm = confirm;
    this.element = h(
      'dialog',
      { class: 'dialog views', testid: 'views-dialog', 'aria-labelledby': 'views-title' },
      h('div', { class: 'dialog-head' }, h('h2', { id: 'views-title', text: 'Views' })),
      h(
        'div',
        { class: 'dialog-body' },
        this.#message,
        this.#list,
        h(
          'form',
          {
            class: 'save-view',
            on: {
              submit: (event) => {
                event.preventDefault();
                void this.#save();
              },
            },
          },
          h('h3', { text: 'Save the present filters' }),
          this.#link,
          h('div', { class: 'save-line' }, h('label', { class: 'visually-hidden', for: 'view-name', text: 'Name of the view' }), this.#name, h('button', { type: 'submit', class: 'primary', testid: 'save-view', text: 'Save' })),
          h('p', { class: 'check' }, this.#default, h('label', { for: 'view-default', text: 'Open the inbox with it' })),
          this.#sharing,
        ),
      ),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'button', testid: 'close-views', text: 'Close', on: { click: () => this.close() } })),
    );
    this.#name.placeholder = 'Name';
    this.element.addEventListener('close', () => this.#asking.abort());
  }

  open() {
    const { router, session } = this.#context;
    const { route } = router;
    const isList = route.view === 'inbox' || route.view === 'history';
    const address = routeUrl({ ...route, drift: null });
    this.#link.textContent = addressText(address);
    this.#name.value = '';
    this.#default.checked = false;
    this.#shared.checked = false;
    this.#sharing.hidden = !session.canDecide;
    this.#message.replaceChildren();
    const form = this.element.querySelector('form');
    if (form !== null) form.hidden = !isList;
    this.#views = [];
    this.#list.replaceChildren();
    this.element.showModal();
    void this.#load();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    this.#confirm.close();
    if (this.element.open) this.element.close();
  }

  async #load() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const { savedViews } = await this.#context.api.ask(SAVED_VIEWS, {}, signal);
      if (signal.aborted) return;
      this.#views = savedViews;
      this.#show();
      // A name that is being typed is not interrupted.
      if (document.activeElement?.closest('form') === null) this.#list.querySelector('a')?.focus();
    } catch (error) {
      if (!signal.aborted) this.#failed('The views could not be loaded.', error);
    }
  }

  #show() {
    this.#list.replaceChildren(...this.#views.map((view) => this.#view(view)));
    if (this.#views.length === 0) this.#list.append(h('li', { class: 'hint', text: 'No view has been saved yet.' }));
  }

  /** @param {SavedView} view */
  #view(view) {
    const { viewId, isDefault, isOwn, shared } = view;
    const name = visibleLine(view.name);
    const setDefault = () => void this.#change(SET_DEFAULT_VIEW, { viewId: isDefault ? null : viewId }, isDefault ? `The inbox opens with all drifts` : `The inbox opens with ${name}`);
    const canDelete = isOwn || this.#context.session.canDecide;
    return h(
      'li',
      { class: 'saved-view', testid: 'saved-view' },
      h('a', { href: addressOf(view.link), 'data-route': true, text: name, on: { click: () => this.close() } }),
      shared && h('span', { class: 'badge', text: isOwn ? 'shared' : `shared by ${visibleLine(view.author)}` }),
      h('span', { class: 'saved-view-actions' }, ...[
        h('button', { type: 'button', class: 'quiet', testid: 'default-view', 'aria-pressed': String(isDefault), 'aria-label': `${isDefault ? 'Default' : 'Make default'}: ${name}`, text: isDefault ? 'Default' : 'Make default', on: { click: setDefault } }),
        canDelete && h('button', { type: 'button', class: 'quiet', testid: 'delete-view', 'aria-label': `Delete ${name}`, text: 'Delete', on: { click: () => this.#delete(view) } }),
      ]),
    );
  }

  /** @param {SavedView} view */
  #delete({ viewId, author, isDefault, isOwn, shared, ...view }) {
    const name = visibleLine(view.name);
    const others = shared ? ` All users see it${isOwn ? '' : `, and ${visibleLine(author)} saved it`}: it is deleted for all of them.` : '';
    this.#confirm.ask({
      title: 'Delete this view?',
      text: `${name}: only the name and the filters are deleted, no drift. A deleted view cannot be brought back.${others}${isDefault ? ' The inbox then opens with all drifts.' : ''}`,
      confirm: 'Delete the view',
      run: async () => {
        await this.#context.api.ask(DELETE_VIEW, { input: { viewId } });
        this.#confirm.close();
        announce(`Deleted ${name}`);
        await this.#load();
      },
    });
  }

  /**
   * @param {string} query
   * @param {{ [name: string]: unknown }} input
   * @param {string} done
   * @returns {Promise<boolean>} whether it was changed
   */
  async #change(query, input, done) {
    this.#message.replaceChildren();
    try {
      await this.#context.api.ask(query, { input });
      announce(done);
      await this.#load();
      return true;
    } catch (error) {
      this.#failed('The view was not changed.', error);
      return false;
    }
  }

  async #save() {
    const { route } = this.#context.router;
    const link = routeSearch({ ...route, drift: null }).slice(1);
    const input = { name: this.#name.value.trim(), link, isDefault: this.#default.checked, shared: this.#shared.checked };
    if (await this.#change(SAVE_VIEW, input, `Saved ${input.name}`)) this.#name.value = '';
  }

  /**
   * @param {string} title
   * @param {unknown} error
   */
  #failed(title, error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'UNAUTHENTICATED') return;
    this.#message.replaceChildren(h('p', {}, h('strong', { text: title }), ` ${explain(error)}`));
  }
}
