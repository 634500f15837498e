// A dialog that asks before a decision that has no undo. Enter confirms, and Escape cancels.

import { ApiError, explain } from './api.js';
import { html, nothing, render } from './view.js';

/**
 * @typedef {{
 *   title: string,
 *   text: import('./view.js').Content,
 *   confirm: string,
 *   reason?: string,
 *   run: (reason: string) => Promise<void>,
 * }} Question `reason` is the label of a field for a reason, which is optional
 */

export class ConfirmDialog {
  /** @type {Question | null} */
  #question = null;
  #busy = false;
  #problem = '';
  /** Where the focus returns. @type {Element | null} */
  #before = null;

  constructor() {
    this.element = document.createElement('dialog');
    this.element.className = 'dialog confirm';
    this.element.dataset.testid = 'confirm-dialog';
    this.element.setAttribute('aria-labelledby', 'confirm-title');
    this.element.addEventListener('close', () => {
      this.#question = null;
      render(nothing, this.element);
      if (this.#before instanceof HTMLElement && this.#before.isConnected) this.#before.focus();
    });
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    this.#busy = false;
    this.#problem = '';
    this.#before = document.activeElement;
    this.#draw();
    this.element.showModal();
    const first = this.element.querySelector('input') ?? this.element.querySelector('[type=submit]');
    if (first instanceof HTMLElement) first.focus();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /** @param {SubmitEvent} event */
  async #submitted(event) {
    event.preventDefault();
    const question = this.#question;
    if (question === null || this.#busy) return;
    const field = this.element.querySelector('input');
    this.#busy = true;
    this.#problem = '';
    this.#draw();
    try {
      await question.run(field?.value.trim() ?? '');
      if (this.#question === question) this.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.#question !== question) return;
      this.#problem = explain(error);
      this.#busy = false;
      this.#draw();
    }
  }

  #draw() {
    const question = this.#question;
    if (question === null) return;
    render(
      html`<form @submit=${(/** @type {SubmitEvent} */ event) => void this.#submitted(event)}>
        <div class="dialog-head"><h2 id="confirm-title">${question.title}</h2></div>
        <div class="dialog-body">
          <div class="refusal" role="alert">${this.#problem === '' ? nothing : html`<p>${this.#problem}</p>`}</div>
          <p>${question.text}</p>
          ${question.reason === undefined ? nothing : html`<div class="field"><label for="confirm-reason">${question.reason}</label><input id="confirm-reason" type="text" autocomplete="off" /></div>`}
        </div>
        <div class="dialog-foot">
          <button type="button" @click=${() => this.close()}>Cancel</button>
          <button type="submit" class="primary" data-testid="confirm" ?disabled=${this.#busy}>${question.confirm}</button>
        </div>
      </form>`,
      this.element,
    );
  }
}
