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

/**
 * Shows a text in the corner of the page until the user closes it or another one is shown.
 * @param {string} text
 */
export function showNotice(text) {
  show(text, 'notice', null);
}

/**
 * Shows the result of an action for a few seconds, with a button for what the user may do next. A warning that is shown
 * stays instead.
 * @param {string} text
 * @param {{ label: string, run: () => void }} action
 */
export function showToast(text, action) {
  const notice = byId('notice', HTMLElement);
  if (!notice.hidden && !notice.classList.contains('toast')) return;
  show(text, 'notice toast', action);
  const leave = () => {
    if (!notice.classList.contains('toast')) return;
    // A toast that the user points at or has focused stays.
    if (notice.matches(':hover, :focus-within')) leaving = setTimeout(leave, TOAST_MS);
    else hideNotice();
  };
  leaving = setTimeout(leave, TOAST_MS);
}

/**
 * @param {string} text
 * @param {string} look
 * @param {{ label: string, run: () => void } | null} action
 */
function show(text, look, action) {
  const notice = byId('notice', HTMLElement);
  clearTimeout(leaving);
  const run = () => {
    hideNotice();
    action?.run();
  };
  notice.hidden = false;
  notice.className = look;
  notice.replaceChildren(
    h('p', { text }),
    ...(action === null ? [] : [h('button', { type: 'button', testid: 'notice-action', text: action.label, on: { click: run } })]),
    h('button', { type: 'button', class: 'quiet', testid: 'close-notice', text: 'Close', on: { click: () => hideNotice() } }),
  );
}

/** Removes the notice. */
export function hideNotice() {
  const notice = byId('notice', HTMLElement);
  clearTimeout(leaving);
  notice.hidden = true;
  notice.replaceChildren();
}
