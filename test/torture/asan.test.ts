import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { recordFigures } from '../support/torture-figures.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/asan', import.meta.url));

test('AddressSanitizer finds nothing in the addon', () => {
  // With it a runner takes itself for a part of this one, runs nothing and ends well.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync('bash', [SCRIPT], { encoding: 'utf8', maxBuffer: 1 << 28, env });
  assert.equal(status, 0, `${stdout.slice(-4000)}${stderr.slice(-4000)}`);
  const figure = (word: string): number => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(stdout)?.[1]);
  assert.ok(figure('pass') > 0, stdout);
  recordFigures('asan', 0, { tests: figure('tests'), passed: figure('pass'), findings: figure('fail') });
});
