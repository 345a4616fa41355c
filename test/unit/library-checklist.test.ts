import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BEAT, type ChecklistItem, PARITY } from '../support/zapfs-checklist.js';

/** Sources are not compiled into dist/: reached from dist/test/unit through the checkout. */
const TESTS = new URL('../../../test/', import.meta.url);
const TITLE = /\btest\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs;

function titlesOf(file: string): string[] {
  return [...readFileSync(new URL(file, TESTS), 'utf8').matchAll(TITLE)].map(([, , title = '']) => title);
}

function missingOf(items: readonly ChecklistItem[]): string[] {
  return items.flatMap(({ what, tests }) => {
    assert.ok(tests.length > 0, `${what} names no test`);
    return tests
      .filter(([file, title]) => titlesOf(file).filter((found) => found.includes(title)).length !== 1)
      .map(([file, title]) => `${what}: ${file} has no test, or several, "${title}"`);
  });
}

test('everything ZapFS tests has a test here', () => {
  assert.ok(PARITY.length >= 40);
  assert.deepEqual(missingOf(PARITY), []);
});

test('each of the twelve things to beat ZapFS in has a test', () => {
  assert.deepEqual(
    BEAT.map(({ what }) => Number(what.split(' ')[0])),
    Array.from({ length: 12 }, (_, at) => at + 1),
  );
  assert.deepEqual(missingOf(BEAT), []);
});
