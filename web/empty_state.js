// The empty states of the list: nothing differs, no specs yet, no detection yet, or the inbox is not up to date.

import { explain } from './api.js';
import { h, screenReaderText } from './dom.js';
import { kindName, plural, timeElement, visible, visibleLine } from './format.js';
import { EMPTY_INBOX } from './queries.js';
import { STATE_TEXTS, isRecent } from './sources.js';
/** @import { Context, Freshness, JobRun, KindCoverage, Source, View } from './types.js' */

/**
 * @param {Context} context
 * @param {View} view
 * @param {boolean} narrowed
 * @param {() => void} clear
 */
export function emptyState(context, view, narrowed, clear) {
  if (narrowed) {
    return state('No drifts match these filters.', [
      h('p', { text: 'Change the filters or clear them.' }),
      h('button', { type: 'button', text: 'Clear filters', on: { click: clear } }),
    ]);
  }
  if (view === 'history') {
    return state('No drift has been closed yet.', [
      h('p', { text: 'Accepted and stale drifts are listed here until the retention settings delete them.' }),
    ]);
  }
  // Shown until the freshness of the inbox is loaded.
  const place = state('No drift is known.', []);
  void describe(context, place);
  return place;
}

/**
 * @param {string} title
 * @param {(HTMLElement | false)[]} content
 */
function state(title, content) {
  return h('div', { class: 'state', testid: 'empty' }, h('p', { class: 'state-title', text: title }), ...content);
}

/**
 * @param {Context} context
 * @param {HTMLElement} place
 */
async function describe(context, place) {
  try {
    const { coverage, freshness, syncs, sources, snoozed } = await context.api.ask(EMPTY_INBOX);
    /** @type {Pick<KindCoverage, 'managed' | 'unmanaged'>[]} */
    const kinds = coverage;
    const managed = kinds.reduce((sum, kind) => sum + kind.managed, 0);
    const unmanaged = kinds.reduce((sum, kind) => sum + kind.unmanaged, 0);
    if (snoozed.totalCount > 0) {
      place.replaceChildren(...allSnoozed(snoozed.totalCount));
      return;
    }
    place.replaceChildren(...emptyInbox(managed, unmanaged, freshness, syncs.nodes[0] ?? null, sources));
  } catch (error) {
    place.append(h('p', { text: explain(error) }));
  }
}

/**
 * The inbox has no drift, but not all is well: the values of the snoozed drifts still differ.
 * @param {number} count
 */
function allSnoozed(count) {
  const link = h('a', { href: './?is=snoozed', 'data-route': true, testid: 'show-snoozed', text: 'Show them' });
  return [h('p', { class: 'state-title', text: `${plural(count, 'open drift')} ${count === 1 ? 'is' : 'are'} snoozed.` }), h('p', {}, 'No other drift is open. The values of the snoozed ones still differ. ', link)];
}

/**
 * @param {number} managed
 * @param {number} unmanaged
 * @param {Freshness} freshness
 * @param {JobRun | null} sync the newest sync
 * @param {Source[]} sources
 * @returns {HTMLElement[]}
 */
function emptyInbox(managed, unmanaged, freshness, sync, sources) {
  const sweep = freshness.lastSweep;
  const title = (/** @type {string} */ text) => h('p', { class: 'state-title', text });
  if (managed === 0 && unmanaged === 0) return [title('There is no inventory yet.'), h('p', { text: 'Three steps lead to the first drifts.' }), steps(0)];
  if (managed === 0) {
    return [
      title('No specs have been recorded yet.'),
      h('p', { text: `The inventory has ${plural(unmanaged, 'resource')} without a spec. Drift is a difference between a resource and its spec.` }),
      steps(1),
    ];
  }
  if (sweep === null) {
    return [
      title('No detection has run yet.'),
      h('p', { text: `${plural(managed, 'resource')} ${managed === 1 ? 'has a spec that has' : 'have specs that have'} not been compared yet.` }),
      steps(2),
    ];
  }
  const compared = sweep.sweepCounts?.resources ?? 0;
  const runs = () => h('a', { href: './?view=runs', 'data-route': true, text: 'Runs' });
  const without = h('p', {}, unmanaged > 0 ? `${plural(unmanaged, 'resource')} ${unmanaged === 1 ? 'has' : 'have'} no spec. ` : '', h('a', { href: './?view=coverage', 'data-route': true, text: 'Coverage' }));
  const doubts = doubtsOf(freshness, sync, sources);
  if (!freshness.vouched || compared < managed || failed(sweep) || doubts.length > 0) {
    return [
      title('No drift is known.'),
      h('p', {}, 'The last detection was ', timeElement(sweep.startedAt), sweep.finishedAt === null ? ' and is still running.' : `. It ${failed(sweep) ? `${how(sweep)}, and ` : ''}compared ${compared.toLocaleString('en')} of ${plural(managed, 'managed resource')}. `, runs()),
      doubts.length > 0 && h('p', { text: 'There may be differences that have not been detected:' }),
      doubts.length > 0 && h('ul', { class: 'ways', testid: 'doubts' }, ...doubts),
      ...recentSources(sources),
      without,
    ].filter((element) => element !== false);
  }
  return [
    title('Nothing differs.'),
    h('p', {}, `${managed === 1 ? 'The 1 managed resource matches its spec' : `All ${plural(managed, 'managed resource')} match their specs`}. `, 'The last detection was ', timeElement(sweep.startedAt), ` and compared ${plural(compared, 'resource')}.`),
    without,
  ];
}

