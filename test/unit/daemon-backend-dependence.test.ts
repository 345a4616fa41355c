import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dependenceOn } from '../../src/daemon/backend-dependence.js';

const LAYOUTS = [
  { data: 1, backends: ['a'], objects: 3 },
  { data: 1, backends: ['a', 'b'], objects: 10 },
  { data: 2, backends: ['a', 'b', 'c'], objects: 100 },
  { data: 2, backends: ['a', 'b', 'c', 'd'], objects: 1000 },
  { data: 2, backends: ['a', 'gone', 'c'], objects: 10_000 },
  { data: 2, backends: ['b', 'c', 'd'], objects: 100_000 },
];
const PRESENT = ['a', 'b', 'c', 'd'];

test('what depends on a backend: alone, and with those that are failing already', () => {
  assert.deepEqual(dependenceOn('a', LAYOUTS, PRESENT, []), {
    chunks: 11_113,
    lost: 10_003,
    lastPieces: 110,
    failing: [],
    lostWithFailing: 10_003,
  });
  const { lost, failing, lostWithFailing } = dependenceOn('a', LAYOUTS, PRESENT, ['a', 'b']);
  assert.deepEqual([lost, failing, lostWithFailing], [10_003, ['a', 'b'], 10_113]);
  assert.equal(dependenceOn('d', LAYOUTS, PRESENT, ['b', 'c']).lostWithFailing, 101_000);
  assert.deepEqual(dependenceOn('e', LAYOUTS, PRESENT, []).chunks, 0);
});
