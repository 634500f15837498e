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
];

/** The actions that have a button in each row. */
export const ROW_ACTIONS = ACTIONS.filter(({ name }) => name === 'accept');

/**
 * @param {Drift} drift
 * @param {Context} context
 */
function isDecidable(drift, { session }) {
  return drift.status === 'OPEN' && session.canDecide;
}
