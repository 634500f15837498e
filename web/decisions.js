// The decisions of this session that can be undone, newest last.

import { announce, showNotice, showToast } from './dom.js';
/** @import { NoticeAction } from './dom.js' */

/** Maximum number of decisions that are remembered. */
const MOST = 100;

/**
 * @typedef {{ what: string, undo: () => Promise<Undone | null> }} Decision
 * `what`: such as `the accept of 40 drifts`.
 * `undo`: returns null if it has explained the result itself.
 * @typedef {{ text: string, isProblem: boolean }} Undone
 */

export class Decisions {
  /** @type {Decision[]} */
  #made = [];
  /** Settles when all undos are done. */
  #undoing = Promise.resolve();

  /**
   * Remembers a decision, says what was done, and offers to undo it.
   * @param {string} text
   * @param {Decision} decision
   * @param {{ isWarning?: boolean, actions?: NoticeAction[] }} [how]
   */
  made(text, decision, { isWarning = false, actions = [] } = {}) {
    this.add(decision);
    const undo = { label: 'Undo', key: 'z', testid: 'notice-undo', run: () => this.#undo(decision) };
    if (isWarning) showNotice(text, undo, ...actions);
    else showToast(text, undo, ...actions);
    announce(text);
  }

  /** @param {Decision} decision */
  add(decision) {
    this.#made = [...this.#made, decision].slice(-MOST);
  }

  /**
   * Tries again to undo a decision.
   * @param {Decision} decision
   */
  retry(decision) {
    this.add(decision);
    this.#undo(decision);
  }

  /** Undoes the newest decision. Does nothing if there is none. */
  undoLast() {
    const last = this.#made.at(-1);
    if (last !== undefined) this.#undo(last);
  }

  /** Forgets all decisions, because another user may sign in. */
  clear() {
    this.#made = [];
  }

  /** @param {Decision} decision */
  #undo(decision) {
    if (!this.#made.includes(decision)) return;
    this.#made = this.#made.filter((other) => other !== decision);
    // One after another: the undo of an earlier decision must find that of a later one done.
    const undoing = this.#undoing.then(async () => {
      const undone = await decision.undo();
      if (undone === null) return;
      const before = this.#made.at(-1);
      const next = before === undefined ? [] : [{ label: `Undo ${before.what}`, key: 'z', testid: 'notice-undo', run: () => this.#undo(before) }];
      if (undone.isProblem) showNotice(undone.text, ...next);
      else showToast(undone.text, ...next);
      announce(undone.text);
    });
    // A failure of the page itself must not keep the other undos from running.
    this.#undoing = undoing.catch((error) => console.error(error));
  }
}
