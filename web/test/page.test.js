import assert from 'node:assert/strict';
import { test } from 'node:test';

import { filterOf } from '../account_filter.js';
import { ApiError } from '../api.js';
import { takenText } from '../comments.js';
import { byteLength, duration, kindOf, relativeTime, shortAge, visible, visibleLine } from '../format.js';
import { takesText } from '../keys.js';
import { looksAlike } from '../row.js';
import { filterInput, filtersOf, matches, parseRoute, routeUrl, unreadParameters } from '../router.js';
import { addressText } from '../saved_views.js';
import { cleanToken, expiryOf } from '../session.js';
import { every, notOk } from '../sources.js';
import { EventParser } from '../sse.js';
import { ALL_VIEWS, VIEWS } from '../views.js';

test('only fields that take text keep the keys of the page', () => {
  for (const type of ['checkbox', 'radio', 'button', 'submit', 'CHECKBOX']) assert.ok(!takesText('input', type), type);
  for (const type of [null, 'text', 'search', 'date', 'number', 'unheard-of']) assert.ok(takesText('input', type), String(type));
  for (const name of ['textarea', 'select', 'div']) assert.ok(takesText(name, null), name);
});

test('a row looks different after every change that it shows', () => {
  const resource = { id: 'r', name: 'web-1', region: 'fra1', source: 'cloud' };
  const drift = { revision: 1, status: 'OPEN', severity: 'NORMAL', snoozed: false, snoozedUntil: null, snoozedUntilChange: false, assignee: null, resource };
  assert.ok(looksAlike(drift, { ...drift, snoozeReason: 'not in the row' }));
  const changes = [{ revision: 2 }, { status: 'STALE' }, { severity: 'HIGH' }, { snoozed: true }, { snoozedUntil: '2027-01-01T00:00:00Z' }, { assignee: 'ada' }, { resource: { ...resource, name: 'web-2' } }];
  for (const change of changes) assert.ok(!looksAlike(drift, { ...drift, ...change }), JSON.stringify(change));
});

test('an address is made from the view and read back', () => {
  const routes = ['/', '/?view=history&status=stale', '/?kind=droplet&region=fra1&field=tags&source=lab&type=missing&q=a+b%26c&drift=1', '/?view=runs', '/?drift=x', '/?drift=x&revision=3', '/?kind=droplet&kind=volume&-region=fra1&group=cause', '/?view=history&-kind=droplet&status=open&status=stale'];
  for (const url of routes) assert.equal(routeUrl(parseRoute(url.slice(1))), `.${url}`);
  assert.equal(parseRoute('?status=accepted').view, 'history');
  assert.equal(parseRoute('?view=nothing&type=odd&status=odd').view, 'inbox');
});

test('a parameter of the address that changes nothing is named', () => {
  const unread = ['?regoin=fra1', '?status=closed', '?type=odd', '?view=nothing', '?q=a&q=b', '?-type=odd', '?view=runs&kind=droplet', '?group=field'];
  assert.deepEqual(unread.map(unreadParameters), [['regoin'], ['status'], ['type'], ['view'], ['q'], ['-type'], ['kind'], ['group']]);
  const read = ['', '?kind=droplet&region=fra1&field=tags&type=MISSING&q=+web+&drift=x', '?view=inbox&status=open', '?status=STALE', '?view=runs', '?kind=', '?kind=droplet&kind=volume&-region=fra1', '?view=history&status=open', '?group=cause'];
  for (const search of read) assert.deepEqual(unreadParameters(search), [], search);
});

test('views have different ids, titles and keys, and an address each', () => {
  for (const name of ['id', 'title', 'key']) assert.equal(new Set(VIEWS.map((view) => view[name])).size, VIEWS.length, name);
  assert.deepEqual(ALL_VIEWS.filter(({ key }) => key === '').map(({ inNav }) => inNav), [false]);
  for (const { id, parameters = [] } of ALL_VIEWS) {
    const own = parameters.map((name) => `&${name}=a+b`).join('');
    const url = id === 'inbox' ? '/' : `/?view=${id}${own}`;
    assert.equal(routeUrl(parseRoute(url.slice(1))), `.${url}`);
    assert.deepEqual(unreadParameters(url.slice(1)), []);
  }
});

test('an address never has a token', () => {
  assert.equal(routeUrl(parseRoute('?token=secret&q=x')), './?q=x');
});

