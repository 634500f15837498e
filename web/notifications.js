// The view of notifications: the targets, and the log of what was sent to them.

import { ApiError, explain } from './api.js';
import { ConfirmDialog } from './confirm.js';
import { announce, showNotice, showToast } from './dom.js';
import { exactTime, plural, visible, visibleLine } from './format.js';
import { printJson } from './json.js';
import { DELETE_TARGET, DELIVERIES, DELIVERY_BODY, RESEND, TARGETS, TEST_TARGET, UPDATE_TARGET } from './queries.js';
import { TargetDialog } from './target_dialog.js';
import { MESSAGE_KIND, MESSAGE_STATE, TARGET_KIND, filterText, outcomeText } from './target_text.js';
import { Pages, View, empty, html, nothing, repeat, time } from './view.js';
/** @import { Context, NotificationDelivery, NotificationTarget, Route } from './types.js' */

/** Interval in milliseconds between two requests while a message is pending. */
const POLL = 3000;

/** @param {Context} context */
export const create = (context) => new NotificationsView(context);

class NotificationsView extends View {
  #context;
  /** @type {NotificationTarget[]} */
  #targets = [];
  #log;
  #dialog;
  #confirm = new ConfirmDialog();
  #target = '';
  #state = '';
  /** The id of the open message. */
  #open = '';
  /** The contents of messages that were opened, by id. @type {Map<string, string>} */
  #bodies = new Map();
  /** Targets that are being tested. @type {Set<string>} */
  #testing = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Context} context */
  constructor(context) {
    super('notifications', 'Notifications', 'Targets are notified of transitions: a drift was detected, changed or closed, or a source failed.');
    this.#context = context;
    this.#dialog = new TargetDialog(context);
    const { api } = context;
    this.#log = new Pages(async (range, signal) => {
      const variables = { ...range, target: this.#target || null, state: this.#state || null };
      return (await api.ask(DELIVERIES, variables, signal)).notificationDeliveries;
    }, () => this.update());
    document.body.append(this.#dialog.element, this.#confirm.element);
  }

  /**
   * @param {AbortSignal} signal
   * @param {Route} route
   * @override
   */
  async load(signal, route) {
    const { target = '', state = '', message = '' } = route.own ?? {};
    this.#target = target;
    this.#state = state.toUpperCase() in MESSAGE_STATE ? state.toUpperCase() : '';
    this.#open = message;
    const { notificationTargets } = await this.#context.api.ask(TARGETS, {}, signal);
    this.#targets = notificationTargets.nodes;
    await this.#log.restart(signal);
    if (message !== '') await this.#loadBody(message);
    this.#poll();
  }

  /**
   * @param {{ [parameter: string]: string }} before
   * @param {{ [parameter: string]: string }} now
   * @override
   */
  keeps(before, now) {
    return before['target'] === now['target'] && before['state'] === now['state'];
  }

  /** @override */
  clear() {
    super.clear();
    clearTimeout(this.#timer);
    this.#targets = [];
    this.#log.clear();
    this.#bodies.clear();
    this.#dialog.close();
    this.#confirm.close();
  }

  /** Loads the log again soon, while a message of it is pending. */
  #poll() {
    clearTimeout(this.#timer);
    if (!this.#log.rows.some(({ state }) => state === 'PENDING')) return;
    this.#timer = setTimeout(() => {
      // Only the first page can change much. A list that the user has extended stays.
      if (this.visible && !document.hidden && this.#log.rows.length <= 50) void this.reload();
    }, POLL);
  }

  /** @override */
  get keys() {
    return {
      n: () => this.#new(),
      e: () => {
        const id = document.activeElement?.closest('[data-target]')?.getAttribute('data-target') ?? this.#target;
        const target = this.#targets.find((one) => one.id === id);
        if (target !== undefined) this.#edit(target);
      },
      Escape: () => this.#go({ message: '' }),
    };
  }

  /** @param {{ [name: string]: string }} change */
  #go(change) {
    const { router } = this.#context;
    router.go({ own: { ...router.route.own, ...change } });
  }

