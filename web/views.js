// The views of the page. To add a view, add a row here; navigation, keys, help, title and address follow.

/**
 * @typedef {{
 *   element: HTMLElement,
 *   show: (visible: boolean, route: import('./types.js').Route) => void,
 *   focusTitle: () => void,
 *   clear: () => void,
 * }} PageView what main.js needs of a view; the class `View` of view.js has all of it
 * @typedef {{
 *   id: string,
 *   title: string,
 *   key: string,
 *   parameters?: readonly string[],
 *   load?: () => Promise<{ create: (context: import('./types.js').Context) => PageView }>,
 * }} ViewRow
 */

/**
 * In the order of the navigation. `id` is the value of `view` in the address, and `g` then `key` opens the view.
 * `parameters` are the names of further parameters of the address that the view reads from `route.own`. `load` imports
 * the module, whose `create` returns the view; the inbox and the history are the list of drifts and have none.
 * @type {readonly ViewRow[]}
 */
export const VIEWS = [
  { id: 'inbox', title: 'Inbox', key: 'i' },
  { id: 'history', title: 'History', key: 'h' },
  { id: 'runs', title: 'Runs', key: 'r', load: () => import('./runs.js') },
  { id: 'coverage', title: 'Coverage', key: 'c', load: () => import('./coverage.js') },
  { id: 'leftovers', title: 'Leftovers', key: 'l', parameters: ['days', 'state'], load: () => import('./leftovers.js') },
];

/** @param {string} id */
export function viewOf(id) {
  return VIEWS.find((view) => view.id === id);
}
