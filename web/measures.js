// The view of measures: how much drift opened and closed, and how long it stayed, as small charts and tables.

import { ApiError, explain } from './api.js';
import { announce, h, showNotice } from './dom.js';
import { kindName, plural, visibleLine } from './format.js';
import { MEASURES } from './queries.js';
import { svg } from './vendor/lit-html/lit-html.js';
import { View, html, nothing } from './view.js';
/** @import { Context, Route } from './types.js' */

/**
 * @typedef {{ count: number, medianSeconds: number | null, p90Seconds: number | null, longestSeconds: number | null }} Durations
 * @typedef {{ date: string, opened: number, closed: number }} Day
 * @typedef {{ source: string | null, kind: string | null, opened: number, closed: number, timeToResolve: Durations, openAge: Durations }} Group
 * @typedef {{ truncated: boolean, groupCount: number, total: Group & { days: Day[] }, groups: Group[] }} Measures
 */

/** Choices of the range in days. */
const RANGES = ['7', '30', '90', '365'];
const DEFAULT_RANGE = '30';
const DAY_MS = 86_400_000;

/** Sizes in the units of the chart, whose width is that of the page. */
const WIDTH = 720;
const HEIGHT = 100;

/** @param {Context} context */
export function create(context) {
  return new MeasuresView(context);
}

class MeasuresView extends View {
  #context;
  #range = DEFAULT_RANGE;
  /** @type {Measures | null} */
  #measures = null;
  /** The range that is shown. */
  #days = { from: '', to: '' };
  #downloading = false;

  /** @param {Context} context */
  constructor(context) {
    super('measures', 'Measures', 'How much drift opened and closed, by days in UTC, and how long it stayed.');
    this.#context = context;
  }

