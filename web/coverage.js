// The coverage view: how many resources of each kind are managed.

import { ApiError, explain } from './api.js';
import { h, screenReaderText } from './dom.js';
import { kindName, plural } from './format.js';
import { skeleton } from './list.js';
import { COVERAGE } from './queries.js';
import { filtersOf, routeUrl } from './router.js';
/** @import { Context, KindCoverage } from './types.js' */

/** @param {Context} context */
export function create(context) {
  return new CoverageView(context);
}

class CoverageView {
  #context;
  #visible = false;
  #content = h('div', { testid: 'coverage' });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.element = h(
      'section',
      { class: 'pane', 'aria-labelledby': 'coverage-title', hidden: true },
      h('div', { class: 'pane-head' }, h('h2', { id: 'coverage-title', tabindex: '-1', text: 'Coverage' })),
      h('p', { class: 'lead', text: 'How many resources of each kind have a spec. Unmanaged resources are not checked.' }),
      this.#content,
    );
  }

  /** @param {boolean} visible */
  show(visible) {
    this.element.hidden = !visible;
    if (visible && !this.#visible) void this.refresh();
    this.#visible = visible;
  }

  focusTitle() {
    const title = this.element.querySelector('h2');
    title?.focus({ preventScroll: true });
  }

  clear() {
    this.#visible = false;
    this.#content.replaceChildren();
  }

  async refresh() {
    if (this.#content.childElementCount === 0) this.#content.replaceChildren(skeleton(6));
    try {
      const { coverage } = await this.#context.api.ask(COVERAGE);
      this.#content.replaceChildren(...(coverage.length === 0 ? [nothing()] : [waitingNote(coverage), table(coverage)]));
    } catch (error) {
      if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return;
      this.#content.replaceChildren(
        h('div', { class: 'state problem', role: 'alert' }, h('p', { class: 'state-title', text: 'The coverage could not be loaded.' }), h('p', { text: explain(error) }), h('button', { type: 'button', text: 'Try again', on: { click: () => void this.refresh() } })),
      );
    }
  }
}

function nothing() {
  return h('div', { class: 'state', testid: 'empty' }, h('p', { class: 'state-title', text: 'There is no inventory yet.' }), h('p', {}, 'Start a sync on ', h('a', { href: './?view=runs', 'data-route': true, text: 'Runs' }), '.'));
}

/**
 * Says how many differences wait, and of which kinds.
 * @param {KindCoverage[]} kinds
 */
function waitingNote(kinds) {
  const waiting = kinds.filter((kind) => kind.waiting > 0);
  if (waiting.length === 0) return '';
  const total = waiting.reduce((sum, kind) => sum + kind.waiting, 0);
  const each = waiting.map((kind) => `${kindName(kind.kind)} ${kind.waiting.toLocaleString('en')}`).join(', ');
  return h('p', { class: 'note', testid: 'waiting', text: `${plural(total, 'difference')} ${total === 1 ? 'waits' : 'wait'} until more detections have seen ${total === 1 ? 'it' : 'them'} (${each}). Rules make them wait.` });
}

/** @param {KindCoverage[]} kinds */
function table(kinds) {
  // With soft hyphens, so that the table fits a phone.
  const heads = ['Kind', 'Drifted', 'Missing', 'Man\u00adaged', 'Un\u00admanaged', 'Owned'];
  const sorted = [...kinds].sort((a, b) => b.drifted + b.missing - (a.drifted + a.missing) || b.unmanaged - a.unmanaged || a.kind.localeCompare(b.kind, 'en'));
  return h(
    'div',
    { class: 'table-place', tabindex: '0', role: 'region', 'aria-label': 'Coverage by kind' },
    h(
      'table',
      { class: 'coverage-table' },
      h('thead', {}, h('tr', {}, ...heads.map((text, at) => h('th', { scope: 'col', class: at === 0 ? undefined : 'number', text })), h('th', { scope: 'col', class: 'share', text: 'Managed share' }))),
      h('tbody', {}, ...sorted.map(row)),
    ),
  );
}

/** @param {KindCoverage} kind */
function row(kind) {
  const name = kindName(kind.kind);
  const list = (/** @type {import('./types.js').DriftKind} */ type) => routeUrl({ view: 'inbox', filters: filtersOf({ kind: kind.kind, type }), drift: null });
  const known = kind.managed + kind.unmanaged;
  return h(
    'tr',
    {},
    h('th', { scope: 'row', text: name }),
    number(kind.drifted, list('CHANGED'), `${kind.drifted} drifted: ${name}`),
    number(kind.missing, list('MISSING'), `${kind.missing} missing: ${name}`),
    number(kind.managed),
    number(kind.unmanaged),
    number(kind.owned),
    h('td', { class: 'share' }, known > 0 && h('progress', { value: String(kind.managed), max: String(known), 'aria-label': `${kind.managed} of ${known} managed: ${name}` })),
  );
}

/**
 * @param {number} count
 * @param {string} [href] the list of what is counted
 * @param {string} [label]
 */
function number(count, href, label) {
  if (count === 0) return h('td', { class: 'number zero' }, h('span', { 'aria-hidden': 'true', text: '–' }), screenReaderText('0'));
  const text = count.toLocaleString('en');
  return h('td', { class: 'number' }, href === undefined ? text : h('a', { href, 'data-route': true, 'aria-label': label, text }));
}
