// The dialog that shows how a drift is reverted: the calls that a person sends. The server sends none of them.

import { explain } from './api.js';
import { announce } from './dom.js';
import { fieldName, kindName, resourceName, visible, visibleLine } from './format.js';
import { printJson } from './json.js';
import { MARK_REVERTING, PLAN_REVERT, UNMARK_REVERTING } from './queries.js';
import { html, loading, nothing, time } from './view.js';
import { closes } from './wording.js';
import { render } from './vendor/lit-html/lit-html.js';
/** @import { Context, Drift, RevertCall, RevertPlan } from './types.js' */

/** What a call does to the resource. @type {{ [effect: string]: string }} */
const EFFECTS = {
  REBOOTS: 'The resource restarts',
  POWERS_OFF: 'The resource is powered off',
  REPLACED: 'Parts of the resource are replaced',
  IRREVERSIBLE: 'Cannot be undone',
  DESTROYS_DATA: 'Data is lost',
};
/** @type {{ [obstacle: string]: string }} */
const OBSTACLES = {
  READ_ONLY: 'The value is read-only',
  NEEDS_REPLACEMENT: 'Only a new resource can have the value',
  ONE_WAY: 'The value cannot go back',
  SECRET: 'The value is not stored',
  MUST_BE_CREATED: 'The resource must be created again',
  NO_CALL: 'The API has no call for it',
  INVALID_VALUE: 'The API does not accept the value',
  UNKNOWN_FIELD: 'The field is not known',
  UNKNOWN_PROVIDER: 'The calls of this provider are not known',
};

export class PlanDialog {
  #context;
  /** @type {Drift | null} */
  #drift = null;
  /** @type {RevertPlan | null} */
  #plan = null;
  /** @type {unknown} */
  #error = null;
  #busy = false;
  /** The last text that was copied. */
  #copied = '';
  #asking = new AbortController();

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = document.createElement('dialog');
    this.element.className = 'dialog plan';
    this.element.dataset.testid = 'plan-dialog';
    this.element.setAttribute('aria-labelledby', 'plan-title');
    this.element.addEventListener('close', () => this.#closed());
  }

