import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { CairnError } from '../../src/core/errors.js';
import { isStaleMount, mountFuse, unmountFuse } from '../../src/native/fuse-mount.js';
import { isRunning, mountedOn, until } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { skipMounts, withMemoryMount } from '../support/memory-mount.js';

// How a mount ends: by unmounting under load, by the end of its thread, by the end of its process.

const skip = skipMounts;

/** Processes that write, list, read and remove on the mount without end. Each stops at its first error. */
function load(mountpoint: string): ChildProcess[] {
  const scripts = [
    'while dd if=/dev/zero of=big bs=1M count=20 conv=notrunc; do :; done',
    'i=0; while echo content > file$i; do i=$((i + 1)); done',
    'while find . -printf "%s\\n" > /dev/null; do :; done',
    'while mkdir -p a/b/c && touch a/b/c/d && rm -r a; do :; done',
  ];
  return scripts.map((script) => spawn('sh', ['-c', script], { cwd: mountpoint, stdio: 'ignore' }));
}

async function ended(processes: readonly ChildProcess[]): Promise<void> {
  for (const process of processes) {
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  }
}

test('unmounted under load, every request is answered and nothing is left', { skip }, async () => {
  for (const delayed of [false, true]) {
    await withMemoryMount(
      async (mount) => {
        const processes = load(mount.mountpoint);
        await until('some load', () => mountedOn(mount.mountpoint).length > 0);
        while ((await mount.state()).counters.requests < 3000);
        await assert.rejects(unmountFuse(mount.mountpoint), (error: CairnError) => error.kind === 'busy');
        await unmountFuse(mount.mountpoint, { lazy: true });
        // The load goes on in the tree nobody else sees, until it is told to stop.
        for (const process of processes) process.kill();
        await ended(processes);
        const { end, state } = await mount.ended;
        assert.equal(end.reason, 'unmounted');
        assert.equal(end.counters.requests, end.counters.replies);
        assert.equal(end.counters.unanswered, 0);
        assert.deepEqual(state.errors, []);
        assert.equal(await mount.exited, 0);
      },
      { delayed },
    );
  }
});

test('a paused transport lets everybody wait', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    await mount.ask('pause');
    const before = (await mount.state()).counters.requests;
    const touch = spawn('touch', [join(mount.mountpoint, 'name')], { stdio: 'ignore' });
    await until('touch waiting', () => /^State:\tD/m.test(readFileSync(`/proc/${touch.pid}/status`, 'utf8')));
    assert.equal((await mount.state()).counters.requests, before);
    await mount.ask('resume');
    await ended([touch]);
    assert.equal(touch.exitCode, 0);
    assert.ok((await mount.state()).batches > 0);
  });
});

test('a transport that is stopped cuts the mount off', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const processes = load(mount.mountpoint);
    while ((await mount.state()).counters.requests < 1000);
    void mount.ask('stop');
    assert.equal((await mount.ended).end.reason, 'stopped');
    await ended(processes);
    assert.equal(await isStaleMount(mount.mountpoint), true);
    await assert.rejects(
      mountFuse(mount.mountpoint, { source: 'again', maxReadBytes: 4096 }),
      (error: CairnError) => error.kind === 'busy' && /whose server has gone/.test(error.message),
    );
    await unmountFuse(mount.mountpoint);
    assert.equal(await mount.exited, 0);
  });
});

test('a worker may be terminated while it serves', { skip }, async () => {
  for (let round = 0; round < 5; round++) {
    await withMemoryMount(
      async (mount) => {
        const processes = load(mount.mountpoint);
        while ((await mount.state()).counters.requests < 500 + 700 * round);
        await mount.worker.terminate();
        await ended(processes);
        hasErrno('ENOTCONN', () => readFileSync(join(mount.mountpoint, 'file0')));
        assert.equal(await isStaleMount(mount.mountpoint), true);
      },
      { delayed: round % 2 === 1 },
    );
  }
});

/** Whether a thread that notifies the kernel waits for one of its locks. */
function isNotifierStuck(): boolean {
  return readdirSync('/proc/self/task').some((thread) => {
    const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
    return /^Name:\tcairn-notify$/m.test(status) && /^State:\tD/m.test(status);
  });
}

test('a notification that waits for a folder does not hold up the end', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-fuse-'));
  const mountpoint = join(folder, 'mnt');
  mkdirSync(mountpoint);
  try {
    const descriptor = await mountFuse(mountpoint, { source: 'memory', maxReadBytes: 131_072 });
    const worker = new Worker(new URL('../support/stuck-notifier-worker.js', import.meta.url), {
      workerData: descriptor,
    });
    const stuck = once(worker, 'message');
    const mkdir = spawn('mkdir', [join(mountpoint, 'name')], { stdio: 'ignore' });
    await stuck;
    await until('the notification stuck', isNotifierStuck);
    await worker.terminate();
    await ended([mkdir]);
    assert.equal(mkdir.exitCode, 1, 'mkdir was told');
  } finally {
    spawnSync('umount', ['-l', mountpoint]);
    rmSync(folder, { recursive: true, force: true });
  }
});

