import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { callDaemon } from '../../src/control/client.js';
import type { Progress } from '../../src/control/messages.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import type { Log } from '../../src/core/log.js';
import { ownSocketPath } from '../../src/daemon/control-socket.js';
import { type DaemonOptions, runDaemon } from '../../src/daemon/main.js';
import { claimDatastore } from '../../src/datastore/claim.js';
import { createDatastore } from '../../src/datastore/create.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { fakeHaltPolling } from '../support/halt-polling.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;
const workerScript = new URL('../support/fake-mount-worker.js', import.meta.url);

class MemoryLog implements Log {
  readonly lines: string[] = [];

  debug(): void {}

  info(_: object, message: string): void {
    this.lines.push(message);
  }

  warn(_: object, message: string): void {
    this.lines.push(message);
  }

  error(_: object, message: string): void {
    this.lines.push(message);
  }
}

interface StartedDaemon {
  readonly options: DaemonOptions;
  readonly log: MemoryLog;
  readonly socket: string;
  /** Settles when it ended. */
  readonly ended: Promise<void>;
}

async function prepare(t: TestContext, behaviour: string): Promise<DaemonOptions> {
  const folder = temporaryFolder(t);
  const store = join(folder, 'store');
  const mountpoint = join(folder, 'mnt');
  await createDatastore(store, { reserveBytes: 4096 });
  mkdirSync(mountpoint);
  const rest = { readOnly: false, transport: 'native', logLevel: 'info' } as const;
  return { store, mountpoint, group: `host/${behaviour}`, ...rest };
}

/** Starts a daemon in this process and waits until it is ready. */
async function start(t: TestContext, behaviour = 'good'): Promise<StartedDaemon> {
  const options = await prepare(t, behaviour);
  const log = new MemoryLog();
  let ended: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    ended = runDaemon(options, { log, workerScript, onReady: () => resolve() });
    ended.catch(reject);
  });
  return { options, log, socket: ownSocketPath(options.store), ended };
}

/** The datastore is free, and nothing says otherwise. */
function assertReleased({ options, socket }: StartedDaemon): void {
  const paths = datastorePaths(options.store);
  assert.equal(readFileSync(paths.lock, 'utf8'), '');
  assert.ok(!existsSync(socket));
  claimDatastore(paths).release();
}

test('a daemon answers on a socket only its owner can open, and is gone after unmount', async (t) => {
  const daemon = await start(t);
  const { options, socket } = daemon;
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  assert.equal(statSync(join(socket, '..')).mode & 0o777, 0o700);
  const status = await callDaemon(socket, 'status', {});
  assert.equal(status.pid, process.pid);
  assert.equal(status.store, options.store);
  assert.equal(status.mountpoint, options.mountpoint);
  assert.deepEqual([status.dirtyBytes, status.oldestUnsyncedSeconds], [5, 0.5]);
  assert.deepEqual(status.problems, [{ kind: 'test', message: 'A problem' }]);
  const told: Progress[] = [];
  await callDaemon(socket, 'sync', {}, { onProgress: (progress) => told.push(progress) });
  assert.deepEqual(told, [{ step: 'writing out', done: 1, total: 2, unit: 'bytes' }]);
  assert.equal((await callDaemon(socket, 'snapshot-create', { group: 'host/a' })).time, '2026-11-20T10:00:00Z');
  await callDaemon(socket, 'unmount', { lazy: false });
  assertReleased(daemon);
  await daemon.ended;
  assert.deepEqual(daemon.log.lines, ['the worker runs', 'mounted', 'unmounted']);
});

test('a mount in use stays, unless it is taken away lazily', async (t) => {
  const daemon = await start(t, 'in-use');
  await assert.rejects(callDaemon(daemon.socket, 'unmount', { lazy: false }), isKind('busy'));
  await callDaemon(daemon.socket, 'ping', {});
  await callDaemon(daemon.socket, 'unmount', { lazy: true });
  await daemon.ended;
});

test('SIGTERM unmounts, also what is in use', async (t) => {
  for (const behaviour of ['good', 'in-use']) {
    const daemon = await start(t, behaviour);
    process.kill(process.pid, 'SIGTERM');
    await daemon.ended;
    assertReleased(daemon);
    assert.equal(daemon.log.lines.at(-1), 'unmounted');
  }
  assert.equal(process.listenerCount('SIGTERM'), 0);
});

