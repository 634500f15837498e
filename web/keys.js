// Single-key shortcuts, and the dialog that lists them. They can be switched off, because speech input and accidental
// key presses would trigger them.

import { ACTIONS } from './actions.js';
import { h } from './dom.js';
import { VIEWS } from './views.js';

const OFF_KEY = 'drift-inbox:keys-off';
/** Keys that repeat while they are held down. */
const REPEATED = ['j', 'k'];
/** Maximum time in milliseconds between the two keys of a sequence. */
const SEQUENCE = 1200;

/** @type {[string[], string][]} */
const HELP = [
  [['j', 'k'], 'Go to the next or previous drift'],
  [['Enter', 'o'], 'Open the drift'],
  ...ACTIONS.map(({ key, help }) => /** @type {[string[], string]} */ ([[key], help])),
  [['Enter'], 'In the dialog: accept what is shown'],
  [['x', 'X'], 'Select the drift or cause, or all from the last selected one to it'],
  [['*'], 'Select all drifts that match the filter'],
  [['g'], 'Group by cause: one row for each cause. Enter opens it'],
  [['v'], 'Open the saved views'],
  [['Esc'], 'Clear the selection, or close the drift or dialog'],
  [['/'], 'Search drifts'],
  ...VIEWS.map(({ key, title }) => /** @type {[string[], string]} */ ([[`g ${key}`], `Go to ${title}`])),
  ...VIEWS.flatMap(({ help = [] }) => help.map(([key, what]) => /** @type {[string[], string]} */ ([[key], what]))),
  [['?'], 'Show this help'],
];

/** @returns {boolean} */
function areOff() {
  try {
    return localStorage.getItem(OFF_KEY) === 'yes';
  } catch {
    // The browser has no storage.
    return false;
  }
}

/** @typedef {() => void | (() => void)} Action If its key may begin a sequence, it returns a function that takes it back. */

export class Keys {
  /** @type {{ [keys: string]: Action }} */
  #actions;
  /** Takes back the action of a key that has turned out to begin a sequence. */
  #takeBack = () => {};
  #off = areOff();
  #before = '';
  /** The key that triggered an action and is still held down. */
  #held = '';
  #beforeAt = 0;

  #ofView;

  /**
   * @param {{ [keys: string]: Action }} actions
   * @param {() => { [key: string]: () => void }} ofView returns the keys of the shown view, which come first
   */
  constructor(actions, ofView) {
    this.#ofView = ofView;
    this.#actions = { ...actions, '?': () => this.openHelp() };
    this.help = this.#helpDialog();
    document.addEventListener('keydown', (event) => this.#pressed(event));
    document.addEventListener('keyup', () => {
      this.#held = '';
    });
  }

  openHelp() {
    this.help.showModal();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    // A key that opened a dialog and is still held down must not type into it.
    if (event.repeat && event.key === this.#held && !REPEATED.includes(event.key)) {
      event.preventDefault();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]') !== null) return;
    if (event.key === 'Escape') {
      (this.#ofView()['Escape'] ?? this.#actions['Escape'])?.();
      return;
    }
    if (this.#off || isTyping(event.target)) return;
    const sequence = event.timeStamp - this.#beforeAt < SEQUENCE ? `${this.#before} ${event.key}` : event.key;
    const isSequence = this.#actions[sequence] !== undefined && sequence !== event.key;
    const action = (isSequence ? this.#actions[sequence] : undefined) ?? this.#ofView()[event.key] ?? this.#actions[event.key];
    this.#before = isSequence ? '' : event.key;
    this.#beforeAt = event.timeStamp;
    if (isSequence) this.#takeBack();
    this.#takeBack = () => {};
    if (action === undefined) return;
    this.#held = event.key;
    event.preventDefault();
    this.#takeBack = action() ?? (() => {});
  }

  #helpDialog() {
    const box = h('input', { type: 'checkbox', id: 'keys-on', checked: !this.#off });
    box.addEventListener('change', () => {
      this.#off = !box.checked;
      try {
        if (this.#off) localStorage.setItem(OFF_KEY, 'yes');
        else localStorage.removeItem(OFF_KEY);
      } catch {
        // The setting lasts until the page is reloaded.
      }
    });
    const dialog = h(
      'dialog',
      { class: 'dialog help', testid: 'help-dialog', 'aria-labelledby': 'help-title' },
      h('h2', { id: 'help-title', text: 'Keyboard shortcuts' }),
      h(
        'div',
        { class: 'dialog-body' },
        h('dl', { class: 'keys' }, ...HELP.map(([keys, what]) => h('div', {}, h('dt', {}, ...keys.map((key) => h('kbd', { text: key }))), h('dd', { text: what })))),
        h('p', { class: 'check' }, box, h('label', { for: 'keys-on', text: 'Single-key shortcuts' })),
      ),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'button', class: 'primary', text: 'Close', on: { click: () => dialog.close() } })),
    );
    return dialog;
  }
}

/** Types of inputs that take no text, and no keys other than Space, arrows and Enter. */
const WITHOUT_TEXT = ['button', 'checkbox', 'color', 'file', 'image', 'radio', 'range', 'reset', 'submit'];

/**
 * Returns whether keys are text, or choose from a list.
 * @param {EventTarget | null} target
 */
function isTyping(target) {
  const field = target instanceof HTMLElement ? target.closest('input, textarea, select, [contenteditable]') : null;
  return field !== null && takesText(field.localName, field.getAttribute('type'));
}

/**
 * Returns whether an editable element takes text. An input of an unknown type does.
 * @param {string} name
 * @param {string | null} type
 */
export function takesText(name, type) {
  return name !== 'input' || !WITHOUT_TEXT.includes((type ?? 'text').toLowerCase());
}