test('two mounts live side by side in one process', { skip }, async () => {
  await withMemoryMount(async (first) => {
    await withMemoryMount(async (second) => {
      writeFileSync(join(first.mountpoint, 'name'), 'first');
      writeFileSync(join(second.mountpoint, 'name'), 'second');
      assert.equal(readFileSync(join(first.mountpoint, 'name'), 'utf8'), 'first');
      assert.equal((await second.unmount()).end.reason, 'unmounted');
      assert.equal(readFileSync(join(first.mountpoint, 'name'), 'utf8'), 'first');
    });
    assert.equal((await first.unmount()).end.reason, 'unmounted');
  });
});

test('a busy mount is not unmounted, and says so', { skip }, async () => {
  await withMemoryMount(async (mount) => {
    const file = openSync(join(mount.mountpoint, 'open'), 'w');
    try {
      await assert.rejects(
        unmountFuse(mount.mountpoint),
        (error: CairnError) => error.kind === 'busy' && /is in use/.test(error.message),
      );
    } finally {
      closeSync(file);
    }
    assert.equal((await mount.unmount()).end.reason, 'unmounted');
  });
});

/** Runs `body` with a mount in a process of its own, of root or of `user`; leaves nothing behind. */
async function withMountProcess(
  body: (process: ChildProcess, mountpoint: string) => Promise<void>,
  user = 0,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-fuse-'));
  const mountpoint = join(folder, 'mnt');
  mkdirSync(mountpoint);
  for (const path of [folder, mountpoint]) chownSync(path, user, user);
  const script = fileURLToPath(new URL('../support/memory-mount-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, mountpoint, folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
    uid: user,
    gid: user,
  });
  try {
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    await body(child, mountpoint);
  } finally {
    child.kill('SIGKILL');
    await ended([child]);
    spawnSync('umount', ['-l', mountpoint]);
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const [way, status] of [
  ['exit', 7],
  ['throw', 1],
] as const) {
  test(`a process may end (${way}) in the middle of work`, { skip }, async () => {
    await withMountProcess(async (child, mountpoint) => {
      const processes = load(mountpoint);
      await until('some files', () => spawnSync('test', ['-e', join(mountpoint, 'file50')]).status === 0);
      child.stdin?.write(`${way}\n`);
      await ended([child]);
      assert.deepEqual([child.exitCode, child.signalCode], [status, null]);
      await ended(processes);
      assert.equal(await isStaleMount(mountpoint), true);
    });
  });
}

test('after kill -9 the mount is dead, can be taken away and made anew', { skip }, async () => {
  await withMountProcess(async (child, mountpoint) => {
    const processes = load(mountpoint);
    await until('some files', () => spawnSync('test', ['-e', join(mountpoint, 'file50')]).status === 0);
    child.kill('SIGKILL');
    await ended([child, ...processes]);
    await until('its end', () => !isRunning(child.pid as number));
    assert.equal(await isStaleMount(mountpoint), true);
    await unmountFuse(mountpoint, { lazy: true, force: true });
    assert.deepEqual(mountedOn(mountpoint), []);
    closeSync(await mountFuse(mountpoint, { source: 'again', maxReadBytes: 131_072 }));
    assert.equal(await isStaleMount(mountpoint), true, 'its descriptor is closed');
  });
});

const noHelper = skip || ((statSync('/dev/fuse').mode & 0o006) !== 0o006 && 'needs a /dev/fuse that anybody may open');

test('an ordinary user mounts with fusermount3, for himself alone', { skip: noHelper }, async () => {
  const nobody = 65_534;
  await withMountProcess(async (child, mountpoint) => {
    chmodSync(join(mountpoint, '..'), 0o755);
    hasErrno('EACCES', () => readdirSync(mountpoint));
    const inside = `cd ${mountpoint} && head -c 16 pieces`;
    const { stdout } = spawnSync('sh', ['-c', inside], { uid: nobody, gid: nobody, encoding: 'utf8' });
    assert.equal(stdout, '0123456789abcdef');
    assert.deepEqual(mountedOn(mountpoint), ['fuse.cairn']);
    child.stdin?.write('unmount\n');
    await ended([child]);
    assert.deepEqual([child.exitCode, mountedOn(mountpoint)], [0, []]);
  }, nobody);
});
