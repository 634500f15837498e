// What an empty list means: that all is well, that nothing is asked for yet, or that nobody has looked.

import { explain } from './api.js';
import { h } from './dom.js';
import { plural, timeElement, visible } from './format.js';
import { STANDING } from './queries.js';
/** @import { Context, JobRun, KindCoverage, View } from './types.js' */

/**
 * @param {Context} context
 * @param {View} view
 * @param {boolean} narrowed
 * @param {() => void} clear
 */
export function emptyState(context, view, narrowed, clear) {
  if (narrowed) {
    return state('Nothing matches these filters.', [
      h('p', { text: 'No drift of this list has all of what you chose.' }),
      h('button', { type: 'button', text: 'Clear filters', on: { click: clear } }),
    ]);
  }
  if (view === 'history') {
    return state('Nothing has been resolved yet.', [
      h('p', { text: 'Accepted drift, and drift that went away by itself, is kept here for ever.' }),
    ]);
  }
  const place = state('Nothing differs.', []);
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
    const { coverage, sweeps, syncs } = await context.api.ask(STANDING);
    /** @type {Pick<KindCoverage, 'managed' | 'unmanaged'>[]} */
    const kinds = coverage;
    const managed = kinds.reduce((sum, kind) => sum + kind.managed, 0);
    const unmanaged = kinds.reduce((sum, kind) => sum + kind.unmanaged, 0);
    place.replaceChildren(...standing(managed, unmanaged, sweeps.nodes[0] ?? null, syncs.nodes[0] ?? null));
  } catch (error) {
    place.append(h('p', { text: explain(error) }));
  }
}

/**
 * @param {number} managed
 * @param {number} unmanaged
 * @param {JobRun | null} sweep the last one
 * @param {JobRun | null} sync the last one
 * @returns {HTMLElement[]}
 */
function standing(managed, unmanaged, sweep, sync) {
  const title = (/** @type {string} */ text) => h('p', { class: 'state-title', text });
  if (managed === 0 && unmanaged === 0) {
    return [
      title('There is no inventory yet.'),
      h('p', {}, 'Start a sync on ', h('a', { href: '/?view=runs', 'data-route': true, text: 'Runs' }), ', or run ', h('code', { text: 'drift-inbox sync' }), '.'),
    ];
  }
  if (managed === 0) {
    return [
      title('Nothing is asked for yet.'),
      h('p', { text: `The inventory has ${plural(unmanaged, 'resource')}, and no spec says what any of them should be. Drift is a difference between the two.` }),
      h(
        'ul',
        { class: 'ways' },
        h('li', {}, 'From Terraform: ', h('code', { text: 'drift-inbox import-terraform terraform.tfstate' })),
        h('li', {}, 'From what is there now: the mutation ', h('code', { text: 'recordBaseline' }), ' in ', h('a', { href: '/graphiql', text: 'GraphiQL' })),
        h('li', {}, 'One by one: the mutation ', h('code', { text: 'recordSpec' })),
      ),
    ];
  }
  if (sweep === null) {
    return [
      title('Nobody has looked yet.'),
      h('p', {}, `${plural(managed, 'resource')} with a spec, and no sweep so far. `, h('a', { href: '/?view=runs', 'data-route': true, text: 'Start one' }), '.'),
    ];
  }
  const compared = Number(sweep.counts['resources'] ?? 0);
  const runs = () => h('a', { href: '/?view=runs', 'data-route': true, text: 'Runs' });
  const without = h('p', {}, unmanaged > 0 ? `${plural(unmanaged, 'resource')} have no spec: ` : '', h('a', { href: '/?view=coverage', 'data-route': true, text: 'Coverage' }));
  const stale = sync !== null && failed(sync) ? [h('p', {}, `The last sync ${how(sync)}, so that the inventory may be old: `, runs())] : [];
  if (failed(sweep) || compared < managed || stale.length > 0) {
    return [
      title('No difference is known.'),
      h('p', {}, 'The last sweep was ', timeElement(sweep.startedAt), sweep.finishedAt === null ? ' and is still under way.' : `. It ${failed(sweep) ? `${how(sweep)}, and ` : ''}compared ${compared.toLocaleString('en')} of ${plural(managed, 'managed resource')}. `, runs()),
      ...stale,
      without,
    ];
  }
  return [
    title('Nothing differs.'),
    h('p', {}, `All of ${plural(managed, 'managed resource')} are as asked for. `, 'The last sweep was ', timeElement(sweep.startedAt), sweep.finishedAt === null ? ' and is still under way.' : ` and compared ${plural(compared, 'resource')}.`),
    without,
  ];
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
