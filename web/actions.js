// The actions on one drift: their keys, their names, and when they apply. Rows, the detail view, the keys and the help
// read this list, so that a new action is added in one place.

import { isUnset } from './changes.js';
/** @import { Batch, Context, Drift } from './types.js' */

/**
 * @typedef {{
 *   name: string,
 *   key: string,
 *   label: string,
 *   help: string,
 *   applies: (drift: Drift, context: Context) => boolean,
 *   run: (drift: Drift, context: Context) => void,
 *   many?: (batch: Batch, context: Context) => void,
 * }} Action
 * `many`: what it does to the selected drifts, or to all of a cause.
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
    many: (batch, context) => context.decideAll('accept', batch),
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
    name: 'members',
    key: 'm',
    label: 'Accept members',
    help: 'Accept some members of a list, and leave the others open',
    applies: (drift, context) => isDecidable(drift, context) && hasMembers(drift),
    run: (drift, context) => context.members(drift),
  },
  {
    name: 'ignore',
    key: 'i',
    label: 'Ignore',
    help: 'Make a rule that ignores drifts such as this one',
    applies: isDecidable,
    run: (drift, context) => context.ignore(drift),
    many: ignoreAll,
  },
  {
    name: 'snooze',
    key: 's',
    label: 'Snooze',
    help: 'Leave the drift out of the inbox for a while',
    applies: isDecidable,
    run: (drift, context) => context.snooze(drift),
    many: (batch, context) => context.decideAll('snooze', batch),
  },
  {
    name: 'take',
    key: 't',
    label: 'Take',
    help: 'Assign the drift to you, or to no user if it is yours',
    applies: isDecidable,
    run: (drift, context) => context.take(drift),
    many: (batch, context) => context.takeAll(batch),
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
    key: 'h',
    label: 'Spec history',
    help: 'Show every version of the spec',
    applies: () => true,
    run: ({ resource }, { router }) => router.go({ view: 'resource', own: { id: resource.id }, drift: null }),
  },
  {
    name: 'plan',
    key: 'p',
    label: 'How to revert',
    help: 'Show the calls that put the expected value back',
    applies: (drift) => drift.status === 'OPEN',
    run: (drift, context) => context.plan(drift),
  },
  {
    name: 'undo',
    key: 'z',
    label: 'Undo',
    help: 'Undo the last decision and those before it, or the accept or the snooze of the shown drift',
    applies: (drift, { session, router }) => (isUndoable(drift) || (drift.snoozed && router.route.drift === drift.id)) && session.canDecide,
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
 * Returns whether both values are lists, one of which may be unset. The server says which members differ.
 * @param {Drift} drift
 */
function hasMembers({ kind, redacted, expected, actual }) {
  const isList = (/** @type {import('./types.js').Json} */ value) => Array.isArray(value) || isUnset(value);
  return kind === 'CHANGED' && !redacted && isList(expected) && isList(actual) && (Array.isArray(expected) || Array.isArray(actual));
}

/**
 * @param {Drift} drift
 * @param {Context} context
 */
function isDecidable(drift, { session }) {
  return drift.status === 'OPEN' && session.canDecide;
}

/**
 * Ignores a cause by its live value with one rule, and selected drifts with rules for exactly these.
 * @param {Batch} batch
 * @param {Context} context
 */
function ignoreAll(batch, context) {
  const { example, count, inputs } = batch;
  const isCause = example !== null && example.kind !== 'MISSING' && !example.redacted && inputs.every((input) => 'filter' in input);
  if (isCause) context.ignore(example, true);
  else if (example !== null && count === 1) context.ignore(example);
  else context.decideAll('ignore', batch);
}
