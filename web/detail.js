// The detail view of one drift.

import { ACTIONS } from './actions.js';
import { ApiError, explain } from './api.js';
import { careNotes, careText, commentForm } from './comments.js';
import { announce, h, replaceOthers, screenReaderText } from './dom.js';
import { STATUS, closeReasonText, fieldName, kindName, resolution, plural, severityText, resourceName, timeElement, visible, visibleLine } from './format.js';
import { printJson } from './json.js';
import { skeleton } from './list.js';
import { DRIFT, MORE_EVENTS } from './queries.js';
import { FLAPPING } from './row.js';
import { routeUrl } from './router.js';
import { ticketText } from './ticket.js';
import { windowNote } from './window.js';
import { briefComparison, briefDifference, comparison, sideOf, specDetails, wholeValue } from './values.js';
/** @import { Context, Drift, DriftDetail, ResourceDetail, ResourceEvent, SiblingDrift } from './types.js' */

/** @type {{ [type: string]: string }} */
const EVENTS = {
  DRIFT_DETECTED: 'drift detected',
  DRIFT_CHANGED: 'drift changed',
  DRIFT_ACCEPTED: 'drift accepted',
  DRIFT_STALE: 'drift became stale',
  DRIFT_REVERTED: 'drift reverted',
  DIFFERENCE_IGNORED: 'difference ignored',
  ACCEPT_UNDONE: 'accept undone',
  DRIFT_SNOOZED: 'drift snoozed',
  SNOOZE_ENDED: 'snooze ended',
  DRIFT_ASSIGNED: 'drift assigned',
  DRIFT_UNASSIGNED: 'drift unassigned',
  DRIFT_COMMENTED: 'comment',
  REVERT_MARKED: 'revert planned',
  REVERT_UNMARKED: 'plan to revert withdrawn',
  RESOURCE_CHANGED: 'resource changed',
  RESOURCE_DISCOVERED: 'resource discovered',
  RESOURCE_GONE: 'resource gone',
  SPEC_RECORDED: 'spec recorded',
  SPEC_RETIRED: 'spec retired',
};

export class DetailView {
  #context;
  #close;
  /** @type {string | null} */
  #id = null;
  /** @type {DriftDetail | null} */
  #drift = null;
  #asking = new AbortController();
  /** The drift as text that the pane shows; empty if it shows none. */
  #drawn = '';
  /** Whether the pane names the source. */
  #named = false;
  /** Parts of the pane that stay when the same drift is drawn again, because users type in them. @type {Map<string, HTMLElement>} */
  #kept = new Map();
  /** Comment forms with text by drift id, so that a comment is not lost when the user looks at another drift. @type {Map<string, HTMLElement>} */
  #comments = new Map();

