// The runs view: schedules and runs of the jobs.

import { ApiError, explain } from './api.js';
import { announce, h, screenReaderText } from './dom.js';
import { JOB, OUTCOME, duration, kindName, plural, timeElement, visible } from './format.js';
import { isMap } from './json.js';
import { skeleton } from './list.js';
import { DETECT, RUNS, RUN_BY_ID, SCHEDULES, SYNC } from './queries.js';
/** @import { Context, JobName, JobRun, JobSchedule, Json } from './types.js' */

const PAGE = 25;
/** Interval in milliseconds between two requests while a run is active. */
const POLL = 1500;
/** Interval in milliseconds between two requests while no run is active. */
const REFRESH = 15_000;

/** @type {{ [name: string]: string }} */
const COUNTS = {
  resources: 'resources',
  discovered: 'discovered',
  changed: 'changed',
  gone: 'gone',
  superseded: 'superseded',
  fieldsCompared: 'fields compared',
  opened: 'opened',
  staled: 'closed',
  skipped: 'skipped',
  unsynced: 'unsynced',
  settling: 'settling',
  moved: 'left to the next sweep',
};
/** Names of the counts that are shown even if they are zero. */
const ALWAYS = ['resources', 'fieldsCompared', 'opened', 'changed'];

export class RunsView {
  #context;
  #visible = false;
  /** @type {JobRun[]} */
  #runs = [];
  /** @type {string | null} */
  #end = null;
  #hasNext = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #schedules = h('div', { class: 'schedules' });
  #message = h('div', { class: 'run-message', role: 'status', testid: 'run-message' });
  #list = h('div', { class: 'runs', testid: 'runs-table' });
  #more = h('button', { type: 'button', hidden: true, text: 'Load more', on: { click: () => void this.#loadMore() } });
  #sync = this.#button('SYNC_INVENTORY', 'Sync now', 'sync-now');
  #detect = this.#button('DETECT_DRIFT', 'Detect now', 'detect-now');

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h(
      'section',
      { class: 'pane wide-pane', 'aria-labelledby': 'runs-title', hidden: true },
      h('div', { class: 'pane-head' }, h('h2', { id: 'runs-title', tabindex: '-1', text: 'Runs' })),
      this.#schedules,
      this.#message,
      this.#list,
      h('div', { class: 'list-foot' }, this.#more),
    );
  }

