// What a decision about many drifts would do, by cause.

import { causesOf } from './causes.js';
import { h } from './dom.js';
import { fieldName, kindName, plural, resourceName, visibleLine } from './format.js';
import { briefDifference } from './values.js';
/** @import { Drift } from './types.js' */

/** Maximum number of causes in the preview, and of resources of each. */
const MOST_CAUSES = 50;
const MOST_NAMES = 100;

/**
 * @typedef {{ token: string, drifts: Drift[], matching: number, closed: number, rules: number, warnings: number, retired: number }} Preview
 * `rules`: the ignore rules that would be made. `warnings`: the resources whose specs a Terraform state owns.
 * @typedef {{ driftId: string, field: string, code: string, message: string }} Refused
 */

/**
 * @param {any} answer
 * @returns {Preview}
 */
export function read({ token, matching, fields, closed, resources: of }) {
  /** @type {any[]} */
  const resources = of;
  return {
    token,
    matching,
    closed: closed.length,
    rules: fields ?? 0,
    warnings: resources.filter(({ warning }) => warning !== null && warning !== undefined).length,
    retired: resources.filter(({ retiresSpec }) => retiresSpec).length,
    drifts: resources.flatMap(({ resource, drifts }) => drifts.map((/** @type {any} */ { drift }) => ({ ...drift, resource }))),
  };
}

/**
 * Returns several previews of one decision as one, whose token is that of none.
 * @param {Preview[]} previews
 * @returns {Omit<Preview, 'token'> & { left: number }} `left`: the drifts that match and are in no preview
 */
export function sumOf(previews) {
  const sum = (/** @type {'matching' | 'closed' | 'rules' | 'warnings' | 'retired'} */ of) => previews.reduce((total, preview) => total + preview[of], 0);
  const drifts = previews.flatMap((preview) => preview.drifts);
  const [matching, closed] = [sum('matching'), sum('closed')];
  return { drifts, matching, closed, rules: sum('rules'), warnings: sum('warnings'), retired: sum('retired'), left: matching - closed - drifts.length };
}

/**
 * Returns whether two previews have the same drifts with the same values.
 * @param {Preview[]} one
 * @param {Preview[]} other
 */
export function hasSameDrifts(one, other) {
  const seen = (/** @type {Preview[]} */ of) => JSON.stringify(of.map(({ drifts }) => drifts.map(({ id, revision }) => `${id} ${revision}`).sort()));
  return seen(one) === seen(other);
}

/**
 * Says how many drifts, resources and causes there are.
 * @param {Drift[]} drifts
 */
export function scopeText(drifts) {
  const resources = new Set(drifts.map(({ resource }) => resource.id)).size;
  return `${plural(drifts.length, 'drift')} of ${plural(resources, 'resource')}, ${plural(causesOf(drifts).length, 'cause')}.`;
}

/** @param {Drift[]} drifts */
export function causeElements(drifts) {
  const causes = causesOf(drifts);
  return [
    h('ul', { class: 'causes' }, ...causes.slice(0, MOST_CAUSES).map((cause) => causeElement(cause))),
    causes.length > MOST_CAUSES && h('p', { class: 'hint', text: `${plural(causes.length - MOST_CAUSES, 'more cause')}` }),
  ];
}

/** @param {Drift[]} drifts the drifts of one cause */
function causeElement(drifts) {
  const first = /** @type {Drift} */ (drifts[0]);
  const names = drifts.slice(0, MOST_NAMES).map(({ resource }) => visibleLine(resourceName(resource)));
  const more = drifts.length - names.length;
  const brief = names.slice(0, 3).join(', ');
  return h(
    'li',
    { class: 'bulk-cause', testid: 'bulk-cause' },
    h('p', { class: 'bulk-cause-head' }, h('code', { text: visibleLine(fieldName(first)) }), h('span', { class: 'kind', text: kindName(first.resource.kind) }), h('span', { class: 'soft', text: plural(drifts.length, 'resource') })),
    h('p', { class: 'bulk-difference' }, briefDifference(first)),
    drifts.length <= 3 ? h('p', { class: 'hint', text: brief }) : h('details', {}, h('summary', { text: `${brief} and ${(drifts.length - 3).toLocaleString('en')} more` }), h('p', { class: 'hint', text: `${names.join(', ')}${more > 0 ? ` and ${more.toLocaleString('en')} more` : ''}` })),
  );
}

/**
 * Lists the drifts that a bulk left as they are, with the reasons.
 * @param {Refused[]} refused
 * @param {Drift[]} drifts the drifts of the bulk
 */
export function refusedElement(refused, drifts) {
  const names = new Map(drifts.map(({ id, resource }) => [id, visibleLine(resourceName(resource))]));
  return h('ul', { class: 'refused' }, ...refused.map(({ driftId, field, message }) => h('li', {}, h('strong', { text: names.get(driftId) ?? '' }), h('code', { text: visibleLine(field) }), h('span', { class: 'soft', text: message }))));
}
