// The dialog that makes an ignore rule from a drift. It shows what the rule would close before it can be made.

import { ApiError, explain } from './api.js';
import { h } from './dom.js';
import { summary } from './changes.js';
import { byteLength, fieldName, kindName, plural, resourceName, visibleLine } from './format.js';
import { CREATE_RULE, END_RULE } from './queries.js';
import { RulePreview } from './rule_preview.js';
import { canTryAgain } from './undo.js';
/** @import { Context, Drift } from './types.js' */

/** Maximum length of a reason in bytes. */
const LONGEST_REASON = 4096;

/**
 * @typedef {{ kind: string, field: string, resourceId?: string, namePattern?: string, live?: import('./types.js').Json[] }} Definition
 * @typedef {'one' | 'cause' | 'many'} Scope
 */

/**
 * Returns what a rule covers: the field of the drift, of this resource, of those with the same live value, or of those whose
 * names match a pattern.
 * @param {Drift} drift
 * @param {Scope} scope
 * @param {string} pattern
 * @returns {Definition}
 */
export function definitionOf({ field, kind, actual, resource }, scope, pattern) {
  const of = { kind: resource.kind, field };
  if (scope === 'one') return { ...of, resourceId: resource.id };
  if (scope === 'many') return { ...of, namePattern: pattern };
  return kind === 'MISSING' ? of : { ...of, live: [actual] };
}

/**
 * Returns the end of a day in UTC, or null without a day.
 * @param {string} day such as `2027-06-30`
 */
export function endOf(day) {
  return day === '' ? null : `${day}T23:59:59Z`;
}