  /**
   * @param {JobName} job
   * @param {string} text
   * @param {string} testid
   */
  #button(job, text, testid) {
    return h('button', { type: 'button', testid, text, on: { click: () => void this.#start(job) } });
  }

  /** @param {boolean} visible */
  show(visible) {
    this.element.hidden = !visible;
    if (visible && !this.#visible) {
      if (this.#runs.length === 0) this.#list.replaceChildren(skeleton(5));
      void this.refresh();
    }
    this.#visible = visible;
    if (!visible) clearTimeout(this.#timer);
  }

  focusTitle() {
    const title = this.element.querySelector('h2');
    title?.focus({ preventScroll: true });
  }

  clear() {
    clearTimeout(this.#timer);
    this.#visible = false;
    this.#runs = [];
    this.#message.replaceChildren();
    this.#list.replaceChildren();
    this.#schedules.replaceChildren();
  }

  async refresh() {
    clearTimeout(this.#timer);
    const { api } = this.#context;
    try {
      const [{ jobRuns }, { jobSchedules }] = await Promise.all([api.ask(RUNS, { first: PAGE }), api.ask(SCHEDULES)]);
      if (!this.#visible) return;
      const known = new Set(jobRuns.nodes.map((/** @type {JobRun} */ run) => run.id));
      const older = this.#runs.length > PAGE ? this.#runs.filter((run) => !known.has(run.id)) : [];
      this.#runs = [...jobRuns.nodes, ...older];
      if (older.length === 0) {
        this.#end = jobRuns.pageInfo.endCursor;
        this.#hasNext = jobRuns.pageInfo.hasNextPage;
      }
      this.#showSchedules(jobSchedules);
      this.#draw();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return;
      if (!this.#visible) return;
      this.#list.replaceChildren(
        h('div', { class: 'state problem', role: 'alert' }, h('p', { class: 'state-title', text: 'The runs could not be loaded.' }), h('p', { text: explain(error) }), h('button', { type: 'button', text: 'Try again', on: { click: () => void this.refresh() } })),
      );
      return;
    }
    const running = this.#runs.some((run) => run.outcome === null);
    this.#timer = setTimeout(() => void this.refresh(), running ? POLL : REFRESH);
  }

  async #loadMore() {
    this.#more.disabled = true;
    try {
      const { jobRuns } = await this.#context.api.ask(RUNS, { first: PAGE, after: this.#end });
      const known = new Set(this.#runs.map((run) => run.id));
      this.#runs = [...this.#runs, ...jobRuns.nodes.filter((/** @type {JobRun} */ run) => !known.has(run.id))];
      this.#end = jobRuns.pageInfo.endCursor;
      this.#hasNext = jobRuns.pageInfo.hasNextPage;
      this.#draw();
    } catch (error) {
      this.#showMessage(explain(error));
    }
    this.#more.disabled = false;
  }

  /** @param {JobSchedule[]} schedules */
  #showSchedules(schedules) {
    const cards = schedules.map(({ job, cron, nextRunAt }) => {
      const last = this.#runs.find((run) => run.job === job && run.outcome !== 'SKIPPED');
      const button = job === 'SYNC_INVENTORY' ? this.#sync : this.#detect;
      return h(
        'div',
        { class: 'schedule', testid: 'schedule' },
        h('h3', { text: job === 'SYNC_INVENTORY' ? 'Sync the inventory' : 'Detect drift' }),
        h('p', {}, nextRunAt === null ? 'No schedule.' : 'Next ', nextRunAt !== null && timeElement(nextRunAt), cron !== null && h('code', { text: cron, title: 'Cron expression in UTC, with seconds first' })),
        h('p', {}, last === undefined ? 'No run yet.' : 'Last ', last !== undefined && timeElement(last.startedAt), last !== undefined && `, ${last.outcome === null ? 'running' : OUTCOME[last.outcome]}`),
        this.#context.session.canDecide ? button : h('p', { class: 'hint', text: 'Starting a run requires the role platform_admin.' }),
      );
    });
    const focused = [this.#sync, this.#detect].find((button) => button === document.activeElement);
    this.#schedules.replaceChildren(...cards);
    focused?.focus({ preventScroll: true });
  }

  #draw() {
    const known = new Set([...this.#list.querySelectorAll('details')].map((details) => details.id));
    const opened = new Set([...this.#list.querySelectorAll('details[open]')].map((details) => details.id));
    const focused = this.#list.contains(document.activeElement) ? document.activeElement?.closest('details')?.id : undefined;
    const rows = this.#runs.map(runElement);
    this.#list.replaceChildren(
      rows.length === 0 ? h('div', { class: 'state', testid: 'empty' }, h('p', { class: 'state-title', text: 'No job has run yet.' })) : h('ul', { class: 'run-list' }, ...rows),
    );
    for (const details of this.#list.querySelectorAll('details')) if (known.has(details.id)) details.open = opened.has(details.id);
    const summary = focused ? this.#list.querySelector(`#${CSS.escape(focused)} summary`) : null;
    if (summary instanceof HTMLElement) summary.focus({ preventScroll: true });
    this.#more.hidden = !this.#hasNext;
  }

  /** @param {string} text */
  #showMessage(text) {
    this.#message.replaceChildren(h('p', { text }));
  }

  /** @param {JobName} job */
  async #start(job) {
    const button = job === 'SYNC_INVENTORY' ? this.#sync : this.#detect;
    const { api } = this.#context;
    button.disabled = true;
    this.#showMessage(`${JOB[job]} started…`);
    const soon = setTimeout(() => void this.refresh(), 300);
    let begun = false;
    try {
      const answer = await (job === 'SYNC_INVENTORY' ? api.ask(SYNC) : api.ask(DETECT, { input: {} }));
      begun = true;
      await this.#finished(job, (answer.syncInventory ?? answer.detectDrift).run);
    } catch (error) {
      if (this.#context.session.viewer !== null) this.#showMessage(begun ? `${explain(error)} The ${JOB[job].toLowerCase()} continues on the server. Its result appears below when it ends.` : refusal(job, error));
    }
    clearTimeout(soon);
    button.disabled = false;
    if (this.#visible) void this.refresh();
  }

  /**
   * @param {JobName} job
   * @param {JobRun} run
   */
  async #finished(job, run) {
    let now = run;
    while (now.outcome === null) {
      await new Promise((resolve) => setTimeout(resolve, POLL));
      now = (await this.#context.api.ask(RUN_BY_ID, { id: run.id })).node;
    }
    const text = `${JOB[job]} ${OUTCOME[now.outcome]}: ${now.error ?? countsText(now)}`;
    this.#showMessage(text);
    announce(text);
  }
}

/**
 * @param {JobName} job
 * @param {unknown} error
 */
function refusal(job, error) {
  if (error instanceof ApiError && error.code === 'JOB_ALREADY_RUNNING') {
    return 'A sync of this source is already running. Its result appears below when it ends.';
  }
  if (error instanceof ApiError && ['NETWORK', 'REQUEST_TIMEOUT'].includes(error.code)) {
    return `${explain(error)} It is not known whether the ${JOB[job].toLowerCase()} started. If it did, it appears below.`;
  }
  return `${JOB[job]} did not start: ${explain(error)}`;
}

/** @param {JobRun} run */
function countsText(run) {
  const texts = Object.entries(COUNTS).flatMap(([name, word]) => {
    const count = run.counts[name];
    if (typeof count !== 'number' || (count === 0 && !ALWAYS.includes(name))) return [];
    return [name === 'resources' ? plural(count, 'resource') : `${count.toLocaleString('en')} ${word}`];
  });
  return texts.join(', ');
}

/** @param {JobRun} run */
function runElement(run) {
  const outcome = run.outcome === null ? 'running' : run.outcome.toLowerCase();
  return h(
    'li',
    { class: `run ${outcome}`, testid: 'run', 'data-run-id': run.id, 'data-outcome': run.outcome ?? 'RUNNING' },
    h(
      'div',
      { class: 'run-line' },
      h('span', { class: `badge run-${outcome}`, text: run.outcome === null ? 'running' : OUTCOME[run.outcome] }),
      h('strong', { text: JOB[run.job] }),
      h('span', { class: 'run-counts' }, countsText(run), run.source !== null && ` from ${visible(run.source)}`),
      h('span', { class: 'run-how', text: trigger(run) }),
      h('span', { class: 'run-took', text: run.finishedAt === null ? '' : duration(run.startedAt, run.finishedAt) }),
      timeElement(run.startedAt, { class: 'age' }),
    ),
    run.error !== null && h('p', { class: 'run-error', text: visible(run.error) }),
    kindsElement(run),
  );
}

/** @param {JobRun} run */
function trigger(run) {
  const known = { TICK: 'scheduled', CATCH_UP: 'catch-up', HAND: 'manual' };
  if (run.trigger !== null) return known[run.trigger];
  return run.scheduledFor === null ? 'manual' : 'scheduled';
}

/** @param {JobRun} run */
function kindsElement(run) {
  const { kinds } = run.counts;
  if (!isMap(kinds) || Object.keys(kinds).length === 0) return null;
  const entries = Object.keys(kinds).sort().map((kind) => ({ kind, report: reportOf(kinds[kind]) }));
  const partial = entries.filter(({ report }) => report.outcome !== 'complete');
  const label = partial.length === 0 ? `${plural(entries.length, 'kind')}, all complete` : `${plural(entries.length, 'kind')}, ${partial.length} incomplete or not readable`;
  return h(
    'details',
    { class: 'kinds', id: `kinds-${run.id}`, open: partial.length > 0 },
    h('summary', {}, label, screenReaderText(` of the ${JOB[run.job]}`)),
    h(
      'ul',
      { class: 'kind-list' },
      ...[...partial, ...entries.filter((entry) => !partial.includes(entry))].map(({ kind, report }) =>
        h(
          'li',
          { class: report.outcome },
          h('span', { class: 'kind', text: kindName(kind) }),
          h('span', { class: 'kind-outcome', text: report.outcome.replaceAll('_', ' ') }),
          report.resources !== null && h('span', { text: plural(report.resources, 'resource') }),
          report.reason !== null && h('span', { class: 'reason', text: visible(report.reason) }),
        ),
      ),
    ),
  );
}

/** @param {Json | undefined} value */
function reportOf(value) {
  const report = isMap(value) ? value : {};
  return {
    outcome: typeof report['outcome'] === 'string' ? report['outcome'] : 'unknown',
    resources: typeof report['resources'] === 'number' ? report['resources'] : null,
    reason: typeof report['reason'] === 'string' ? report['reason'] : null,
  };
}
