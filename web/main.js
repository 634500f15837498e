// Creates and connects the parts of the page.

import { AcceptDialog } from './accept.js';
import { ACTIONS } from './actions.js';
import { Api, ApiError, askAs, explain } from './api.js';
import { BulkDialog } from './bulk.js';
import { ConfirmDialog } from './confirm.js';
import { Decisions } from './decisions.js';
import { DetailView } from './detail.js';
import { byId, h, hideNotice, runNoticeAction } from './dom.js';
import { take, takeAll } from './comments.js';
import { plural, refreshTimes, visibleLine } from './format.js';
import { ExplainDialog } from './explain.js';
import { IgnoreDialog } from './ignore.js';
import { Keys } from './keys.js';
import { ListView } from './list.js';
import { Live } from './live.js';
import { setMe } from './me.js';
import { Navigation, Views } from './navigation.js';
import { Oidc, SignInProblem, handOver, takeAnswer } from './oidc.js';
import { MembersDialog } from './members.js';
import { PlanDialog } from './plan.js';
import { DRIFT_CHANGED, VIEWER } from './queries.js';
import { Renewal } from './renewal.js';
import { NO_FILTERS, Router, parseRoute, unreadParameters } from './router.js';
import { SavedViewsDialog, defaultView } from './saved_views.js';
import { Session, expiryOf } from './session.js';
import { SignInAgain } from './sign_in_again.js';
import { SignIn } from './signin.js';
import { SnoozeDialog, unsnoozeShown } from './snooze.js';
import { Sources, stateLines } from './sources.js';
import { undoShown } from './undo.js';
import { VIEWS, viewOf } from './views.js';
/** @import { Context, Drift } from './types.js' */

/** The statuses of the drifts whose changes are shown: all. */
const STATUSES = ['OPEN', 'ACCEPTED', 'REVERTED', 'STALE'];

const session = new Session();
// Done first, so that tokens and codes leave the address even if later code fails.
let tokenFromLink = session.takeTokenFromAddress();
let answer = takeAnswer();

const router = new Router();
const oidc = new Oidc();
const renewal = new Renewal(session, oidc);
const api = new Api(session, renewal);
const live = new Live(api, DRIFT_CHANGED, { filter: { status: STATUSES } });
const sources = new Sources(api);
let openCount = 0;
/** @type {string | null} */
let shownDrift = null;
let listScroll = 0;

/** @type {Context} */
const context = {
  api,
  router,
  session,
  sources,
  accept: (drift, review) => dialog.open(drift, review),
  undo: (drift) => void (drift.snoozed ? unsnoozeShown(drift, context) : undoShown(drift, context)),
  snooze: (drift) => snoozing.open(drift),
  take: (drift) => void take(drift, context),
  takeAll: (batch) => void takeAll(batch, context),
  ignore: (drift, cause) => ignoring.open(drift, cause),
  members: (drift) => choosing.open(drift),
  plan: (drift) => planning.open(drift),
  decideAll: (name, batch) => bulk.open(name, batch),
  decisions: new Decisions(),
  decided: () => {
    list.clearSelection();
    context.refresh();
  },
  explain: (resource, field) => explaining.open(resource, field),
  refresh: () => {
    void list.refresh();
    void detail.refresh();
  },
  next: (id) => (router.route.drift === null ? list.openAfter(id) : null),
  focus: (id) => list.focusRow(id),
  changed,
  counted,
};
const signIn = new SignIn(session, oidc, () => void signIn.tryProxy(null));
const again = new SignInAgain(session, oidc);
const viewsButton = h('button', { type: 'button', class: 'quiet', testid: 'open-views', 'aria-keyshortcuts': 'v', title: 'Saved views (v)', text: 'Views', on: { click: () => savedViews.open() } });
const list = new ListView(context, viewsButton);
const detail = new DetailView(context, closeDetail);
const views = new Views(context);
const dialog = new AcceptDialog(context);
const ignoring = new IgnoreDialog(context);
const bulk = new BulkDialog(context);
const snoozing = new SnoozeDialog(context);
const confirming = new ConfirmDialog();
const savedViews = new SavedViewsDialog(context, confirming);
const explaining = new ExplainDialog(context);
const choosing = new MembersDialog(context);
const planning = new PlanDialog(context);

