// Formats times, names and texts.

/** @import { Drift, DriftStatus, JobName, JobOutcome, ResourceHead } from './types.js' */
import { h } from './dom.js';

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];
const SHORT = { year: 'y', month: 'mo', week: 'w', day: 'd', hour: 'h', minute: 'm' };
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/**
 * Formats a time relative to now, such as `3 hours ago`.
 * @param {string} time
 * @param {number} now
 */
export function relativeTime(time, now = Date.now()) {
  const seconds = (Date.parse(time) - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 5 ? 'in less than a minute' : 'just now';
}

/**
 * Formats the age of a time, such as `3h`.
 * @param {string} time
 * @param {number} now
 */
export function shortAge(time, now = Date.now()) {
  const seconds = (now - Date.parse(time)) / 1000;
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `${Math.trunc(seconds / length)}${SHORT[/** @type {keyof typeof SHORT} */ (unit)]}`;
  }
  return 'now';
}

/**
 * Formats a time as local time, and as UTC for comparison with logs of the cloud.
 * @param {string} time
 */
export function exactTime(time) {
  const date = new Date(time);
  return `${exact.format(date)} (${date.toISOString().replace(/\.\d+Z$/, 'Z')})`;
}

/**
 * @param {string} time
 * @param {{ short?: boolean, class?: string }} [how]
 */
export function timeElement(time, how = {}) {
  const element = h('time', { datetime: time, title: exactTime(time), class: how.class, 'data-age': how.short ? 'short' : 'long' });
  refreshTime(element);
  return element;
}

/** @param {HTMLTimeElement} element */
function refreshTime(element) {
  const text = element.dataset.age === 'short' ? shortAge(element.dateTime) : relativeTime(element.dateTime);
  if (element.textContent !== text) element.textContent = text;
}

/** Updates the relative times on the page. */
export function refreshTimes() {
  for (const element of document.querySelectorAll('time[data-age]')) {
    if (element instanceof HTMLTimeElement) refreshTime(element);
  }
}

/**
 * @param {string} from
 * @param {string} to
 */
export function duration(from, to) {
  const ms = Math.max(Date.parse(to) - Date.parse(from), 0);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/**
 * Formats a kind: `load_balancer` becomes `load balancer`.
 * @param {string} kind
 */
export function kindName(kind) {
  return kind.replaceAll('_', ' ');
}

/**
 * Returns the kind of a name that a user has typed: `Load balancer` becomes `load_balancer`. A known kind comes first,
 * because kinds of other clouds may have capital letters.
 * @param {string} name
 * @param {readonly string[]} [known]
 */
export function kindOf(name, known = []) {
  const text = name.trim();
  if (known.includes(text)) return text;
  const plain = (/** @type {string} */ one) => one.toLowerCase().replaceAll(/[\s_-]+/g, '_');
  return known.find((kind) => plain(kind) === plain(text)) ?? (/[\s]|^[A-Z][a-z]+$/.test(text) ? plain(text) : text);
}

/** @param {Pick<ResourceHead, 'name' | 'providerId'>} resource */
export function resourceName(resource) {
  return resource.name ?? resource.providerId;
}

/** @param {{ field: string, kind: string }} drift */
export function fieldName(drift) {
  return drift.kind === 'MISSING' ? 'missing' : drift.field;
}

/** @type {{ [status in DriftStatus]: string }} */
export const STATUS = { OPEN: 'open', ACCEPTED: 'accepted', REVERTED: 'reverted', STALE: 'stale' };
/** @type {{ [job in JobName]: string }} */
export const JOB = { SYNC_INVENTORY: 'Sync', DETECT_DRIFT: 'Detection' };
/** @type {{ [outcome in JobOutcome]: string }} */
export const OUTCOME = {
  SUCCEEDED: 'succeeded',
  PARTIAL: 'partial',
  FAILED: 'failed',
  SKIPPED: 'skipped',
  ABANDONED: 'abandoned',
};

/**
 * Describes how a drift was closed.
 * @param {Pick<Drift, 'status' | 'resolvedBy'>} drift
 */
export function resolution(drift) {
  return drift.resolvedBy === null ? STATUS[drift.status] : `${STATUS[drift.status]} by ${drift.resolvedBy}`;
}

/** @type {{ [severity in import('./types.js').Severity]: string }} */
export const SEVERITY = { CRITICAL: 'Critical', HIGH: 'High', NORMAL: 'Normal', LOW: 'Low' };

/**
 * Names the severity and the rule that decided it, such as `Critical: a droplet is missing`.
 * @param {Pick<Drift, 'severity' | 'severityRule'>} drift
 */
export function severityText({ severity, severityRule }) {
  return severityRule === null ? SEVERITY[severity] : `${SEVERITY[severity]}: ${visibleLine(severityRule)}`;
}

/** Why a drift was closed, in words. @type {{ [reason in import('./types.js').CloseReason]: string }} */
const CLOSED = {
  ACCEPTED: 'The live value was made the expected one.',
  FIELD_REMOVED: 'The spec no longer names the field.',
  HEALED: 'The live value changed and equals the expected value.',
  IGNORED: 'An ignore rule covers the difference.',
  NOT_COMPARED: 'The difference is no longer compared.',
  RESOURCE_GONE: 'The resource is missing. One drift of the whole resource replaces those of its fields.',
  RESOURCE_RETURNED: 'The missing resource is listed again.',
  REVERTED: 'The live value was put back on purpose.',
  SPEC_CHANGED: 'The expected value changed and equals the live value.',
  SPEC_RETIRED: 'The spec was retired.',
};

/**
 * Says why a drift was closed; empty if it is not known.
 * @param {Pick<Drift, 'kind' | 'closeReason'>} drift
 */
export function closeReasonText({ kind, closeReason }) {
  if (closeReason === null) return '';
  if (closeReason === 'ACCEPTED' && kind === 'MISSING') return 'The spec of the missing resource was retired.';
  return CLOSED[closeReason];
}

// Control characters, direction marks and zero-width characters. With them, two different values could look the same.
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\ufff9-\ufffb\p{Default_Ignorable_Code_Point}\p{Surrogate}]/gu;

/**
 * Replaces invisible characters by their codes.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(INVISIBLE, (character) => `\\u${codePoint(character)}`);
}

/** @param {string} character */
function codePoint(character) {
  const digits = (character.codePointAt(0) ?? 0).toString(16);
  return digits.length > 4 ? `{${digits}}` : digits.padStart(4, '0');
}

/**
 * Like `visible`, in one line.
 * @param {string} text
 */
export function inLine(text) {
  return visible(text).replaceAll('\n', '⏎').replaceAll('\t', '⇥');
}

/**
 * Like `inLine`, with quotes around a text that starts or ends with a space.
 * @param {string} text
 */
export function visibleLine(text) {
  const shown = inLine(text);
  return /^\s|\s$/.test(shown) ? `“${shown}”` : shown;
}

/** @param {string} text */
export function byteLength(text) {
  return new TextEncoder().encode(text).length;
}
