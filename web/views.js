// The views of the page. To add a view, add a row here; navigation, keys, help, title and address follow.

/**
 * @typedef {{
 *   element: HTMLElement,
 *   show: (visible: boolean, route: import('./types.js').Route) => void,
 *   focusTitle: () => void,
 *   clear: () => void,
 *   keys?: { [key: string]: () => void },
 * }} PageView what main.js needs of a view; the class `View` of view.js has all of it
 * @typedef {{
 *   id: string,
 *   title: string,
 *   key: string,
 *   inNav?: boolean,
 *   help?: readonly [string, string][],
 *   parameters?: readonly string[],
 *   load?: () => Promise<{ create: (context: import('./types.js').Context) => PageView }>,
 * }} ViewRow
 */

/**
 * In the order of the navigation. `id` is the value of `view` in the address, and `g` then `key` opens the view. `help`
 * names the keys that work in the view. A view with `inNav: false` is reached by links only and has no key.
 * `parameters` are the names of further parameters of the address that the view reads from `route.own`. `load` imports
 * the module, whose `create` returns the view; the inbox and the history are the list of drifts and have none.
 * @type {readonly ViewRow[]}
 */
export const ALL_VIEWS = [
  { id: 'inbox', title: 'Inbox', key: 'i' },
  { id: 'history', title: 'History', key: 'h' },
  {
    id: 'rules',
    title: 'Rules',
    key: 'u',
    parameters: ['show', 'rule'],
    help: [['n', 'Rules: make a rule'], ['e', 'Rules: change the rule'], ['x', 'Rules: end the rule']],
    load: () => import('./rules.js'),
  },
  {
    id: 'notifications',
    title: 'Notifications',
    key: 'n',
    parameters: ['target', 'state', 'message'],
    help: [['n', 'Notifications: add a target'], ['e', 'Notifications: change the target']],
    load: () => import('./notifications.js'),
  },
  { id: 'runs', title: 'Runs', key: 'r', load: () => import('./runs.js') },
  { id: 'coverage', title: 'Coverage', key: 'c', load: () => import('./coverage.js') },
  { id: 'leftovers', title: 'Leftovers', key: 'l', parameters: ['days', 'state'], load: () => import('./leftovers.js') },
  { id: 'measures', title: 'Measures', key: 'm', parameters: ['range'], load: () => import('./measures.js') },
  { id: 'resource', title: 'Spec history', key: '', inNav: false, parameters: ['id', 'from', 'to'], load: () => import('./resource.js') },
];

/** The views of the navigation. */
export const VIEWS = ALL_VIEWS.filter(({ inNav = true }) => inNav);

/** @param {string} id */
export function viewOf(id) {
  return ALL_VIEWS.find((view) => view.id === id);
}
