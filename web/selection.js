// The selected drifts and causes, and the bar with what can be done to them.

import { ACTIONS } from './actions.js';
import { causeOf } from './causes.js';
import { h } from './dom.js';
import { plural } from './format.js';
/** @import { Batch, BulkInput, Context, Drift, DriftFilterInput, DriftGroup } from './types.js' */

/** Maximum number of ids in one preview. */
const MOST_IDS = 1000;

/**
 * @typedef {{ item: Drift | DriftGroup, cause: string | null }} Item
 * A row that can be selected. `cause`: the key of the cause to which the row belongs, if the list shows causes.
 */

/**
 * Tells a cause from a drift.
 * @param {Drift | DriftGroup} item
 * @returns {item is DriftGroup}
 */
function isGroup(item) {
  return 'key' in item;
}

export class Selection extends EventTarget {
  /** The selected rows by the id of the drift or the key of the cause. @type {Map<string, Item>} */
  #items = new Map();
  /** Whether all drifts that match the filter are selected, loaded or not. */
  isAll = false;
  /** The row from which a range extends. */
  anchor = '';

  get isEmpty() {
    return !this.isAll && this.#items.size === 0;
  }

  /** @param {string} id */
  has(id) {
    return this.isAll || this.#items.has(id);
  }

  /**
   * Selects a row, or selects it no more.
   * @param {string} id
   * @param {Map<string, Item>} loaded the rows that are shown, in order
   */
  toggle(id, loaded) {
    const item = loaded.get(id);
    if (item === undefined) return;
    if (this.isAll) this.#items = new Map(loaded);
    this.isAll = false;
    if (!this.#items.delete(id)) this.#items.set(id, item);
    this.#changed(id);
  }

  /**
   * Selects the rows between the last one that was selected and this one.
   * @param {string} id
   * @param {Map<string, Item>} loaded the rows that are shown, in order
   */
  extend(id, loaded) {
    const ids = [...loaded.keys()];
    const [to, from] = [ids.indexOf(id), ids.indexOf(this.anchor)];
    if (to === -1) return;
    const range = from === -1 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const one of range) this.#items.set(one, /** @type {Item} */ (loaded.get(one)));
    this.#changed(from === -1 ? id : this.anchor);
  }

  /** Selects all drifts that match the filter. */
  selectAll() {
    this.#items.clear();
    this.isAll = true;
    this.#changed('');
  }

  clear() {
    if (this.isEmpty) return;
    this.#items.clear();
    this.isAll = false;
    this.#changed('');
  }

  /**
   * Removes drifts that are closed.
   * @param {string[]} ids
   */
  remove(ids) {
    const selected = ids.filter((id) => this.#items.delete(id));
    if (selected.length > 0) this.#changed(this.anchor);
  }

  /**
   * Takes over the counts of the selected causes, and selects those no more that have no drifts.
   * @param {(key: string) => DriftGroup | null | undefined} find returns null for a cause without drifts, and undefined for one
   *   whose row is not loaded
   */
  update(find) {
    for (const [key, { item }] of [...this.#items]) {
      if (!isGroup(item)) continue;
      const now = find(key);
      if (now === null) this.#items.delete(key);
      else if (now !== undefined) this.#items.set(key, { item: now, cause: key });
    }
    this.#changed(this.anchor);
  }

  /** @param {string} anchor */
  #changed(anchor) {
    this.anchor = anchor;
    this.dispatchEvent(new Event('change'));
  }

  /**
   * Returns the selected drifts as one decision.
   * @param {DriftFilterInput} filter the filter of the list
   * @param {number | null} total the number of drifts that match it; null until it is known
   * @returns {Batch}
   */
  batch(filter, total) {
    if (this.isAll) {
      const what = total === null ? 'all drifts that match' : `all ${plural(total, 'drift')} that match`;
      return { what, count: total ?? 0, inputs: [{ filter }], example: null };
    }
    const items = [...this.#items.values()];
    const groups = items.flatMap(({ item }) => (isGroup(item) ? [item] : []));
    // The drifts of a selected cause are decided about with it.
    const drifts = items.flatMap(({ item, cause }) => (isGroup(item) || (cause !== null && this.#items.has(cause)) ? [] : [item]));
    const ids = drifts.map(({ id }) => id);
    /** @type {BulkInput[]} */
    const inputs = groups.map(({ key }) => ({ filter: { ...filter, group: key } }));
    for (let at = 0; at < ids.length; at += MOST_IDS) inputs.push({ driftIds: ids.slice(at, at + MOST_IDS) });
    const count = groups.reduce((sum, group) => sum + group.count, drifts.length);
    return { what: plural(count, 'selected drift'), count, inputs, example: exampleOf(groups, drifts) };
  }
}

/**
 * Returns a drift with the cause that all have; null if they have several causes.
 * @param {DriftGroup[]} groups
 * @param {Drift[]} drifts
 */
function exampleOf(groups, drifts) {
  const newest = groups.map((group) => group.newest);
  const all = [...newest, ...drifts].filter((drift) => drift !== null);
  const [first] = all;
  const isOne = first !== undefined && !newest.includes(null) && all.every((drift) => causeOf(drift) === causeOf(first));
  return isOne ? first : null;
}

export class SelectionBar {
  #context;
  #selection;
  #count = h('strong', { testid: 'selected-count' });
  #all = h('button', { type: 'button', class: 'quiet', testid: 'select-all', 'aria-keyshortcuts': '*', on: { click: () => this.#selection.selectAll() } });
  #buttons = h('span', { class: 'selection-actions' });

  /**
   * @param {Context} context
   * @param {Selection} selection
   * @param {() => Batch} batch
   */
  constructor(context, selection, batch) {
    this.#context = context;
    this.#selection = selection;
    this.element = h(
      'div',
      { class: 'selection-bar', testid: 'selection-bar', role: 'region', 'aria-label': 'Selection', hidden: true },
      this.#count,
      this.#all,
      this.#buttons,
      h('button', { type: 'button', class: 'quiet', testid: 'clear-selection', 'aria-keyshortcuts': 'Escape', text: 'Clear', on: { click: () => selection.clear() } }),
    );
    this.#buttons.append(
      ...ACTIONS.filter(({ many }) => many !== undefined).map((action) =>
        h('button', { type: 'button', testid: `selected-${action.name}`, 'aria-keyshortcuts': action.key, on: { click: () => action.many?.(batch(), this.#context) } }, action.label, h('kbd', { text: action.key, 'aria-hidden': 'true' })),
      ),
    );
  }

  /**
   * @param {Batch} batch
   * @param {number | null} total
   */
  show(batch, total) {
    const { isEmpty, isAll } = this.#selection;
    this.element.hidden = isEmpty;
    if (isEmpty) return;
    this.#count.textContent = isAll && total === null ? 'All selected' : `${batch.count.toLocaleString('en')} selected`;
    this.#all.hidden = isAll || total === null || total <= batch.count;
    this.#all.textContent = `Select all ${(total ?? 0).toLocaleString('en')} that match`;
  }
}