test('a filter matches the shown view', () => {
  assert.deepEqual(filterInput(parseRoute('?kind=droplet&q=web')), { status: ['OPEN'], snoozed: false, where: { resourceKind: { in: ['droplet'] } }, search: 'web' });
  assert.deepEqual(filterInput(parseRoute('?is=snoozed')), { status: ['OPEN'], snoozed: true });
  assert.deepEqual(filterInput(parseRoute('?is=any')), { status: ['OPEN'] });
  assert.deepEqual(filterInput(parseRoute('?-assignee=none&assignee=me')), { status: ['OPEN'], snoozed: false, assigned: true, where: { assignee: { in: ['operator'] } } });
  assert.deepEqual(filterInput(parseRoute('?kind=a&kind=b&-region=c&-type=missing')).where, { resourceKind: { in: ['a', 'b'] }, region: { notIn: ['c'] }, kind: { notIn: ['MISSING'] } });
  assert.deepEqual(filterInput(parseRoute('?view=history')).status, ['ACCEPTED', 'REVERTED', 'STALE']);
  assert.deepEqual(filterInput(parseRoute('?-status=stale')).status, ['ACCEPTED', 'REVERTED']);
  assert.deepEqual(filterInput({ view: 'history', filters: filtersOf({ status: 'stale' }), drift: null }), { status: ['STALE'] });
  // No drift has a status that is chosen and excluded.
  assert.deepEqual(filterInput(parseRoute('?status=stale&-status=stale')), { where: { status: { notIn: ['OPEN', 'ACCEPTED', 'REVERTED', 'STALE'] } } });
});

test('a drift from an event is filtered as on the server', () => {
  const drift = { kind: 'CHANGED', address: 'module.net.aws_vpc.main', field: 'size_slug', status: 'OPEN', severity: 'HIGH', assignee: null, snoozed: true, resource: { kind: 'droplet', name: 'Web-É', region: null, providerId: '7', source: 'lab' } };
  assert.ok(!matches(drift, parseRoute('')), 'the inbox leaves snoozed drifts out');
  for (const search of ['?is=snoozed', '?is=any', '?is=any&severity=high', '?is=any&assignee=none']) assert.ok(matches(drift, parseRoute(search)), search);
  for (const search of ['?-is=snoozed', '?is=any&-severity=high', '?is=any&assignee=me']) assert.ok(!matches(drift, parseRoute(search)), search);
  drift.snoozed = false;
  const passes = (search) => matches(drift, parseRoute(search));
  for (const search of ['', '?kind=droplet', '?q=web', '?q=SLUG', '?q=7', '?q=NET.aws', '?field=size_slug&type=changed', '?source=lab', '?kind=volume&kind=droplet', '?-kind=volume', '?-region=fra1', '?status=open&status=stale']) assert.ok(passes(search), search);
  for (const search of ['?kind=volume', '?region=fra1', '?q=é', '?type=missing', '?source=la', '?view=history', '?-kind=droplet', '?-type=changed', '?kind=droplet&-field=size_slug', '?-address=module.net']) assert.ok(!passes(search), search);
});

test('sources that are not up to date are ordered by their states', () => {
  const sources = ['NEVER', 'OK', 'PARTIAL', 'FAILED', 'OVERDUE', 'REFUSED'].map((state) => ({ state }));
  assert.deepEqual(notOk(sources).map(({ state }) => state), ['FAILED', 'REFUSED', 'OVERDUE', 'NEVER', 'PARTIAL']);
});

test('an interval is shown in its largest whole unit', () => {
  assert.deepEqual([60, 5400, 3600, 86_400, 172_800, 90].map(every), ['every minute', 'every 90 minutes', 'every hour', 'every day', 'every 2 days', 'every 90 seconds']);
});

test('events that arrive in pieces are joined', () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push(':\n\nevent: ne'), []);
  assert.deepEqual(parser.push('xt\r\ndata: {"a":\r'), []);
  assert.deepEqual(parser.push('\ndata:1}\r\n'), []);
  assert.deepEqual(parser.push('\r\nevent: complete\n\n'), [
    { event: 'next', data: '{"a":\n1}' },
    { event: 'complete', data: '' },
  ]);
});

