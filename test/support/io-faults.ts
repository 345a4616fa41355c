import assert from 'node:assert/strict';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { IoOrder, IoShim } from './io-shim.js';
import type { TestStore } from './mounted-store.js';
import type { Random } from './random.js';

/** What a caller may hear when the disk below us fails: that it did, or that nothing is taken any more. */
const ERRORS = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'] as const;

/** What may be done to a call. */
export const FAULTS: readonly Pick<IoOrder, 'action' | 'error'>[] = [
  ...ERRORS.map((error) => ({ action: 'fail', error }) as const),
  { action: 'short', error: 'ENOSPC' },
  { action: 'done-and-fail', error: 'EIO' },
];

/** What came of trials. */
export interface FaultCounts {
  trials: number;
  /** Trials in which something was done to a call. */
  hit: number;
  failed: number;
  readOnly: number;
}

/**
 * A mounted store whose disk fails: each trial does one thing to it while the nth call of a kind goes wrong. Whatever
 * was acknowledged is remembered, and `judge` demands it.
 */
export class FaultyStore {
  readonly counts: FaultCounts = { trials: 0, hit: 0, failed: 0, readOnly: 0 };
  readonly #store: TestStore;
  readonly #shim: IoShim;
  readonly #random: Random;
  readonly #kept = new Map<string, Buffer>();
  #number = 0;

  constructor(store: TestStore, shim: IoShim, random: Random) {
    this.#store = store;
    this.#shim = shim;
    this.#random = random;
    // Each trial makes the daemon complain of something else.
    store.log.expect(/./);
  }

  /** A new file of so many bytes, written, synced and closed. @returns whether a fault came of the order */
  async write(bytes: number, order: IoOrder): Promise<boolean> {
    const name = `f${this.#number++}`;
    const content = this.#random.bytes(bytes);
    return this.#trial(order, () => {
      const error = errorOf(() => writeSynced(join(this.#current, name), content));
      if (error === undefined) this.#kept.set(name, content);
      return error;
    });
  }

  /** A command. @returns whether a fault came of the order */
  async command(args: readonly string[], order: IoOrder): Promise<boolean> {
    return this.#trial(order, () => {
      const { status, stderr } = this.#store.run(args);
      if (status === 0) return undefined;
      const lines = stderr.trim().split('\n');
      assert.ok(
        status !== null && lines.at(-1) !== '',
        `cairn ${args.join(' ')} ended with ${status} and said nothing`,
      );
      assert.doesNotMatch(stderr, /^ +at /m, 'a stack trace for a user');
      return 'EIO';
    });
  }

  /** Everything acknowledged is there, after a new mount, and the store checks clean. */
  async judge(): Promise<void> {
    this.#shim.disarm();
    await this.#store.remount();
    this.#compare();
    this.#store.cairn('check', '--deep');
  }

  get #current(): string {
    return join(this.#store.mountpoint, 'host/x/current');
  }

  async #trial(order: IoOrder, work: () => string | undefined): Promise<boolean> {
    this.counts.trials += 1;
    this.#shim.arm(order);
    const error = work();
    this.#shim.disarm();
    const { hit, first } = this.#shim.tally;
    if (hit > 0) this.counts.hit += 1;
    if (error !== undefined) {
      this.counts.failed += 1;
      assert.ok(hit > 0, `it failed with ${error} by itself`);
      assert.ok((ERRORS as readonly string[]).includes(error), `${error} for ${order.error} at ${first}`);
    }
    if (hit > 0 && this.#isReadOnly()) await this.#comeBack(first);
    return hit > 0;
  }

  /** Whether the daemon takes nothing new, which `status` has to say. */
  #isReadOnly(): boolean {
    const error = errorOf(() => writeSynced(join(this.#current, 'probe'), Buffer.from('x')));
    if (error !== 'EROFS') return false;
    const { status, stdout } = this.#store.run(['status']);
    assert.equal(status, 6, stdout);
    assert.match(stdout, /^Problem .*takes no changes.*mount it again/m);
    return true;
  }

  /** What is there can be read while nothing is taken, and a new mount takes everything again. */
  async #comeBack(why: string | undefined): Promise<void> {
    this.counts.readOnly += 1;
    this.#compare(3);
    await this.#store.remount();
    assert.equal(
      errorOf(() => writeSynced(join(this.#current, 'probe'), Buffer.from('y'))),
      undefined,
      why,
    );
  }

  /** @param last how many of the newest files; default all */
  #compare(last = this.#kept.size): void {
    for (const [name, content] of [...this.#kept].slice(-last)) {
      assert.ok(readFileSync(join(this.#current, name)).equals(content), `${name} is not what was acknowledged`);
    }
  }
}

function writeSynced(path: string, bytes: Buffer): void {
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } catch (error) {
    errorOf(() => closeSync(file));
    throw error;
  }
  closeSync(file);
}

function errorOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    // libuv has no name for it.
    return errno === -122 ? 'EDQUOT' : (code ?? String(error));
  }
}
