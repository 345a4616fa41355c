import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { callDaemon } from '../../src/control/client.js';
import { commands } from '../../src/control/commands.js';
import { MAX_REQUEST_BYTES, PROTOCOL_VERSION, type Progress } from '../../src/control/messages.js';
import { type CommandHandlers, ControlServer, type MayAsk } from '../../src/control/server.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

const refuse = () => {
  throw new CairnError('unsupported', 'Not in this test');
};
const ping = () => ({ pid: 7, version: '1.2.3' });
const refusing = Object.fromEntries(Object.keys(commands).map((name) => [name, refuse]));
const noHandlers = { ...refusing, ping } as unknown as CommandHandlers;

async function serve(t: TestContext, handlers: Partial<CommandHandlers>, mayAsk: MayAsk = () => true) {
  const path = join(temporaryFolder(t), 'control.sock');
  const server = new ControlServer({ ...noHandlers, ...handlers }, () => undefined, mayAsk);
  await server.listen(path);
  t.after(() => server.close());
  return { path, server };
}

/** Sends text as it is and returns all that comes back. */
async function sendRaw(path: string, text: string): Promise<string> {
  const socket = connect(path);
  let got = '';
  socket.on('data', (bytes: Buffer) => {
    got += bytes.toString();
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return got;
}

test('a command is answered with its result, progress before it', async (t) => {
  const listed = { group: 'host/a', time: '2026-11-20T10:00:00Z', sizeBytes: null, protected: false };
  const { path } = await serve(t, {
    'snapshot-list': async ({ group }, { progress }) => {
      progress({ step: 'reading', done: 1, total: 2, unit: 'items' });
      progress({ step: 'reading', done: 2, unit: 'bytes' });
      return { snapshots: [{ ...listed, group: group ?? 'all' }] };
    },
  });
  assert.deepEqual(await callDaemon(path, 'ping', {}), { pid: 7, version: '1.2.3' });
  const told: Progress[] = [];
  const onProgress = (progress: Progress) => told.push(progress);
  const result = await callDaemon(path, 'snapshot-list', { group: 'host/a' }, { onProgress });
  assert.deepEqual(result, { snapshots: [listed] });
  assert.deepEqual(told, [
    { step: 'reading', done: 1, total: 2, unit: 'items' },
    { step: 'reading', done: 2, unit: 'bytes' },
  ]);
});

test('an error arrives with its kind and message, not its stack', async (t) => {
  const { path } = await serve(t, {
    sync: () => Promise.reject(new CairnError('no-space', 'The disk is full')),
    unmount: () => Promise.reject(new TypeError('a bug')),
  });
  await assert.rejects(callDaemon(path, 'sync', {}), (error) => {
    return isKind('no-space')(error) && (error as Error).message === 'The disk is full';
  });
  await assert.rejects(callDaemon(path, 'unmount', { lazy: false }), isKind('io'));
  const raw = await sendRaw(path, `{"version":${PROTOCOL_VERSION},"command":"sync","arguments":{}}\n`);
  assert.deepEqual(JSON.parse(raw), { error: { kind: 'no-space', message: 'The disk is full' } });
});

test('a large result arrives whole', async (t) => {
  const snapshots = Array.from({ length: 50_000 }, (_, index) => ({
    ...{ group: `host/machine-${index}`, time: '2026-11-20T10:00:00Z', sizeBytes: index, protected: false },
  }));
  const { path } = await serve(t, { 'snapshot-list': () => ({ snapshots }) });
  const result = await callDaemon(path, 'snapshot-list', { group: null });
  assert.deepEqual(result.snapshots, snapshots);
});

test('what is no request is refused, and the next one is served', async (t) => {
  const { path } = await serve(t, {});
  const refused = async (text: string, kind: ErrorKind, message: RegExp) => {
    const answer = JSON.parse(await sendRaw(path, text)) as { error: { kind: string; message: string } };
    assert.equal(answer.error.kind, kind, text.slice(0, 80));
    assert.match(answer.error.message, message);
  };
  const request = (fields: object) => `${JSON.stringify({ version: PROTOCOL_VERSION, arguments: {}, ...fields })}\n`;
  await refused('nonsense\n', 'invalid', /not JSON/);
  await refused('[]\n', 'invalid', /not a request/);
  await refused(request({ command: 7 }), 'invalid', /not a request/);
  await refused(request({ command: 'destroy' }), 'unsupported', /no command destroy/);
  await refused(request({ command: 'toString' }), 'unsupported', /no command/);
  await refused(request({ command: 'ping', version: 99 }), 'unsupported', /protocol/);
  await refused(request({ command: 'unmount', arguments: { lazy: 'yes' } }), 'invalid', /arguments for unmount/);
  await refused(request({ command: 'ping', arguments: { more: 1 } }), 'invalid', /arguments for ping/);
  await refused('x'.repeat(MAX_REQUEST_BYTES + 1), 'too-large', /longer than/);
  assert.equal(await sendRaw(path, request({ command: 'ping' })).then((text) => text.includes('"pid":7')), true);
});

test('a client that goes away aborts its command, and nothing else', async (t) => {
  let aborted: Promise<unknown> = Promise.resolve();
  let begun: () => void = () => undefined;
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { path } = await serve(t, {
    sync: async (_, { signal, progress }) => {
      aborted = once(signal, 'abort');
      begun();
      await aborted;
      progress({ step: 'nobody listens', done: 1, unit: 'items' });
      return {};
    },
  });
  const controller = new AbortController();
  const call = callDaemon(path, 'sync', {}, { signal: controller.signal });
  await running;
  controller.abort();
  await assert.rejects(call, isKind('interrupted'));
  await aborted;
  await callDaemon(path, 'ping', {});
});

test('where nobody listens, or the daemon goes away, the client says so', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'control.sock');
  await assert.rejects(callDaemon(path, 'ping', {}), isKind('unreachable'));
  writeFileSync(path, '');
  await assert.rejects(callDaemon(path, 'ping', {}), isKind('unreachable'));
  for (const [name, answer] of [
    ['a', ''],
    ['b', '{"progress":'],
    ['c', '{"what":1}\n'],
    ['d', '{"result":1}\n'],
  ] as const) {
    const server = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    });
    server.listen(join(folder, name));
    await once(server, 'listening');
    await assert.rejects(
      callDaemon(join(folder, name), 'ping', {}),
      isKind(answer.endsWith('\n') ? 'invalid' : 'unreachable'),
    );
    server.close();
  }
});

test('closing lets commands under way be answered, and takes the socket away at once', async (t) => {
  let finish: () => void = () => undefined;
  let begun: () => void = () => undefined;
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { path, server } = await serve(t, {
    sync: () =>
      new Promise((resolve) => {
        finish = () => resolve({});
        begun();
      }),
  });
  const silent = connect(path);
  await once(silent, 'connect');
  silent.on('error', () => undefined);
  const call = callDaemon(path, 'sync', {});
  await running;
  server.stopListening();
  assert.ok(!existsSync(path));
  const closed = server.close();
  finish();
  assert.deepEqual(await call, {});
  await closed;
});

test('whoever may not ask is told so, whatever is asked', async (t) => {
  const { path } = await serve(t, {}, () => false);
  await assert.rejects(callDaemon(path, 'ping', {}), isKind('access-denied'));
  assert.match(await sendRaw(path, 'anything\n'), /access-denied/);
});
