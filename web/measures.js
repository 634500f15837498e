// The view of measures: how much drift opened and closed, and how long it stayed, as small charts and tables.

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

/** Sizes in the units of the chart. */
const WIDTH = 720;
const HEIGHT = 120;
const BOTTOM = 16;

/** @param {Context} context */
export function create(context) {
  return new MeasuresView(context);
}

class MeasuresView extends View {
  #context;
  #range = DEFAULT_RANGE;
  /** @type {Measures | null} */
  #measures = null;

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
    this.#measures = (await this.#context.api.ask(MEASURES, { from: from.toISOString(), to: to.toISOString() }, signal)).measures;
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
      </form>
      ${measures.truncated ? html`<p role="status">There are more drifts than are counted: these numbers are lower bounds. Choose a shorter range.</p>` : nothing}
      <dl class="measure-figures" data-testid="measure-figures">
        ${figure('Opened', String(total.opened))} ${figure('Closed', String(total.closed))} ${figure('Open now', String(total.openAge.count))}
        ${figure('Half closed within', time(total.timeToResolve.medianSeconds))} ${figure('90 % closed within', time(total.timeToResolve.p90Seconds))}
        ${figure('Half of the open are older than', time(total.openAge.medianSeconds))}
      </dl>
      <div class="measure-charts">${chart('Opened', total.days, ({ opened }) => opened)} ${chart('Closed', total.days, ({ closed }) => closed)}</div>
      ${groupTable(measures)} ${dayTable(total.days)}
    `;
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
 * A chart with one bar for each day. The table of days has the same numbers.
 * @param {string} name
 * @param {Day[]} days
 * @param {(day: Day) => number} count
 */
function chart(name, days, count) {
  const most = Math.max(1, ...days.map(count));
  const step = WIDTH / Math.max(1, days.length);
  const height = (/** @type {number} */ value) => (value / most) * (HEIGHT - BOTTOM - 12);
  const sum = days.reduce((total, day) => total + count(day), 0);
  const label = `${name}: ${plural(sum, 'drift')} in ${plural(days.length, 'day')}, at most ${most} a day`;
  return html`<figure class="measure-chart">
    <figcaption>${name}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${label} data-testid="measure-chart">
      <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT - BOTTOM} y2=${HEIGHT - BOTTOM}></line>
      ${days.map(
        (day, place) => svg`<rect class="bar" x=${place * step + step * 0.1} width=${step * 0.8} y=${HEIGHT - BOTTOM - height(count(day))} height=${height(count(day))}></rect>`,
      )}
      <text class="label" x="0" y=${HEIGHT - 2}>${days[0]?.date ?? ''}</text>
      <text class="label" x=${WIDTH} y=${HEIGHT - 2} text-anchor="end">${days.at(-1)?.date ?? ''}</text>
      <text class="label" x="0" y="10">${most}</text>
    </svg>
  </figure>`;
}

/** @param {Measures} measures */
function groupTable({ groups, groupCount }) {
  if (groups.length === 0) return nothing;
  const more = groupCount - groups.length;
  return html`<h3>By source and kind</h3>
    <div class="table-place" tabindex="0" role="region" aria-label="Measures by source and kind">
      <table class="measure-table">
        <thead><tr><th scope="col">Source</th><th scope="col">Kind</th><th scope="col">Opened</th><th scope="col">Closed</th><th scope="col">Half closed within</th><th scope="col">Open now</th></tr></thead>
        <tbody>${groups.map(
          (group) => html`<tr data-testid="measure-group"><th scope="row">${group.source === '' ? 'no source' : visibleLine(group.source ?? '')}</th><td>${kindName(group.kind ?? '')}</td><td>${group.opened}</td><td>${group.closed}</td><td>${time(group.timeToResolve.medianSeconds)}</td><td>${group.openAge.count}</td></tr>`,
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
