// The view of one resource: every version of its spec, the difference between two of them, and explanations.

import { ApiError, explain } from './api.js';
import { summary } from './changes.js';
import { announce } from './dom.js';
import { differText } from './explain.js';
import { STATUS, fieldName, kindName, resourceName, visible, visibleLine } from './format.js';
import { printJson } from './json.js';
import { RESOURCE_HEAD, SPEC_AT, SPEC_DIFFERENCE, SPEC_VERSIONS } from './queries.js';
import { NO_FILTERS, routeUrl } from './router.js';
import { undoShown } from './undo.js';
import { isUndoable } from './actions.js';
import { Pages, View, empty, html, nothing, repeat, time } from './view.js';
/** @import { Context, Drift, Json, ResourceHead, Route, SpecDifference, SpecFieldChange, SpecVersion } from './types.js' */

/** @param {Context} context */
export const create = (context) => new ResourceView(context);

class ResourceView extends View {
  #context;
  #id = '';
  /** @type {(ResourceHead & { open: { nodes: { id: string, field: string, kind: 'CHANGED' | 'MISSING' }[] } }) | null} */
  #resource = null;
  #versions;
  /** @type {SpecDifference | null} */
  #difference = null;
  /** The two versions of the difference, as in the address. */
  #from = '';
  #to = '';
  /** The JSON of versions that were opened, by version. @type {Map<number, string>} */
  #texts = new Map();

