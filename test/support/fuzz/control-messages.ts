import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { callDaemon } from '../../../src/control/client.js';
import { commands } from '../../../src/control/commands.js';
import { PROTOCOL_VERSION } from '../../../src/control/messages.js';
import { type CommandHandlers, ControlServer } from '../../../src/control/server.js';
import { CairnError, ERROR_KINDS } from '../../../src/core/errors.js';
import type { Random } from '../random.js';
import { temporaryFolder } from '../temporary-folder.js';
import { damaged } from './damage.js';
import type { FuzzTarget } from './run.js';
import { otherJson } from './text-formats.js';

const NAMES = Object.keys(commands) as (keyof typeof commands)[];
const ARGUMENTS = {
  ...{ group: 'host/web1', time: '2026-11-20T10:00:00Z', snapshot: 'host/web1/latest', lazy: false, dryRun: true },
  ...{ schedules: { gc: '@daily' }, prune: {}, snapshots: ['host/web1/latest'], percent: 10, path: 'a/b' },
};
/** What a daemon may answer a request that makes no sense. */
const REFUSED = new Set(['invalid', 'unsupported', 'too-large']);

/** Requests to a control server, of which no handler may get what it must not get. It listens until the test ends. */
export async function controlRequests(t: TestContext): Promise<FuzzTarget> {
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
  return { name: 'control-request', refusals: [], share: 0.2, make };
}

/** Answers of a daemon gone mad to our client. It listens until the test ends. */
export async function controlAnswers(t: TestContext): Promise<FuzzTarget> {
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
  return { name: 'control-answer', refusals: ERROR_KINDS, share: 0.2, make };
}

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
