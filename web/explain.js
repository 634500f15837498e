// The dialog that explains the comparison of a field, also if there is no drift.

import { explain as explainError, isAbort } from './api.js';
import { fieldName, kindName, plural, resourceName, visible, visibleLine } from './format.js';
import { isMap, printJson } from './json.js';
import { EXPLAIN, FIELDS } from './queries.js';
import { NO_FILTERS, routeUrl } from './router.js';
import { html, loading, nothing, render, time } from './view.js';
/** @import { Context, Explanation, Json, ResourceHead } from './types.js' */

/** The schema fields, which every resource has. */
const SCHEMA_FIELDS = ['name', 'region', 'size_slug', 'status', 'tags', 'ip', 'vpc_uuid', 'project_id'];

/** What the rules of the comparison say. @type {{ [name: string]: string }} */
const NORMALIZATIONS = {
  LISTS_AS_SETS: 'A list is compared as a set: neither order nor duplicates count.',
  SCALARS_AS_TEXT: 'Numbers and booleans are compared as texts: 25, 25.0 and "25" are equal.',
  UNSET_FORMS: 'Null, "", [], {} and a missing key are equal.',
};

/** Why the inventory may be out of date. @type {{ [reason: string]: string }} */
const STALE = {
  NEVER_LISTED: 'No listing of this kind was ever complete.',
  INCOMPLETE: 'The newest listing of this kind is incomplete.',
  NOT_READABLE: 'The newest sync could not read this kind, because the token lacks a scope.',
  OVERDUE: 'The last complete listing of this kind is older than the maximum age.',
  IN_THE_FUTURE: 'The time of the last complete listing is in the future, so its age is unknown.',
  FIELDS_NOT_READABLE: 'The newest sync could not read a field, so its stored value may be outdated.',
};

/** Short words for the verdicts. @type {{ [verdict: string]: string }} */
const VERDICT = {
  NO_SPEC: 'not compared',
  RETIRED: 'not compared',
  UNSYNCED: 'not compared',
  SETTLING: 'not compared now',
  GONE: 'resource is gone',
  EXISTS: 'exists',
  NOT_IN_SPEC: 'not in the spec',
  NOT_READABLE: 'not readable',
  EQUAL: 'equal',
  EQUAL_WITHOUT_OPEN_PARTS: 'equal',
  IGNORED: 'ignored',
  DIFFERENT: 'different',
};

