// Ignore rules in words.

import { printJson } from './json.js';
import { kindOf, plural, relativeTime, resourceName, visibleLine } from './format.js';
/** @import { IgnoreRule, Json } from './types.js' */

/**
 * Returns what a rule covers beside its field, one condition per text.
 * @param {IgnoreRule} rule
 */
export function conditions(rule) {
  if (!rule.readable) return ['conditions of a later release, so it covers nothing'];
  const { resource, where, live, between } = rule;
  const text = (/** @type {Json} */ value) => visibleLine(value === null ? 'unset' : printJson(value));
  return [
    rule.resourceId !== null && `only ${resource === null ? 'a deleted resource' : visibleLine(resourceName(resource))}`,
    rule.source !== null && `source ${visibleLine(rule.source)}`,
    rule.region !== null && `region ${visibleLine(rule.region)}`,
    rule.namePattern !== null && `name ${visibleLine(rule.namePattern)}`,
    rule.tag !== null && `tag ${visibleLine(rule.tag)}`,
    where !== null && `where ${visibleLine(where.field)} is ${text(where.value)}`,
    live.length > 0 && `live value ${live.map(text).join(' or ')}`,
    rule.livePattern !== null && `live value like ${visibleLine(rule.livePattern)}`,
    rule.sameMinorVersion && 'patch versions only',
    between.length === 2 && `between ${between.map(visibleLine).join(' and ')}`,
    rule.openAfterSweeps !== null && `opens after ${rule.openAfterSweeps} detections in a row`,
  ].filter((condition) => condition !== false);
}

/**
 * Returns the name of a rule, or what it covers if it has none.
 * @param {Pick<IgnoreRule, 'name' | 'field' | 'kind'>} rule
 */
export function ruleName({ name, field, kind }) {
  if (name !== null) return visibleLine(name);
  const what = field === '*' ? 'missing resources' : visibleLine(field);
  return kind === null ? what : `${what} of ${visibleLine(kind.replaceAll('_', ' '))}`;
}

/**
 * Says why a rule deserves a look, one text for each reason.
 * @param {Pick<IgnoreRule, 'attention' | 'ignoredCount' | 'expiresAt'>} rule
 * @param {number} [now]
 */
export function attentionTexts({ attention, ignoredCount, expiresAt }, now = Date.now()) {
  return attention.map((why) => {
    switch (why) {
      case 'NEVER_HIT':
        return 'no hit in 30 days';
      case 'HIDES_MUCH':
        return `hides ${plural(ignoredCount, 'difference')}`;
      case 'EXPIRES_SOON':
        return expiresAt === null ? 'ends soon' : `ends ${relativeTime(expiresAt, now)}`;
    }
  });
}

/**
 * Returns the definition of a rule as an input, for a changed one.
 * @param {IgnoreRule} rule
 * @returns {{ [name: string]: unknown }}
 */
export function definitionInput(rule) {
  const { field, kind, source, region, tag, namePattern, resourceId, pointer, livePattern, sameMinorVersion, where, live, between, openAfterSweeps } = rule;
  const set = Object.entries({ kind, source, region, tag, namePattern, resourceId, pointer, livePattern }).filter(([, value]) => value !== null);
  return {
    field,
    ...Object.fromEntries(set),
    ...(sameMinorVersion ? { sameMinorVersion } : {}),
    ...(where === null ? {} : { where: { field: where.field, value: where.value } }),
    ...(live.length === 0 ? {} : { live }),
    ...(between.length === 2 ? { between: { min: between[0], max: between[1] } } : {}),
    ...(openAfterSweeps === null ? {} : { openAfterSweeps }),
  };
}

/**
 * Returns whether a rule contains all words of a text.
 * @param {IgnoreRule} rule
 * @param {string} text
 */
export function mentions(rule, text) {
  const all = [ruleName(rule), rule.field, rule.kind, rule.pointer, rule.reason, rule.owner, rule.createdBy, rule.origin, ...conditions(rule), ...attentionTexts(rule)];
  const searched = all.join(' ').toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => searched.includes(word));
}

/** The numbers of detections that a rule can wait for. */
export const LEAST_DETECTIONS = 2;
export const MOST_DETECTIONS = 1000;

/**
 * Says why this is not a number of detections that a rule can wait for; empty if it is one, or if the rule does not wait.
 * @param {string} text
 * @param {boolean} [unreadable] whether the field has a text that the browser does not hand out, because it is no number
 */
export function waitingProblem(text, unreadable = false) {
  const trimmed = text.trim();
  if (trimmed === '' && !unreadable) return '';
  const isWhole = /^\d+$/.test(trimmed) && Number(trimmed) >= LEAST_DETECTIONS && Number(trimmed) <= MOST_DETECTIONS;
  return isWhole ? '' : `This must be a whole number from ${LEAST_DETECTIONS} to ${MOST_DETECTIONS}, or empty for a rule that ignores the difference.`;
}

/** The conditions that the form has. Others of a changed rule are kept. */
const TEXTS = /** @type {const} */ (['field', 'kind', 'namePattern', 'region', 'source', 'tag', 'pointer', 'livePattern']);

/**
 * Returns the definition that the form describes.
 * @param {FormData} form
 * @param {{ [name: string]: unknown }} kept the definition of the changed rule
 * @param {readonly string[]} [kinds] the known kinds
 * @returns {{ [name: string]: unknown }}
 */
export function definitionOfForm(form, kept, kinds) {
  const definition = { ...kept };
  for (const name of TEXTS) {
    const text = String(form.get(name) ?? '').trim();
    if (text === '') delete definition[name];
    else definition[name] = name === 'kind' ? kindOf(text, kinds) : text;
  }
  const sweeps = String(form.get('openAfterSweeps') ?? '').trim();
  if (sweeps === '') delete definition['openAfterSweeps'];
  // What is not a number stays, and the server refuses it. Without the condition, the rule would ignore for good.
  else definition['openAfterSweeps'] = /^-?\d+$/.test(sweeps) ? Number(sweeps) : sweeps;
  if (form.get('sameMinorVersion') === null) delete definition['sameMinorVersion'];
  else definition['sameMinorVersion'] = true;
  return definition;
}
