// What can be decided about many drifts at once: the words of each decision, its terms, and what its preview warns about.

import { h } from './dom.js';
import { byteLength, plural } from './format.js';
import { endOf } from './ignore.js';
import { PREVIEW_ACCEPT, PREVIEW_BULK } from './queries.js';
import { EndChoice, snoozeText } from './snooze.js';
/** @import { BulkInput, Drift } from './types.js' */
/** @typedef {ReturnType<import('./bulk_preview.js').sumOf>} Sum */

/** Maximum length of an owner in bytes. */
const LONGEST_OWNER = 4096;

/**
 * The terms of a decision, which its preview stores.
 * @typedef {{
 *   element: HTMLElement | null,
 *   reset: () => void,
 *   focus: (() => void) | null,
 *   chosen: () => string,
 *   read: () => { [name: string]: unknown },
 *   isValid: () => boolean,
 * }} Terms
 * `focus`: null if the note has the focus first. `chosen`: a text that differs when other terms are chosen. `read`: the terms
 * for a preview that is made now.
 *
 * @typedef {{
 *   verb: string,
 *   done: string,
 *   noun: string,
 *   title: (count: number) => string,
 *   noteLabel: string,
 *   needsNote: boolean,
 *   query: string,
 *   input: { action?: string },
 *   terms: (changed: () => void) => Terms,
 *   effect: (sum: Sum, terms: { [name: string]: unknown }) => string,
 *   warnings: (sum: Sum) => string[],
 *   hasTurns: (input: BulkInput) => boolean,
 * }} BulkAction
 * `noun`: what the decision about a drift is called. `title`: a question about so many drifts. `query`, `input`: the
 * operation of the preview, and what it needs beside the drifts and the terms. `effect`: what happens to the drifts. `hasTurns`: whether the drifts that are done no longer match, so that a next preview has the others.
 */

/** @returns {Terms} */
function noTerms() {
  return { element: null, reset: () => {}, focus: null, chosen: () => '', read: () => ({}), isValid: () => true };
}

/**
 * @param {() => void} changed
 * @returns {Terms}
 */
function ruleTerms(changed) {
  const owner = h('input', { id: 'bulk-owner', type: 'text', testid: 'bulk-owner', autocomplete: 'off', on: { input: changed } });
  const until = h('input', { id: 'bulk-until', type: 'date', testid: 'bulk-until', on: { input: changed } });
  const element = h(
    'div',
    { class: 'form-grid' },
    h('div', { class: 'field' }, h('label', { for: 'bulk-owner', text: 'Owner (optional)' }), owner),
    h('div', { class: 'field' }, h('label', { for: 'bulk-until', text: 'Last day, in UTC (optional)' }), until),
  );
  const read = () => {
    const [name, expiresAt] = [owner.value.trim(), endOf(until.value)];
    return { ...(name === '' ? {} : { owner: name }), ...(expiresAt === null ? {} : { expiresAt }) };
  };
  const isValid = () => {
    const over = byteLength(owner.value) > LONGEST_OWNER;
    owner.setAttribute('aria-invalid', String(over));
    return !over && until.validity.valid;
  };
  const reset = () => {
    owner.value = '';
    until.value = '';
  };
  return { element, reset, focus: null, chosen: () => JSON.stringify(read()), read, isValid };
}

/**
 * @param {() => void} changed
 * @returns {Terms}
 */
function snoozeTerms(changed) {
  const end = new EndChoice('bulk-snooze');
  end.element.addEventListener('change', changed);
  return { element: end.element, reset: () => end.reset(), focus: () => end.focus(), chosen: () => end.id, read: () => end.read(), isValid: () => true };
}

/** @param {Drift[]} drifts */
function severeText(drifts) {
  const critical = drifts.filter(({ severity }) => severity === 'CRITICAL').length;
  const high = drifts.filter(({ severity }) => severity === 'HIGH').length;
  const counts = [critical > 0 && `${critical.toLocaleString('en')} critical`, high > 0 && `${high.toLocaleString('en')} high`].filter((text) => text !== false);
  return counts.length === 0 ? [] : [`By severity, these drifts include ${counts.join(' and ')}.`];
}

/** @type {{ accept: BulkAction, ignore: BulkAction, snooze: BulkAction }} */
export const BULK_ACTIONS = {
  accept: {
    verb: 'Accept',
    done: 'Accepted',
    noun: 'accept',
    title: (count) => `Accept ${plural(count, 'live value')}?`,
    noteLabel: 'Note',
    needsNote: false,
    query: PREVIEW_ACCEPT,
    input: {},
    terms: noTerms,
    effect: () => 'The live values become the expected ones.',
    warnings: ({ warnings }) => (warnings === 0 ? [] : [`Terraform states own the specs of ${plural(warnings, 'resource')}. The next apply undoes these accepts unless the configuration has the live values.`]),
    hasTurns: () => true,
  },
  ignore: {
    verb: 'Ignore',
    done: 'Ignored',
    noun: 'ignore',
    title: (count) => `Ignore ${plural(count, 'drift')}?`,
    noteLabel: 'Reason (required)',
    needsNote: true,
    query: PREVIEW_BULK,
    input: { action: 'IGNORE' },
    terms: ruleTerms,
    effect: ({ rules }) => (rules === 1 ? 'One ignore rule covers the field on these resources, whatever its values, now and later.' : `${plural(rules, 'ignore rule')}, one for each field, cover them on these resources, whatever the values, now and later.`),
    warnings: ({ drifts }) => severeText(drifts),
    hasTurns: () => true,
  },
  snooze: {
    verb: 'Snooze',
    done: 'Snoozed',
    noun: 'snooze',
    title: (count) => `Snooze ${plural(count, 'drift')}?`,
    noteLabel: 'Reason',
    needsNote: false,
    query: PREVIEW_BULK,
    input: { action: 'SNOOZE' },
    terms: snoozeTerms,
    effect: (_, terms) => `${endText(terms)}. They stay open: the filter is:snoozed shows them.`,
    warnings: ({ drifts }) => [...severeText(drifts), ...snoozedText(drifts)],
    // A list that has snoozed drifts still has those that a turn snoozed.
    hasTurns: (input) => !('filter' in input) || input.filter.snoozed === false,
  },
};

/** @param {{ [name: string]: unknown }} terms */
function endText({ until, untilChange }) {
  return snoozeText({ snoozed: true, snoozedUntil: typeof until === 'string' ? until : null, snoozedUntilChange: untilChange === true });
}

/** @param {Drift[]} drifts */
function snoozedText(drifts) {
  const snoozed = drifts.filter((drift) => drift.snoozed).length;
  return snoozed === 0 ? [] : [`${snoozed === 1 ? '1 is' : `${snoozed.toLocaleString('en')} are`} snoozed already. This end replaces theirs.`];
}
