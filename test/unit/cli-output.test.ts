import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { commandLog } from '../../src/cli/command-log.js';
import { EXIT_BUSY, EXIT_FAILED, EXIT_NOT_MOUNTED, EXIT_USAGE, exitCodeOf } from '../../src/cli/exit-codes.js';
import { print, printJson, printTable, shownBytes, shownSeconds } from '../../src/cli/output.js';
import { ProgressDisplay } from '../../src/cli/progress-display.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';

function captured(t: TestContext): () => string {
  const writes = t.mock.method(process.stdout, 'write', () => true);
  return () => writes.mock.calls.map((call) => String(call.arguments[0])).join('');
}

test('a table is aligned, without lines and blanks at the ends', (t) => {
  const printed = captured(t);
  printTable(
    ['GROUP', 'TIME', 'SIZE', ''],
    [
      ['host/web1', '2026-11-20T10:00:00Z', '1 GiB', ''],
      ['vm/1', '2026-11-20T10:00:01Z', '?', 'protected'],
    ],
  );
  assert.equal(
    printed(),
    [
      'GROUP      TIME                  SIZE',
      'host/web1  2026-11-20T10:00:00Z  1 GiB',
      'vm/1       2026-11-20T10:00:01Z  ?      protected',
      '',
    ].join('\n'),
  );
});

test('names neither break lines nor steer the terminal, and JSON has them as they are', (t) => {
  const printed = captured(t);
  const name = 'a\n\t\u001b[2J\u007f\u009b31m';
  print(name);
  printTable(['NAME', ''], [[name, 'x']]);
  printJson(name);
  const shown = 'a\\n\\t\\x1b[2J\\x7f\\x9b31m';
  const padded = 'NAME'.padEnd(shown.length);
  assert.equal(printed(), `${shown}\n${padded.trimEnd()}\n${shown}  x\n${JSON.stringify(name)}\n`);
});

test('what is logged beside a command is one line for people', (t) => {
  const writes = t.mock.method(process.stderr, 'write', () => true);
  commandLog.info({}, 'nobody asked');
  commandLog.warn({ why: 'x' }, 'The disk is full');
  commandLog.error({ error: new Error('it\nbroke') }, 'Not done');
  const lines = writes.mock.calls.map((call) => String(call.arguments[0]));
  assert.deepEqual(lines, ['cairn: The disk is full\n', 'cairn: Not done: it\\nbroke\n']);
});

test('sizes and spans are for people', () => {
  assert.deepEqual([0, 1536, 5 * 2 ** 40].map(shownBytes), ['0 B', '1.5 KiB', '5 TiB']);
  const spans = [0.4, 59, 60, 3599, 7500, 200_000].map(shownSeconds);
  assert.deepEqual(spans, ['0 s', '59 s', '1 min', '59 min', '2 h 5 min', '2 d 7 h']);
});

test('the exit code tells kinds of errors apart', () => {
  const codeOf = (kind: ErrorKind) => exitCodeOf(new CairnError(kind, 'x'));
  assert.equal(codeOf('invalid'), EXIT_USAGE);
  assert.equal(codeOf('busy'), EXIT_BUSY);
  assert.equal(codeOf('unreachable'), EXIT_NOT_MOUNTED);
  assert.equal(codeOf('corrupt'), EXIT_FAILED);
  assert.equal(codeOf('of a newer version' as ErrorKind), EXIT_FAILED);
  assert.equal(exitCodeOf(new TypeError('a bug')), EXIT_FAILED);
});

/** A terminal that keeps what is written, as far as a progress bar cares. */
function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; text(): string } {
  const written: string[] = [];
  const noop = () => undefined;
  const stream = { isTTY, columns: 80, write: (text: string) => written.push(text), on: noop, removeListener: noop };
  const moves = { cursorTo: noop, moveCursor: noop, clearLine: noop };
  return { stream: { ...stream, ...moves } as unknown as NodeJS.WriteStream, text: () => written.join('') };
}

test('progress is shown on a terminal once it takes longer than a second', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const { stream, text } = terminal(true);
  const display = new ProgressDisplay(stream);
  display.update({ step: 'writing out', done: 0, total: 4096, unit: 'bytes' });
  now = 900;
  display.update({ step: 'writing out', done: 1024, total: 4096, unit: 'bytes' });
  assert.equal(text(), '');
  now = 1100;
  display.update({ step: 'writing out', done: 2048, total: 4096, unit: 'bytes' });
  display.update({ step: 'reading', done: 3, unit: 'items' });
  display.stop();
  assert.match(text(), /writing out .*2 KiB of 4 KiB/);
  assert.match(text(), /reading: 3/);
});

test('the time left follows from the speed since the step was first shown', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const shownAfter = (updates: { at: number; done: number; total?: number }[]): string => {
    const { stream, text } = terminal(true);
    const display = new ProgressDisplay(stream);
    for (const { at, ...figures } of updates) {
      now = at;
      display.update({ step: 'reading', unit: 'items', ...figures });
    }
    display.stop();
    return text();
  };
  // The 600 of the first second do not count: they may have been counted by somebody else.
  const steady = [
    { at: 0, done: 0, total: 1000 },
    { at: 2000, done: 600, total: 1000 },
    { at: 12_000, done: 700, total: 1000 },
  ];
  assert.match(shownAfter(steady), /700 of 1000, 30 s left/);
  const slow = [...steady, { at: 1_002_000, done: 800, total: 1000 }];
  assert.match(shownAfter(slow), /800 of 1000, 16 min left/);
  const [first, second] = steady;
  assert.ok(first !== undefined && second !== undefined);
  assert.doesNotMatch(shownAfter([first, second]), /left/, 'no speed is known yet');
  assert.doesNotMatch(shownAfter([first, second, { at: 3000, done: 600, total: 1000 }]), /left/, 'nothing moves');
  assert.doesNotMatch(
    shownAfter([
      { at: 0, done: 0 },
      { at: 2000, done: 5 },
      { at: 4000, done: 9 },
    ]),
    /left/,
    'no end is known',
  );
});

test('elsewhere there is no progress', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const { stream, text } = terminal(false);
  const display = new ProgressDisplay(stream);
  display.update({ step: 'x', done: 0, unit: 'items' });
  now = 5000;
  display.update({ step: 'x', done: 1, unit: 'items' });
  display.stop();
  assert.equal(text(), '');
});
