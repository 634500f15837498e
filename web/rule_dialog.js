// The dialog that makes an ignore rule from scratch or changes one, with the effect counted while the user types.

import { ApiError, explain } from './api.js';
import { byteLength, kindName } from './format.js';
import { endOf } from './ignore.js';
import { CREATE_RULE, REPLACE_RULE } from './queries.js';
import { RulePreview } from './rule_preview.js';
import { LEAST_DETECTIONS, MOST_DETECTIONS, conditions, definitionInput, definitionOfForm, waitingProblem } from './rule_text.js';
import { html, nothing, render } from './view.js';
/** @import { Context, IgnoreRule } from './types.js' */

/** Maximum length of a reason in bytes. */
const LONGEST_REASON = 4096;

export class RuleDialog {
  #context;
  /** @type {{ rule: IgnoreRule | null, done: (answer: { closed: number | null, opened: number | null, id: string, replaced: boolean }) => void } | null} */
  #task = null;
  /** @type {readonly string[]} */
  #kinds = [];
  #busy = false;
  #problem = '';
  #preview;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.#preview = new RulePreview(context.api, () => this.#draw());
    this.element = document.createElement('dialog');
    this.element.className = 'dialog rule';
    this.element.dataset.testid = 'rule-dialog';
    this.element.setAttribute('aria-labelledby', 'rule-title');
    this.element.addEventListener('close', () => {
      this.#preview.stop();
      this.#task = null;
      render(nothing, this.element);
    });
  }

  /**
   * Opens the dialog.
   * @param {IgnoreRule | null} rule the rule to change; null for a new one
   * @param {readonly string[]} kinds suggested kinds of resources
   * @param {(answer: { closed: number | null, opened: number | null, id: string, replaced: boolean }) => void} done
   */
  open(rule, kinds, done) {
    this.#task = { rule, done };
    this.#kinds = kinds;
    this.#busy = false;
    this.#problem = '';
    this.#preview.stop();
    this.#draw();
    this.element.showModal();
    this.#input(rule === null ? 'field' : 'reason')?.focus();
    if (rule !== null) this.#changed(false);
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /** @param {string} name */
  #input(name) {
    const found = this.element.querySelector(`[name="${name}"]`);
    return found instanceof HTMLInputElement ? found : null;
  }

  get #form() {
    const form = this.element.querySelector('form');
    if (form === null) throw new Error('the dialog has no form');
    return new FormData(form);
  }

  #definition() {
    const rule = this.#task?.rule ?? null;
    return definitionOfForm(this.#form, rule === null ? {} : definitionInput(rule), this.#kinds);
  }

  /** Says why the number of detections is not valid; empty if it is. */
  get #waitingProblem() {
    const input = this.#input('openAfterSweeps');
    return input === null ? '' : waitingProblem(input.value, input.validity.badInput);
  }

  /** @param {boolean} typing */
  #changed(typing) {
    const definition = this.#definition();
    if (definition['field'] === undefined || this.#waitingProblem !== '') {
      this.#preview.stop();
      this.#draw();
    } else this.#preview.of(definition, typing);
  }

  /** @param {SubmitEvent} event */
  async #submitted(event) {
    event.preventDefault();
    const task = this.#task;
    if (task === null || this.#busy || !this.#preview.ready || this.#waitingProblem !== '') return;
    const form = this.#form;
    const text = (/** @type {string} */ name) => String(form.get(name) ?? '').trim();
    const end = text('until');
    const expiresAt = task.rule !== null && end === dayOf(task.rule.expiresAt) ? task.rule.expiresAt : endOf(end);
    const optional = Object.entries({ name: text('name'), owner: text('owner'), expiresAt }).filter(([, value]) => value !== null && value !== '');
    const input = { definition: this.#definition(), reason: text('reason'), ...Object.fromEntries(optional) };
    this.#busy = true;
    this.#problem = '';
    this.#draw();
    try {
      const answer = await this.#send(task.rule, input);
      if (this.#task !== task) return;
      this.close();
      task.done(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#task !== task) return;
      this.#problem = `${error.code === 'NETWORK' ? 'It is not known whether the rule was saved. ' : ''}${explain(error)}`;
      this.#busy = false;
      this.#draw();
    }
  }

  /**
   * @param {IgnoreRule | null} rule
   * @param {object} input
   */
  async #send(rule, input) {
    const { api } = this.#context;
    if (rule === null) {
      const { createIgnoreRule: made } = await api.ask(CREATE_RULE, { input });
      return { closed: made.closed, opened: 0, id: made.rule.id, replaced: false };
    }
    const { replaceIgnoreRule: made } = await api.ask(REPLACE_RULE, { input: { ruleId: rule.id, rule: input } });
    return { closed: made.closed, opened: made.opened, id: made.rule.id, replaced: true };
  }

  #draw() {
    if (this.#task === null) return;
    const { rule } = this.#task;
    const reason = this.#input('reason')?.value ?? rule?.reason ?? '';
    const over = byteLength(reason) > LONGEST_REASON;
    const complete = this.#preview.ready && reason.trim() !== '' && !over;
    const kept = rule === null ? [] : conditions({ ...rule, source: null, region: null, namePattern: null, tag: null, livePattern: null, sameMinorVersion: false, openAfterSweeps: null });
    const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string | null | undefined} */ value, /** @type {string} */ hint = '') =>
      html`<div class="field">
        <label for=${`rule-${name}`}>${label}</label>
        <input id=${`rule-${name}`} name=${name} type="text" value=${value ?? ''} autocomplete="off" spellcheck="false" data-testid=${`rule-${name}`} aria-describedby=${hint === '' ? nothing : `rule-${name}-hint`} list=${name === 'kind' ? 'rule-kinds' : nothing} @input=${() => this.#changed(true)} />
        ${hint === '' ? nothing : html`<p class="hint" id=${`rule-${name}-hint`}>${hint}</p>`}
      </div>`;
    const other = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ value, /** @type {string} */ type = 'text') =>
      html`<div class="field"><label for=${`rule-${name}`}>${label}</label><input id=${`rule-${name}`} name=${name} type=${type} value=${value} autocomplete="off" data-testid=${`rule-${name}`} @input=${() => this.#draw()} /></div>`;
    render(
      html`<form @submit=${(/** @type {SubmitEvent} */ event) => void this.#submitted(event)}>
        <div class="dialog-head"><h2 id="rule-title">${rule === null ? 'New ignore rule' : 'Change the rule'}</h2></div>
        <div class="dialog-body">
          <div class="refusal" role="alert">${this.#problem === '' ? nothing : html`<p>${this.#problem}</p>`}</div>
          <div class="form-grid">
            ${field('field', 'Field (required)', rule?.field, 'The name of the field; * for missing resources.')}
            ${field('kind', 'Kind', rule?.kind, 'Such as droplet; empty for any.')}
            ${field('namePattern', 'Name', rule?.namePattern, 'A pattern with * and ?.')}
            ${field('tag', 'Tag', rule?.tag, 'A pattern with * and ?.')}
            ${field('region', 'Region', rule?.region)} ${field('source', 'Source', rule?.source)}
            ${field('pointer', 'Part of the field', rule?.pointer, 'A JSON Pointer such as /k8s:*; empty for the whole field.')}
            ${field('livePattern', 'Live value', rule?.livePattern, 'A pattern with * and ?.')}
            ${this.#waitingField(rule)}
          </div>
          <p class="check"><input id="rule-minor" name="sameMinorVersion" type="checkbox" ?checked=${rule?.sameMinorVersion ?? false} @change=${() => this.#changed(false)} /><label for="rule-minor">Only if both values are versions that differ in the patch release</label></p>
          ${kept.length === 0 ? nothing : html`<p class="hint" data-testid="rule-kept">Also, unchanged: ${kept.join('; ')}.</p>`}
          ${other('reason', 'Reason (required)', rule?.reason ?? '')}
          <div class="form-grid">${other('owner', 'Owner', rule?.owner ?? '')} ${other('name', 'Name of the rule', rule?.name ?? '')} ${other('until', 'Last day, in UTC', dayOf(rule?.expiresAt ?? null), 'date')}</div>
          <datalist id="rule-kinds">${this.#kinds.map((kind) => html`<option value=${kind}>${kindName(kind)}</option>`)}</datalist>
        </div>
        <div class="dialog-foot">
          <p class="hint effect" data-testid="rule-preview" role="status">${this.#waitingProblem === '' ? this.#preview.text : '“Open after detections” is not valid.'}</p>
          <button type="button" @click=${() => this.close()}>Cancel</button>
          <button type="submit" class="primary" data-testid="save-rule" ?disabled=${!complete || this.#busy}>${rule === null ? 'Make the rule' : 'Replace the rule'}</button>
        </div>
      </form>`,
      this.element,
    );
  }

  /** @param {IgnoreRule | null} rule */
  #waitingField(rule) {
    const problem = this.#waitingProblem;
    return html`<div class="field">
      <label for="rule-openAfterSweeps">Open after detections</label>
      <input id="rule-openAfterSweeps" name="openAfterSweeps" type="number" min=${LEAST_DETECTIONS} max=${MOST_DETECTIONS} step="1" value=${rule?.openAfterSweeps ?? ''} autocomplete="off" data-testid="rule-openAfterSweeps" aria-invalid=${String(problem !== '')} aria-describedby="rule-openAfterSweeps-problem rule-openAfterSweeps-hint" @input=${() => this.#changed(true)} />
      <p class="field-problem" id="rule-openAfterSweeps-problem" role="alert" data-testid="rule-openAfterSweeps-problem">${problem}</p>
      <p class="hint" id="rule-openAfterSweeps-hint">From ${LEAST_DETECTIONS} to ${MOST_DETECTIONS}: a difference waits until this many detections in a row have seen it. Empty to ignore it.</p>
    </div>`;
  }
}

/**
 * Returns the day of a time in UTC, or an empty text.
 * @param {string | null} time
 */
function dayOf(time) {
  return time === null ? '' : time.slice(0, 10);
}
