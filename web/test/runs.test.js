import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arranged } from '../runs.js';

const run = (id, job, startedAt, outcome, source = null) => ({ id, job, source, startedAt: `2026-01-01T${startedAt}:00Z`, outcome, syncCounts: null, sweepCounts: null });

test('the newest run of a job and source needs attention if it did not succeed; the others are grouped by hour', () => {
  const { failing, hours } = arranged([
    run('8', 'DETECT_DRIFT', '12:50', null),
    run('7', 'DETECT_DRIFT', '12:40', 'SKIPPED'),
    run('6', 'DETECT_DRIFT', '12:30', 'FAILED'),
    run('5', 'SYNC_INVENTORY', '12:20', 'SUCCEEDED', 'lab'),
    run('4', 'SYNC_INVENTORY', '12:10', 'PARTIAL', 'cloud'),
    run('3', 'SYNC_INVENTORY', '11:10', 'FAILED', 'lab'),
    run('2', 'DETECT_DRIFT', '11:05', 'FAILED'),
    run('1', 'SYNC_INVENTORY', '10:59', 'SUCCEEDED', 'cloud'),
  ]);
  assert.deepEqual(failing.map(({ id }) => id), ['6', '4']);
  assert.deepEqual(hours.map((runs) => runs.map(({ id }) => id)), [['8', '7', '5'], ['3', '2'], ['1']]);
});
