// The view of changes: what syncs saw change in the whole account.

import { ApiError, isAbort } from './api.js';
import { TYPES, filterOf } from './account_filter.js';
import { isUnset, summary } from './changes.js';
import { kindName, kindOf, visible, visibleLine } from './format.js';
import { isMap, printJson } from './json.js';
import { ACCOUNT_CHANGES, COVERAGE } from './queries.js';
import { briefChange } from './values.js';
import { Pages, View, empty, html, nothing, repeat, time } from './view.js';
/** @import { AccountChange, Context, Route } from './types.js' */

/** The conditions of the address, with their labels. */
const TEXTS = /** @type {const} */ ([
  ['kind', 'Kind'],
  ['field', 'Field'],
  ['region', 'Region'],
  ['source', 'Source'],
]);

/** Maximum number of characters of a value that its row shows in any case. */
const SHORT = 120;

/** @param {Context} context */
export const create = (context) => new ChangesView(context);

class ChangesView extends View {
  #context;
  #pages;
  /** @type {{ [name: string]: string }} */
  #own = {};
  /** The ids of the changes whose whole values are shown. @type {Set<string>} */
  #whole = new Set();
  /** @type {string[]} */
  #kinds = [];

  /** @param {Context} context */
  constructor(context) {
    super('changes', 'Changes', 'What the syncs saw change in the account, unmanaged resources included. A listing does not show who changed something.');
    this.#context = context;
    this.#pages = new Pages(async (range, signal) => (await context.api.ask(ACCOUNT_CHANGES, { ...range, filter: filterOf(this.#own) }, signal)).changes, () => this.update());
  }