test('umount(8) by somebody else ends the daemon well; who asked to unmount meanwhile has it', async (t) => {
  const daemon = await start(t, 'outside');
  const sync = callDaemon(daemon.socket, 'sync', {});
  await assert.rejects(sync, isKind('unreachable'));
  await daemon.ended;
  assertReleased(daemon);
});

test('a worker that crashes ends the daemon with its error, and nothing stays behind', async (t) => {
  const daemon = await start(t, 'crash');
  const ended = assert.rejects(daemon.ended, /The mount failed: .*JSON/);
  await assert.rejects(callDaemon(daemon.socket, 'sync', {}), /JSON/);
  await ended;
  assertReleased(daemon);
});

test('an unmount that fails is told, and can be tried again', async (t) => {
  const daemon = await start(t, 'unclean');
  const failed = new Promise<void>((resolve) => {
    daemon.log.error = (_, message) => resolve(assert.equal(message, 'cannot unmount'));
  });
  await assert.rejects(callDaemon(daemon.socket, 'unmount', { lazy: true }), /disk is broken/);
  process.kill(process.pid, 'SIGINT');
  await failed;
  await callDaemon(daemon.socket, 'ping', {});
  process.kill(process.pid, 'SIGINT');
  await daemon.ended;
  assertReleased(daemon);
});

test('a client that gives up cancels its request in the worker', async (t) => {
  const daemon = await start(t, 'slow');
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await assert.rejects(
    callDaemon(daemon.socket, 'sync', {}, { signal: controller.signal, onProgress }),
    isKind('interrupted'),
  );
  await callDaemon(daemon.socket, 'unmount', { lazy: false });
  await daemon.ended;
});

test('what keeps a mount from starting is the error, and the datastore is free again', async (t) => {
  const options = await prepare(t, 'no-start');
  const hooks = { log: new MemoryLog(), workerScript };
  await assert.rejects(runDaemon(options, hooks), isKind('not-ready'));
  const missing = { ...hooks, workerScript: new URL('missing.js', workerScript) };
  await assert.rejects(runDaemon(options, missing), /The mount failed/);
  const file = join(options.mountpoint, 'file');
  writeFileSync(file, '');
  const refusals: [Partial<DaemonOptions>, ErrorKind][] = [
    [{ mountpoint: file }, 'not-a-directory'],
    [{ mountpoint: join(file, 'below') }, 'not-a-directory'],
    [{ mountpoint: `${options.mountpoint}/none` }, 'not-found'],
    [{ mountpoint: options.store }, 'invalid'],
    [{ mountpoint: join(options.store, '..') }, 'invalid'],
    [{ mountpoint: '/proc' }, 'busy'],
    [{ store: options.mountpoint }, 'not-found'],
  ];
  for (const [changed, kind] of refusals) {
    await assert.rejects(runDaemon({ ...options, ...changed }, hooks), isKind(kind), JSON.stringify(changed));
  }
  claimDatastore(datastorePaths(options.store)).release();
});

test('--low-latency lasts as long as the mount, and status says how it is', async (t) => {
  const options = { ...(await prepare(t, 'good')), lowLatency: true };
  const haltPolling = fakeHaltPolling(t);
  const log = new MemoryLog();
  let ended: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    ended = runDaemon(options, { log, workerScript, haltPolling, onReady: () => resolve() });
    ended.catch(reject);
  });
  const socket = ownSocketPath(options.store);
  assert.equal((await callDaemon(socket, 'status', {})).lowLatency, 'on');
  await callDaemon(socket, 'unmount', { lazy: false });
  await ended;
  assert.equal(readFileSync(haltPolling.parameter, 'latin1'), '0\n');
  assert.deepEqual(log.lines.slice(0, 1), ['CPUs poll before they halt']);
  assert.equal(log.lines.at(-1), 'CPUs halt as they did before');
});

test('a second daemon of a datastore is refused with the first one named', async (t) => {
  const daemon = await start(t);
  const hooks = { log: new MemoryLog(), workerScript };
  await assert.rejects(runDaemon(daemon.options, hooks), new RegExp(`in use by process ${process.pid}`));
  await callDaemon(daemon.socket, 'ping', {});
  await callDaemon(daemon.socket, 'unmount', { lazy: false });
  await daemon.ended;
});
