import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAllChunks } from '../support/check-chunks.js';
import { outputOf, until } from '../support/commands.js';
import { assertSameTree, differences } from '../support/compare-trees.js';
import { type TestStore, withStore } from '../support/mounted-store.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** How many bytes are to be dirty when the daemon is killed. */
const DIRTY_BYTES = MIB;

/** The kills, by the share of all files that are there before. */
const KILLS = [0.1, 0.35, 0.6];

const SMALL_FILES = 6000;

/** A tree of small files with a large one now and then. */
function makeSource(folder: string): void {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  for (let i = 0; i < SMALL_FILES; i++) {
    const sub = join(folder, `d${String(Math.floor(i / 100)).padStart(3, '0')}`);
    if (i % 100 === 0) {
      mkdirSync(sub, { recursive: true });
      writeFileSync(join(sub, 'large'), noise.update(Buffer.alloc(2 * MIB + i)));
    }
    writeFileSync(join(sub, `f${i}`), noise.update(Buffer.alloc(KIB + ((i * 37) % (20 * KIB)))));
  }
}

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/**
 * An rsync whose receiving side prints a file's name when all of the file has been received (%b), which is just
 * before it gives the file its final name: all names but the last printed are final. The "remote" shell makes the
 * process we talk to the receiving one.
 */
class WatchedRsync {
  readonly #process: ChildProcess;
  #printed = '';

  constructor(source: string, target: string, shell: string) {
    const args = ['-aHAX', '--numeric-ids', `--rsh=${shell}`, '--out-format=%b %n', `here:${source}/`, `${target}/`];
    this.#process = spawn('rsync', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process.stdout?.on('data', (bytes: Buffer) => {
      this.#printed += bytes.toString();
    });
  }

  /** The files, relative to the target, that had their final names when the last line was printed. */
  finished(): string[] {
    const lines = this.#printed
      .slice(0, this.#printed.lastIndexOf('\n') + 1)
      .split('\n')
      .slice(0, -2);
    return lines.map((line) => line.slice(line.indexOf(' ') + 1)).filter((name) => !name.endsWith('/'));
  }

  get status(): number | null {
    return this.#process.exitCode;
  }

  async ended(): Promise<void> {
    await until('end of rsync', () => (this.#process.exitCode ?? this.#process.signalCode) !== null, 120_000);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

function makeShell(folder: string): string {
  const shell = join(folder, 'shell');
  writeFileSync(shell, '#!/bin/sh\nshift\nexec "$@"\n', { mode: 0o755 });
  return shell;
}

/** How many requests of a mount wait for an answer, as the kernel's figures in `control` tell. */
function waitingRequests(control: string, mountpoint: string): number {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((text) => text.split(' '))
    .findLast((fields) => fields[4] === mountpoint);
  return Number(readFileSync(join(control, String(line?.[2]?.split(':')[1]), 'waiting'), 'utf8'));
}

/** Calls `body` with a folder that shows the kernel's figures of FUSE connections. */
async function withFuseControl(folder: string, body: (control: string) => Promise<void>): Promise<void> {
  const control = join(folder, 'control');
  mkdirSync(control);
  outputOf('mount', ['-t', 'fusectl', 'none', control]);
  try {
    await body(control);
  } finally {
    outputOf('umount', [control]);
  }
}

/** Kills the daemon while requests wait and much is dirty; returns the names that were final. */
async function killInTheMiddle(
  store: TestStore,
  rsync: WatchedRsync,
  wantedFiles: number,
  control: string,
): Promise<string[]> {
  const whileRunning = (what: string, condition: () => boolean): Promise<boolean> =>
    until(
      what,
      () => {
        assert.equal(rsync.status, null, 'rsync ended before the daemon was killed');
        return condition();
      },
      120_000,
    );
  await whileRunning(`${wantedFiles} files`, () => rsync.finished().length >= wantedFiles);
  await whileRunning('dirty bytes', () => store.status().dirtyBytes > DIRTY_BYTES);
  await whileRunning('requests in flight', () => waitingRequests(control, store.mountpoint) > 0);
  // What rsync prints once the daemon is dead says nothing: it prints names of files it fails to write as well.
  const finished = rsync.finished();
  await store.kill9();
  await rsync.ended();
  assert.notEqual(rsync.status, 0, 'rsync was in the middle of it');
  return finished;
}

/** Kills the daemon three times during one rsync after the other, and judges after each mount. */
async function killAndJudge(store: TestStore, folder: string, control: string): Promise<void> {
  const [source, current] = [join(folder, 'source'), join(store.mountpoint, 'host/x/current')];
  const shell = makeShell(folder);
  const finished = new Set<string>();
  for (const share of KILLS) {
    const rsync = new WatchedRsync(source, current, shell);
    try {
      const wanted = Math.max(1, share * SMALL_FILES - finished.size);
      for (const name of await killInTheMiddle(store, rsync, wanted, control)) finished.add(name);
    } finally {
      rsync.kill();
    }
    await store.mount();
    for (const name of finished) {
      assert.equal(statSync(join(current, name)).size, statSync(join(source, name)).size, name);
      assert.equal(hashOf(join(current, name)), hashOf(join(source, name)), name);
    }
    assert.deepEqual(store.status().problems, []);
  }
  assert.ok(finished.size > 1000, `${finished.size} files were judged`);
}

/** A further rsync completes, and all is well after it, live, in a snapshot and in the chunks. */
async function completeAndCheck(store: TestStore, source: string): Promise<void> {
  const current = join(store.mountpoint, 'host/x/current');
  outputOf('rsync', ['-aHAX', '--modify-window=-1', '--numeric-ids', '--delete', `${source}/`, `${current}/`]);
  assert.equal(differences(source, current), '');
  await store.remount();
  assertSameTree(source, current);
  store.cairn('status');
  store.cairn('snapshot', 'create', 'host/x');
  assertSameTree(source, store.latest('host/x'));
  await store.umount();
  assert.ok(checkAllChunks(store.store) > 100);
}

test('three kills in the middle of an rsync lose nothing whose final name was printed', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-kill9-'));
  try {
    makeSource(join(folder, 'source'));
    await withFuseControl(folder, (control) =>
      withStore(
        async (store) => {
          await killAndJudge(store, folder, control);
          await completeAndCheck(store, join(folder, 'source'));
        },
        { groups: ['host/x'] },
      ),
    );
  } finally {
    outputOf('rm', ['-rf', folder]);
  }
});
