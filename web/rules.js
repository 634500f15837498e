// The view of ignore rules: what they hide, which deserve a look, and the presets.

import { ConfirmDialog } from './confirm.js';
import { announce, showNotice, showToast } from './dom.js';
import { exactTime, kindName, plural, resourceName, visible, visibleLine } from './format.js';
import { endRule } from './ignore.js';
import { APPLY_PRESET, COVERAGE, END_RULE, IGNORED, PRESETS, RULE, RULES } from './queries.js';
import { NO_FILTERS, routeUrl } from './router.js';
import { RuleDialog } from './rule_dialog.js';
import { attentionTexts, conditions, mentions, ruleName } from './rule_text.js';
import { Pages, View, empty, html, nothing, repeat, time } from './view.js';
import { explain, ApiError } from './api.js';
import { briefComparison } from './values.js';
/** @import { Context, IgnoreRule, IgnoredDifference, Route, RulePreset } from './types.js' */

/** The lists of the view, by the parameter `show`. */
const LISTS = /** @type {const} */ ([
  ['', 'In force'],
  ['attention', 'To look at'],
  ['ended', 'Ended'],
  ['presets', 'Presets'],
]);

/** @param {Context} context */
export const create = (context) => new RulesView(context);

class RulesView extends View {
  #context;
  #rules;
  #ignored;
  #dialog;
  #confirm = new ConfirmDialog();
  /** @type {RulePreset[]} */
  #presets = [];
  /** @type {string[]} */
  #kinds = [];
  #total = 0;
  #show = '';
  #text = '';
  /** The id of the open rule, and of the one that is being opened. */
  #open = '';
  #asked = '';
  /** An open rule that is not in the loaded list. @type {IgnoreRule | null} */
  #linked = null;

  /** @param {Context} context */
  constructor(context) {
    super('rules', 'Rules', 'An ignore rule keeps expected differences out of the inbox. When it ends, they come back.');
    this.#context = context;
    this.#dialog = new RuleDialog(context);
    const { api } = context;
    this.#rules = new Pages(async (range, signal) => {
      const { ignoreRules } = await api.ask(RULES, { ...range, inForce: this.#show !== 'ended' }, signal);
      this.#total = ignoreRules.totalCount;
      return ignoreRules;
    }, () => this.update());
    this.#ignored = new Pages(async (range, signal) => (await api.ask(IGNORED, { ...range, rule: this.#asked }, signal)).ignoredDifferences, () => this.update());
    document.body.append(this.#dialog.element, this.#confirm.element);
  }

  /**
   * @param {AbortSignal} signal
   * @param {Route} route
   * @override
   */
  async load(signal, route) {
    const { api } = this.#context;
    const { show = '', rule = '' } = route.own ?? {};
    this.#show = show;
    this.#asked = rule;
    if (show === 'presets') {
      this.#presets = (await api.ask(PRESETS, {}, signal)).ignoreRulePresets;
      return;
    }
    await this.#rules.restart(signal);
    // The filter and the marks are about all rules in force.
    if (show !== 'ended') await this.#rules.rest(signal);
    const isListed = rule === '' || this.#rules.rows.some(({ id }) => id === rule);
    const { node = null } = isListed ? {} : await api.ask(RULE, { id: rule }, signal);
    // An id of another type has none of the fields.
    const linked = node?.id === undefined ? null : node;
    if (rule !== '') await this.#ignored.restart(signal);
    if (signal.aborted) return;
    this.#linked = linked;
    this.#open = rule;
  }

  /**
   * @param {{ [parameter: string]: string }} before
   * @param {{ [parameter: string]: string }} now
   * @override
   */
  keeps(before, now) {
    return before['show'] === now['show'];
  }

  /** @override */
  clear() {
    super.clear();
    this.#rules.clear();
    this.#ignored.clear();
    this.#presets = [];
    this.#linked = null;
    this.#text = '';
    this.#dialog.close();
    this.#confirm.close();
  }

  /**
   * The keys of the view.
   * @override
   */
  get keys() {
    return {
      n: () => void this.#new(),
      e: () => this.#ofOpen((rule) => void this.#edit(rule)),
      x: () => this.#ofOpen((rule) => this.#end(rule)),
      '/': () => this.#search(),
      Escape: () => this.#select(''),
    };
  }

  #search() {
    const field = this.element.querySelector('[type=search]');
    if (field instanceof HTMLInputElement) field.focus();
  }