export class ExplainDialog {
  #context;
  /** @type {Pick<ResourceHead, 'id' | 'name' | 'kind' | 'providerId'> | null} */
  #resource = null;
  #field = '';
  /** @type {string[]} */
  #fields = [];
  /** @type {Explanation | null} */
  #explanation = null;
  #problem = '';
  #asking = new AbortController();

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = document.createElement('dialog');
    this.element.className = 'dialog explain';
    this.element.dataset.testid = 'explain-dialog';
    this.element.setAttribute('aria-labelledby', 'explain-title');
    this.element.addEventListener('close', () => {
      this.#asking.abort();
      this.#resource = null;
      render(nothing, this.element);
    });
    // A link in the dialog leads to another view.
    context.router.addEventListener('change', () => this.close());
  }

  /**
   * @param {Pick<ResourceHead, 'id' | 'name' | 'kind' | 'providerId'>} resource
   * @param {string} field `*` for the whole resource
   */
  open(resource, field) {
    this.#resource = resource;
    this.#fields = [field];
    void this.#choose(field);
    this.element.showModal();
    void this.#loadFields(resource.id);
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /** @param {string} id */
  async #loadFields(id) {
    try {
      const { resource } = await this.#context.api.ask(FIELDS, { id });
      if (this.#resource?.id !== id || resource === null) return;
      const keys = (/** @type {Json} */ value) => (isMap(value) ? Object.keys(value) : []);
      const names = new Set(['*', this.#field, ...SCHEMA_FIELDS, ...keys(resource.attrs), ...keys(resource.provisioned?.spec ?? null)]);
      this.#fields = [...names].sort();
    } catch (error) {
      // The requested field is explained nevertheless.
      this.#problem = `The other fields could not be listed. ${explainError(error)}`;
    }
    this.#draw();
  }

  /** @param {string} field */
  async #choose(field) {
    const resource = this.#resource;
    if (resource === null) return;
    this.#field = field;
    this.#explanation = null;
    this.#problem = '';
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#draw();
    try {
      const { explain } = await this.#context.api.ask(EXPLAIN, { id: resource.id, field }, signal);
      if (signal.aborted) return;
      this.#explanation = explain;
      if (explain === null) this.#problem = 'This resource does not exist any more.';
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.#problem = explainError(error);
    }
    this.#draw();
  }

  #draw() {
    const resource = this.#resource;
    if (resource === null) return;
    const name = (/** @type {string} */ field) => (field === '*' ? 'the whole resource' : visibleLine(field));
    render(
      html`<div class="dialog-head"><h2 id="explain-title">What was compared?</h2></div>
        <div class="dialog-body">
          <p class="crumbs"><strong>${visibleLine(resourceName(resource))}</strong> <span class="kind">${kindName(resource.kind)}</span></p>
          <div class="field"><label for="explain-field">Field</label><select id="explain-field" data-testid="explain-field" @change=${(/** @type {Event} */ event) => event.target instanceof HTMLSelectElement && void this.#choose(event.target.value)}>${this.#fields.map((field) => html`<option value=${field} .selected=${field === this.#field}>${name(field)}</option>`)}</select></div>
          <div class="refusal" role="alert">${this.#problem === '' ? nothing : html`<p>${this.#problem}</p>`}</div>
          <div class="explanation" data-testid="explanation" aria-live="polite">${this.#explanation === null ? (this.#problem === '' ? loading(3) : nothing) : this.#content(this.#explanation)}</div>
        </div>
        <div class="dialog-foot"><button type="button" class="primary" data-testid="close-explain" @click=${() => this.close()}>Close</button></div>`,
      this.element,
    );
  }

  /** @param {Explanation} one */
  #content(one) {
    const differs = one.verdict === 'DIFFERENT' || one.verdict === 'IGNORED';
    return html`<p class="verdict"><span class=${`badge ${differs ? 'open' : ''}`} data-testid="verdict">${VERDICT[one.verdict] ?? one.verdict.toLowerCase()}</span> <span data-testid="sentence">${visible(one.sentence)}</span></p>
      ${one.redacted ? html`<p class="hint" data-testid="explain-redacted">The values are secret. They are compared by digests and not shown.</p>` : one.field === '*' ? nothing : this.#sides(one)}
      ${one.normalizations.length === 0 ? nothing : html`<h3>Rules of the comparison that made them equal</h3><ul class="reasons" data-testid="normalizations">${one.normalizations.map((rule) => html`<li>${NORMALIZATIONS[rule] ?? rule}</li>`)}</ul>`}
      ${one.notCompared.length === 0 ? nothing : html`<h3>Not compared, because the spec leaves it open</h3><ul class="reasons" data-testid="not-compared">${one.notCompared.map((part) => html`<li><code>${visibleLine(part)}</code></li>`)}</ul>`}
      ${one.ignoredBy === null ? nothing : html`<h3>Ignored by a rule</h3><p data-testid="ignored-by"><a href=${routeUrl({ view: 'rules', filters: NO_FILTERS, drift: null, own: { rule: one.ignoredBy.id } })} data-route>${visibleLine(one.ignoredBy.name ?? one.ignoredBy.reason)}</a></p>`}
      ${one.openDrift === null ? nothing : html`<p class="hint" data-testid="explain-drift"><a href=${routeUrl({ view: 'inbox', filters: NO_FILTERS, drift: one.openDrift.id })} data-route>Open drift of ${visibleLine(fieldName(one.openDrift))}</a>${differs || one.verdict === 'GONE' ? '' : '. It does not agree with the comparison of now, so the next detection changes it.'}</p>`}
      ${one.staleReason === null ? nothing : html`<p class="hint" data-testid="explain-stale">The live value may be out of date. ${STALE[one.staleReason] ?? ''} ${one.staleSince === null ? nothing : html`It was applied ${time(one.staleSince)}.`}</p>`}`;
  }

  /** @param {Explanation} one */
  #sides(one) {
    const json = (/** @type {Json} */ value) => visible(printJson(value));
    const version = one.specVersion === null ? '' : `, spec version ${one.specVersion}`;
    const origin = one.actualFrom === null ? ', no such value' : one.actualFrom === 'ATTRIBUTE' ? ', attribute' : ', schema field';
    const equal = printJson(one.expectedForm) === printJson(one.actualForm);
    return html`<div class="both">
        <div class="side"><h3>Expected${one.inSpec ? version : ', not in the spec'}</h3><pre class="whole-value" tabindex="0" role="region" aria-label="Expected value" data-testid="explain-expected">${one.inSpec ? json(one.expected) : 'none'}</pre></div>
        <div class="side"><h3>Live${origin}</h3><pre class="whole-value" tabindex="0" role="region" aria-label="Live value" data-testid="explain-actual">${one.actualFrom === null ? 'none' : json(one.actual)}</pre></div>
      </div>
      ${one.inSpec
        ? html`<h3>Canonical forms: ${equal ? 'the same, so the values are equal' : 'different, so the values differ'}</h3>
            <div class="both">
              <div class="side"><pre class="whole-value" tabindex="0" role="region" aria-label="Canonical form of the expected value" data-testid="expected-form">${json(one.expectedForm)}</pre></div>
              <div class="side"><pre class="whole-value" tabindex="0" role="region" aria-label="Canonical form of the live value" data-testid="actual-form">${json(one.actualForm)}</pre></div>
            </div>`
        : nothing}`;
  }
}

/**
 * Says how many fields differ between two versions.
 * @param {number} count
 */
export function differText(count) {
  return count === 0 ? 'No field differs' : `${plural(count, 'field')} ${count === 1 ? 'differs' : 'differ'}`;
}
