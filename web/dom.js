// Creates elements. Texts are set as text, never parsed as HTML.

/**
 * @typedef {Node | string | null | undefined | false} Child
 * @typedef {{
 *   class?: string | undefined,
 *   id?: string,
 *   text?: string,
 *   testid?: string,
 *   on?: { [event: string]: (event: any) => void },
 *   [attribute: string]: any,
 * }} Props
 */

/**
 * Creates an element with attributes, event listeners and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, /** @type {any} */ (listener));
    } else if (name === 'text') element.textContent = String(value);
    else if (name === 'testid') element.setAttribute('data-testid', value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter(isNode));
  return element;
}

/**
 * @param {Child} child
 * @returns {child is Node | string}
 */
function isNode(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * Creates a text for screen readers only.
 * @param {string} text
 */
export function screenReaderText(text) {
  return h('span', { class: 'visually-hidden', text });
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Replaces the children of an element, except those that stay. They are not moved, so the user can go on typing in them.
 * @param {Element} parent
 * @param {...Child} children those that stay have the same order as before
 */
export function replaceOthers(parent, ...children) {
  const nodes = children.filter(isNode);
  for (const child of [...parent.childNodes]) if (!nodes.includes(child)) child.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(typeof node === 'string' ? document.createTextNode(node) : node, next);
  }
}

let turn = false;

/**
 * Announces a text to screen readers.
 * @param {string} text
 */
export function announce(text) {
  // Screen readers do not announce an unchanged text again, so every second text ends with a space.
  turn = !turn;
  byId('announcer', HTMLElement).textContent = turn ? text : `${text}\u00a0`;
}

/** Time in milliseconds for which a toast is shown. */
const TOAST_MS = 8000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let leaving;

/** @typedef {{ label: string, run: () => void, key?: string, testid?: string }} NoticeAction */
/** The actions of the notice that is shown. @type {NoticeAction[]} */
let offered = [];
/** The text of the newest notice that stays. */
let staying = '';

/**
 * Shows a text in the corner of the page until the user closes it or another one is shown.
 * @param {string} text
 * @param {...NoticeAction} actions
 */
export function showNotice(text, ...actions) {
  staying = text;
  show(text, 'notice', actions);
}

/**
 * Shows the result of an action for a few seconds, with a button for each thing that the user may do next. A warning that
 * is shown stays, but the actions are those of the newest result, so that an undo never reverses an earlier one.
 * @param {string} text
 * @param {...NoticeAction} actions
 */
export function showToast(text, ...actions) {
  const notice = byId('notice', HTMLElement);
  if (!notice.hidden && !notice.classList.contains('toast')) {
    show(`${staying}${staying.endsWith('.') ? '' : '.'} ${text}`, 'notice', actions);
    return;
  }
  show(text, 'notice toast', actions);
  const leave = () => {
    if (!notice.classList.contains('toast')) return;
    // A toast that the user points at or has focused stays.
    if (notice.matches(':hover, :focus-within')) leaving = setTimeout(leave, TOAST_MS);
    else hideNotice();
  };
  leaving = setTimeout(leave, TOAST_MS);
}

/**
 * Runs the action that the shown notice offers for a key.
 * @param {string} key
 * @returns {boolean} whether there was one
 */
export function runNoticeAction(key) {
  const action = offered.find((one) => one.key === key);
  if (action === undefined) return false;
  hideNotice();
  action.run();
  return true;
}

/**
 * @param {string} text
 * @param {string} look
 * @param {NoticeAction[]} actions
 */
function show(text, look, actions) {
  const notice = byId('notice', HTMLElement);
  clearTimeout(leaving);
  offered = actions;
  notice.hidden = false;
  notice.className = look;
  notice.replaceChildren(
    h('p', { text }),
    ...actions.map(({ label, run, key, testid = 'notice-action' }) => {
      const pressed = () => {
        hideNotice();
        run();
      };
      return h('button', { type: 'button', testid, 'aria-keyshortcuts': key, text: label, on: { click: pressed } }, key !== undefined && h('kbd', { text: key, 'aria-hidden': 'true' }));
    }),
    h('button', { type: 'button', class: 'quiet', testid: 'close-notice', text: 'Close', on: { click: () => hideNotice() } }),
  );
}

/** Removes the notice. */
export function hideNotice() {
  const notice = byId('notice', HTMLElement);
  clearTimeout(leaving);
  offered = [];
  notice.hidden = true;
  notice.replaceChildren();
}