const workspace = h('div', { class: 'workspace', hidden: true }, list.element, detail.element, views.element);
const states = h('ul', { class: 'source-states', 'aria-label': 'Sources that are not up to date', testid: 'source-states', hidden: true });
byId('main', HTMLElement).append(signIn.element, states, workspace);
const navigation = new Navigation(byId('nav', HTMLElement));
const account = byId('account', HTMLElement);
const connection = byId('connection', HTMLElement);
const banner = byId('banner', HTMLElement);
const unread = h('p', { testid: 'unread-parameters', hidden: true });

/** @param {Drift} drift */
function changed(drift) {
  list.onDriftChanged(drift);
  detail.onDriftChanged(drift);
  dialog.onDriftChanged(drift);
  snoozing.onDriftChanged(drift);
}

/** @param {number} count */
function counted(count) {
  openCount = count;
  showTitle();
}

function showTitle() {
  const count = openCount > 0 && session.viewer !== null ? `(${openCount.toLocaleString('en')}) ` : '';
  document.title = `${count}${session.viewer === null ? 'Sign in' : viewOf(router.route.view)?.title} · Drift Inbox`;
}

function isNarrow() {
  return window.matchMedia('(max-width: 1099px)').matches;
}

function showRoute() {
  const { route } = router;
  if (session.viewer === null) return;
  const isList = route.view === 'inbox' || route.view === 'history';
  const opening = isList && route.drift !== null && shownDrift === null;
  const closing = shownDrift !== null && (route.drift === null || !isList);
  const closed = shownDrift;
  // On a narrow screen the detail replaces the list, whose scroll position has to be restored.
  if (opening) listScroll = window.scrollY;
  shownDrift = isList ? route.drift : null;
  workspace.classList.toggle('with-detail', shownDrift !== null);
  list.element.hidden = !isList;
  if (closing && isNarrow()) window.scrollTo({ top: listScroll, behavior: 'instant' });
  if (isList) list.show(route);
  detail.show(shownDrift);
  if (shownDrift !== null && isNarrow()) window.scrollTo({ top: 0, behavior: 'instant' });
  views.show(route);
  navigation.show(route.view);
  showTitle();
  if (closing && closed !== null && isList) list.focusRow(closed);
}

function closeDetail() {
  router.go({ drift: null });
}

/** Reports parameters of the address that are not valid, because they do not filter the list. */
function showUnreadParameters() {
  const names = unreadParameters(location.search).map((name) => `“${visibleLine(name)}”`);
  unread.hidden = names.length === 0;
  unread.textContent = `These parameters of the address are not valid and do not filter the list: ${names.join(', ')}.`;
}

/** Shows the view of the address, or the user's default view if the address names none. */
async function showFirst() {
  const isPlain = location.search === '';
  const view = isPlain ? await defaultView(context).catch(report) : null;
  if (isPlain && location.search !== '') return;
  if (view) router.go(parseRoute(view.link), { replace: true });
  showRoute();
}

/** @param {string} view */
function goTo(view) {
  router.go({ view, filters: NO_FILTERS, group: false, own: {}, drift: null });
  if (viewOf(view)?.load === undefined) list.focusTitle();
  else views.focusTitle();
}

const keys = new Keys({
  j: () => list.move(1),
  k: () => list.move(-1),
  o: openFocused,
  ...Object.fromEntries(ACTIONS.map((action) => [action.key, () => act(action)])),
  x: () => list.selectFocused(false),
  X: () => list.selectFocused(true),
  '*': () => list.selectAll(),
  g: () => (session.viewer === null || list.element.hidden ? undefined : list.toggleGroups()),
  v: () => {
    if (session.viewer !== null) savedViews.open();
  },
  Escape: () => {
    if (!list.clearSelection() && shownDrift !== null) closeDetail();
  },
  '/': () => {
    if (list.element.hidden) goTo('inbox');
    list.focusSearch();
  },
  ...Object.fromEntries(VIEWS.map(({ id, key }) => [`g ${key}`, () => goTo(id)])),
}, () => views.keys);
document.body.append(dialog.element, ignoring.element, snoozing.element, choosing.element, planning.element, explaining.element, bulk.element, savedViews.element, confirming.element, again.element, keys.help);

function openFocused() {
  const drift = list.focused;
  if (drift !== null) router.go({ drift: drift.id });
  else list.toggleFocusedGroup();
}

