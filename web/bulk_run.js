// Executes decisions about many drifts, and undoes them.

import { ApiError, explain } from './api.js';
import { plural } from './format.js';
import { BULK_RUN, EXECUTE_BULK, UNDO_BULK } from './queries.js';
import { canTryAgain } from './undo.js';
/** @import { Undone } from './decisions.js' */
/** @import { Context } from './types.js' */

/** Time in milliseconds between two looks at a bulk that is being executed. */
const LOOK = 400;

/** @typedef {{ total: number, done: number, refused: number, pending: number, finishedAt: string | null }} Run */

/**
 * Executes a preview, and reports its progress until it is finished.
 * @param {import('./api.js').Api} api
 * @param {string} token
 * @param {string} note
 * @param {(run: Run) => void} [progress]
 * @returns {Promise<Run>}
 */
export async function execute(api, token, note, progress = () => {}) {
  const input = { token, ...(note === '' ? {} : { note }) };
  let isAnswered = false;
  const answer = api.ask(EXECUTE_BULK, { input }).finally(() => {
    isAnswered = true;
  });
  const look = async () => {
    const { bulkRun } = await api.ask(BULK_RUN, { id: token });
    if (bulkRun !== null) progress(bulkRun);
    return bulkRun;
  };
  // A failed look is no failed bulk: the answer to the mutation itself reports that.
  while (!(await settledWithin(answer, LOOK)) && !isAnswered) await look().catch(() => null);
  const { executeBulk } = await answer;
  /** @type {Run} */
  let run = executeBulk.run;
  while (run.finishedAt === null) {
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    run = (await look()) ?? run;
  }
  progress(run);
  return run;
}

/**
 * Returns whether a promise settles within a time.
 * @param {Promise<unknown>} promise
 * @param {number} ms
 * @returns {Promise<boolean>}
 */
function settledWithin(promise, ms) {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return Promise.race([settled, new Promise((resolve) => setTimeout(resolve, ms, false))]);
}

/**
 * Undoes bulks, the newest first.
 * @param {string[]} bulks
 * @param {string} noun what the decision about each drift was, such as `accept`
 * @param {Context} context
 * @returns {Promise<Undone | null>}
 */
export async function undoBulks(bulks, noun, context) {
  let undone = 0;
  /** @type {{ message: string }[]} */
  const refused = [];
  try {
    for (const bulkId of bulks.toReversed()) {
      const { undoBulk } = await context.api.ask(UNDO_BULK, { input: { bulkId } });
      undone += undoBulk.undone;
      refused.push(...undoBulk.refused);
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'UNAUTHENTICATED') return null;
    // The undo of a bulk goes on where it was interrupted.
    return { text: `Not undone. ${explain(error)}`, isProblem: true, again: canTryAgain(error) };
  } finally {
    context.refresh();
  }
  const done = `Undid the ${noun} of ${plural(undone, 'drift')}.`;
  const [first] = refused;
  if (first === undefined) return { text: done, isProblem: false };
  const stand = `${plural(refused.length, noun)} ${refused.length === 1 ? 'stands' : 'stand'}: ${first.message}${refused.length > 1 ? ', and others' : ''}`;
  return { text: `${done} ${stand}.`, isProblem: true };
}