  /**
   * @param {Context} context
   * @param {() => void} close
   */
  constructor(context, close) {
    this.#context = context;
    this.#close = close;
    context.sources.addEventListener('change', () => {
      if (this.#drift !== null && this.#named !== context.sources.several) this.#draw(this.#drift);
    });
    this.element = h('section', { class: 'pane detail-pane', testid: 'detail', 'aria-label': 'Drift', hidden: true });
  }

  /** @returns {Drift | null} */
  get drift() {
    return this.#drift;
  }

  /** @param {string | null} id */
  show(id) {
    this.element.hidden = id === null;
    if (id === this.#id) return;
    this.#keepComment();
    this.#id = id;
    this.#drift = null;
    this.#drawn = '';
    this.#kept.clear();
    this.#asking.abort();
    if (id === null) {
      this.element.replaceChildren();
      return;
    }
    this.element.replaceChildren(this.#bar(), skeleton(6));
    this.element.scrollTop = 0;
    void this.refresh();
  }

  #keepComment() {
    const form = this.#kept.get('comment');
    if (this.#id === null || form === undefined) return;
    if (form.querySelector('textarea')?.value.trim()) this.#comments.set(this.#id, form);
    else this.#comments.delete(this.#id);
  }

  /**
   * Returns a part of the pane that stays as long as the same drift is shown.
   * @template {HTMLElement | null} T
   * @param {string} name
   * @param {() => T} make
   * @returns {T | HTMLElement}
   */
  #part(name, make) {
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const made = make();
    if (made !== null) this.#kept.set(name, made);
    return made;
  }

  focus() {
    const heading = this.element.querySelector('h2');
    if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
  }

  /** Loads the drift again. */
  async refresh() {
    const id = this.#id;
    if (id === null) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const { drift } = await this.#context.api.ask(DRIFT, { id }, signal);
      if (signal.aborted) return;
      if (drift === null) this.#showMessage('This drift does not exist.', 'The link may be incomplete or belong to another server, or the drift may have been deleted.');
      else if (JSON.stringify(drift) !== this.#drawn) this.#draw(drift);
      else this.element.querySelector('[data-testid=not-renewed]')?.remove();
    } catch (error) {
      if (signal.aborted || (error instanceof ApiError && error.code === 'UNAUTHENTICATED')) return;
      if (error instanceof ApiError && error.code === 'BAD_USER_INPUT') this.#showMessage('This drift does not exist.', 'The id in the link is not valid.');
      else if (this.#drawn !== '') this.#notRenewed(explain(error));
      else this.#showMessage('The drift could not be loaded.', explain(error), () => void this.refresh());
    }
  }

  /**
   * Says above a drift that it may be outdated. It stays, because the user may be writing about it.
   * @param {string} why
   */
  #notRenewed(why) {
    this.element.querySelector('[data-testid=not-renewed]')?.remove();
    const retry = h('button', { type: 'button', text: 'Try again', on: { click: () => void this.refresh() } });
    this.element.querySelector('.detail-bar')?.after(h('div', { class: 'note', role: 'alert', testid: 'not-renewed' }, h('p', { text: `What is shown may be outdated, because the drift could not be loaded again. ${why}` }), retry));
  }

  /** @param {Drift} drift */
  onDriftChanged(drift) {
    const shown = this.#drift;
    if (shown === null) return;
    const parts = /** @type {const} */ (['id', 'revision', 'status', 'undoneAt', 'assignee', 'snoozed', 'snoozedUntil']);
    const same = parts.every((part) => drift[part] === shown[part]);
    if (same || drift.resource.id !== shown.resource.id) return;
    if (drift.id === shown.id && (drift.revision !== shown.revision || drift.status !== shown.status)) announce(drift.status === 'OPEN' ? 'The open drift changed' : `The drift was closed: ${resolution(drift)}`);
    void this.refresh();
  }

  #bar() {
    return h(
      'div',
      { class: 'detail-bar' },
      this.#drift !== null && h('button', { type: 'button', class: 'quiet', testid: 'copy-text', title: 'Copy a text for a ticket', text: 'Copy as text', on: { click: (event) => void this.#copyText(event.currentTarget) } }),
      h('button', { type: 'button', class: 'quiet', testid: 'copy-link', text: 'Copy link', on: { click: (event) => void this.#copyLink(event.currentTarget) } }),
      h('button', { type: 'button', class: 'quiet', testid: 'close-detail', 'aria-keyshortcuts': 'Escape', text: 'Close', on: { click: this.#close } }),
    );
  }

  /** @param {HTMLButtonElement} button */
  async #copyLink(button) {
    await copy(button, this.#link(), 'Link to this drift', 'Link copied');
  }

  /** @param {HTMLButtonElement} button */
  async #copyText(button) {
    if (this.#drift !== null) await copy(button, ticketText(this.#drift, this.#link()), 'Text of this drift', 'Text copied');
  }

  #link() {
    return new URL(`./?drift=${this.#id}`, location.href).href;
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {() => void} [retry]
   */
  #showMessage(title, text, retry) {
    this.#drawn = '';
    this.element.replaceChildren(
      this.#bar(),
      h(
        'div',
        { class: 'state problem', role: 'alert', testid: 'detail-error' },
        h('h2', { class: 'state-title', tabindex: '-1', text: title }),
        h('p', { text }),
        retry !== undefined && h('button', { type: 'button', text: 'Try again', on: { click: retry } }),
      ),
    );
  }

  /** @param {DriftDetail} drift */
  #draw(drift) {
    const first = this.#drift?.id !== drift.id;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    const alike = focused === null ? null : selectorOf(focused);
    const opened = new Set([...this.element.querySelectorAll('details[open]')].map((details) => details.className));
    const scrolled = this.element.scrollTop;
    this.#drift = drift;
    this.#drawn = JSON.stringify(drift);
    this.#named = this.#context.sources.several;
    const { resource, terraformLines } = drift;
    replaceOthers(
      this.element,
      this.#part('bar', () => this.#bar()),
      this.#head(drift),
      h('section', { class: 'part first', 'aria-label': 'Difference' }, comparison(drift), drift.kind === 'MISSING' ? specDetails(drift.expected) : !drift.redacted && more('raw', 'Raw JSON', both(drift))),
      ...careNotes(drift, this.#context),
      this.#decision(drift),
      terraformLines.length > 0 && this.#part(`commands ${JSON.stringify(terraformLines)}`, () => part('Put it right with Terraform', ...terraformLines.map(command))),
      this.#timeline(drift),
      ...this.#others(drift),
      part('Spec', spec(drift), h('div', { class: 'actions' }, this.#button('explain', drift), this.#button('versions', drift))),
      part('Resource', facts(resource), more('attrs', 'Attributes', wholeValue(resource.attrs, 'Attributes'))),
    );
    for (const details of this.element.querySelectorAll('details')) details.open = opened.has(details.className);
    if (first) this.focus();
    else if (focused !== null && document.activeElement !== focused) {
      const same = alike === null ? null : this.element.querySelector(alike);
      if (same instanceof HTMLElement) same.focus({ preventScroll: true });
      else this.focus();
    }
    this.element.scrollTop = first ? 0 : scrolled;
  }

  /** @param {DriftDetail} drift */
  #timeline(drift) {
    const section = this.#part('timeline', () => h('section', { class: 'part' }));
    const form = this.#part('comment', () => (this.#context.session.canDecide ? (this.#comments.get(drift.id) ?? commentForm(drift, this.#context)) : null));
    replaceOthers(section, h('h3', { text: 'Timeline' }), windowNote(drift), form, this.#events(drift.resource));
    return section;
  }

  /** @param {DriftDetail} drift */
  #head(drift) {
    const { resource } = drift;
    return h(
      'header',
      { class: 'detail-head' },
      h(
        'h2',
        { tabindex: '-1' },
        visibleLine(resourceName(resource)),
        h('span', { class: 'title-field' }, screenReaderText(', '), visibleLine(fieldName(drift))),
        ' ',
        h('span', { class: `badge ${drift.status.toLowerCase()}`, testid: 'detail-status', text: STATUS[drift.status] }),
      ),
      h(
        'p',
        { class: 'crumbs' },
        h('span', { class: 'kind', text: kindName(resource.kind) }),
        resource.region !== null && h('span', { class: 'region', text: visibleLine(resource.region) }),
        this.#context.sources.several && resource.source !== null && h('span', { class: 'source', testid: 'detail-source', text: visibleLine(resource.source) }),
        h('span', { class: 'when' }, 'detected ', timeElement(drift.detectedAt), drift.revision > 1 && `, revision ${drift.revision}`),
      ),
      this.#facts(drift),
      this.#newerRevision(drift),
      drift.address !== null && h('p', { class: 'address', testid: 'detail-address', text: visibleLine(drift.address) }),
    );
  }

  /**
   * Names the severity, and how often the field has drifted.
   * @param {DriftDetail} drift
   */
  #facts(drift) {
    const { occurrences, predecessor } = drift;
    return h(
      'p',
      { class: 'crumbs' },
      h('span', { class: `severity ${drift.severity.toLowerCase()}`, testid: 'detail-severity' }, screenReaderText('Severity: '), severityText(drift)),
      drift.flapping && h('span', { class: 'badge flapping', testid: 'detail-flapping', title: FLAPPING, text: 'flapping' }),
      occurrences > 1 && h('span', { class: 'hint', testid: 'occurrences', text: `${plural(occurrences, 'time')} in 30 days` }),
      predecessor !== null && h('a', { href: routeUrl({ ...this.#context.router.route, drift: predecessor.id }), testid: 'predecessor', text: 'Earlier drift of this field', 'data-route': true }),
    );
  }

  /**
   * Says that the drift has changed since the revision that the link names.
   * @param {DriftDetail} drift
   */
  #newerRevision({ id, revision, status }) {
    const { route } = this.#context.router;
    if (route.drift !== id || route.revision === undefined || revision <= route.revision) return null;
    const closed = status === 'OPEN' ? '' : ' It was closed since.';
    return h('p', { class: 'note', testid: 'newer-revision', text: `The link is to revision ${route.revision}. This is revision ${revision}, so the values have changed since; the timeline has each change.${closed}` });
  }

  /** @param {DriftDetail} drift */
  #decision(drift) {
    if (drift.status !== 'OPEN') return h('div', {}, resolved(drift), this.#button('undo', drift));
    if (!this.#context.session.canDecide) {
      return h('div', {}, h('p', { class: 'note', testid: 'read-only', text: 'You have read access only. Accepting requires the role platform_admin.' }), this.#button('plan', drift));
    }
    const word = drift.kind === 'MISSING' ? 'Accept deletion…' : 'Accept live value…';
    return h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', testid: 'accept', 'aria-keyshortcuts': 'a', text: word, on: { click: () => this.#context.accept(drift, false) } }, h('kbd', { text: 'a', 'aria-hidden': 'true' })),
      this.#button('members', drift),
      this.#button('ignore', drift),
      this.#button('plan', drift),
      this.#button('snooze', drift),
      this.#button('take', drift),
    );
  }

  /**
   * Creates the button of an action, if it applies.
   * @param {string} name
   * @param {DriftDetail} drift
   */
  #button(name, drift) {
    const action = ACTIONS.find((one) => one.name === name);
    if (action === undefined || !action.applies(drift, this.#context)) return null;
    const text = name === 'undo' ? 'Undo accept' : name === 'versions' ? action.label : name === 'take' ? action.label : `${action.label}…`;
    return h('button', { type: 'button', testid: name, 'aria-keyshortcuts': action.key, text, on: { click: () => action.run(drift, this.#context) } }, h('kbd', { text: action.key, 'aria-hidden': 'true' }));
  }

  /** @param {DriftDetail} drift */
  #others(drift) {
    const { open, resolved: past } = drift.resource;
    const others = open.nodes.filter((other) => other.id !== drift.id);
    const earlier = past.nodes.filter((other) => other.id !== drift.id);
    return [
      others.length > 0 && part(`Other open drifts of this resource (${others.length}${open.pageInfo.hasNextPage ? '+' : ''})`, this.#siblings(others)),
      earlier.length > 0 && part('Closed drifts', this.#siblings(earlier)),
    ].filter((section) => section !== false);
  }

  /** @param {SiblingDrift[]} drifts */
  #siblings(drifts) {
    const { router } = this.#context;
    return h(
      'ul',
      { class: 'siblings' },
      ...drifts.map((drift) =>
        h(
          'li',
          {},
          h('a', {
            href: routeUrl({ ...router.route, drift: drift.id }),
            text: visibleLine(fieldName(drift)),
            'data-route': true,
          }),
          ' ',
          briefDifference(drift),
          drift.status !== 'OPEN' && h('span', { class: 'how' }, ` ${visibleLine(resolution(drift))}`, ...noted(drift)),
          ' ',
          timeElement(drift.resolvedAt ?? drift.detectedAt, { class: 'age' }),
        ),
      ),
    );
  }

  /** @param {ResourceDetail} resource */
  #events(resource) {
    const list = h('ol', { class: 'events', testid: 'events' }, ...resource.events.nodes.map(eventItem));
    const button = h('button', { type: 'button', class: 'quiet', text: 'Earlier events' });
    const place = h('div', {}, list, resource.events.nodes.length === 0 && h('p', { text: 'There are no events yet.' }), button);
    let { hasNextPage, endCursor } = resource.events.pageInfo;
    button.hidden = !hasNextPage;
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        const answer = await this.#context.api.ask(MORE_EVENTS, { id: resource.id, after: endCursor });
        const { nodes, pageInfo } = answer.resource.events;
        list.append(...nodes.map(eventItem));
        ({ hasNextPage, endCursor } = pageInfo);
        button.textContent = 'Earlier events';
      } catch (error) {
        button.textContent = `${explain(error)} Try again`;
      }
      button.disabled = false;
      button.hidden = !hasNextPage;
    });
    return place;
  }
}

/**
 * Returns the selector of the element that takes the place of this one when the pane is drawn again; null if it has no
 * such.
 * @param {Element} element
 */
function selectorOf(element) {
  const testid = element.getAttribute('data-testid');
  if (testid !== null) return `[data-testid="${CSS.escape(testid)}"]`;
  const href = element.getAttribute('href');
  if (href !== null) return `a[href="${CSS.escape(href)}"]`;
  const { parentElement } = element;
  return parentElement instanceof HTMLDetailsElement ? `details[class="${CSS.escape(parentElement.className)}"] > summary` : null;
}

/**
 * @param {string} title
 * @param {...(HTMLElement | false)} content
 */
function part(title, ...content) {
  return h('section', { class: 'part' }, h('h3', { text: title }), ...content);
}

/**
 * @param {string} name
 * @param {string} title
 * @param {HTMLElement} content
 */
function more(name, title, content) {
  return h('details', { class: name }, h('summary', { text: title }), content);
}

/**
 * Copies a text and says so on the button.
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {string} label
 * @param {string} done
 */
async function copy(button, text, label, done) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    announce(done);
    setTimeout(() => {
      button.textContent = before;
    }, 2000);
  } catch {
    // Browsers refuse without HTTPS or permission. The user can then copy the text from a field.
    const several = text.includes('\n');
    const field = several
      ? h('textarea', { class: 'link-field', rows: '6', readonly: true, text, 'aria-label': label })
      : h('input', { class: 'link-field', type: 'text', readonly: true, value: text, 'aria-label': label });
    button.replaceWith(field);
    field.select();
    field.focus();
  }
}

/**
 * Creates a command with a button that copies it.
 * @param {string} line
 * @param {number} number
 */
function command(line, number) {
  const what = number === 0 ? 'Create the resource again' : 'Remove it from the state';
  const button = h('button', {
    type: 'button',
    class: 'quiet',
    testid: 'copy-command',
    'aria-label': `Copy the command: ${what}`,
    text: 'Copy',
    on: { click: (event) => void copy(event.currentTarget, line, what, 'Command copied') },
  });
  return h('div', { class: 'command', testid: 'terraform-line' }, h('span', { class: 'hint', text: `${what}:` }), h('code', { text: line }), button);
}

/** @param {DriftDetail} drift */
function both(drift) {
  return h(
    'div',
    { class: 'both' },
    h('div', { class: 'side' }, h('h4', { text: 'Expected' }), sideOf(drift, 'expected', 'Expected value')),
    h('div', { class: 'side', testid: 'live-value' }, h('h4', { text: 'Live' }), sideOf(drift, 'actual', 'Live value')),
  );
}

/** @param {Pick<Drift, 'resolutionNote'>} drift */
function noted({ resolutionNote }) {
  return resolutionNote === null || resolutionNote === '' ? [] : [h('span', { class: 'quote', text: `: ${visible(resolutionNote)}` })];
}

/** @param {DriftDetail} drift */
function resolved(drift) {
  const why = closeReasonText(drift);
  return h(
    'div',
    { class: 'note', testid: 'resolution' },
    h('p', {}, h('strong', { text: sentence(resolution(drift)) }), ' ', drift.resolvedAt !== null && timeElement(drift.resolvedAt)),
    why !== '' && h('p', { testid: 'close-reason', text: why }),
    drift.closedByRule !== null && h('p', { testid: 'closed-by-rule', text: `Ignored by a rule of ${visible(drift.closedByRule.createdBy)}: ${visible(drift.closedByRule.reason)}` }),
    drift.undoneAt !== null && h('p', { testid: 'undone' }, h('strong', { text: `Accept undone by ${visible(drift.undoneBy ?? '')}` }), ' ', timeElement(drift.undoneAt)),
    drift.resolutionNote !== null && drift.resolutionNote !== '' && h('blockquote', { text: visible(drift.resolutionNote) }),
  );
}

/** @param {string} text */
function sentence(text) {
  return visible(text.charAt(0).toUpperCase() + text.slice(1));
}

/** @param {DriftDetail} drift */
function spec({ resource: { provisioned } }) {
  if (provisioned === null) return h('p', { text: 'No spec is in force for this resource.' });
  return h(
    'p',
    { testid: 'spec' },
    `Version ${provisioned.specVersion} from `,
    ...sourceOf(provisioned.source),
    `, recorded by ${visible(provisioned.recordedBy)} `,
    timeElement(provisioned.recordedAt),
  );
}

/**
 * Creates the description of the source of a spec.
 * @param {import('./types.js').SpecSourceDetail} source
 */
function sourceOf({ kind, name, lineage, serial }) {
  if (name === null) return [h('code', { text: kind.toLowerCase() })];
  const more = [serial !== null && `serial ${serial}`, lineage !== null && lineage !== name && `lineage ${visibleLine(lineage)}`];
  const details = more.filter((part) => part !== false).map((part) => `, ${part}`);
  return [kind === 'TERRAFORM_PLAN' ? 'plans of the Terraform state ' : 'the Terraform state ', h('code', { text: visibleLine(name) }), details.join('')];
}

/** @param {ResourceDetail} resource */
function facts(resource) {
  /** @type {[string, string | HTMLElement | null][]} */
  const rows = [
    ['Provider', resource.provider],
    ['ID', resource.providerId],
    ['URN', resource.urn],
    ['Source', resource.source],
    ['Region', resource.region],
    ['Size', resource.sizeSlug],
    ['Status', resource.status],
    ['IP', resource.ip],
    ['VPC', resource.vpcUuid],
    ['Project', resource.projectId],
    ['Tags', resource.tags.length === 0 ? null : resource.tags.join(', ')],
    ['First seen', resource.firstSeenAt && timeElement(resource.firstSeenAt)],
    ['Synced', resource.syncedAt && timeElement(resource.syncedAt)],
    ['Gone since', resource.goneAt && timeElement(resource.goneAt)],
  ];
  return h(
    'dl',
    { class: 'facts' },
    ...rows.map(([name, value]) =>
      value === null || value === '' ? null : h('div', {}, h('dt', { text: name }), h('dd', {}, typeof value === 'string' ? visibleLine(value) : value)),
    ),
  );
}

/** @param {ResourceEvent} event */
function eventItem(event) {
  const { data } = event;
  const field = typeof data['field'] === 'string' && data['field'] !== '*' ? data['field'] : null;
  const version = data['specVersion'];
  const compared = 'expected' in data || 'actual' in data;
  return h(
    'li',
    {},
    h('span', { class: 'event-type', text: EVENTS[event.type] ?? event.type.toLowerCase() }),
    field !== null && h('code', { text: visibleLine(field) }),
    field !== null &&
      compared &&
      h('span', { class: 'event-values' }, briefComparison(data['expected'] ?? null, data['actual'] ?? null)),
    careText(event) !== '' && h('span', { class: 'event-text', text: careText(event) }),
    version !== undefined && version !== null && h('span', { text: `spec version ${String(version)}` }),
    h('span', { class: 'by', text: event.actor === 'system' ? '' : `by ${visible(event.actor)}` }),
    timeElement(event.occurredAt, { class: 'age' }),
    Object.keys(data).length > 0 && h('details', { class: `event-${event.id}` }, h('summary', {}, 'data', screenReaderText(` of ${event.type.toLowerCase()}`)), h('pre', { class: 'whole-value', tabindex: '0', role: 'region', 'aria-label': 'Data of the event', text: visible(printJson(data)) })),
  );
}