  /** @param {Context} context */
  constructor(context) {
    super('resource', 'Spec history', 'Every version of the spec that is kept, newest first.');
    this.#context = context;
    this.#versions = new Pages(async (range, signal) => {
      const { resource } = await context.api.ask(SPEC_VERSIONS, { ...range, id: this.#id }, signal);
      return resource === null ? { nodes: [], pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null } } : resource.specVersions;
    }, () => this.update());
  }

  /**
   * @param {AbortSignal} signal
   * @param {Route} route
   * @override
   */
  async load(signal, route) {
    const { id = '', from = '', to = '' } = route.own ?? {};
    if (id !== this.#id) this.#texts.clear();
    this.#id = id;
    this.#from = from;
    this.#to = to;
    const { api } = this.#context;
    this.#resource = id === '' ? null : (await api.ask(RESOURCE_HEAD, { id }, signal)).resource;
    if (this.#resource === null) return;
    await this.#versions.restart(signal);
    this.#difference = null;
    const [first, second] = [Number(from), Number(to)];
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first < 1 || second < 1) return;
    this.#difference = (await api.ask(SPEC_DIFFERENCE, { id, from: first, to: second }, signal)).specDifference;
  }

  /**
   * @param {{ [parameter: string]: string }} before
   * @param {{ [parameter: string]: string }} now
   * @override
   */
  keeps(before, now) {
    return before['id'] === now['id'];
  }

  /** @override */
  clear() {
    super.clear();
    this.#resource = null;
    this.#difference = null;
    this.#versions.clear();
    this.#texts.clear();
  }

  /** @override */
  get keys() {
    return {
      e: () => this.#explain(),
      Escape: () => (this.#from === '' ? this.#context.router.go({ view: 'inbox', own: {} }) : this.#compare('', '')),
    };
  }

  #explain() {
    if (this.#resource !== null) this.#context.explain(this.#resource, '*');
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  #compare(from, to) {
    this.#context.router.go({ own: { id: this.#id, ...(from === '' ? {} : { from, to }) } });
  }

  /** @override */
  actions() {
    if (this.#resource === null) return nothing;
    return html`<button type="button" class="push" data-testid="explain-resource" aria-keyshortcuts="e" @click=${() => this.#explain()}>Explain a field… <kbd aria-hidden="true">e</kbd></button>`;
  }

  /** @override */
  content() {
    const resource = this.#resource;
    if (resource === null) return empty('This resource does not exist.', 'The link may be incomplete, or the resource may have been forgotten.');
    const { rows } = this.#versions;
    return html`<p class="crumbs" data-testid="resource-name">
        <strong>${visibleLine(resourceName(resource))}</strong> <span class="kind">${kindName(resource.kind)}</span> ${resource.region === null ? nothing : html`<span class="region">${visibleLine(resource.region)}</span>`}
        ${resource.open.nodes.map((drift) => html`<a href=${this.#link(drift.id)} data-route>open drift: ${visibleLine(fieldName(drift))}</a>`)}
      </p>
      ${rows.length === 0 ? empty('No spec was ever recorded for this resource.') : html`${this.#comparison(rows)}
            <ol class="rule-list versions" data-testid="version-list">${repeat(rows, ({ specVersion }) => specVersion, (version) => this.#version(version))}</ol>
            ${this.#versions.foot()}`}`;
  }

  /** @param {string} drift */
  #link(drift) {
    return routeUrl({ view: 'inbox', filters: NO_FILTERS, drift });
  }

  /** @param {SpecVersion[]} rows */
  #comparison(rows) {
    if (rows.length < 2 && this.#from === '') return nothing;
    const select = (/** @type {string} */ label, /** @type {string} */ testid, /** @type {string} */ chosen, /** @type {(value: string) => void} */ choose) =>
      html`<label class="inline-field">${label} <select data-testid=${testid} @change=${(/** @type {Event} */ event) => event.target instanceof HTMLSelectElement && choose(event.target.value)}><option value="" .selected=${chosen === ''}>–</option>${rows.map(({ specVersion }) => html`<option value=${String(specVersion)} .selected=${String(specVersion) === chosen}>${specVersion}</option>`)}</select></label>`;
    const newest = String(rows[0]?.specVersion ?? '');
    return html`<div class="compare-line">
        ${select('Compare version', 'compare-from', this.#from, (value) => this.#compare(value, this.#to === '' ? newest : this.#to))}
        ${select('with version', 'compare-to', this.#to, (value) => this.#compare(this.#from === '' ? newest : this.#from, value === '' ? newest : value))}
        ${this.#from === '' ? nothing : html`<button type="button" class="quiet" data-testid="compare-close" @click=${() => this.#compare('', '')}>Close</button>`}
      </div>
      ${this.#from === '' ? nothing : this.#shownDifference()}`;
  }

  #shownDifference() {
    const difference = this.#difference;
    if (difference === null) return html`<p class="note" data-testid="no-difference">One of these versions is not kept.</p>`;
    const { from, to, fields, fieldCount } = difference;
    return html`<section class="spec-difference" data-testid="spec-difference" aria-label="Difference between two versions">
      <h3>From version ${from.specVersion} to version ${to.specVersion}: ${differText(fieldCount)}</h3>
      <ul>${fields.map((change) => html`<li class="spec-field"><code>${visibleLine(change.field)}</code> ${this.#change(change)}</li>`)}</ul>
      ${fieldCount > fields.length ? html`<p class="hint">Only the first ${fields.length} are listed.</p>` : nothing}
    </section>`;
  }

  /** @param {SpecFieldChange} change */
  #change({ kind, before, after, redacted, changes, changesTruncated }) {
    if (redacted) return html`<span class="soft">${kind === 'ADDED' ? 'added' : kind === 'REMOVED' ? 'removed' : 'changed'}: secret, not shown</span>`;
    const value = (/** @type {Json} */ json, /** @type {string} */ role) => html`<span class=${`value ${role}`}>${visibleLine(summary(json))}</span>`;
    if (kind === 'ADDED') return html`<span class="soft">added</span> ${value(after, 'live')}`;
    if (kind === 'REMOVED') return html`<span class="soft">removed</span> ${value(before, 'expected')}`;
    const pair = (/** @type {Json} */ one, /** @type {Json} */ other) => html`${value(one, 'expected')}<span class="arrow" aria-hidden="true"> → </span><span class="visually-hidden"> then </span>${value(other, 'live')}`;
    if (changes.length === 0) return pair(before, after);
    return html`${changes.map((part) => html`<span class="change">${part.path === '' || part.path === '[]' ? nothing : html`<span class="path">${visibleLine(part.path)} </span>`}${part.kind === 'ADDED' ? html`<span class="soft">added </span>${value(part.after, 'live')}` : part.kind === 'REMOVED' ? html`<span class="soft">removed </span>${value(part.before, 'expected')}` : pair(part.before, part.after)}</span>`)}
      ${changesTruncated ? html`<span class="more">Only the first ${changes.length} changes are listed.</span>` : nothing}`;
  }

  /** @param {SpecVersion} version */
  #version(version) {
    const { specVersion, source, recordedBy, recordedAt, reason, retired, drifts, undoneDrifts, supersededAt } = version;
    const before = specVersion - 1;
    const text = this.#texts.get(specVersion);
    return html`<li class="rule version" data-testid="version" data-version=${specVersion}>
      <p class="version-head">
        <strong>Version ${specVersion}</strong> ${supersededAt === null ? html`<span class="badge">${retired ? 'retired' : 'in force'}</span>` : retired ? html`<span class="badge">retired</span>` : nothing}
        <span>by ${visible(recordedBy)}</span> <span class="soft">${sourceText(source)}</span> ${time(recordedAt)}
      </p>
      ${reason === null || reason === '' ? nothing : html`<blockquote class="version-reason">${visible(reason)}</blockquote>`}
      ${drifts.length === 0 ? nothing : html`<ul class="version-drifts" data-testid="version-drifts">${drifts.map((drift) => this.#accepted(drift))}</ul>`}
      ${undoneDrifts.length === 0 ? nothing : html`<p class="soft" data-testid="version-undoes">Undoes the accept of ${undoneDrifts.map((drift, at) => html`${at === 0 ? '' : ', '}<a href=${this.#link(drift.id)} data-route>${visibleLine(fieldName(drift))}</a>`)}</p>`}
      <div class="actions">
        ${before < 1 ? nothing : html`<button type="button" class="quiet" data-testid="compare-before" @click=${() => this.#compare(String(before), String(specVersion))}>Changes from version ${before}</button>`}
        <button type="button" class="quiet" data-testid="version-json" aria-expanded=${String(text !== undefined)} @click=${() => void this.#toggleJson(specVersion)}>JSON</button>
        <button type="button" class="quiet" data-testid="copy-version" @click=${(/** @type {Event} */ event) => void this.#copy(specVersion, event.currentTarget)}>Copy JSON<span class="visually-hidden"> of version ${specVersion}</span></button>
      </div>
      ${text === undefined ? nothing : html`<pre class="whole-value" tabindex="0" role="region" aria-label=${`Spec of version ${specVersion}`} data-testid="version-text">${visible(text)}</pre>`}
    </li>`;
  }

  /** @param {Drift} drift */
  #accepted(drift) {
    const undone = drift.undoneAt !== null;
    return html`<li>
      accepted <a href=${this.#link(drift.id)} data-route>${visibleLine(fieldName(drift))}</a> ${undone ? html`<span class="soft">undone by ${visible(drift.undoneBy ?? '')}</span>` : drift.status === 'ACCEPTED' ? nothing : html`<span class="soft">${STATUS[drift.status]}</span>`}
      ${isUndoable(drift) && this.#context.session.canDecide ? html`<button type="button" class="quiet" data-testid="undo-accept" @click=${() => void this.#undo(drift)}>Undo accept<span class="visually-hidden"> of ${visibleLine(fieldName(drift))}</span></button>` : nothing}
    </li>`;
  }

  /** @param {Drift} drift */
  async #undo(drift) {
    await undoShown(drift, this.#context);
    await this.reload();
  }

  /**
   * Returns the spec of a version as JSON text.
   * @param {number} version
   */
  async #json(version) {
    const { resource } = await this.#context.api.ask(SPEC_AT, { id: this.#id, version });
    if (resource?.specAt == null) throw new ApiError('NOT_FOUND', 'this version is not kept any more.');
    return printJson(resource.specAt.spec);
  }

  /** @param {number} version */
  async #toggleJson(version) {
    if (this.#texts.has(version)) this.#texts.delete(version);
    else this.#texts.set(version, await this.#textOf(version));
    this.update();
  }

  /** @param {number} version */
  async #textOf(version) {
    try {
      return await this.#json(version);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return explain(error);
    }
  }

  /**
   * @param {number} version
   * @param {EventTarget | null} button
   */
  async #copy(version, button) {
    const text = await this.#textOf(version);
    try {
      await navigator.clipboard.writeText(text);
      announce('Copied');
      if (button instanceof HTMLElement) {
        button.dataset['copied'] = 'yes';
        setTimeout(() => delete button.dataset['copied'], 2000);
      }
    } catch {
      // Browsers refuse without HTTPS or permission. The user can then copy the shown text.
      this.#texts.set(version, text);
      this.update();
    }
  }
}

/** @param {SpecVersion['source']} source */
function sourceText({ kind, name, address }) {
  const what = name === null ? (kind === 'BASELINE' ? 'from a baseline' : 'over the API') : `from ${kind === 'TERRAFORM_PLAN' ? 'plans of ' : ''}the Terraform state ${visibleLine(name)}`;
  return address === null ? what : `${what}, ${visibleLine(address)}`;
}
