// The runs view: schedules and runs of the jobs. A subscription reports each run that begins or ends.

import { ApiError, explain } from './api.js';
import { announce, h, screenReaderText } from './dom.js';
import { JOB, OUTCOME, duration, kindName, plural, timeElement, visible, visibleLine } from './format.js';
import { skeleton } from './list.js';
import { Live } from './live.js';
import { DETECT, RUNS, RUN_BY_ID, RUN_CHANGED, SCHEDULES, SYNC } from './queries.js';
import { sourcesTable } from './sources.js';
/** @import { Context, JobName, JobRun, JobSchedule, Source, SyncKind } from './types.js' */

const PAGE = 25;
/** Interval in milliseconds between two requests while the subscription is down. */
const REFRESH = 15_000;
/** States of the subscription in which nothing reports the runs. A hidden tab waits until it is shown. */
const DOWN = ['reconnecting', 'offline', 'off'];

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
  moved: 'left to the next detection',
};
/** @typedef {keyof typeof COUNTS} CountName */
/** Names of the counts that are shown even if they are zero. @type {CountName[]} */
const ALWAYS = ['resources', 'fieldsCompared', 'opened', 'changed'];
/** Names of the counts that say what a run changed. @type {CountName[]} */
const CHANGES = ['discovered', 'changed', 'gone', 'opened', 'staled'];
/** Runs that take this long or longer show their duration, in milliseconds. */
const LONG_MS = 10_000;

/** @param {Context} context */
export function create(context) {
  return new RunsView(context);
}