/**
 * Lists the steps of the first visit.
 * @param {number} done the number of steps that are done
 */
function steps(done) {
  const runs = (/** @type {string} */ text) => h('a', { href: './?view=runs', 'data-route': true, text });
  /** @type {[string, (HTMLElement | string)[]][]} */
  const all = [
    ['List the inventory', [h('code', { text: 'drift-inbox sync' }), ' or ', runs('Sync now')]],
    [
      'Record what you expect',
      [h('code', { text: 'drift-inbox import-terraform terraform.tfstate' }), ' or, for the live values, the mutation ', h('code', { text: 'recordBaseline' }), ' in ', h('a', { href: 'graphiql', text: 'GraphiQL' })],
    ],
    ['Detect drift', [h('code', { text: 'drift-inbox detect' }), ' or ', runs('Detect now')]],
  ];
  return h(
    'ol',
    { class: 'steps' },
    ...all.map(([what, how], at) =>
      h(
        'li',
        { class: at < done ? 'done' : at === done ? 'current' : undefined, 'aria-current': at === done ? 'step' : undefined },
        h('span', { class: 'step-number', 'aria-hidden': 'true', text: at < done ? '✓' : String(at + 1) }),
        h('div', {}, h('strong', { text: what }), at < done && screenReaderText(' (done)'), h('p', {}, ...how)),
      ),
    ),
  );
}

const WHY = {
  NEVER_LISTED: 'has never been listed',
  INCOMPLETE: 'was not listed completely by the last sync',
  NOT_READABLE: 'could not be read by the last sync',
  OVERDUE: 'was last listed too long ago',
  IN_THE_FUTURE: 'was last listed at a time in the future, so a clock is wrong',
  FIELDS_NOT_READABLE: 'has fields that the last sync could not read',
};

/**
 * Lists the reasons why the inbox is not up to date.
 * @param {Freshness} freshness
 * @param {JobRun | null} sync
 * @param {Source[]} sources
 */
function doubtsOf(freshness, sync, sources) {
  const unreliable = sources.filter((source) => !isRecent(source));
  const doubts = unreliable.map((source) =>
    h('li', {}, `Source ${visibleLine(source.name)} ${STATE_TEXTS[source.state]}${source.reason === null ? '' : `: ${visible(source.reason)}`}`, source.lastSuccessAt !== null && ' (last success ', source.lastSuccessAt !== null && timeElement(source.lastSuccessAt), source.lastSuccessAt !== null && ')'),
  );
  // A source that is overdue as a whole is named once instead of all its kinds.
  const overdue = unreliable.filter(({ state }) => state === 'OVERDUE').map(({ name }) => name);
  const stale = freshness.stale.filter(({ source, reason }) => reason !== 'OVERDUE' || source === null || !overdue.includes(source));
  const kinds = stale.map(({ source, kind, reason, completedAt, fields }) =>
    h('li', {}, `${kindName(kind)}${sources.length > 1 && source !== null ? ` of source ${visibleLine(source)}` : ''} ${WHY[reason]}${fields.length > 0 ? `: ${fields.map(visible).join(', ')}` : ''}`, completedAt !== null && ' (last complete listing ', completedAt !== null && timeElement(completedAt), completedAt !== null && ')'),
  );
  doubts.push(...kinds);
  if (freshness.neverSynced) doubts.push(h('li', { text: 'No sync has completed yet, so nothing can be compared.' }));
  if (freshness.neverListed > 0) doubts.push(h('li', { text: `${plural(freshness.neverListed, 'resource')} with a spec: no sync has listed ${freshness.neverListed === 1 ? 'it' : 'them'} yet.` }));
  if (freshness.settling > 0) doubts.push(h('li', { text: `${plural(freshness.settling, 'resource')} with a spec: the last detection did not compare ${freshness.settling === 1 ? 'it, because it is' : 'them, because they are'} settling.` }));
  if (freshness.sweepOverdue) doubts.push(h('li', { text: 'The last detection is older than the maximum age.' }));
  const isNamed = unreliable.some(({ name }) => name === sync?.source);
  if (sync !== null && failed(sync) && !isNamed) doubts.push(h('li', { text: `The last sync ${how(sync)}, so the inventory may be outdated.` }));
  return doubts;
}

/**
 * Names the sources whose inventory is recent, if others are not.
 * @param {Source[]} sources
 */
function recentSources(sources) {
  const recent = sources.filter(isRecent);
  if (recent.length === 0 || recent.length === sources.length) return [];
  return [h('p', { testid: 'recent-sources', text: `Recent inventory: ${recent.map(({ name }) => visibleLine(name)).join(', ')}.` })];
}

/** @param {JobRun} run */
function failed(run) {
  return run.outcome !== null && run.outcome !== 'SUCCEEDED';
}

/** @param {JobRun} run */
function how(run) {
  const outcome = run.outcome === null ? '' : { FAILED: 'failed', PARTIAL: 'was partial', SKIPPED: 'was skipped', ABANDONED: 'was abandoned', SUCCEEDED: '' }[run.outcome];
  return run.error === null ? outcome : `${outcome} (${visible(run.error)})`;
}
