import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DRAFT_BUDGET_BYTES } from '../../src/content/write-budget.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import { draftMemoryBytes } from '../../src/native/draft.js';
import { until } from '../support/commands.js';
import { FailingBackend } from '../support/failing-backend.js';
import { LiveMount } from '../support/live-mount.js';
import { skipMounts } from '../support/memory-mount.js';
import { noise } from '../support/noise.js';
import { temporaryFolder } from '../support/temporary-folder.js';

// Who waits for a store that does not answer can be killed, and leaves nothing behind.

const MIB = 1 << 20;
const SIGNALS = ['SIGKILL', 'SIGINT'] as const;

interface HeldMount {
  readonly mount: LiveMount;
  /** Its chunk store keeps everyone waiting until what it returns is called, or the test ends. */
  readonly holdUp: (what: 'puts' | 'gets') => () => void;
}

/** A live tree on a real mount whose chunk store can be held up. */
async function heldMount(t: TestContext): Promise<HeldMount> {
  let backend: FailingBackend | undefined;
  const held: (() => void)[] = [];
  // Before the mount is taken away, which waits for those who use it.
  t.after(() => {
    for (const goOn of held) goOn();
  });
  const mount = await LiveMount.make(t, { backend: (real) => (backend = new FailingBackend(real)) });
  const holdUp = (what: 'puts' | 'gets') => {
    assert.ok(backend);
    const goOn = backend.holdUp(what);
    held.push(goOn);
    return goOn;
  };
  return { mount, holdUp };
}

/** Kills it and waits until it has gone. */
async function kill(child: ChildProcess, signal: (typeof SIGNALS)[number]): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  assert.deepEqual(await ended, [null, signal]);
}

const isAtRest = (mount: LiveMount) => mount.counters().unanswered === 0;

const flushes = (mount: LiveMount) => mount.counters().byOperation.FLUSH ?? 0;

test('a writer that waits for memory goes with a signal, as soon as what he wrote before is stored', {
  skip: skipMounts,
}, async (t) => {
  const { mount, holdUp } = await heldMount(t);
  const source = join(temporaryFolder(t), 'source');
  for (const signal of SIGNALS) {
    // Others each time: what is known already is not put, and nobody would wait.
    const bytes = noise(signal, 100 * MIB);
    writeFileSync(source, bytes);
    const goOn = holdUp('puts');
    // It handles no signal, which dd does.
    const cp = mount.spawn('cp', [source, signal]);
    await until('the memory is full', () => draftMemoryBytes() >= DRAFT_BUDGET_BYTES && !isAtRest(mount));
    const before = flushes(mount);
    const gone = kill(cp, signal);
    // The last thing he does is to close the file: it is beyond the write.
    await until('the write is given up', () => flushes(mount) > before);
    goOn();
    await gone;
    await until('all is answered', () => isAtRest(mount) && draftMemoryBytes() === 0);
    // What it wrote before is there, and nothing else.
    const written = await sameUpTo(mount, signal, bytes);
    assert.ok(written >= DRAFT_BUDGET_BYTES / 2 && written < bytes.length, String(written));
  }
  await mount.sh('rm *; echo goes on > file');
  assert.equal(await mount.sh('cat file'), 'goes on\n');
  await mount.end();
});

/** The file's size, when its bytes are those of `bytes` so far. */
async function sameUpTo(mount: LiveMount, name: string, bytes: Buffer): Promise<number> {
  let at = 0;
  for await (const part of createReadStream(mount.path(name), { highWaterMark: MIB })) {
    assert.ok((part as Buffer).equals(bytes.subarray(at, at + part.length)), `at ${at}`);
    at += (part as Buffer).length;
  }
  return at;
}

/** Reads past the kernel's pages, and handles no signal. */
const DIRECT = `
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.preadv(os.open('file', os.O_RDONLY | os.O_DIRECT), [bytearray(1 << 20)], 0)
`;

test('a reader of a chunk that does not come goes with a signal', { skip: skipMounts }, async (t) => {
  const { mount, holdUp } = await heldMount(t);
  const bytes = noise('reader', 6 * MIB);
  const source = join(temporaryFolder(t), 'source');
  writeFileSync(source, bytes);
  await mount.sh(`cp ${source} file; sync file`);
  const { catalog } = mount.tree.store.datastore;
  const ino = catalog.names.lookup(mount.tree.current.position, Buffer.from('file'));
  assert.ok(ino !== undefined);
  const ways = [
    ['cat', 'file'],
    ['python3', '-c', DIRECT],
  ] as const;
  for (const signal of SIGNALS) {
    for (const [command, ...args] of ways) {
      await mount.sh('echo 1 > /proc/sys/vm/drop_caches');
      for (const extent of catalog.extents.all(ino)) if (extent.kind === 'chunk') dropCached(extent.digest);
      const goOn = holdUp('gets');
      const before = mount.counters().byOperation.READ ?? 0;
      const reader = mount.spawn(command, args);
      await until(`${command} waits`, () => !isAtRest(mount) && (mount.counters().byOperation.READ ?? 0) > before);
      await kill(reader, signal);
      goOn();
      await until('all is answered', () => isAtRest(mount));
      assert.equal(await sameUpTo(mount, 'file', bytes), bytes.length, `${command} ${signal}`);
    }
  }
  await mount.end();
});
