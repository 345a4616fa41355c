import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Backend } from '../../src/backend/backend.js';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { ChunkStore } from '../../src/chunkstore/chunk-store.js';
import { compressionLevels } from '../../src/chunkstore/compression-level.js';
import { encodeBlobSync } from '../../src/native/blob.js';

const LONG_AGO_MILLISECONDS = 60_000;

/** A machine whose clocks go on by `pass`. */
class FakeMachine {
  busy = 5000;
  idle = 70_000;
  reads = 0;
  #milliseconds = 1;
  answer = (): Promise<string> => Promise.resolve(this.#stat());
  readonly level: () => number;

  constructor(backend: Backend = new FsBackend('/nowhere')) {
    const readStat = () => {
      this.reads += 1;
      return this.answer();
    };
    this.level = compressionLevels(backend, { readStat, nowMilliseconds: () => this.#milliseconds });
  }

  /** Time goes on, with this share of it idle; what asking now tells, once the answer it may bring about has come. */
  async pass(milliseconds: number, idleShare: number): Promise<number> {
    this.#milliseconds += milliseconds;
    this.idle += milliseconds * idleShare;
    this.busy += milliseconds * (1 - idleShare);
    this.level();
    await new Promise((resolve) => setImmediate(resolve));
    return this.level();
  }

  /** A third of what is busy is steal, of what is idle is waiting for disks. */
  #stat(): string {
    const [busy, idle] = [Math.round(this.busy / 3), Math.round(this.idle / 3)];
    const times = [busy, 0, busy, idle * 2, idle, 0, 0, busy, 99_999, 0];
    return `cpu  ${times.join(' ')}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1 2\n`;
  }
}

test('the level follows what was idle in the last half second', async () => {
  const machine = new FakeMachine();
  assert.equal(await machine.pass(1, 1), 1, 'nothing is known');
  assert.equal(await machine.pass(600, 0.9), 3);
  assert.equal(await machine.pass(600, 0.3), 2);
  assert.equal(await machine.pass(600, 0.52), 3);
  assert.equal(await machine.pass(600, 0.2), 1);
  assert.equal(await machine.pass(600, 0.27), 2);
  assert.equal(machine.reads, 6);
  for (let asked = 0; asked < 400; asked++) machine.level();
  assert.equal(await machine.pass(300, 0), 2, 'not looked at again yet');
  assert.equal(machine.reads, 6);
  assert.equal(await machine.pass(300, 0), 1);
  assert.equal(await machine.pass(5000, 0.8), 3, 'who stores seldom');
});

test('what was idle before there was work counts for nothing', async () => {
  const machine = new FakeMachine();
  await machine.pass(1, 1);
  assert.equal(await machine.pass(600, 1), 3);
  assert.equal(await machine.pass(LONG_AGO_MILLISECONDS, 1), 1);
  assert.equal(await machine.pass(600, 0.1), 1);
});

test('where the load cannot be told it is taken for high', async () => {
  const machine = new FakeMachine();
  await machine.pass(1, 1);
  assert.equal(await machine.pass(600, 1), 3);
  machine.answer = () => Promise.reject(new Error('no /proc'));
  assert.equal(await machine.pass(600, 1), 1);
  machine.answer = () => Promise.resolve('nonsense');
  assert.equal(await machine.pass(600, 1), 1);
  machine.answer = () => new Promise(() => undefined);
  for (let asked = 0; asked < 5; asked++) assert.equal(await machine.pass(600, 1), 1);
  assert.equal(machine.reads, 5, 'one look at a time');
});

test('of this machine the level can be asked', () => {
  assert.equal(compressionLevels(new FsBackend('/nowhere'))(), 1);
});

test('what is no local file is always compressed with the same level', async () => {
  const machine = new FakeMachine(new MemoryBackend());
  for (let asked = 0; asked < 3; asked++) assert.equal(await machine.pass(600, 1), 1);
  assert.equal(machine.reads, 0);
});

test('two stores that write a held chunk write the same bytes, whatever each would choose', async () => {
  const backend = new MemoryBackend();
  const plain = Buffer.from(Array.from({ length: 30_000 }, (_, n) => `${(n * 7919) % 4001} `).join(''));
  const digest = createHash('sha256').update(plain).digest();
  const lengthAt = (level: number): number => encodeBlobSync(plain, Buffer.alloc(plain.length + 12), level);
  assert.notEqual(lengthAt(1), lengthAt(3));
  const idle = new ChunkStore(backend, 2, { level: () => 3 });
  const busy = new ChunkStore(backend, 2, { level: () => 1 });
  for (const store of [idle, busy]) store.hold(digest);
  assert.equal(await idle.insertBytes(digest, plain), lengthAt(3));
  idle.release(digest);
  assert.equal(await busy.insertBytes(digest, plain), lengthAt(3));
  busy.release(digest);
  busy.hold(digest);
  assert.equal(await busy.insertBytes(digest, plain), lengthAt(1));
  assert.deepEqual(await busy.read(digest), plain);
  busy.release(digest);
});