export class IgnoreDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  #busy = false;
  /** What the dialog would close. */
  #preview;
  #what = h('p', { class: 'crumbs' });
  #message = h('div', { class: 'refusal', testid: 'ignore-refusal', role: 'alert' });
  #reason = h('input', { id: 'ignore-reason', type: 'text', testid: 'ignore-reason', required: true, autocomplete: 'off', on: { input: () => this.#typed() } });
  #one = h('input', { id: 'ignore-one', type: 'radio', name: 'ignore-scope', testid: 'ignore-one', on: { change: () => this.#define() } });
  #many = h('input', { id: 'ignore-many', type: 'radio', name: 'ignore-scope', testid: 'ignore-many', on: { change: () => this.#define() } });
  #cause = h('input', { id: 'ignore-cause', type: 'radio', name: 'ignore-scope', testid: 'ignore-cause', on: { change: () => this.#define() } });
  #causeLabel = h('label', { for: 'ignore-cause' });
  #causeLine = h('p', { class: 'check' }, this.#cause, this.#causeLabel);
  #oneLabel = h('label', { for: 'ignore-one' });
  #manyLabel = h('label', { for: 'ignore-many' });
  #pattern = h('input', { type: 'text', testid: 'ignore-pattern', 'aria-label': 'Pattern of the name, with * and ?', autocomplete: 'off', spellcheck: 'false', on: { input: () => this.#define(true) } });
  #until = h('input', { id: 'ignore-until', type: 'date', testid: 'ignore-until' });
  #effect = h('p', { class: 'hint', testid: 'ignore-preview', role: 'status' });
  #confirm = h('button', { type: 'submit', class: 'primary', testid: 'confirm-ignore', text: 'Ignore' });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#preview = new RulePreview(context.api, () => this.#typed());
    this.element = h(
      'dialog',
      { class: 'dialog ignore', testid: 'ignore-dialog', 'aria-labelledby': 'ignore-title' },
      h(
        'form',
        {
          on: {
            submit: (event) => {
              event.preventDefault();
              void this.#send();
            },
          },
        },
        h('div', { class: 'dialog-head' }, h('h2', { id: 'ignore-title', text: 'Ignore this difference?' })),
        h(
          'div',
          { class: 'dialog-body' },
          this.#message,
          this.#what,
          h('div', { class: 'field' }, h('label', { for: 'ignore-reason', text: 'Reason (required)' }), this.#reason),
          h('div', { class: 'field', role: 'radiogroup', 'aria-label': 'Resources' }, h('p', { class: 'check' }, this.#one, this.#oneLabel), this.#causeLine, h('p', { class: 'check' }, this.#many, this.#manyLabel), this.#pattern),
          h('div', { class: 'field' }, h('label', { for: 'ignore-until', text: 'Last day, in UTC (optional)' }), this.#until),
          this.#effect,
        ),
        h('div', { class: 'dialog-foot' }, h('button', { type: 'button', testid: 'cancel-ignore', text: 'Cancel', on: { click: () => this.close() } }), this.#confirm),
      ),
    );
    this.element.addEventListener('close', () => this.#closed());
  }

  /**
   * @param {Drift} drift
   * @param {boolean} cause whether the rule is about all drifts of this cause
   */
  open(drift, cause = false) {
    const { resource } = drift;
    this.#drift = drift;
    this.#busy = false;
    this.#message.replaceChildren();
    this.#reason.value = '';
    this.#until.value = '';
    // A secret live value cannot be a condition, because the page does not have it.
    this.#causeLine.hidden = drift.redacted;
    // A rule for a cause of missing resources has no condition: it would cover every resource of the kind that goes missing.
    if (cause && !drift.redacted && drift.kind !== 'MISSING') this.#cause.checked = true;
    else this.#one.checked = true;
    this.#causeLabel.textContent = drift.kind === 'MISSING' ? `Each missing ${kindName(resource.kind)} of all regions, now and later` : `Each ${kindName(resource.kind)} with the live value ${shortened(summary(drift.actual))}, in all regions`;
    this.#pattern.value = resource.name ?? '*';
    this.#what.replaceChildren(...(cause ? [] : [h('strong', { text: visibleLine(resourceName(resource)) })]), h('span', { class: 'kind', text: kindName(resource.kind) }), h('code', { text: visibleLine(fieldName(drift)) }));
    this.#oneLabel.textContent = `Only ${visibleLine(resourceName(resource))}`;
    this.#manyLabel.textContent = `Each ${kindName(resource.kind)} whose name matches a pattern`;
    this.element.showModal();
    this.#reason.focus();
    this.#define();
  }

  /** Closes the dialog, for example when the session has ended. */
  close() {
    if (this.element.open) this.element.close();
  }

  #closed() {
    this.#preview.stop();
    const drift = this.#drift;
    this.#drift = null;
    if (drift !== null && this.#context.router.route.drift === null) this.#context.focus(drift.id);
  }

  #typed() {
    const over = byteLength(this.#reason.value) > LONGEST_REASON;
    this.#reason.setAttribute('aria-invalid', String(over));
    this.#effect.textContent = this.#preview.text;
    this.#confirm.disabled = this.#busy || !this.#preview.ready || over || this.#reason.value.trim() === '';
  }

  /** @param {boolean} [typing] */
  #define(typing = false) {
    this.#pattern.hidden = !this.#many.checked;
    if (this.#drift !== null) this.#preview.of(this.#definition(this.#drift), typing);
  }

  /** @param {Drift} drift */
  #definition(drift) {
    return definitionOf(drift, this.#many.checked ? 'many' : this.#cause.checked ? 'cause' : 'one', this.#pattern.value);
  }

  async #send() {
    const drift = this.#drift;
    if (drift === null || this.#confirm.disabled) return;
    this.#busy = true;
    this.#typed();
    this.#message.replaceChildren();
    const expiresAt = endOf(this.#until.value);
    const input = { definition: this.#definition(drift), reason: this.#reason.value.trim(), ...(expiresAt === null ? {} : { expiresAt }) };
    try {
      const { createIgnoreRule } = await this.#context.api.ask(CREATE_RULE, { input });
      const next = this.#context.next(drift.id);
      if (this.#drift === drift) {
        // The closed dialog would focus the row of the drift again.
        this.#drift = null;
        this.close();
      }
      if (next !== null) this.#context.focus(next.id);
      const { closed, rule } = createIgnoreRule;
      const what = closed === null ? 'Made the rule. The next detection closes what it covers.' : `Ignored ${plural(closed, 'drift')}.`;
      this.#context.decisions.made(what, { what: 'the ignore rule', undo: () => endRule(rule.id, this.#context) });
      this.#context.decided();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const unknown = error.code === 'NETWORK' ? 'It is not known whether the rule was made.' : '';
      if (this.#drift === drift) this.#message.replaceChildren(h('p', {}, h('strong', { text: unknown === '' ? 'Not ignored.' : unknown }), ` ${explain(error)}`));
    }
    if (this.#drift !== drift) return;
    this.#busy = false;
    this.#typed();
  }
}

/** Maximum number of characters of a live value in a label. */
const SHORT = 60;

/** @param {string} text */
function shortened(text) {
  const line = visibleLine(text);
  return line.length > SHORT ? `${line.slice(0, SHORT)}…` : line;
}

/**
 * Ends a rule that was just made.
 * @param {string} ruleId
 * @param {Context} context
 * @returns {Promise<import('./decisions.js').Undone | null>}
 */
export async function endRule(ruleId, context) {
  try {
    const { endIgnoreRule } = await context.api.ask(END_RULE, { input: { ruleId } });
    const { opened } = endIgnoreRule;
    context.refresh();
    return { text: opened === null ? 'The rule has ended. The next detection opens its drifts again.' : `The rule has ended. ${plural(opened, 'drift')} came back.`, isProblem: false };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === 'UNAUTHENTICATED' ? null : { text: `The rule has not ended. ${explain(error)}`, isProblem: true, again: canTryAgain(error) };
  }
}
