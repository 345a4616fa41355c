import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callDaemon } from '../../../src/control/client.js';
import { ownSocketPath } from '../../../src/daemon/control-socket.js';
import { outputOf } from '../commands.js';
import { type TestStore, withStore } from '../mounted-store.js';
import { noise } from '../noise.js';
import { Random } from '../random.js';
import { readTree } from '../read-tree.js';
import { type KillOrder, KillShim, MOMENTS } from './kill-shim.js';

const KIB = 1024;
const GROUP = 'host/work';
/** So many recoveries after one crash are killed at most before one may end. */
const MAX_IN_A_ROW = 3;

/** What kills of recoveries tried and survived. */
export interface RecoveryCounts {
  /** Recoveries that were killed. */
  kills: number;
  /** Recoveries that ended and were judged. */
  judged: number;
  /** Changes of the store's files in one recovery. */
  readonly calls: number;
}

/**
 * Kills recoveries of one crashed store at their changes of it, some several times in a row, and judges what the one
 * that ends makes of it.
 * @param stops at how many of the changes; default: each
 */
export async function killRecoveriesAndJudge(seed: number, stops = Number.POSITIVE_INFINITY): Promise<RecoveryCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-recoveries-'));
  let counts: RecoveryCounts | undefined;
  try {
    await withStore(
      async (store) => {
        const run = new RecoveryRun(store, folder, new Random(seed));
        counts = await run.run(stops);
      },
      { groups: [GROUP] },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  assert.ok(counts !== undefined);
  return counts;
}

class RecoveryRun {
  readonly #store: TestStore;
  readonly #image: string;
  readonly #shim: KillShim;
  readonly #random: Random;
  /** What the live tree holds, by path → hash. */
  #expected: ReadonlyMap<string, string> = new Map();
  #snapshot: ReadonlyMap<string, string> = new Map();

  constructor(store: TestStore, folder: string, random: Random) {
    this.#store = store;
    this.#image = join(folder, 'image');
    this.#shim = new KillShim(folder, realpathSync(store.store));
    this.#random = random;
  }

  async run(stops: number): Promise<RecoveryCounts> {
    try {
      await this.#crash();
      const calls = await this.#callsOfRecovery();
      assert.ok(calls > 10, `a recovery makes ${calls} changes`);
      const counts = { kills: 0, judged: 0, calls };
      for (const stop of this.#chosen(calls, stops)) {
        this.#restore();
        counts.kills += await this.#killInARow(stop, calls);
        await this.#judge();
        counts.judged += 1;
      }
      await this.#store.mount();
      await this.#store.umount();
      return counts;
    } finally {
      this.#shim.close();
    }
  }

  /** Makes a tree, a snapshot, and changes since the last commit; kills the daemon while it makes another. */
  async #crash(): Promise<void> {
    const { store, mountpoint } = this.#store;
    const current = join(mountpoint, GROUP, 'current');
    for (const name of ['a', 'b']) writeTree(current, name);
    await callDaemon(ownSocketPath(store), 'snapshot-create', { group: GROUP });
    this.#snapshot = await readTree(this.#store.latest(GROUP));
    writeTree(current, 'c');
    writeTree(current, 'a', 'again');
    renameSync(join(current, 'b'), join(current, 'moved'));
    rmSync(join(current, 'moved/0'));
    this.#expected = await readTree(current);
    // A snapshot under way: what recovery ends comes on top of what it replays.
    this.#store.environment = this.#shim.environment;
    const making = callDaemon(ownSocketPath(store), 'snapshot-create', { group: GROUP }).catch(() => undefined);
    await this.#store.kill9();
    await making;
    outputOf('cp', ['-a', store, this.#image]);
  }

  /** A recovery that nobody kills. */
  async #callsOfRecovery(): Promise<number> {
    await this.#store.mount();
    const calls = [...this.#shim.points().values()].reduce((sum, count) => sum + count, 0);
    await this.#judge();
    return calls;
  }

  #chosen(calls: number, stops: number): number[] {
    const all = Array.from({ length: calls }, (_, call) => call);
    if (stops >= calls) return all;
    // One of each part, so that the whole of a recovery has its share.
    return Array.from({ length: stops }, (_, part) =>
      Math.floor(((part + this.#random.below(100) / 100) * calls) / stops),
    );
  }

  async #killInARow(first: number, calls: number): Promise<number> {
    let kills = 0;
    let stop = first;
    for (let left = this.#random.between(1, MAX_IN_A_ROW); left > 0; left--) {
      this.#shim.arm(orderAt(stop, this.#random.pick(MOMENTS)));
      if (await this.#store.mountUnless('killed')) {
        // It made fewer changes than the one before.
        this.#shim.disarm();
        await this.#store.kill9();
      } else kills += 1;
      stop = this.#random.below(calls);
    }
    this.#shim.disarm();
    await this.#store.mount();
    return kills;
  }

  async #judge(): Promise<void> {
    const store = this.#store;
    assert.deepEqual(await readTree(join(store.mountpoint, GROUP, 'current')), this.#expected);
    assert.deepEqual(await readTree(store.latest(GROUP)), this.#snapshot);
    const { findings } = await callDaemon(ownSocketPath(store.store), 'check', { deep: true });
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'damage'),
      [],
    );
    await store.kill9();
  }

  #restore(): void {
    const { store } = this.#store;
    rmSync(store, { recursive: true });
    outputOf('cp', ['-a', this.#image, store]);
  }
}

function orderAt(call: number, moment: KillOrder['moment']): KillOrder {
  return { spent: new Set(), passing: call, moment, leastDirtyBytes: 0 };
}

/** Ten files, of which one is large. */
function writeTree(folder: string, name: string, salt = ''): void {
  mkdirSync(join(folder, name), { recursive: true });
  for (let i = 0; i < 10; i++) {
    writeFileSync(join(folder, name, String(i)), noise(`${name} ${i} ${salt}`, i === 9 ? 900 * KIB : (1 + i) * KIB));
  }
}