  /**
   * @param {AbortSignal} signal
   * @param {Route} route
   * @override
   */
  async load(signal, route) {
    this.#own = route.own ?? {};
    await Promise.all([this.#pages.restart(signal), this.#loadKinds(signal)]);
  }

  /**
   * Loads the kinds of the inventory for suggestions, once. An error leaves them out, because any kind can be typed.
   * @param {AbortSignal} signal
   */
  async #loadKinds(signal) {
    if (this.#kinds.length > 0) return;
    try {
      const { coverage } = await this.#context.api.ask(COVERAGE, {}, signal);
      this.#kinds = [...new Set(coverage.map((/** @type {{ kind: string }} */ { kind }) => kind))].sort();
    } catch (error) {
      if (!(error instanceof ApiError) && !isAbort(error)) throw error;
    }
  }

  /** @override */
  clear() {
    super.clear();
    this.#pages.clear();
    this.#whole.clear();
    this.#kinds = [];
  }

  /** @override */
  content() {
    return html`${this.#form()} ${this.#pages.rows.length === 0 ? this.#none() : this.#list()} ${this.#pages.foot()}`;
  }

  #none() {
    if (Object.keys(this.#own).length > 0) return empty('No change matches.', 'Remove a condition to see more.');
    return empty('Nothing has changed yet.', 'The record begins with the first listing of each kind.');
  }

  #form() {
    const { type = '', resource = '' } = this.#own;
    return html`<form class="change-filters" role="search" aria-label="Filter the changes" @submit=${(/** @type {SubmitEvent} */ event) => this.#submit(event)}>
      <label>Change <select name="type" .value=${type} @change=${(/** @type {Event} */ event) => submitOf(event)}>
        <option value="">any</option>
        ${Object.entries(TYPES).map(([value, text]) => html`<option value=${value.toLowerCase()} ?selected=${value.toLowerCase() === type}>${text}</option>`)}
      </select></label>
      ${TEXTS.map(([name, label]) => html`<label>${label} <input name=${name} type="text" .value=${this.#own[name] ?? ''} autocomplete="off" spellcheck="false" list=${name === 'kind' ? 'change-kinds' : nothing}></label>`)}
      <datalist id="change-kinds">${this.#kinds.map((kind) => html`<option value=${kind}>${kindName(kind)}</option>`)}</datalist>
      <button type="submit">Filter</button>
      ${resource === '' ? nothing : html`<button type="button" class="quiet" @click=${() => this.#go({ ...this.#own, resource: '' })}>All resources</button>`}
    </form>`;
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const values = [...new FormData(event.currentTarget)].map(([name, value]) => [name, name === 'kind' ? kindOf(String(value), this.#kinds) : String(value).trim()]);
    this.#go({ ...this.#own, ...Object.fromEntries(values) });
  }

  /** @param {{ [name: string]: string }} own */
  #go(own) {
    const set = Object.entries(own).filter(([, value]) => value !== '');
    this.#context.router.go({ own: Object.fromEntries(set) });
  }

  #list() {
    return html`<ol class="account-changes" data-testid="account-changes">
      ${repeat(this.#pages.rows, (change) => change.id, (change) => this.#row(change))}
    </ol>`;
  }

  /**
   * Both values behind a toggle, if the row does not show all of them.
   * @param {AccountChange} change
   */
  #wholeValues({ id, field, before, after, hasValues, redacted }) {
    if (redacted || !hasValues || ![before, after].some(isLong)) return nothing;
    const toggled = (/** @type {Event} */ { currentTarget }) => {
      if (!(currentTarget instanceof HTMLDetailsElement) || currentTarget.open === this.#whole.has(id)) return;
      if (currentTarget.open) this.#whole.add(id);
      else this.#whole.delete(id);
      this.update();
    };
    const side = (/** @type {string} */ title, /** @type {import('./types.js').Json} */ value) =>
      html`<div class="side"><h3>${title}</h3><pre class="whole-value" tabindex="0" role="region" aria-label=${`${title}: ${visibleLine(field)}`}>${isUnset(value) ? 'unset' : visible(typeof value === 'string' ? value : printJson(value))}</pre></div>`;
    return html`<details class="change-whole" data-testid="whole-values" @toggle=${toggled}><summary>Whole values<span class="visually-hidden"> of ${visibleLine(field)}</span></summary>${this.#whole.has(id) ? html`<div class="both">${side('Before', before)}${side('After', after)}</div>` : nothing}</details>`;
  }

  /** @param {AccountChange} change */
  #row(change) {
    const name = change.resource === null ? 'a deleted resource' : (change.resource.name ?? change.resource.providerId);
    const isWhole = change.field === '*';
    const narrow = change.resource === null ? html`<span class="change-name">${name}</span>` : html`<button type="button" class="change-name" title="Only the changes of this resource" @click=${() => this.#go({ ...this.#own, resource: change.resource?.id ?? '' })}>${visibleLine(name)}</button>`;
    return html`<li class="account-change" data-testid="account-change" data-type=${change.type}>
      ${narrow}
      <span class="change-kind">${kindName(change.kind)}</span>
      <span class="change-what">${isWhole ? html`<span class=${`badge ${change.type.toLowerCase()}`}>${TYPES[change.type]}</span>` : html`<code>${visibleLine(change.field)}</code> ${values(change)} ${this.#wholeValues(change)}`}</span>
      <span class="change-region">${change.region === null ? nothing : visibleLine(change.region)}</span>
      ${time(change.seenAt)}
    </li>`;
  }
}

/** @param {Event} event */
function submitOf(event) {
  if (event.currentTarget instanceof HTMLSelectElement) event.currentTarget.form?.requestSubmit();
}

/** @param {AccountChange} change */
function values({ before, after, hasValues, redacted }) {
  if (redacted) return html`<span class="hint">changed; the values are secret</span>`;
  if (!hasValues) return html`<span class="hint">changed; the values are not recorded</span>`;
  return html`<span class="event-values">${briefChange(before, after)}</span>`;
}

/**
 * Returns whether a row may show only parts of a value.
 * @param {import('./types.js').Json} value
 */
function isLong(value) {
  return isMap(value) || (Array.isArray(value) && summary(value).length > SHORT) || (typeof value === 'string' && (value.length > SHORT || value.includes('\n')));
}
