// The undo of an accept.

import { ApiError, explain } from './api.js';
import { announce, showNotice, showToast } from './dom.js';
import { fieldName, resourceName, visibleLine } from './format.js';
import { UNDO } from './queries.js';
/** @import { Context, Drift } from './types.js' */

/** Why the server refuses an undo, by its reason. @type {{ [reason: string]: string }} */
const REFUSALS = {
  VALUE_CHANGED: 'The expected value of the field has changed since.',
  TAKEN_OVER: 'Another source has taken over the spec since.',
  RETIRED: 'The spec was retired since.',
  RECORDED_AGAIN: 'A spec was recorded again since the accept retired it.',
  NOT_ACCEPTED: 'The drift was not accepted.',
  SUPERSEDED: 'A later version of the spec had another value of the field.',
  VERSION_NOT_KEPT: 'The earlier version of the spec is not kept any more.',
};

/** Codes after which a decision may stand or not: without an answer, or with one that does not say. */
const UNCERTAIN = ['NETWORK', 'REQUEST_TIMEOUT', 'INTERNAL_SERVER_ERROR', 'BAD_ANSWER'];
/** Codes of a server that has done nothing and may do it later. */
const LATER = ['DATABASE_BUSY', 'DATABASE_READ_ONLY', 'RATE_LIMITED'];

/**
 * Returns whether an undo that failed with this error can be tried again, because the server has not refused it.
 * @param {ApiError} error
 */
export function canTryAgain({ code }) {
  return UNCERTAIN.includes(code) || LATER.includes(code);
}

/**
 * Explains why an accept was not undone.
 * @param {unknown} error
 */
export function undoProblem(error) {
  const reason = error instanceof ApiError && ['SPEC_MOVED', 'NOT_UNDOABLE'].includes(error.code) ? String(error.extensions['reason']) : '';
  if (Object.hasOwn(REFUSALS, reason)) return `Not undone. ${REFUSALS[reason]}`;
  if (error instanceof ApiError && UNCERTAIN.includes(error.code)) return `${explain(error)} It is not known whether the accept was undone.`;
  return `Not undone. ${explain(error)}`;
}

/**
 * Undoes an accept and says what became of the difference.
 * @param {Drift} drift
 * @param {Context} context
 * @returns {Promise<import('./decisions.js').Undone | null>} null if it was said already
 */
export async function undoAccept(drift, context) {
  const what = `${visibleLine(fieldName(drift))} of ${visibleLine(resourceName(drift.resource))}`;
  try {
    const { undoAccept: done } = await context.api.ask(UNDO, { input: { driftId: drift.id } });
    context.changed(done.drift);
    const open = done.openDrift;
    if (open === null) showNotice(`Undid the accept of ${what}. The next detection compares it again.`);
    else showToast(`Undid the accept of ${what}. It is open again.`, { label: 'Show', run: () => context.router.go({ drift: open.id }) });
    announce(`Undid the accept of ${what}`);
    context.refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 'UNAUTHENTICATED' ? null : { text: undoProblem(error), isProblem: true, again: canTryAgain(error) };
  }
  return null;
}

/**
 * Undoes the accept that the page shows.
 * @param {Drift} drift
 * @param {Context} context
 */
export async function undoShown(drift, context) {
  const undone = await undoAccept(drift, context);
  if (undone === null) return;
  showNotice(undone.text, ...(undone.again ? [{ label: 'Try again', key: 'z', testid: 'notice-undo', run: () => void undoShown(drift, context) }] : []));
}