  /** @param {(rule: IgnoreRule) => void} run */
  #ofOpen(run) {
    const id = document.activeElement?.closest('[data-rule]')?.getAttribute('data-rule') ?? this.#open;
    const rule = this.#shown.find((one) => one.id === id);
    if (rule !== undefined && rule.endedAt === null && this.#context.session.canDecide) run(rule);
  }

  /** @param {string} id */
  #select(id) {
    this.#go({ rule: id === this.#open ? '' : id });
  }

  /** @param {{ [name: string]: string }} change */
  #go(change) {
    const { router } = this.#context;
    router.go({ own: { ...router.route.own, ...change } });
  }

  /** The rules that match the text, in the order of the server. */
  get #shown() {
    const linked = this.#linked;
    // 'Show more' may have loaded the linked rule too.
    const rows = linked === null || this.#rules.rows.some(({ id }) => id === linked.id) ? this.#rules.rows : [linked, ...this.#rules.rows];
    const listed = this.#show === 'attention' ? rows.filter(({ attention }) => attention.length > 0) : rows;
    return this.#text === '' ? listed : listed.filter((rule) => mentions(rule, this.#text));
  }

  /** @override */
  actions() {
    const { canDecide } = this.#context.session;
    return html`${this.#show === 'presets' ? nothing : html`<span class="total" data-testid="rule-total">${plural(this.#show === 'attention' ? this.#shown.length : this.#total, 'rule')}</span>`}
      ${canDecide ? html`<button type="button" class="push" data-testid="new-rule" aria-keyshortcuts="n" @click=${() => void this.#new()}>New rule… <kbd aria-hidden="true">n</kbd></button>` : nothing}`;
  }

  /** @override */
  content() {
    const own = (/** @type {string} */ show) => routeUrl({ view: 'rules', filters: NO_FILTERS, drift: null, ...(show === '' ? {} : { own: { show } }) });
    return html`<nav class="lists" aria-label="Lists of rules">
        ${LISTS.map(([show, text]) => html`<a href=${own(show)} data-route aria-current=${show === this.#show ? 'page' : nothing}>${text}</a>`)}
      </nav>
      ${this.#show === 'presets' ? this.#presetList() : this.#ruleList()}`;
  }

  #ruleList() {
    const shown = this.#shown;
    return html`<div class="filter-line">
        <input type="search" aria-label="Filter the rules" placeholder="Filter by field, kind, reason or owner" .value=${this.#text} data-testid="rule-filter" @input=${(/** @type {InputEvent} */ event) => this.#typed(event)} />
      </div>
      ${shown.length === 0 ? this.#nothingShown() : html`<ul class="rule-list" data-testid="rules">${repeat(shown, ({ id }) => id, (rule) => this.#row(rule))}</ul>`}
      ${this.#rules.foot()}`;
  }

  /** @param {InputEvent} event */
  #typed(event) {
    this.#text = event.target instanceof HTMLInputElement ? event.target.value.trim() : '';
    this.update();
  }

  #nothingShown() {
    if (this.#text !== '') return empty('No rule matches the filter.', html`<button type="button" @click=${() => this.#clearText()}>Clear the filter</button>`);
    if (this.#show === 'attention') return empty('No rule needs a look.', 'Rules without a hit, rules that hide much and rules that end soon are listed here.');
    if (this.#show === 'ended') return empty('No rule has ended.');
    return empty('No ignore rule is in force.', html`Press <kbd>i</kbd> on a drift to ignore it, or choose one of the <a href="./?view=rules&show=presets" data-route>presets</a>.`);
  }

  #clearText() {
    this.#text = '';
    this.update();
  }

  /** @param {IgnoreRule} rule */
  #row(rule) {
    const open = rule.id === this.#open;
    const ended = rule.endedAt !== null;
    return html`<li class="rule" data-rule=${rule.id} data-testid="rule">
      <button type="button" class="rule-head" aria-expanded=${String(open)} @click=${() => this.#select(rule.id)}>
        <span class="rule-what"><strong>${ruleName(rule)}</strong> ${attentionTexts(rule).map((text) => html`<span class="badge open">${text}</span> `)}</span>
        <span class="rule-reason">${visibleLine(rule.reason)}</span>
        <span class="rule-scope">${this.#scope(rule)}</span>
        <span class="rule-hits">${ended ? html`ended ${time(/** @type {string} */ (rule.endedAt))}` : html`<span class="rule-now">${rule.ignoredCount.toLocaleString('en')} ignored</span> · ${plural(rule.hits, 'hit')}${rule.lastHitAt === null ? nothing : html`, last ${time(rule.lastHitAt)}`}`}</span>
      </button>
      ${open ? this.#detail(rule) : nothing}
    </li>`;
  }

  /** @param {IgnoreRule} rule */
  #scope(rule) {
    return html`<code>${visibleLine(rule.field)}${rule.pointer === null ? '' : visibleLine(rule.pointer)}</code>${rule.kind === null ? nothing : html` <span class="kind">${kindName(rule.kind)}</span>`} ${conditions(rule).join(' · ')}`;
  }

  /** @param {IgnoreRule} rule */
  #detail(rule) {
    const { canDecide } = this.#context.session;
    const made = { api: 'over the API', file: 'by a file', preset: 'from a preset' }[rule.origin] ?? `by ${visibleLine(rule.origin)}`;
    return html`<div class="rule-detail" data-testid="rule-detail">
      <p class="crumbs">
        <span>Made ${made} by ${visible(rule.createdBy)} ${time(rule.createdAt)}</span>
        ${rule.owner === null ? nothing : html`<span>Owner: ${visible(rule.owner)}</span>`}
        ${rule.expiresAt === null || rule.endedAt !== null ? nothing : html`<span title=${exactTime(rule.expiresAt)}>Ends by itself ${time(rule.expiresAt)}</span>`}
        ${rule.endedAt === null ? nothing : html`<span>Ended by ${visible(rule.endedBy ?? 'system')}${rule.endReason === null ? '' : `: ${visible(rule.endReason)}`}</span>`}
      </p>
      ${canDecide && rule.endedAt === null
        ? html`<div class="actions">
            <button type="button" data-testid="edit-rule" aria-keyshortcuts="e" @click=${() => void this.#edit(rule)}>Change… <kbd aria-hidden="true">e</kbd></button>
            <button type="button" data-testid="end-rule" aria-keyshortcuts="x" @click=${() => this.#end(rule)}>End… <kbd aria-hidden="true">x</kbd></button>
            ${rule.origin === 'file' ? html`<span class="hint">A file made this rule. Change it there, because the next <code>rules apply</code> makes the rules equal to the file.</span>` : nothing}
          </div>`
        : nothing}
      ${rule.endedAt === null ? this.#hidden() : nothing}
    </div>`;
  }

  #hidden() {
    const { rows } = this.#ignored;
    if (rows.length === 0) return html`<p class="hint" data-testid="hides-nothing">It ignores no difference now.</p>`;
    return html`<h3>Ignored now</h3>
      <ul class="ignored" data-testid="ignored">
        ${repeat(rows, ({ id }) => id, (one) => html`<li>${this.#difference(one)}</li>`)}
      </ul>
      ${this.#ignored.foot()}`;
  }

  /** @param {IgnoredDifference} one */
  #difference({ resource, field, expected, actual, redacted, ignoredAt }) {
    return html`<strong>${resource === null ? 'deleted resource' : visibleLine(resourceName(resource))}</strong> ${resource === null ? nothing : html`<span class="kind">${kindName(resource.kind)}</span>`}
      ${field === '*' ? 'missing' : redacted ? 'secret, not shown' : briefComparison(expected, actual)}
      ${time(ignoredAt)}`;
  }

  #presetList() {
    const { canDecide } = this.#context.session;
    return html`<p class="lead">Differences that the cloud itself causes. A preset is off until you choose it.</p>
      <ul class="rule-list" data-testid="presets">
        ${repeat(this.#presets, ({ name }) => name, (preset) => {
          const most = preset.preview.truncated ? 'at least ' : '';
          return html`<li class="rule preset" data-testid="preset">
            <div>
              <strong>${visibleLine(preset.name)}</strong> <code>${visibleLine(preset.field)}${visibleLine(preset.pointer ?? '')}</code> ${preset.kind === null ? nothing : html`<span class="kind">${kindName(preset.kind)}</span>`}
              <p>${visible(preset.reason.charAt(0).toUpperCase() + preset.reason.slice(1))}. <a href=${preset.source} rel="noreferrer" target="_blank">Documentation<span class="visually-hidden"> of ${preset.name}</span></a></p>
              ${preset.rule === null ? html`<p class="hint">Would close ${most}${plural(preset.preview.openCount, 'open drift')}, and would have ignored ${most}${plural(preset.preview.pastCount, 'drift')} of the last 90 days.</p>` : nothing}
            </div>
            ${preset.rule !== null
              ? html`<span class="badge" data-testid="preset-on">in force</span>`
              : canDecide
                ? html`<button type="button" data-testid="apply-preset" aria-label=${`Apply the preset: ${preset.name}`} @click=${() => void this.#apply(preset)}>Apply</button>`
                : nothing}
          </li>`;
        })}
      </ul>`;
  }

  /** @param {RulePreset} preset */
  async #apply(preset) {
    try {
      const { applyIgnoreRulePreset: made } = await this.#context.api.ask(APPLY_PRESET, { input: { name: preset.name } });
      this.#made(made.closed, made.rule.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== 'UNAUTHENTICATED') showNotice(`The preset was not applied. ${explain(error)}`);
    }
    await this.reload();
  }

  /**
   * @param {number | null} closed
   * @param {string} id
   */
  #made(closed, id) {
    const what = closed === null ? 'Made the rule. The next detection closes what it covers.' : `Made the rule. Ignored ${plural(closed, 'drift')}.`;
    const undo = async () => {
      const undone = await endRule(id, this.#context);
      await this.reload();
      return undone;
    };
    this.#context.decisions.made(what, { what: 'the rule', undo });
    this.#context.refresh();
  }

  async #new() {
    if (!this.#context.session.canDecide) return;
    this.#dialog.open(null, await this.#knownKinds(), ({ closed, id }) => {
      this.#made(closed, id);
      if (this.#show === '') void this.reload();
      else this.#go({ show: '', rule: '' });
    });
  }

  /** @param {IgnoreRule} rule */
  async #edit(rule) {
    this.#dialog.open(rule, await this.#knownKinds(), ({ closed, opened, id }) => {
      const what = closed === null || opened === null ? 'Replaced the rule. The next detection changes its drifts.' : `Replaced the rule. Ignored ${plural(closed, 'drift')}, and ${plural(opened, 'drift')} came back.`;
      showToast(what);
      announce(what);
      this.#context.refresh();
      if (this.#open === rule.id) this.#go({ rule: id });
      else void this.reload();
    });
  }

  /** @param {IgnoreRule} rule */
  #end(rule) {
    this.#confirm.ask({
      title: 'End this rule?',
      text: html`${ruleName(rule)}: ${rule.ignoredCount === 0 ? 'it ignores no difference now.' : `the ${plural(rule.ignoredCount, 'difference')} that it ignores now ${rule.ignoredCount === 1 ? 'comes' : 'come'} back as open drifts.`}`,
      confirm: 'End the rule',
      reason: 'Reason (optional)',
      run: async (reason) => {
        const { endIgnoreRule } = await this.#context.api.ask(END_RULE, { input: { ruleId: rule.id, ...(reason === '' ? {} : { reason }) } });
        const { opened } = endIgnoreRule;
        const what = opened === null ? 'The rule has ended. The next detection opens its drifts again.' : `The rule has ended. ${plural(opened, 'drift')} came back.`;
        showToast(what);
        announce(what);
        this.#context.refresh();
        await this.reload();
      },
    });
  }

  /** The kinds of the inventory, for suggestions. An error leaves them out, because any kind can be typed. */
  async #knownKinds() {
    if (this.#kinds.length > 0) return this.#kinds;
    try {
      const { coverage } = await this.#context.api.ask(COVERAGE);
      const kinds = new Set(coverage.map((/** @type {{ kind: string }} */ row) => row.kind));
      this.#kinds = /** @type {string[]} */ ([...kinds]).sort();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    return this.#kinds;
  }
}