/** @param {import('./actions.js').Action} action */
function act(action) {
  // The notice offers the newest decision.
  if (runNoticeAction(action.key)) return;
  const batch = action.many === undefined || list.element.hidden ? null : list.batch;
  if (batch !== null) {
    action.many?.(batch, context);
    return;
  }
  const drift = list.focused ?? detail.drift;
  if (drift !== null && action.applies(drift, context)) action.run(drift, context);
  else if (action.name === 'undo') context.decisions.undoLast();
}

// Links within the page change the view without loading a new page.
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[data-route]') : null;
  if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented) return;
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  router.go(parseRoute(new URL(link.href).search));
});

/** @type {{ [state in import('./live.js').LiveState]: string }} */
const CONNECTION = {
  off: '',
  connecting: 'connecting…',
  live: 'live',
  reconnecting: 'reconnecting…',
  offline: 'offline',
  paused: 'paused',
};

function showConnection() {
  connection.dataset.state = live.state;
  connection.textContent = CONNECTION[live.state];
}

function showAccount() {
  const { viewer } = session;
  if (viewer === null) {
    account.replaceChildren();
    return;
  }
  const role = session.canDecide ? 'Read and write access' : 'Read access';
  account.replaceChildren(
    h('button', { type: 'button', class: 'quiet icon', 'aria-label': 'Keyboard shortcuts', testid: 'help', text: '?', on: { click: () => keys.openHelp() } }),
    h('span', { class: 'who', testid: 'who', title: role, text: viewer.email ?? viewer.id }),
    ...(session.canDecide ? [] : [h('span', { class: 'badge', text: 'viewer' })]),
    // Without a token a proxy signs the user in with each request, and the session ends there.
    ...(session.token === null ? [] : [h('button', { type: 'button', class: 'quiet', testid: 'sign-out', text: 'Sign out', on: { click: () => void signOut() } })]),
  );
}

/** Signs out of this page, and of the issuer at which the user signed in. */
async function signOut() {
  const { grant } = session;
  if (grant === null) {
    session.end();
    return;
  }
  // First of all, so that nothing is left if the server does not answer.
  session.end('You are signed out of this page. You may still be signed in at your identity provider.');
  const address = await oidc.signOutAddress(grant).catch(() => null);
  if (address !== null) location.assign(address);
}

function showSources() {
  const lines = stateLines(sources.all);
  states.hidden = lines.length === 0;
  states.replaceChildren(...lines);
}

/**
 * @param {string | null} reason
 * @param {string} [problem] why a sign-in failed
 */
function showSignedOut(reason, problem) {
  live.stop();
  sources.stop();
  dialog.close();
  ignoring.close();
  snoozing.close();
  bulk.close();
  savedViews.close();
  context.decisions.clear();
  explaining.close();
  choosing.close();
  planning.close();
  again.close();
  hideNotice();
  list.clear();
  detail.show(null);
  views.clear();
  shownDrift = null;
  openCount = 0;
  workspace.hidden = true;
  navigation.show(null);
  banner.replaceChildren();
  showAccount();
  showTitle();
  void signIn.show(reason, problem);
}

session.addEventListener('begin', () => {
  setMe(session.viewer?.email ?? null);
  signIn.hide();
  workspace.hidden = false;
  banner.replaceChildren(unread);
  showUnreadParameters();
  showAccount();
  sources.start();
  void showFirst();
  live.start();
});
session.addEventListener('end', (event) => showSignedOut(event instanceof CustomEvent ? event.detail : null));
session.addEventListener('expiring', () => {
  const minutes = Math.max(Math.round(((session.expiresAt ?? 0) - Date.now()) / 60_000), 1);
  banner.replaceChildren(
    h('p', { testid: 'expiring' }, `Your session ends in ${plural(minutes, 'minute')}. `, h('button', { type: 'button', text: 'Sign in again', on: { click: () => signInAgain(minutes) } })),
  );
});

/** @param {number} minutes minutes until the session ends */
function signInAgain(minutes) {
  if (session.grant === null) session.end('Sign in with a new token. You return to the same page.');
  else again.open(`Your session ends in ${plural(minutes, 'minute')}.`);
}