test('the token is extracted from pasted text', () => {
  for (const text of ['a.b.c', ' a.b.c\n', 'Bearer a.b.c', 'Authorization: bearer a.b.c', 'http://host/#token=a.b.c', 'http://host/?drift=1#token=a.b.c']) {
    assert.equal(cleanToken(text), 'a.b.c', text);
  }
});

test('the end of a token is read, if it has one', () => {
  const token = (claims) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;
  assert.equal(expiryOf(token({ exp: 5, sub: 'ÿ~~~>>>' })), 5000);
  assert.equal(expiryOf(token({ sub: 'x' })), null);
  assert.equal(expiryOf('no token'), null);
});

test('invisible characters are shown', () => {
  assert.equal(visible('b\u202egnp.exe\u200b'), 'b\\u202egnp.exe\\u200b');
  assert.equal(visible('a\u0000\u00a0b'), 'a\\u0000\\u00a0b');
  assert.equal(visible('a\nb\tc é 漢 🙂'), 'a\nb\tc é 漢 🙂');
  assert.equal(visibleLine(' a\nb'), '“ a⏎b”');
});

test('times and sizes are formatted', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  assert.equal(shortAge('2026-01-01T21:00:00Z', now), '3h');
  assert.equal(shortAge('2026-01-02T00:00:10Z', now), 'now');
  assert.equal(relativeTime('2026-01-02T00:15:00Z', now), 'in 15 minutes');
  assert.equal(relativeTime('2025-12-31T00:00:00Z', now), '2 days ago');
  assert.equal(duration('2026-01-01T00:00:00Z', '2026-01-01T00:02:05Z'), '2 min 5 s');
  assert.equal(byteLength('é🙂'), 6);
});

test('characters without width are shown in every Unicode plane', () => {
  for (const [text, shown] of [
    ['a\u{e0061}b', 'a\\u{e0061}b'],
    ['a\u{e0100}', 'a\\u{e0100}'],
    ['a\u180b', 'a\\u180b'],
    ['a\u2800', 'a\\u2800'],
    ['a\u200bb\u00ad', 'a\\u200bb\\u00ad'],
    ['a\ud800', 'a\\ud800'],
    ['é ü 😀 漢\n', 'é ü 😀 漢\n'],
  ]) assert.equal(visible(text), shown);
});

test('the address of the changes is their filter, and a type that does not exist filters nothing', () => {
  assert.deepEqual(filterOf({ type: 'gone', kind: 'droplet', region: '' }), { type: ['GONE'], kind: 'droplet' });
  assert.deepEqual(filterOf({ type: 'exploded', resource: '1' }), { resourceId: '1' });
});

test('a kind is found by the name that the page shows', () => {
  assert.equal(kindOf('load balancer'), 'load_balancer');
  assert.equal(kindOf(' Droplet '), 'droplet');
  assert.equal(kindOf('aws_s3_bucket'), 'aws_s3_bucket');
  assert.equal(kindOf('aws s3 bucket', ['aws_s3_bucket']), 'aws_s3_bucket');
  // Kinds of other sources are kept as they are written.
  assert.equal(kindOf('AwsBucket'), 'AwsBucket');
  assert.equal(kindOf('aws::ec2', ['AWS::EC2']), 'AWS::EC2');
  assert.equal(kindOf('Machine', ['Machine', 'machine']), 'Machine');
  assert.equal(kindOf(''), '');
});

test('the address of a view is described with its spaces and plus signs', () => {
  const address = routeUrl(parseRoute('?q=web+one+%2B+two&kind=load_balancer'));
  assert.equal(addressText(address), 'kind=load_balancer&q=web one + two');
  assert.equal(addressText('./'), 'All open drifts');
});

test('the result of taking many drifts names those that were left', () => {
  const taken = (/** @type {object} */ more) => takenText({ done: 1000, refused: 0, left: 0, problem: null, ...more });
  assert.equal(taken({}), '1,000 drifts are assigned to you.');
  assert.equal(taken({ done: 1, refused: 1 }), '1 drift is assigned to you. 1 drift is not, because it moved meanwhile.');
  assert.match(taken({ left: 300 }), /300 more drifts match: .* Filter the list to reach them\.$/);
  assert.match(taken({ problem: new ApiError('NETWORK', 'The server cannot be reached.') }), /The rest failed: The server cannot be reached\.$/);
});
