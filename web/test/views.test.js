import assert from 'node:assert/strict';
import { test } from 'node:test';

import { attentionTexts, conditions, definitionInput, definitionOfForm, mentions, ruleName, waitingProblem } from '../rule_text.js';
import { filterText, inputOfForm, listOf, outcomeText } from '../target_text.js';

const RULE = {
  name: null, readable: true, field: 'size_slug', kind: null, source: null, region: null, tag: null, namePattern: null,
  resourceId: null, resource: null, where: null, pointer: null, live: [], livePattern: null, sameMinorVersion: false, between: [], openAfterSweeps: null,
  reason: 'expected', owner: null, origin: 'api', createdBy: 'alice', attention: [], ignoredCount: 0, expiresAt: null,
};
const form = (values) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(values)) for (const one of [value].flat()) data.append(name, one);
  return data;
};

test('each condition of a rule has words', () => {
  const all = {
    ...RULE, source: 'lab', region: 'fra1', namePattern: 'web-*', tag: 'team:*', resourceId: '1', resource: { id: '1', name: 'web-1', providerId: '7' },
    where: { field: 'auto_scale', value: true }, live: [5, null], livePattern: '1.*', sameMinorVersion: true, between: ['min', 'max'],
  };
  assert.deepEqual(conditions(all), [
    'only web-1', 'source lab', 'region fra1', 'name web-*', 'tag team:*', 'where auto_scale is true', 'live value 5 or unset',
    'live value like 1.*', 'patch versions only', 'between min and max',
  ]);
  assert.deepEqual(conditions(RULE), []);
  assert.deepEqual(conditions({ ...RULE, resourceId: '1' }), ['only a deleted resource']);
  assert.match(conditions({ ...RULE, readable: false })[0], /later release/);
  assert.equal(ruleName({ ...RULE, kind: 'load_balancer' }), 'size_slug of load balancer');
  assert.equal(ruleName({ ...RULE, field: '*' }), 'missing resources');
  assert.equal(ruleName({ ...RULE, name: 'sizes' }), 'sizes');
});

test('a changed rule keeps the conditions that the form does not have', () => {
  const rule = {
    ...RULE, kind: 'droplet', namePattern: 'web-*', sameMinorVersion: true, resourceId: '1', live: [5], openAfterSweeps: 3,
    where: { field: 'auto_scale', value: true }, between: ['min', 'max'],
  };
  const kept = { resourceId: '1', live: [5], where: { field: 'auto_scale', value: true }, between: { min: 'min', max: 'max' } };
  assert.deepEqual(definitionInput(rule), { field: 'size_slug', kind: 'droplet', namePattern: 'web-*', sameMinorVersion: true, openAfterSweeps: 3, ...kept });
  const changed = definitionOfForm(form({ field: ' size_slug ', kind: '', namePattern: 'db-*', openAfterSweeps: '4' }), definitionInput(rule));
  assert.deepEqual(changed, { field: 'size_slug', namePattern: 'db-*', openAfterSweeps: 4, ...kept });
  assert.equal('openAfterSweeps' in definitionOfForm(form({ field: 'f', openAfterSweeps: '' }), definitionInput(rule)), false);
  assert.deepEqual(definitionOfForm(form({ field: '', sameMinorVersion: 'on' }), {}), { sameMinorVersion: true });
});

test('a number of detections that is not valid is refused and never dropped, because the rule would then ignore for good', () => {
  for (const text of ['three', '0', '-3', '3,', '1', '1001', '2.5', '1e1']) {
    assert.notEqual(definitionOfForm(form({ field: 'f', openAfterSweeps: text }), { openAfterSweeps: 5 }).openAfterSweeps, undefined, text);
    assert.match(waitingProblem(text), /whole number from 2 to 1000/, text);
  }
  assert.match(waitingProblem('', true), /whole number/, 'a text that the number field does not hand out');
  for (const text of ['', '2', ' 1000 ']) assert.equal(waitingProblem(text), '', text);
});

test('a rule that needs a look says why, and is found by its words', () => {
  const now = Date.parse('2026-11-27T10:00:00Z');
  const rule = { ...RULE, attention: ['NEVER_HIT', 'HIDES_MUCH', 'EXPIRES_SOON'], ignoredCount: 60, expiresAt: '2026-11-30T11:00:00Z' };
  assert.deepEqual(attentionTexts(rule, now), ['no hit in 30 days', 'hides 60 differences', 'ends in 3 days']);
  const found = { ...RULE, kind: 'droplet', tag: 'team:*', owner: 'Platform' };
  for (const text of ['', 'SIZE', 'platform team', 'droplet expected']) assert.ok(mentions(found, text), text);
  assert.ok(!mentions(found, 'platform volume'));
});

test('a filter of notifications has words', () => {
  const all = { transitions: [], resourceKinds: [], fields: [], regions: [], sources: [], minSeverity: null };
  assert.equal(filterText(all), 'all transitions');
  assert.equal(filterText({ ...all, minSeverity: 'CRITICAL', fields: ['tags'], regions: ['', 'fra1'] }), 'critical drifts; fields tags; regions none, fra1');
  assert.equal(filterText({ ...all, minSeverity: 'HIGH', transitions: ['DRIFT_DETECTED', 'SOURCE_FAILED'] }), 'drifts of severity high or more; drift detected, source failed');
  assert.deepEqual(listOf(' a, ,b,'), ['a', 'b']);
});

test('the form of a target sends what it shows, and keeps what it cannot show', () => {
  const values = { name: ' ops ', kind: 'SLACK', url: 'https://example.com/', minSeverity: 'HIGH', transitions: ['DRIFT_DETECTED', 'DRIFT_STALE'], fields: 'tags, *', resourceKinds: '', digestAt: '08:00' };
  const filter = { transitions: ['DRIFT_DETECTED', 'DRIFT_STALE'], fields: ['tags', '*'], minSeverity: 'HIGH' };
  assert.deepEqual(inputOfForm(form(values), null), { name: 'ops', url: 'https://example.com/', filter, kind: 'SLACK', digestAt: '08:00' });
  assert.deepEqual(inputOfForm(form({ ...values, kind: 'HEARTBEAT', method: 'GET' }), null), { name: 'ops', url: 'https://example.com/', method: 'GET', kind: 'HEARTBEAT' });
  const target = { id: '1', kind: 'WEBHOOK', filter: { regions: ['', 'fra1'] } };
  assert.deepEqual(inputOfForm(form({ name: 'ops', url: '', regions: 'nyc3', digestAt: '', rotateSecret: 'on' }), target), {
    name: 'ops', filter: { regions: ['', 'nyc3'] }, targetId: '1', rotateSecret: true, digestAt: null,
  });
});

test('a message says what became of it', () => {
  const texts = [
    { state: 'DELIVERED', attemptCount: 1, statusCode: 200, error: null },
    { state: 'PENDING', attemptCount: 0, statusCode: null, error: null },
    { state: 'FAILED', attemptCount: 3, statusCode: 500, error: 'status 500' },
  ].map(outcomeText);
  assert.deepEqual(texts, ['1 attempt, status 200', 'not attempted yet', '3 attempts, last: status 500']);
});