  /** @param {Drift} drift */
  open(drift) {
    this.#drift = drift;
    this.#plan = null;
    this.#copied = '';
    this.#draw();
    this.element.showModal();
    void this.#load();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  async #load() {
    const drift = this.#drift;
    if (drift === null) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#error = null;
    try {
      const { planRevert } = await this.#context.api.ask(PLAN_REVERT, { id: drift.id }, signal);
      if (signal.aborted) return;
      this.#plan = planRevert;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#draw();
  }

  /** @param {boolean} marks */
  async #mark(marks) {
    const drift = this.#drift;
    if (drift === null || this.#busy) return;
    this.#busy = true;
    this.#draw();
    try {
      await this.#context.api.ask(marks ? MARK_REVERTING : UNMARK_REVERTING, { input: { driftId: drift.id } });
      announce(marks ? 'Marked as being reverted' : 'The mark is withdrawn');
      this.#context.refresh();
      await this.#load();
    } catch (error) {
      this.#error = error;
    }
    this.#busy = false;
    this.#draw();
  }

  #closed() {
    this.#asking.abort();
    const drift = this.#drift;
    this.#drift = null;
    this.#plan = null;
    render(nothing, this.element);
    if (drift !== null && this.#context.router.route.drift === null) this.#context.focus(drift.id);
  }

  #draw() {
    const drift = this.#drift;
    if (drift === null) return;
    const { resource } = drift;
    render(
      html`<h2 id="plan-title" tabindex="-1" autofocus>How to revert</h2>
        <div class="dialog-body" tabindex="0" role="region" aria-label="Plan">
          <p class="crumbs"><strong>${visibleLine(resourceName(resource))}</strong><span class="kind">${kindName(resource.kind)}</span><code>${visibleLine(fieldName(drift))}</code></p>
          ${this.#error === null ? nothing : html`<p class="refusal" role="alert">${explain(this.#error)}</p>`} ${this.#plan === null ? (this.#error === null ? loading(4) : nothing) : this.#content(this.#plan)}
        </div>
        <div class="dialog-foot">${this.#plan === null ? nothing : this.#marking(this.#plan)}<button type="button" data-testid="close-plan" @click=${() => this.close()}>Close</button></div>`,
      this.element,
    );
  }

  /** @param {RevertPlan} plan */
  #content({ fields, calls, terraform, closing }) {
    const cannot = fields.filter(({ outcome }) => outcome === 'CANNOT');
    const settled = fields.length > 0 && fields.every(({ outcome }) => outcome === 'EQUAL' || outcome === 'NOT_EXPECTED');
    return html`
      ${settled ? html`<p class="note">Nothing is left to do: the next detection closes the drift.</p>` : nothing}
      ${cannot.map(({ obstacle, explanation }) => html`<div class="note" data-testid="plan-cannot"><p><strong>${OBSTACLES[obstacle ?? ''] ?? 'No call can put the value back'}</strong></p><p>${visible(explanation ?? '')}</p></div>`)}
      ${terraform === null
        ? nothing
        : html`<section class="part"><h3>With Terraform</h3><p class="hint">Where the configuration is. Other changes of the resource are applied, too.</p>${this.#line('Show what would change', terraform.plan)}${this.#line('Apply it', terraform.apply)}</section>`}
      ${calls.length === 0
        ? nothing
        : html`<section class="part">
            <h3>With calls of the API</h3>
            <p class="hint">This server only reads the cloud. You send the calls, in this order, with a token that may write.</p>
            <ol class="plan-calls">
              ${calls.map((call) => this.#call(call))}
            </ol>
          </section>`}
      ${settled ? nothing : html`<p class="hint" data-testid="plan-closing">${closes(closing)}</p>`}
    `;
  }

  /** @param {RevertCall} call */
  #call({ method, path, body, effect, doctl, curl, note, source, placeholders }) {
    const effectText = EFFECTS[effect];
    return html`<li data-testid="plan-call">
      <p class="plan-line"><code>${method} ${visibleLine(path)}</code>${effectText === undefined ? nothing : html`<span class="effect ${effect.toLowerCase()}" data-testid="plan-effect">${effectText}</span>`}</p>
      ${body === null ? nothing : html`<pre class="whole-value" tabindex="0" role="region" aria-label="Body of the call">${visible(printJson(body))}</pre>`}
      ${placeholders.map(({ text, meaning }) => html`<p class="hint">Replace <code>${visibleLine(text)}</code> by ${visible(meaning)}.</p>`)} ${note === '' ? nothing : html`<p>${visible(note)}</p>`}
      ${doctl === null ? nothing : this.#line('doctl', doctl)} ${curl === null ? nothing : this.#line('curl', curl)}
      <p class="hint">Source: ${source}</p>
    </li>`;
  }

  /**
   * A command with a button that copies it.
   * @param {string} what
   * @param {string} line
   */
  #line(what, line) {
    return html`<div class="command" data-testid="plan-command"><span class="hint">${what}:</span><code>${visibleLine(line)}</code><button type="button" class="quiet" data-testid="copy-plan-command" aria-label=${`${this.#copied === line ? 'Copied' : 'Copy'} the command: ${what}`} @click=${() => void this.#copy(line)}>${this.#copied === line ? 'Copied' : 'Copy'}</button></div>`;
  }

  /** @param {string} line */
  async #copy(line) {
    try {
      await navigator.clipboard.writeText(line);
      this.#copied = line;
      announce('Command copied');
    } catch {
      // Browsers refuse without HTTPS or permission. The command can be selected in its line.
      announce('The browser does not permit copying. Select the command instead.');
    }
    this.#draw();
  }

  /** @param {RevertPlan} plan */
  #marking({ fields }) {
    const marked = fields.find(({ drift }) => drift !== null && drift.revertingBy !== null)?.drift ?? null;
    const { canDecide } = this.#context.session;
    if (marked === null) {
      if (!canDecide || !fields.some(({ drift }) => drift !== null)) return nothing;
      return html`<button type="button" class="primary" data-testid="mark-reverting" ?disabled=${this.#busy} @click=${() => void this.#mark(true)}>Mark as being reverted</button>`;
    }
    return html`<p class="hint" data-testid="plan-marked">Being reverted by ${visible(marked.revertingBy ?? '')} ${marked.revertingAt === null ? nothing : html`since ${time(marked.revertingAt)}`}</p>
      ${canDecide ? html`<button type="button" data-testid="unmark-reverting" ?disabled=${this.#busy} @click=${() => void this.#mark(false)}>Withdraw the mark</button>` : nothing}`;
  }
}
