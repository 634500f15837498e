// Targets of notifications and messages in words.

import { SEVERITY, kindOf, plural, visibleLine } from './format.js';
/** @import { NotificationDelivery, NotificationFilter, NotificationTarget, TransitionName } from './types.js' */

/** The transitions in the order of the form. @type {{ [name in TransitionName]: string }} */
export const TRANSITIONS = {
  DRIFT_DETECTED: 'Drift detected',
  DRIFT_CHANGED: 'Drift changed',
  DRIFT_ACCEPTED: 'Drift accepted',
  DRIFT_STALE: 'Drift closed',
  DRIFT_REVERTED: 'Drift reverted',
  ACCEPT_UNDONE: 'Accept undone',
  SOURCE_FAILED: 'Source failed',
  SOURCE_OVERDUE: 'Source overdue',
  SOURCE_RECOVERED: 'Source recovered',
};

export const TARGET_KIND = { WEBHOOK: 'Webhook', SLACK: 'Slack', HEARTBEAT: 'Heartbeat' };
export const MESSAGE_KIND = { DRIFTS: 'drifts', SOURCES: 'sources', DIGEST: 'digest', HEARTBEAT: 'heartbeat', TEST: 'test' };
export const MESSAGE_STATE = { PENDING: 'pending', DELIVERED: 'delivered', FAILED: 'failed' };

/**
 * Says what passes a filter.
 * @param {NotificationFilter} filter
 */
export function filterText({ transitions, resourceKinds, fields, regions, sources, minSeverity }) {
  const list = (/** @type {string} */ name, /** @type {string[]} */ values) => values.length > 0 && `${name} ${values.map((value) => (value === '' ? 'none' : visibleLine(value))).join(', ')}`;
  const conditions = [
    minSeverity !== null && (minSeverity === 'CRITICAL' ? 'critical drifts' : `drifts of severity ${SEVERITY[minSeverity].toLowerCase()} or more`),
    transitions.length > 0 && transitions.map((name) => TRANSITIONS[name].toLowerCase()).join(', '),
    list('kinds', resourceKinds),
    list('fields', fields),
    list('regions', regions),
    list('sources', sources),
  ].filter((condition) => condition !== false);
  return conditions.length === 0 ? 'all transitions' : conditions.join('; ');
}

/**
 * Returns the values of a field with commas.
 * @param {string} text
 */
export function listOf(text) {
  return text
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

/**
 * Says what became of a message.
 * @param {Pick<NotificationDelivery, 'state' | 'attemptCount' | 'statusCode' | 'error'>} delivery
 */
export function outcomeText({ state, attemptCount, statusCode, error }) {
  const attempts = attemptCount === 0 ? 'not attempted yet' : plural(attemptCount, 'attempt');
  const answer = statusCode === null ? null : `status ${statusCode}`;
  const why = state === 'DELIVERED' || error === null ? answer : error;
  return why === null ? attempts : `${attempts}, ${state === 'DELIVERED' ? '' : 'last: '}${visibleLine(why)}`;
}

/** The lists of a filter: the name in the API, the label, an example. */
export const FILTER_LISTS = /** @type {const} */ ([
  ['resourceKinds', 'Kinds', 'droplet, volume'],
  ['fields', 'Fields', 'size_slug, tags'],
  ['regions', 'Regions', 'fra1, nyc3'],
  ['sources', 'Sources', 'team-a'],
]);

/**
 * Returns the input that the form describes, except what stays as it is.
 * @param {FormData} form
 * @param {NotificationTarget | null} target the target to change
 * @returns {{ [name: string]: unknown }}
 */
export function inputOfForm(form, target) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
  const kind = target?.kind ?? text('kind');
  const url = text('url');
  const digest = text('digestAt');
  const severity = text('minSeverity');
  const transitions = form.getAll('transitions').map(String);
  const lists = FILTER_LISTS.map(([name]) => /** @type {const} */ ([name, name === 'resourceKinds' ? listOf(text(name)).map((kind) => kindOf(kind)) : listOf(text(name))])).filter(([, values]) => values.length > 0);
  // An empty text stands for resources without region, which the form cannot show: it is kept.
  const without = target?.filter.regions.includes('') === true;
  const regions = without ? { regions: ['', ...listOf(text('regions'))] } : {};
  const filter = { ...(transitions.length === 0 ? {} : { transitions }), ...Object.fromEntries(lists), ...regions, ...(severity === '' ? {} : { minSeverity: severity }) };
  return {
    name: text('name'),
    ...(url === '' ? {} : { url }),
    ...(kind === 'HEARTBEAT' ? { method: text('method') } : { filter }),
    ...(target === null ? { kind, ...(digest === '' || kind === 'HEARTBEAT' ? {} : { digestAt: digest }) } : { targetId: target.id, rotateSecret: form.get('rotateSecret') !== null, ...(kind === 'HEARTBEAT' ? {} : { digestAt: digest === '' ? null : digest }) }),
  };
}