session.addEventListener('renewed', () => {
  again.close();
  banner.replaceChildren(unread);
  setMe(session.viewer?.email ?? null);
  showAccount();
  // The feed ended with the token if the session had ended.
  if (live.state === 'off') live.start();
});
session.addEventListener('lapsed', (event) => {
  const why = event instanceof CustomEvent ? String(event.detail) : '';
  banner.replaceChildren(h('p', { role: 'alert', testid: 'lapsed' }, `${why} `, h('button', { type: 'button', text: 'Sign in again', on: { click: () => again.open(why) } })));
  again.open(why);
});
renewal.addEventListener('problem', () => {
  // Until the token ends, the user notices nothing.
  if (!renewal.isLate) return;
  banner.replaceChildren(h('p', { role: 'alert', testid: 'not-renewed' }, `Your session could not be renewed. ${renewal.problem} `, h('button', { type: 'button', text: 'Try again', on: { click: () => void renewal.renew({ atOnce: true }) } })));
});
// The clock of this machine may be wrong, so the server decides whether the token is still valid.
session.addEventListener('expired', () => {
  banner.replaceChildren();
  void api.ask(VIEWER).catch((error) => report(error));
});

router.addEventListener('change', showRoute);
router.addEventListener('change', showUnreadParameters);
live.addEventListener('state', showConnection);
sources.addEventListener('change', showSources);
live.addEventListener('next', (event) => {
  if (event instanceof CustomEvent) changed(event.detail.driftChanged);
});
live.addEventListener('open', () => {
  void sources.refresh();
  void list.refresh();
  void detail.refresh();
});
window.addEventListener('hashchange', () => {
  if (!session.takeTokenFromAddress()) return;
  tokenFromLink = true;
  void begin();
});
setInterval(refreshTimes, 30_000);

/**
 * @param {unknown} error
 * @returns {null}
 */
function report(error) {
  // The session handles API errors.
  if (!(error instanceof ApiError)) console.error(error);
  return null;
}

/** Signs in with the token of this tab, if there is one, and otherwise by the proxy, if there is one. */
async function begin() {
  const { token } = session;
  if (token === null) {
    const ways = await oidc.ways().catch(() => null);
    if (ways?.proxy === undefined) showSignedOut(null);
    else await signIn.tryProxy(null);
    return;
  }
  try {
    const { viewer } = await askAs(token, VIEWER);
    tokenFromLink = false;
    session.begin(token, viewer, session.grant);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'UNAUTHENTICATED' && (session.grant?.refreshToken ?? null) !== null) {
      await beginRenewed();
    } else if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') {
      // The token is removed, so that a reload does not show another reason.
      session.end(tokenFromLink ? linkProblem(token) : 'Your session has ended, because the token is no longer valid.');
      tokenFromLink = false;
    } else if (error instanceof ApiError && error.code === 'FORBIDDEN') {
      showSignedOut('Access requires the role platform_viewer or platform_admin, and your token has neither.');
    } else {
      showUnreachable(error);
    }
  }
}

/** Begins with a renewal: the token of this tab has ended while the page was closed. */
async function beginRenewed() {
  const { grant } = session;
  if (grant === null) return;
  try {
    const renewed = await oidc.renew(grant);
    session.keep(renewed.token, renewed.grant);
    const { viewer } = await askAs(renewed.token, VIEWER);
    session.begin(renewed.token, viewer, renewed.grant);
  } catch (error) {
    const passes = error instanceof SignInProblem ? error.kind === 'network' : error instanceof ApiError && !['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code);
    if (passes) showUnreachable(error);
    else session.end(error instanceof SignInProblem ? error.message : 'Your session has ended, because the token is no longer valid.');
  }
}

/**
 * Explains why the server rejects the token of a link.
 * @param {string} token
 */
function linkProblem(token) {
  const expiresAt = expiryOf(token);
  if (expiresAt !== null && expiresAt <= Date.now()) return 'The token in this link has expired. Request a new link or paste a new token.';
  return 'The token in this link is not valid for this server. Check that the link is complete or paste a token.';
}

/** @param {unknown} error */
function showUnreachable(error) {
  const retry = () => {
    banner.replaceChildren();
    void begin();
  };
  const why = error instanceof SignInProblem ? error.message : explain(error);
  banner.replaceChildren(h('p', { role: 'alert', testid: 'unreachable' }, `${why} `, h('button', { type: 'button', text: 'Try again', on: { click: retry } })));
}

/** Completes the sign-in that brought the user here, or begins with the token of this tab. */
function start() {
  const given = answer;
  answer = null;
  if (given === null) {
    void begin();
  } else if (handOver(given)) {
    signIn.showBusy('The sign-in continues on the page that opened this window. You can close this window.');
    window.close();
  } else {
    void signIn.finish(given);
  }
}

start();