  /** @override */
  actions() {
    const { canDecide } = this.#context.session;
    return html`<span class="total" data-testid="target-total">${plural(this.#targets.length, 'target')}</span>
      ${canDecide ? html`<button type="button" class="push" data-testid="new-target" aria-keyshortcuts="n" @click=${() => this.#new()}>New target… <kbd aria-hidden="true">n</kbd></button>` : nothing}`;
  }

  /** @override */
  content() {
    if (this.#targets.length === 0) return empty('There is no target of notifications.', 'A target is a webhook, a Slack channel, or a heartbeat that a monitor expects after each good detection.');
    return html`<ul class="targets" data-testid="targets">${repeat(this.#targets, ({ id }) => id, (target) => this.#card(target))}</ul>
      ${this.#deliveries()}`;
  }

  /** @param {NotificationTarget} target */
  #card(target) {
    const { canDecide } = this.#context.session;
    const testing = this.#testing.has(target.id);
    return html`<li class="target-card" data-target=${target.id} data-testid="target">
      <div class="target-what">
        <h3>${visibleLine(target.name)}</h3>
        <span class="kind">${TARGET_KIND[target.kind]}</span> <span class="host">${visibleLine(target.host)}</span> ${target.enabled ? nothing : html`<span class="badge" data-testid="target-off">off</span>`}
      </div>
      <p class="target-filter" data-testid="target-filter">${target.kind === 'HEARTBEAT' ? `Called with ${target.method} after each good detection` : `Receives ${filterText(target.filter)}`}${target.digestAt === null ? '' : ` · digest daily at ${target.digestAt} UTC`}</p>
      ${target.nextDigestAt === null || !target.enabled ? nothing : html`<p class="hint">Next digest ${time(target.nextDigestAt)}</p>`}
      ${target.previousSecretUntil === null || Date.parse(target.previousSecretUntil) < Date.now() ? nothing : html`<p class="hint" title=${exactTime(target.previousSecretUntil)}>The previous secret also signs, until ${time(target.previousSecretUntil)}</p>`}
      ${canDecide
        ? html`<div class="actions">
            <button type="button" class="quiet" data-testid="test-target" ?disabled=${testing} @click=${() => void this.#test(target)}>${testing ? 'Sending…' : 'Send a test'}</button>
            <button type="button" class="quiet" data-testid="edit-target" aria-keyshortcuts="e" @click=${() => this.#edit(target)}>Change…</button>
            <button type="button" class="quiet" data-testid="switch-target" @click=${() => void this.#switch(target)}>${target.enabled ? 'Switch off' : 'Switch on'}</button>
            <button type="button" class="quiet" data-testid="delete-target" @click=${() => this.#delete(target)}>Delete…</button>
          </div>`
        : nothing}
    </li>`;
  }

  #deliveries() {
    const { rows } = this.#log;
    const choose = (/** @type {string} */ name) => (/** @type {Event} */ event) => event.target instanceof HTMLSelectElement && this.#go({ [name]: event.target.value, message: '' });
    return html`<h3 class="log-title">Delivery log</h3>
      <div class="filter-line log-filter">
        <select aria-label="Target" data-testid="log-target" @change=${choose('target')}>
          <option value="">All targets</option>
          ${this.#targets.map(({ id, name }) => html`<option value=${id} ?selected=${id === this.#target}>${visibleLine(name)}</option>`)}
        </select>
        <select aria-label="State" data-testid="log-state" @change=${choose('state')}>
          <option value="">All states</option>
          ${Object.entries(MESSAGE_STATE).map(([state, text]) => html`<option value=${state.toLowerCase()} ?selected=${state === this.#state}>${text}</option>`)}
        </select>
      </div>
      ${rows.length === 0
        ? html`<p class="hint" data-testid="no-messages">${this.#target === '' && this.#state === '' ? 'No message was made yet.' : 'No message matches.'}</p>`
        : html`<ul class="rule-list" data-testid="log">${repeat(rows, ({ id }) => id, (delivery) => this.#message(delivery))}</ul>`}
      ${this.#log.foot()}`;
  }

  /** @param {NotificationDelivery} delivery */
  #message(delivery) {
    const open = delivery.id === this.#open;
    const { state } = delivery;
    const look = { PENDING: 'open', DELIVERED: '', FAILED: 'run-failed' }[state];
    return html`<li class="rule message" data-testid="message" data-message=${delivery.id}>
      <button type="button" class="message-head" aria-expanded=${String(open)} @click=${() => this.#go({ message: open ? '' : delivery.id })}>
        <span class=${`badge ${look}`}>${MESSAGE_STATE[state]}</span>
        <span><strong>${visibleLine(delivery.target.name)}</strong> ${MESSAGE_KIND[delivery.kind]}</span>
        <span class="soft">${outcomeText(delivery)}</span>
        ${time(delivery.createdAt)}
      </button>
      ${open ? this.#messageDetail(delivery) : nothing}
    </li>`;
  }

  /** @param {NotificationDelivery} delivery */
  #messageDetail(delivery) {
    const body = this.#bodies.get(delivery.id);
    return html`<div class="rule-detail" data-testid="message-detail">
      <p class="crumbs"><span>Made ${exactTime(delivery.createdAt)}</span> <code>${delivery.messageId}</code> ${delivery.nextAttemptAt === null ? nothing : html`<span>next attempt ${time(delivery.nextAttemptAt)}</span>`}</p>
      <ol class="attempts" data-testid="attempts">
        ${delivery.attempts.map((attempt) => html`<li>Attempt ${attempt.number}, ${exactTime(attempt.startedAt)}: ${attempt.endedAt === null ? 'no end was recorded' : attempt.error === null ? `status ${attempt.statusCode}` : visible(attempt.error)}</li>`)}
      </ol>
      ${this.#context.session.canDecide ? html`<div class="actions"><button type="button" data-testid="resend" @click=${() => void this.#resend(delivery)}>Send again</button><span class="hint">It keeps its id, so that a receiver that has it can ignore it.</span></div>` : nothing}
      ${body === undefined ? nothing : html`<pre class="whole-value" tabindex="0" role="region" aria-label="Contents of the message">${body}</pre>`}
    </div>`;
  }

  /** @param {string} id */
  async #loadBody(id) {
    if (this.#bodies.has(id)) return;
    const { node } = await this.#context.api.ask(DELIVERY_BODY, { id });
    if (node !== null && node.body !== undefined) this.#bodies.set(id, visible(printJson(node.body)));
  }

  #new() {
    if (!this.#context.session.canDecide) return;
    this.#dialog.open(null, () => this.#saved('Added the target'));
  }

  /** @param {NotificationTarget} target */
  #edit(target) {
    if (!this.#context.session.canDecide) return;
    this.#dialog.open(target, () => this.#saved('Changed the target'));
  }

  /** @param {string} what */
  #saved(what) {
    announce(what);
    void this.reload();
  }

  /**
   * Runs a change, and says what failed.
   * @param {string} failed
   * @param {() => Promise<void>} run
   */
  async #attempt(failed, run) {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== 'UNAUTHENTICATED') showNotice(`${failed} ${explain(error)}`);
    }
  }

  /** @param {NotificationTarget} target */
  async #test(target) {
    this.#testing.add(target.id);
    this.update();
    await this.#attempt('The test was not sent.', async () => {
      const { sendTestNotification } = await this.#context.api.ask(TEST_TARGET, { input: { targetId: target.id } });
      const { state, statusCode, error } = sendTestNotification.delivery;
      if (state === 'DELIVERED') showToast(`${visibleLine(target.name)} confirmed the test with status ${statusCode}.`);
      else showNotice(`${visibleLine(target.name)} did not confirm the test: ${visibleLine(error ?? `status ${statusCode}`)}.`);
    });
    this.#testing.delete(target.id);
    await this.reload();
  }

  /** @param {NotificationTarget} target */
  async #switch(target) {
    await this.#attempt('The target was not changed.', async () => {
      await this.#context.api.ask(UPDATE_TARGET, { input: { targetId: target.id, enabled: !target.enabled } });
      announce(target.enabled ? 'Switched the target off' : 'Switched the target on');
    });
    await this.reload();
  }

  /** @param {NotificationTarget} target */
  #delete(target) {
    this.#confirm.ask({
      title: 'Delete this target?',
      text: `${visibleLine(target.name)} and all its messages are deleted. Messages that were not delivered yet are lost.`,
      confirm: 'Delete',
      run: async () => {
        await this.#context.api.ask(DELETE_TARGET, { input: { targetId: target.id } });
        showToast(`Deleted ${visibleLine(target.name)}.`);
        announce('Deleted the target');
        if (this.#target === target.id) this.#go({ target: '', message: '' });
        else await this.reload();
      },
    });
  }

  /** @param {NotificationDelivery} delivery */
  async #resend(delivery) {
    await this.#attempt('The message was not sent again.', async () => {
      await this.#context.api.ask(RESEND, { input: { deliveryId: delivery.id } });
      showToast('The message is pending again.');
    });
    await this.reload();
  }
}