class RunsView {
  #context;
  #visible = false;
  /** @type {JobRun[]} */
  #runs = [];
  /** @type {string | null} */
  #end = null;
  #hasNext = false;
  #live;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Goes on with the look at a run that changed, by the id of the run. @type {Map<string, () => void>} */
  #wakes = new Map();
  /** @type {JobSchedule[]} */
  #timetable = [];
  /** The buttons of the sources, by name. @type {Map<string, HTMLButtonElement>} */
  #syncs = new Map();
  #sources = h('div', { class: 'sources' });
  #schedules = h('div', { class: 'schedules' });
  #message = h('div', { class: 'run-message', role: 'status', testid: 'run-message' });
  #list = h('div', { class: 'runs', testid: 'runs-table' });
  #more = h('button', { type: 'button', hidden: true, text: 'Load more', on: { click: () => void this.#loadMore() } });
  #sync = h('button', { type: 'button', testid: 'sync-now', text: 'Sync now', on: { click: () => void this.#start('SYNC_INVENTORY', this.#sync) } });
  #detect = h('button', { type: 'button', testid: 'detect-now', text: 'Detect now', on: { click: () => void this.#start('DETECT_DRIFT', this.#detect) } });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h(
      'section',
      { class: 'pane', 'aria-labelledby': 'runs-title', hidden: true },
      h('div', { class: 'pane-head' }, h('h2', { id: 'runs-title', tabindex: '-1', text: 'Runs' })),
      this.#schedules,
      this.#sources,
      this.#message,
      this.#list,
      h('div', { class: 'list-foot' }, this.#more),
    );
    this.#live = new Live(context.api, RUN_CHANGED);
    this.#live.addEventListener('open', () => void this.refresh());
    this.#live.addEventListener('next', (event) => {
      if (event instanceof CustomEvent) this.#changed(event.detail.jobRunChanged);
    });
    this.#live.addEventListener('state', () => this.#refreshLater());
    context.sources.addEventListener('change', () => {
      if (this.#timetable.length > 0) this.#showSchedules();
      this.#showSources();
    });
  }

  /** @param {boolean} visible */
  show(visible) {
    this.element.hidden = !visible;
    if (visible && !this.#visible) {
      if (this.#runs.length === 0) this.#list.replaceChildren(skeleton(5));
      this.#visible = true;
      void this.refresh();
      void this.#context.sources.refresh();
      this.#live.start();
    }
    this.#visible = visible;
    if (visible) return;
    this.#live.stop();
    clearTimeout(this.#timer);
  }

  focusTitle() {
    const title = this.element.querySelector('h2');
    title?.focus({ preventScroll: true });
  }

  clear() {
    this.#visible = false;
    this.#live.stop();
    clearTimeout(this.#timer);
    this.#runs = [];
    this.#message.replaceChildren();
    this.#list.replaceChildren();
    this.#schedules.replaceChildren();
    this.#sources.replaceChildren();
    this.#timetable = [];
    this.#syncs.clear();
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
      this.#timetable = jobSchedules;
      this.#showSchedules();
      this.#showSources();
      this.#draw();
    } catch (error) {
      if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return;
      if (!this.#visible) return;
      this.#list.replaceChildren(
        h('div', { class: 'state problem', role: 'alert' }, h('p', { class: 'state-title', text: 'The runs could not be loaded.' }), h('p', { text: explain(error) }), h('button', { type: 'button', text: 'Try again', on: { click: () => void this.refresh() } })),
      );
      return;
    }
    this.#refreshLater();
  }

  /** While the subscription is down, the runs are loaded from time to time. */
  #refreshLater() {
    clearTimeout(this.#timer);
    if (this.#visible && DOWN.includes(this.#live.state)) this.#timer = setTimeout(() => void this.refresh(), REFRESH);
  }

  /**
   * Shows a run that began or ended.
   * @param {JobRun} run
   */
  #changed(run) {
    this.#wakes.get(run.id)?.();
    if (!this.#visible) return;
    const others = this.#runs.filter(({ id }) => id !== run.id);
    this.#runs = [run, ...others].sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
    this.#showSchedules();
    this.#draw();
    if (run.outcome === null) return;
    void this.#loadSchedules();
    if (run.job === 'SYNC_INVENTORY') void this.#context.sources.refresh();
  }

  /** The end of a run may be that of the tick that was next. */
  async #loadSchedules() {
    try {
      this.#timetable = (await this.#context.api.ask(SCHEDULES)).jobSchedules;
      if (this.#visible) this.#showSchedules();
    } catch (error) {
      // The next run, or the view when it is shown again, loads them.
      if (!(error instanceof ApiError)) throw error;
    }
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

  #showSchedules() {
    const syncs = this.#timetable.filter(({ job }) => job === 'SYNC_INVENTORY');
    const sweeps = this.#timetable.filter(({ job }) => job === 'DETECT_DRIFT');
    const several = this.#listed().length > 1;
    const focused = [this.#sync, this.#detect].find((button) => button === document.activeElement);
    this.#schedules.replaceChildren(
      this.#card('SYNC_INVENTORY', syncs, several ? h('p', { class: 'hint', text: 'Each source that this server lists has a button below.' }) : this.#sync),
      this.#card('DETECT_DRIFT', sweeps, this.#detect),
    );
    focused?.focus({ preventScroll: true });
  }

  /**
   * @param {JobName} job
   * @param {JobSchedule[]} schedules
   * @param {HTMLElement} action
   */
  #card(job, schedules, action) {
    const last = this.#runs.find((run) => run.job === job && run.outcome !== 'SKIPPED');
    const ticks = schedules.filter(({ nextRunAt }) => nextRunAt !== null).sort((a, b) => Date.parse(a.nextRunAt ?? '') - Date.parse(b.nextRunAt ?? ''));
    const next = ticks[0] ?? null;
    const of = ticks.length > 1 && next !== null && next.source !== null ? ` from ${visibleLine(next.source)}` : '';
    return h(
      'div',
      { class: 'schedule', testid: 'schedule' },
      h('h3', { text: job === 'SYNC_INVENTORY' ? 'Sync the inventory' : 'Detect drift' }),
      h('p', {}, next === null ? 'No schedule.' : 'Next ', next?.nextRunAt && timeElement(next.nextRunAt), of, ticks.length === 1 && next !== null && h('code', { text: next.cron ?? '', title: 'Cron expression in UTC, with seconds first' })),
      h('p', {}, last === undefined ? 'No run yet.' : 'Last ', last !== undefined && timeElement(last.startedAt), last !== undefined && `, ${last.outcome === null ? 'running' : OUTCOME[last.outcome]}`),
      this.#context.session.canDecide ? action : h('p', { class: 'hint', text: 'Starting a run requires the role platform_admin.' }),
    );
  }

  /** Returns the names of the sources that this server lists. Without a schedule, the server does not name them. */
  #listed() {
    const scheduled = this.#timetable.flatMap(({ job, source }) => (job === 'SYNC_INVENTORY' && source !== null ? [source] : []));
    if (scheduled.length > 0) return scheduled;
    return this.#context.sources.all.filter(({ kind }) => kind === 'ACCOUNT' || kind === 'FILE').map(({ name }) => name);
  }

  #showSources() {
    if (!this.#visible) return;
    const { sources, session } = this.#context;
    const listed = this.#listed();
    const withButtons = session.canDecide && listed.length > 1;
    const focused = document.activeElement;
    const scrolled = this.#sources.querySelector('.sources-table')?.scrollLeft ?? 0;
    const table = sourcesTable(sources.all, (source) => (withButtons && listed.includes(source.name) ? this.#syncOf(source) : null));
    this.#sources.replaceChildren(...(sources.all.length === 0 ? [] : [h('h3', { text: 'Sources' }), table]));
    table.scrollLeft = scrolled;
    if (focused instanceof HTMLElement && table.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** @param {Source} source */
  #syncOf({ name }) {
    const known = this.#syncs.get(name);
    if (known !== undefined) return known;
    /** @type {HTMLButtonElement} */
    const button = h('button', { type: 'button', testid: 'sync-source', text: 'Sync now', 'aria-label': `Sync now: ${visibleLine(name)}`, on: { click: () => void this.#start('SYNC_INVENTORY', button, name) } });
    this.#syncs.set(name, button);
    return button;
  }

  #draw() {
    const known = new Set([...this.#list.querySelectorAll('details')].map((details) => details.id));
    const opened = new Set([...this.#list.querySelectorAll('details[open]')].map((details) => details.id));
    const focused = this.#list.contains(document.activeElement) ? document.activeElement?.closest('details')?.id : undefined;
    const { failing, hours } = arranged(this.#runs);
    const empty = h('div', { class: 'state', testid: 'empty' }, h('p', { class: 'state-title', text: 'No job has run yet.' }));
    this.#list.replaceChildren(
      ...(failing.length === 0 ? [] : [h('h3', { text: 'Needs attention' }), h('ul', { class: 'run-list failing' }, ...failing.map((run) => runElement(run, true)))]),
      this.#runs.length === 0 ? empty : h('ul', { class: 'run-list' }, ...hours.map(hourElement)),
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

  /**
   * @param {JobName} job
   * @param {HTMLButtonElement} button
   * @param {string | null} source
   */
  async #start(job, button, source = null) {
    const { api } = this.#context;
    button.disabled = true;
    this.#showMessage(`${JOB[job]}${source === null ? '' : ` of ${visibleLine(source)}`} started…`);
    let begun = false;
    try {
      const answer = await (job === 'SYNC_INVENTORY' ? api.ask(SYNC, { input: { source } }) : api.ask(DETECT, { input: {} }));
      begun = true;
      await this.#finished(job, (answer.syncInventory ?? answer.detectDrift).run);
    } catch (error) {
      if (this.#context.session.viewer !== null) this.#showMessage(begun ? `${explain(error)} The ${JOB[job].toLowerCase()} continues on the server. Its result appears below when it ends.` : refusal(job, error));
    }
    button.disabled = false;
    if (job === 'SYNC_INVENTORY') void this.#context.sources.refresh();
    if (this.#visible && this.#live.state !== 'live') void this.refresh();
  }

  /**
   * @param {JobName} job
   * @param {JobRun} run
   */
  async #finished(job, run) {
    let now = run;
    while (now.outcome === null) {
      now = (await this.#context.api.ask(RUN_BY_ID, { id: run.id })).node;
      if (now.outcome === null) await this.#change(run.id);
    }
    const text = `${JOB[job]} ${OUTCOME[now.outcome]}: ${now.error ?? countsText(now)}`;
    this.#showMessage(text);
    announce(text);
  }

  /**
   * Waits until a run changes. The subscription may be down or closed, so the wait ends after a while.
   * @param {string} id
   */
  async #change(id) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, REFRESH);
      this.#wakes.set(id, () => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
    this.#wakes.delete(id);
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

/**
 * Returns a count of a run; null if its job does not count that, or the count is not known.
 * @param {JobRun} run
 * @param {CountName} name
 * @returns {number | null}
 */
function countOf({ syncCounts, sweepCounts }, name) {
  /** @type {{ [name in CountName]?: number | null }} */
  const counts = syncCounts ?? sweepCounts ?? {};
  return counts[name] ?? null;
}

/** @param {JobRun} run */
function countsText(run) {
  const names = /** @type {CountName[]} */ (Object.keys(COUNTS));
  const texts = names.flatMap((name) => {
    const count = countOf(run, name);
    if (count === null || (count === 0 && !ALWAYS.includes(name))) return [];
    return [name === 'resources' ? plural(count, 'resource') : `${count.toLocaleString('en')} ${COUNTS[name]}`];
  });
  return texts.join(', ');
}

/**
 * Splits runs into those that need attention and the others by hour, newest first. The newest run of a job and a source
 * needs attention if it did not succeed.
 * @param {JobRun[]} runs newest first
 */
export function arranged(runs) {
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {JobRun[]} */
  const failing = [];
  /** @type {Map<number, JobRun[]>} */
  const hours = new Map();
  for (const run of runs) {
    const job = `${run.job} ${run.source ?? ''}`;
    // A skipped run says nothing about the job, and a running one has not ended.
    const isNewest = run.outcome !== null && run.outcome !== 'SKIPPED' && !seen.has(job);
    if (isNewest) seen.add(job);
    if (isNewest && run.outcome !== 'SUCCEEDED') {
      failing.push(run);
      continue;
    }
    const hour = Math.floor(Date.parse(run.startedAt) / 3_600_000);
    hours.set(hour, [...(hours.get(hour) ?? []), run]);
  }
  return { failing, hours: [...hours.values()] };
}

/**
 * Creates one row for the runs of an hour. The row opens to show each run.
 * @param {JobRun[]} runs newest first
 */
function hourElement(runs) {
  const newest = /** @type {JobRun} */ (runs[0]);
  const oldest = /** @type {JobRun} */ (runs.at(-1));
  const jobs = /** @type {JobName[]} */ (['SYNC_INVENTORY', 'DETECT_DRIFT']).flatMap((job) => {
    const count = runs.filter((run) => run.job === job).length;
    return count === 0 ? [] : [count === 1 ? JOB[job].toLowerCase() : `${count.toLocaleString('en')} ${JOB[job].toLowerCase()}s`];
  });
  const changes = CHANGES.flatMap((name) => {
    const sum = runs.reduce((total, run) => total + (countOf(run, name) ?? 0), 0);
    return sum === 0 ? [] : [`${sum.toLocaleString('en')} ${COUNTS[name]}`];
  });
  const worst = runs.find(({ outcome }) => outcome !== 'SUCCEEDED') ?? newest;
  return h(
    'li',
    { testid: 'run-hour' },
    h(
      'details',
      { class: 'run-hour', id: `hour-${oldest.id}` },
      h(
        'summary',
        {},
        outcomeDot(worst),
        h('span', { class: 'run-jobs', text: sentence(jobs.join(' and ')) }),
        changes.length === 0 ? h('span', { class: 'run-counts soft', text: 'no changes' }) : h('strong', { class: 'run-counts', text: changes.join(', ') }),
        timeElement(newest.startedAt, { class: 'age' }),
      ),
      h('ul', {}, ...runs.map((run) => runElement(run, false))),
    ),
  );
}

/** @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {JobRun} run */
function outcomeDot(run) {
  const text = run.outcome === null ? 'running' : OUTCOME[run.outcome];
  return h('span', { class: `dot run-${text}`, title: text }, screenReaderText(`${text}: `));
}

/**
 * @param {JobRun} run
 * @param {boolean} advise whether to say what to do
 */
function runElement(run, advise) {
  const outcome = run.outcome === null ? 'running' : run.outcome.toLowerCase();
  const took = run.finishedAt === null || Date.parse(run.finishedAt) - Date.parse(run.startedAt) < LONG_MS ? '' : duration(run.startedAt, run.finishedAt);
  return h(
    'li',
    { class: `run ${outcome}`, testid: 'run', 'data-run-id': run.id, 'data-outcome': run.outcome ?? 'RUNNING' },
    h(
      'div',
      { class: 'run-line' },
      outcomeDot(run),
      h('span', { class: 'run-jobs', text: run.outcome === 'SUCCEEDED' ? JOB[run.job] : `${JOB[run.job]} ${run.outcome === null ? 'running' : OUTCOME[run.outcome]}` }),
      h('span', { class: 'run-counts' }, countsText(run), run.source !== null && ` from ${visible(run.source)}`),
      h('span', { class: 'run-how', text: [trigger(run), took].filter((text) => text !== '').join(', ') }),
      timeElement(run.startedAt, { class: 'age' }),
    ),
    run.error !== null && h('p', { class: 'run-error', text: visible(run.error) }),
    advise && h('p', { class: 'run-advice hint', text: ADVICE[run.job] }),
    kindsElement(run),
  );
}

/** What to do about a run that did not succeed. @type {{ [job in JobName]: string }} */
const ADVICE = {
  SYNC_INVENTORY: 'Until a sync of this source succeeds, its live values may be outdated. Mend the cause and start a sync.',
  DETECT_DRIFT: 'Until a detection succeeds, there may be differences that the inbox does not show. Mend the cause and start a detection.',
};

/** @param {JobRun} run */
function trigger(run) {
  const known = { TICK: 'scheduled', CATCH_UP: 'catch-up', HAND: 'manual' };
  if (run.trigger !== null) return known[run.trigger];
  return run.scheduledFor === null ? 'manual' : 'scheduled';
}

/** @param {JobRun} run */
function kindsElement(run) {
  const kinds = (run.syncCounts?.kinds ?? []).toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
  if (kinds.length === 0) return null;
  const partial = kinds.filter(({ outcome }) => outcome !== 'COMPLETE');
  const label = partial.length === 0 ? `${plural(kinds.length, 'kind')}, all complete` : `${plural(kinds.length, 'kind')}, ${partial.length} incomplete or not readable`;
  return h(
    'details',
    { class: 'kinds', id: `kinds-${run.id}`, open: partial.length > 0 && run.outcome !== 'SUCCEEDED' },
    h('summary', {}, label, screenReaderText(` of the ${JOB[run.job]}`)),
    h('ul', { class: 'kind-list' }, ...partial.map(kindElement), ...kinds.filter((kind) => !partial.includes(kind)).map(kindElement)),
  );
}

/** @param {SyncKind} kind */
function kindElement({ kind, outcome, resources, reason }) {
  const word = (outcome ?? 'unknown').toLowerCase();
  return h(
    'li',
    { class: word },
    h('span', { class: 'kind', text: kindName(kind) }),
    h('span', { class: 'kind-outcome', text: word.replaceAll('_', ' ') }),
    resources !== null && h('span', { text: plural(resources, 'resource') }),
    reason !== null && h('span', { class: 'reason', text: visible(reason) }),
  );
}
