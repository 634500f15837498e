// When a difference came into being, as far as the listings show it, and the actions of that time.

import { h, screenReaderText } from './dom.js';
import { timeElement, visibleLine } from './format.js';
/** @import { CloudAction, DriftDetail } from './types.js' */

/**
 * Says between which times the difference came into being, and lists the actions of the provider's log in this time.
 * @param {DriftDetail} drift
 */
export function windowNote(drift) {
  const { nodes } = drift.cloudActions;
  return h(
    'div',
    { class: 'window', testid: 'window' },
    h('p', {}, ...sentence(drift)),
    nodes.length > 0 && h('ul', { class: 'events', testid: 'cloud-actions', 'aria-label': 'Actions in this time' }, ...nodes.map(actionItem)),
    nodes.length > 0 && h('p', { class: 'hint', text: 'From the log of the provider. It does not name who began an action.' }),
  );
}

/**
 * @param {DriftDetail} drift
 * @returns {(string | HTMLElement)[]}
 */
function sentence({ lastSeenEqualAt, firstSeenDifferentAt, windowBasis, kind }) {
  if (firstSeenDifferentAt === null || windowBasis === null || windowBasis === 'NOT_RECORDED') {
    return ['When the difference came into being is not recorded.'];
  }
  const seen = timeElement(firstSeenDifferentAt);
  if (windowBasis === 'SPEC_RECORDED') return ['The expected value was recorded ', seen, ', when the live value was already different.'];
  if (windowBasis === 'FIRST_LISTING') return ['The first listing, ', seen, ', already had the different value.'];
  const what = kind === 'MISSING' ? 'It disappeared' : 'The live value changed';
  if (lastSeenEqualAt === null) return [`${what} before the sync that saw it `, seen, '; the listing before was not complete.'];
  return [`${what} between the listing `, timeElement(lastSeenEqualAt), ' and the sync ', seen, '.'];
}

/** @param {CloudAction} action */
function actionItem({ actionId, type, status, startedAt }) {
  return h(
    'li',
    { testid: 'cloud-action' },
    h('span', { class: 'event-type', text: visibleLine(type.replaceAll('_', ' ')) }),
    status !== 'completed' && h('span', { text: visibleLine(status) }),
    h('span', { class: 'by' }, screenReaderText('action '), visibleLine(actionId)),
    timeElement(startedAt, { class: 'age' }),
  );
}
