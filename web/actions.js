// The actions on one drift: their keys, their names, and when they apply. Rows, the detail view, the keys and the help
// read this list, so that a new action is added in one place.

/** @import { Context, Drift } from './types.js' */

/**
 * @typedef {{
 *   name: string,
 *   key: string,
 *   label: string,
 *   help: string,
 *   applies: (drift: Drift, context: Context) => boolean,
 *   run: (drift: Drift, context: Context) => void,
 * }} Action
 */

/** @type {Action[]} */
export const ACTIONS = [
  {
    name: 'accept',
    key: 'a',
    label: 'Accept',
    help: 'Accept the live value of the drift',
    applies: isDecidable,
    run: (drift, context) => context.accept(drift, false),
  },
  {
    name: 'review',
    key: 'A',
    label: 'Review from here',
    help: 'Review this and the following drifts one after another',
    applies: isDecidable,
    run: (drift, context) => context.accept(drift, true),
  },
  {
    name: 'ignore',
    key: 'i',
    label: 'Ignore',
    help: 'Make a rule that ignores drifts such as this one',
    applies: isDecidable,
    run: (drift, context) => context.ignore(drift),
  },
  {
    name: 'explain',
    key: 'e',
    label: 'Explain',
    help: 'Explain what was compared, for this field and the others of the resource',
    applies: () => true,
    run: ({ resource, field }, context) => context.explain(resource, field),
  },
  {
    name: 'versions',
    key: 'v',
    label: 'Spec history',
    help: 'Show every version of the spec',
    applies: () => true,
    run: ({ resource }, { router }) => router.go({ view: 'resource', own: { id: resource.id }, drift: null }),
  },
  {
    name: 'undo',
    key: 'z',
    label: 'Undo',
    help: 'Undo the last decision, or the accept of the shown drift',
    applies: (drift, { session }) => isUndoable(drift) && session.canDecide,
    run: (drift, context) => context.undo(drift),
  },
];

/** The actions that have a button in each row. */
export const ROW_ACTIONS = ACTIONS.filter(({ name }) => name === 'accept');

/**
 * Returns whether the accept of a drift may be undone.
 * @param {Pick<Drift, 'status' | 'undoneAt'>} drift
 */
export function isUndoable({ status, undoneAt }) {
  return status === 'ACCEPTED' && undoneAt === null;
}

/**
 * @param {Drift} drift
 * @param {Context} context
 */
function isDecidable(drift, { session }) {
  return drift.status === 'OPEN' && session.canDecide;
}
