// Keys of one letter, and the dialog that explains them. They can be switched off: who speaks to the computer, or
// hits keys by accident, would trigger them without wanting to.

import { h } from './dom.js';

const OFF_KEY = 'drift-inbox:keys-off';
/** Keys that may be held. */
const REPEATED = ['j', 'k'];
/** Time within which the second key of two has to come. */
const SEQUENCE = 1200;

/** @type {[string[], string][]} */
const HELP = [
  [['j', 'k'], 'Next and previous drift'],
  [['Enter', 'o'], 'Open'],
  [['a'], 'Accept'],
  [['Esc'], 'Close'],
  [['/'], 'Search'],
  [['g i', 'g h', 'g r', 'g c'], 'Inbox, History, Runs, Coverage'],
  [['?'], 'This help'],
];

/** @returns {boolean} */
function areOff() {
  try {
    return localStorage.getItem(OFF_KEY) === 'yes';
  } catch {
    // Nothing can be kept in this browser.
    return false;
  }
}

export class Keys {
  /** @type {{ [keys: string]: () => void }} */
  #actions;
  #off = areOff();
  #before = '';
  /** The key that did something and is still down. */
  #held = '';
  #beforeAt = 0;

  /**
   * @param {{ [keys: string]: () => void }} actions
   */
  constructor(actions) {
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
    // Only to go on to the next row: what was opened by a key is not written into by it.
    if (event.repeat && event.key === this.#held && !REPEATED.includes(event.key)) {
      event.preventDefault();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]') !== null) return;
    if (event.key === 'Escape') {
      this.#actions['Escape']?.();
      return;
    }
    if (this.#off || isTyping(event.target)) return;
    const sequence = event.timeStamp - this.#beforeAt < SEQUENCE ? `${this.#before} ${event.key}` : event.key;
    const action = this.#actions[sequence] ?? this.#actions[event.key];
    this.#before = event.key;
    this.#beforeAt = event.timeStamp;
    if (action === undefined) return;
    this.#before = '';
    this.#held = event.key;
    event.preventDefault();
    action();
  }

  #helpDialog() {
    const box = h('input', { type: 'checkbox', id: 'keys-on', checked: !this.#off });
    box.addEventListener('change', () => {
      this.#off = !box.checked;
      try {
        if (this.#off) localStorage.setItem(OFF_KEY, 'yes');
        else localStorage.removeItem(OFF_KEY);
      } catch {
        // Holds until the page is loaded again.
      }
    });
    const dialog = h(
      'dialog',
      { class: 'dialog help', testid: 'help-dialog', 'aria-labelledby': 'help-title' },
      h('h2', { id: 'help-title', text: 'Keyboard' }),
      h(
        'div',
        { class: 'dialog-body' },
        h('dl', { class: 'keys' }, ...HELP.map(([keys, what]) => h('div', {}, h('dt', {}, ...keys.map((key) => h('kbd', { text: key }))), h('dd', { text: what })))),
        h('p', { class: 'check' }, box, h('label', { for: 'keys-on', text: 'Keys of one letter are on' })),
      ),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'button', class: 'primary', text: 'Close', on: { click: () => dialog.close() } })),
    );
    return dialog;
  }
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}
