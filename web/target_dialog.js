// The dialog that adds a target of notifications or changes one. A secret is shown once, after it was made.

import { ApiError, explain } from './api.js';
import { SEVERITY } from './format.js';
import { CREATE_TARGET, UPDATE_TARGET } from './queries.js';
import { FILTER_LISTS, TARGET_KIND, TRANSITIONS, inputOfForm } from './target_text.js';
import { html, nothing, render } from './view.js';
/** @import { Context, NotificationTarget } from './types.js' */

export class TargetDialog {
  #context;
  /** @type {{ target: NotificationTarget | null, done: () => void } | null} */
  #task = null;
  #busy = false;
  #problem = '';
  /** The new secret, shown once. @type {string | null} */
  #secret = null;
  /** Where the focus returns. @type {Element | null} */
  #before = null;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = document.createElement('dialog');
    this.element.className = 'dialog target';
    this.element.dataset.testid = 'target-dialog';
    this.element.setAttribute('aria-labelledby', 'target-title');
    this.element.addEventListener('close', () => {
      this.#task = null;
      this.#secret = null;
      render(nothing, this.element);
      if (this.#before instanceof HTMLElement && this.#before.isConnected) this.#before.focus();
    });
  }

  /**
   * @param {NotificationTarget | null} target the target to change; null for a new one
   * @param {() => void} done
   */
  open(target, done) {
    this.#task = { target, done };
    this.#busy = false;
    this.#problem = '';
    this.#secret = null;
    this.#before = document.activeElement;
    this.#draw();
    this.element.showModal();
    this.#focus('[name=name]');
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /** @param {string} css */
  #focus(css) {
    const found = this.element.querySelector(css);
    if (found instanceof HTMLElement) found.focus();
  }

  /** @param {SubmitEvent} event */
  async #submitted(event) {
    event.preventDefault();
    const task = this.#task;
    if (task === null || this.#busy || !(event.target instanceof HTMLFormElement)) return;
    const input = inputOfForm(new FormData(event.target), task.target);
    this.#busy = true;
    this.#problem = '';
    this.#draw();
    try {
      const answer = await this.#context.api.ask(task.target === null ? CREATE_TARGET : UPDATE_TARGET, { input });
      const { secret } = answer.createNotificationTarget ?? answer.updateNotificationTarget;
      task.done();
      if (this.#task !== task) return;
      if (secret === null) {
        this.close();
        return;
      }
      this.#secret = secret;
      this.#draw();
      this.#focus('[data-testid=target-secret]');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#task !== task) return;
      this.#problem = `${error.code === 'NETWORK' ? 'It is not known whether the target was saved. ' : ''}${explain(error)}`;
      this.#busy = false;
      this.#draw();
    }
  }

  get #kind() {
    const chosen = this.element.querySelector('[name=kind]');
    return this.#task?.target?.kind ?? (chosen instanceof HTMLSelectElement ? chosen.value : 'WEBHOOK');
  }

  #draw() {
    if (this.#task === null) return;
    render(this.#secret === null ? this.#form(this.#task.target) : this.#secretText(this.#secret), this.element);
  }

  /** @param {string} secret */
  #secretText(secret) {
    return html`<div class="dialog-head"><h2 id="target-title">The secret of the webhook</h2></div>
      <div class="dialog-body">
        <p>The receiver needs it to check signatures. It is not shown again.</p>
        <div class="field"><label for="target-secret">Secret</label><input id="target-secret" type="text" readonly .value=${secret} data-testid="target-secret" @focus=${(/** @type {FocusEvent} */ event) => event.target instanceof HTMLInputElement && event.target.select()} /></div>
      </div>
      <div class="dialog-foot"><button type="button" class="primary" data-testid="secret-done" @click=${() => this.close()}>Done</button></div>`;
  }

