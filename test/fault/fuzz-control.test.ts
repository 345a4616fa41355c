import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { callDaemon } from '../../src/control/client.js';
import { commands } from '../../src/control/commands.js';
import { PROTOCOL_VERSION } from '../../src/control/messages.js';
import { type CommandHandlers, ControlServer } from '../../src/control/server.js';
import { CairnError, ERROR_KINDS } from '../../src/core/errors.js';
import { damaged } from '../support/fuzz/damage.js';
import { fuzz } from '../support/fuzz/run.js';
import { otherJson } from '../support/fuzz/text-formats.js';
import type { Random } from '../support/random.js';
import { seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const CASES = 600;
const NAMES = Object.keys(commands) as (keyof typeof commands)[];
const ARGUMENTS = {
  ...{ group: 'host/web1', time: '2026-11-20T10:00:00Z', snapshot: 'host/web1/latest', lazy: false, dryRun: true },
  ...{ schedules: { gc: '@daily' }, prune: {}, snapshots: ['host/web1/latest'], percent: 10, path: 'a/b' },
};
/** What a daemon may answer a request that makes no sense. */
const REFUSED = new Set(['invalid', 'unsupported', 'too-large']);

/** Sends bytes as they are, then nothing more, and returns all that comes back. */
async function answerTo(path: string, bytes: Uint8Array): Promise<string> {
  const socket = connect(path);
  let got = '';
  socket.on('data', (piece: Buffer) => {
    got += piece.toString();
  });
  socket.on('error', () => undefined);
  socket.end(bytes);
  await once(socket, 'close');
  return got;
}

function requestBytes(random: Random): { input: Buffer; repaired: boolean } {
  const command = random.pick(NAMES);
  const request = { version: PROTOCOL_VERSION, command, arguments: random.below(3) === 0 ? {} : ARGUMENTS };
  const { text, repaired } = otherJson(random, request);
  return { repaired, input: Buffer.concat([text, Buffer.from('\n'), random.bytes(random.below(50))]) };
}

test('a request that makes no sense is refused, and never reaches a handler', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock');
  const handlers = Object.fromEntries(
    NAMES.map((name) => [
      name,
      (args: unknown) => {
        assert.ok(commands[name].arguments.safeParse(args).success, `${name} was given what it must not be given`);
        throw new CairnError('busy', 'as the test wants');
      },
    ]),
  );
  const server = new ControlServer(
    handlers as unknown as CommandHandlers,
    () => undefined,
    () => true,
  );
  await server.listen(path);
  t.after(() => server.close());
  const make = (random: Random) => {
    const { input, repaired } = requestBytes(random);
    const feed = async () => {
      const text = await answerTo(path, input);
      // A newline of the damage's own leaves an empty line or none: then there is nothing to answer.
      if (text === '') return;
      const { error } = JSON.parse(text) as { error: { kind: string; message: string } };
      assert.ok(REFUSED.has(error.kind) || error.kind === 'busy', text);
      assert.ok(!/is not a function|Cannot read|at .*:\d+:\d+/.test(error.message), text);
    };
    return { repaired, input, feed };
  };
  await fuzz({ name: 'control-request', refusals: [], make }, seedOfRun(t), CASES);
});

test('an answer that makes no sense is an error with a kind, whatever the daemon sends', async (t) => {
  const path = join(temporaryFolder(t), 'control.sock');
  let next: Buffer = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(next));
  });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  const answers = [
    { result: { pid: 7, version: '1.2.3' } },
    { error: { kind: 'busy', message: 'not now' } },
    { progress: { step: 'reading', done: 1, total: 2, unit: 'items' } },
  ];
  const make = (random: Random) => {
    const { text, repaired } = otherJson(random, random.pick(answers));
    const line = Buffer.concat([text, Buffer.from('\n')]);
    const input = random.below(5) === 0 ? damaged(random, line) : line;
    const feed = async () => {
      next = input;
      await callDaemon(path, 'ping', {}, { onProgress: () => undefined });
    };
    return { repaired, input, feed };
  };
  // Whatever the daemon says it met is its client's error.
  const target = { name: 'control-answer', refusals: ERROR_KINDS, make };
  await fuzz(target, seedOfRun(t), CASES);
});
