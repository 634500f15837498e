// The decisions of this session that can be undone, newest last.

import { announce, showNotice, showToast } from './dom.js';
/** @import { NoticeAction } from './dom.js' */

/** Maximum number of decisions that are remembered. */
const MOST = 100;

/**
 * @typedef {{ what: string, undo: () => Promise<Undone | null> }} Decision
 * `what`: such as `the accept of 40 drifts`.
 * `undo`: returns null if it has explained the result itself.
 * @typedef {{ text: string, isProblem: boolean, again?: boolean }} Undone
 * `again`: whether it is not known that the undo ran or was refused, so that the decision can still be undone.
 */

export class Decisions {
  /** @type {Decision[]} */
  #made = [];
  /** Those that are being undone, and those that wait for it. @type {Set<Decision>} */
  #running = new Set();
  /** Settles when all undos are done. */
  #undoing = Promise.resolve();
  /** The number of undos that may have failed. */
  #failed = 0;

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

  /** Undoes the newest decision. Does nothing if there is none. */
  undoLast() {
    const last = this.#newest;
    if (last !== undefined) this.#undo(last);
  }

  get #newest() {
    return this.#made.findLast((decision) => !this.#running.has(decision));
  }

  /** Forgets all decisions, because another user may sign in. */
  clear() {
    this.#made = [];
  }

  /** @param {Decision} decision */
  #undo(decision) {
    if (!this.#made.includes(decision) || this.#running.has(decision)) return;
    this.#running.add(decision);
    const failed = this.#failed;
    // One after another: the undo of an earlier decision must find that of a later one done.
    const undoing = this.#undoing.then(async () => {
      try {
        // The later decision may still stand.
        if (this.#failed !== failed) return;
        const undone = await decision.undo();
        if (undone?.again) this.#failed += 1;
        else this.#made = this.#made.filter((other) => other !== decision);
        if (undone !== null) this.#say(undone, decision);
      } catch (error) {
        // A failure of the page itself must not keep the other undos from running.
        this.#made = this.#made.filter((other) => other !== decision);
        console.error(error);
      } finally {
        this.#running.delete(decision);
      }
    });
    this.#undoing = undoing;
  }

  /**
   * Says what became of an undo, and offers the next one: the same again if it may not have run.
   * @param {Undone} undone
   * @param {Decision} decision
   */
  #say(undone, decision) {
    const next = undone.again && this.#made.includes(decision) ? decision : this.#newest;
    const label = next === decision ? 'Try again' : `Undo ${next?.what}`;
    const actions = next === undefined ? [] : [{ label, key: 'z', testid: 'notice-undo', run: () => this.#undo(next) }];
    if (undone.isProblem) showNotice(undone.text, ...actions);
    else showToast(undone.text, ...actions);
    announce(undone.text);
  }
}
