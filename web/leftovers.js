// The view of leftovers: unmanaged resources that serve nothing, with their list prices.

import { kindName, resourceName, visible, visibleLine } from './format.js';
import { LEFTOVERS, LEFTOVER_PROVIDERS, LEFTOVER_SUMMARY } from './queries.js';
import { notCheckedText, price, summaryText } from './wording.js';
import { Pages, View, empty, html, nothing, repeat, time } from './view.js';
/** @import { Context, Leftover, LeftoverSummary, Route } from './types.js' */

/** Choices of the age in days. @type {readonly [string, string][]} */
const AGES = [
  ['0', 'of any age'],
  ['7', 'for 7 days'],
  ['30', 'for 30 days'],
  ['90', 'for 90 days'],
];
const DEFAULT_AGE = '7';

/** @param {Context} context */
export function create(context) {
  return new LeftoversView(context);
}

class LeftoversView extends View {
  #context;
  /** @type {{ days: number, filter: { state: string } }} */
  #choice = { days: 7, filter: { state: 'LEFTOVER' } };
  /** @type {LeftoverSummary | null} */
  #summary = null;
  /** The providers with rules, and those of the inventory. @type {{ checked: string[], inventory: string[] }} */
  #providers = { checked: [], inventory: [] };
  /** @type {Pages<Leftover>} */
  #pages = new Pages(
    async (range, signal) => (await this.#context.api.ask(LEFTOVERS, { ...range, ...this.#choice }, signal)).leftovers,
    () => this.update(),
  );

  /** @param {Context} context */
  constructor(context) {
    super('leftovers', 'Leftovers', 'Unmanaged resources that serve nothing, such as volumes without a droplet. Look at each before you delete it.');
    this.#context = context;
  }

  /**
   * @override
   * @param {AbortSignal} signal
   * @param {Route} route
   */
  async load(signal, route) {
    const { days = DEFAULT_AGE, state = '' } = route.own ?? {};
    const known = AGES.some(([value]) => value === days) ? days : DEFAULT_AGE;
    this.#choice = { days: Number(known), filter: { state: state === 'unknown' ? 'UNKNOWN' : 'LEFTOVER' } };
    const { api } = this.#context;
    const [answer, { leftoverSummary, coverage }] = await Promise.all([api.ask(LEFTOVER_SUMMARY, { days: this.#choice.days }, signal), api.ask(LEFTOVER_PROVIDERS, {}, signal), this.#pages.restart(signal)]);
    this.#summary = answer.leftoverSummary;
    this.#providers = { checked: leftoverSummary.providers, inventory: coverage.map((/** @type {{ provider: string }} */ { provider }) => provider) };
  }

  /** @override */
  clear() {
    super.clear();
    this.#pages.clear();
    this.#summary = null;
    this.#providers = { checked: [], inventory: [] };
  }

  /** @param {{ days?: string, state?: string }} change */
  #choose(change) {
    const own = { ...this.#context.router.route.own, ...change };
    const entries = Object.entries(own).filter(([name, value]) => value !== '' && !(name === 'days' && value === DEFAULT_AGE));
    this.#context.router.go({ own: Object.fromEntries(entries) });
  }

  /** @override */
  content() {
    const { days, filter } = this.#choice;
    const { rows } = this.#pages;
    const { checked, inventory } = this.#providers;
    const notChecked = notCheckedText(checked, inventory);
    if (notChecked !== '' && !inventory.some((provider) => checked.includes(provider))) return empty('These resources are not checked for leftovers.', notChecked);
    return html`
      <form class="leftover-choices" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
        <label>Unused <select data-testid="leftover-days" @change=${(/** @type {any} */ event) => this.#choose({ days: event.target.value })}>
          ${AGES.map(([value, text]) => html`<option value=${value} ?selected=${value === String(days)}>${text}</option>`)}
        </select></label>
        <label>Show <select data-testid="leftover-state" @change=${(/** @type {any} */ event) => this.#choose({ state: event.target.value })}>
          <option value="" ?selected=${filter.state === 'LEFTOVER'}>known leftovers</option>
          <option value="unknown" ?selected=${filter.state === 'UNKNOWN'}>where it is not known</option>
        </select></label>
      </form>
      ${this.#summary === null ? nothing : html`<p class="leftover-summary" role="status" data-testid="leftover-summary">${summaryText(this.#summary)}${this.#summary.checkedAt === null ? nothing : html` · checked ${time(this.#summary.checkedAt)}`}</p>`}
      ${notChecked === '' ? nothing : html`<p class="note" data-testid="not-checked">${notChecked}</p>`}
      ${rows.length === 0 ? empty('There is nothing here.', `No unmanaged resource${notChecked === '' ? '' : ' that is checked'} meets these conditions.`) : table(rows)} ${this.#pages.foot()}
    `;
  }
}

/** @param {Leftover[]} rows */
function table(rows) {
  return html`<div class="table-place" tabindex="0" role="region" aria-label="Leftovers">
    <table class="leftover-table">
      <thead><tr><th scope="col">Resource</th><th scope="col" class="number">Per month</th><th scope="col">Why</th><th scope="col">Unused since</th></tr></thead>
      <tbody>${repeat(rows, ({ id }) => id, row)}</tbody>
    </table>
  </div>`;
}

/** @param {Leftover} leftover */
function row({ resource, why, unknownBecause, since, monthlyPrice }) {
  return html`<tr data-testid="leftover">
    <th scope="row"><span class="leftover-name">${visibleLine(resourceName(resource))}</span><span class="crumbs"><span class="kind">${kindName(resource.kind)}</span>${resource.region === null ? nothing : html`<span class="region">${visibleLine(resource.region)}</span>`}</span></th>
    <td class="number">${monthlyPrice === null ? html`<span class="hint">not known</span>` : price(monthlyPrice)}</td>
    <td>${why}${unknownBecause === null ? nothing : html` <span class="hint">${visible(unknownBecause)}</span>`}</td>
    <td>${time(since)}</td>
  </tr>`;
}