  /** @param {NotificationTarget | null} target */
  #form(target) {
    const kind = this.#kind;
    const heartbeat = kind === 'HEARTBEAT';
    return html`<form @submit=${(/** @type {SubmitEvent} */ event) => void this.#submitted(event)}>
      <div class="dialog-head"><h2 id="target-title">${target === null ? 'New target' : 'Change the target'}</h2></div>
      <div class="dialog-body">
        <div class="refusal" role="alert">${this.#problem === '' ? nothing : html`<p>${this.#problem}</p>`}</div>
        <div class="form-grid">
          <div class="field"><label for="target-name">Name</label><input id="target-name" name="name" type="text" required value=${target?.name ?? ''} autocomplete="off" data-testid="target-name" /></div>
          ${target === null
            ? html`<div class="field"><label for="target-kind">Kind</label><select id="target-kind" name="kind" data-testid="target-kind" @change=${() => this.#draw()}>${Object.entries(TARGET_KIND).map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select></div>`
            : nothing}
        </div>
        <div class="field">
          <label for="target-url">Address</label>
          <input id="target-url" name="url" type="text" inputmode="url" ?required=${target === null} placeholder=${target === null ? 'begins with https' : `unchanged (${target.host})`} autocomplete="off" spellcheck="false" aria-describedby="target-url-hint" data-testid="target-url" />
          <p class="hint" id="target-url-hint">It is a secret, so only its host is shown later.</p>
        </div>
        ${heartbeat ? this.#heartbeat(target) : this.#filter(target)}
        ${target !== null && target.kind === 'WEBHOOK' ? html`<p class="check"><input id="target-rotate" name="rotateSecret" type="checkbox" data-testid="target-rotate" /><label for="target-rotate">Make a new secret; the old one signs for 24 hours more</label></p>` : nothing}
      </div>
      <div class="dialog-foot">
        <button type="button" @click=${() => this.close()}>Cancel</button>
        <button type="submit" class="primary" data-testid="save-target" ?disabled=${this.#busy}>${target === null ? 'Add the target' : 'Save'}</button>
      </div>
    </form>`;
  }

  /** @param {NotificationTarget | null} target */
  #heartbeat(target) {
    return html`<p class="hint">It is called after each good detection: one that compared everything with an inventory that is complete and recent.</p>
      <div class="field"><label for="target-method">Method</label><select id="target-method" name="method">${['POST', 'GET'].map((method) => html`<option value=${method} ?selected=${target?.method === method}>${method}</option>`)}</select></div>`;
  }

  /** @param {NotificationTarget | null} target */
  #filter(target) {
    const filter = target?.filter ?? null;
    return html`<div class="form-grid">
        <div class="field"><label for="target-severity">Least severity</label><select id="target-severity" name="minSeverity" data-testid="target-severity"><option value="">All drifts</option>${(/** @type {const} */ (['NORMAL', 'HIGH', 'CRITICAL'])).map((severity) => html`<option value=${severity} ?selected=${filter?.minSeverity === severity}>${SEVERITY[severity]}${severity === 'CRITICAL' ? '' : ' or more'}</option>`)}</select></div>
        <div class="field"><label for="target-digest">Daily digest at, in UTC</label><input id="target-digest" name="digestAt" type="time" value=${target?.digestAt ?? ''} data-testid="target-digest" /></div>
      </div>
      <fieldset class="field checks"><legend>Transitions; none for all</legend>${Object.entries(TRANSITIONS).map(([name, text]) => html`<label class="check"><input type="checkbox" name="transitions" value=${name} ?checked=${filter?.transitions.some((one) => one === name) ?? false} />${text}</label>`)}</fieldset>
      <div class="form-grid">
        ${FILTER_LISTS.map(([name, label, example]) => html`<div class="field"><label for=${`target-${name}`}>${label}; none for all</label><input id=${`target-${name}`} name=${name} type="text" value=${(filter?.[name] ?? []).filter((value) => value !== '').join(', ')} placeholder=${example} autocomplete="off" spellcheck="false" data-testid=${`target-${name}`} /></div>`)}
      </div>`;
  }
}