  /**
   * @override
   * @param {AbortSignal} signal
   * @param {Route} route
   */
  async load(signal, route) {
    const range = route.own?.['range'] ?? DEFAULT_RANGE;
    this.#range = RANGES.includes(range) ? range : DEFAULT_RANGE;
    // The range ends with today.
    const to = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + DAY_MS);
    const from = new Date(to.getTime() - Number(this.#range) * DAY_MS);
    const days = { from: from.toISOString(), to: to.toISOString() };
    this.#measures = (await this.#context.api.ask(MEASURES, days, signal)).measures;
    this.#days = days;
  }

  /** @override */
  clear() {
    super.clear();
    this.#measures = null;
  }

  /** @override */
  content() {
    const measures = this.#measures;
    if (measures === null) return nothing;
    const { total } = measures;
    return html`
      <form class="measure-choices" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
        <label>Range <select data-testid="measure-range" @change=${(/** @type {any} */ event) => this.#choose(event.target.value)}>
          ${RANGES.map((range) => html`<option value=${range} ?selected=${range === this.#range}>${range} days</option>`)}
        </select></label>
        ${this.#context.session.canDecide ? this.#downloads() : nothing}
      </form>
      ${measures.truncated ? html`<p role="status">There are more drifts than are counted: these numbers are lower bounds. Choose a shorter range.</p>` : nothing}
      <dl class="measure-figures" data-testid="measure-figures">
        ${figure('Opened', String(total.opened))} ${figure('Closed', String(total.closed))} ${figure('Open now', String(total.openAge.count))}
        ${figure('Half closed within', time(total.timeToResolve.medianSeconds))} ${figure('90 % closed within', time(total.timeToResolve.p90Seconds))}
        ${figure('Half of the open are older than', time(total.openAge.medianSeconds))}
      </dl>
      <p class="hint">Snoozed drifts are open, and are counted here. The inbox leaves them out.</p>
      <div class="measure-charts">${chart('Opened', total.days, ({ opened }) => opened)} ${chart('Closed', total.days, ({ closed }) => closed)}</div>
      ${groupTable(measures, this.#context.sources.several)} ${dayTable(total.days)}
    `;
  }

  /** The export of the drifts behind the measures, which only platform_admin may have. */
  #downloads() {
    const button = (/** @type {'csv' | 'json'} */ format) => html`<button type="button" data-testid=${`download-${format}`} title=${`Download as ${format.toUpperCase()}`} ?disabled=${this.#downloading} @click=${() => void this.#download(format)}>${format.toUpperCase()}</button>`;
    return html`<span class="measure-downloads" role="group" aria-label="Download the drifts detected in the range"><span class="soft">Drifts detected in the range</span> ${button('csv')} ${button('json')}</span>`;
  }

  /** @param {'csv' | 'json'} format */
  async #download(format) {
    this.#downloading = true;
    this.update();
    try {
      const { from, to } = this.#days;
      const parameters = new URLSearchParams({ from, to });
      const file = await this.#context.api.download(`export/drifts.${format}?${parameters}`);
      save(file, `drifts-${from.slice(0, 10)}-to-${lastDay(to)}.${format}`);
      announce('The file was downloaded');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== 'UNAUTHENTICATED') showNotice(`The file could not be downloaded. ${explain(error)}`);
    } finally {
      this.#downloading = false;
      if (this.visible) this.update();
    }
  }

  /** @param {string} range */
  #choose(range) {
    this.#context.router.go({ own: range === DEFAULT_RANGE ? {} : { range } });
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
function figure(name, value) {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

/**
 * Returns a time in its largest unit.
 * @param {number | null} seconds
 */
export function time(seconds) {
  if (seconds === null) return '–';
  if (seconds >= 172_800) return `${Math.round(seconds / 86_400)} days`;
  if (seconds >= 7_200) return `${Math.round(seconds / 3_600)} h`;
  if (seconds >= 120) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds)} s`;
}

/**
 * Returns the last day of a range that ends at midnight.
 * @param {string} to
 */
function lastDay(to) {
  return new Date(Date.parse(to) - DAY_MS).toISOString().slice(0, 10);
}

/**
 * Saves a file in the browser. A plain link to the export would not send the token.
 * @param {Blob} file
 * @param {string} name
 */
function save(file, name) {
  const href = URL.createObjectURL(file);
  h('a', { href, download: name }).click();
  // The browser may begin to read the file only after this turn.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/**
 * A chart with one bar for each day. The table of days has the same numbers. The labels are text beside the drawing, because
 * the drawing takes the width of the page, and text inside it would shrink with it.
 * @param {string} name
 * @param {Day[]} days
 * @param {(day: Day) => number} count
 */
function chart(name, days, count) {
  const most = Math.max(...days.map(count), 0);
  const step = WIDTH / Math.max(1, days.length);
  const height = (/** @type {number} */ value) => (value / Math.max(1, most)) * (HEIGHT - 4);
  const sum = days.reduce((total, day) => total + count(day), 0);
  const label = `${name}: ${plural(sum, 'drift')} in ${plural(days.length, 'day')}, at most ${most} a day`;
  return html`<figure class="measure-chart">
    <figcaption>${name} <span class="soft">at most ${most.toLocaleString('en')} a day</span></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label} data-testid="measure-chart">
      <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT}></line>
      ${days.map((day, place) => svg`<rect class="bar" x=${place * step + step * 0.1} width=${step * 0.8} y=${HEIGHT - height(count(day))} height=${height(count(day))}></rect>`)}
    </svg>
    <p class="measure-ends" aria-hidden="true"><span>${days[0]?.date ?? ''}</span><span>${days.at(-1)?.date ?? ''}</span></p>
  </figure>`;
}

/**
 * @param {Measures} measures
 * @param {boolean} several whether there is more than one source
 */
function groupTable({ groups, groupCount }, several) {
  if (groups.length === 0) return nothing;
  const more = groupCount - groups.length;
  return html`<h3>By ${several ? 'source and ' : ''}kind</h3>
    <div class="table-place" tabindex="0" role="region" aria-label="Measures by source and kind">
      <table class="measure-table">
        <thead><tr>${several ? html`<th scope="col">Source</th>` : nothing}<th scope="col">Kind</th><th scope="col">Opened</th><th scope="col">Closed</th><th scope="col">Half closed within</th><th scope="col">Open now</th></tr></thead>
        <tbody>${groups.map(
          (group) => html`<tr data-testid="measure-group">${several ? html`<td>${group.source === '' ? 'no source' : visibleLine(group.source ?? '')}</td>` : nothing}<th scope="row">${kindName(group.kind ?? '')}</th><td>${group.opened}</td><td>${group.closed}</td><td>${time(group.timeToResolve.medianSeconds)}</td><td>${group.openAge.count}</td></tr>`,
        )}</tbody>
      </table>
    </div>
    ${more > 0 ? html`<p class="hint">${plural(more, 'more group')}</p>` : nothing}`;
}

/** @param {Day[]} days */
function dayTable(days) {
  return html`<details class="measure-days"><summary>All days as a table</summary>
    <table class="measure-table">
      <thead><tr><th scope="col">Day</th><th scope="col">Opened</th><th scope="col">Closed</th></tr></thead>
      <tbody>${days.map(({ date, opened, closed }) => html`<tr><th scope="row">${date}</th><td>${opened}</td><td>${closed}</td></tr>`)}</tbody>
    </table>
  </details>`;
}
