import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { kindOf } from '../../src/core/errors.js';
import { loadIndex } from '../../src/index/index-file.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import { runCare } from '../support/care.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const MAX_FILE_BYTES = 700_000;
const MAX_SNAPSHOTS = 6;

type Tree = Map<string, Buffer>;

/** A store whose chunks are damaged at random, next to what its files must hold. */
class DamagedStore {
  readonly #t: TestContext;
  readonly #store: OpenStore;
  readonly #random: Random;
  readonly #live: Tree = new Map();
  readonly #snapshots = new Map<string, Tree>();

  constructor(t: TestContext, store: OpenStore, random: Random) {
    this.#t = t;
    this.#store = store;
    this.#random = random;
  }

  async change(): Promise<void> {
    for (let n = this.#random.between(1, 8); n > 0; n--) {
      const name = `file-${this.#random.below(12)}`;
      const bytes = this.#random.bytes(this.#random.between(1, this.#random.pick([2000, 100_000, MAX_FILE_BYTES])));
      await this.#store.write(`${GROUP}/current/${name}`, bytes);
      this.#live.set(name, bytes);
    }
    await this.#store.live.contents.flushAll();
    await this.#store.live.packer.run();
    if (this.#snapshots.size < MAX_SNAPSHOTS || this.#random.below(3) > 0) {
      this.#snapshots.set(await this.#store.snapshot(), new Map(this.#live));
    }
  }

  /** @returns how many chunks of file data it has damaged */
  async damage(): Promise<number> {
    const metadata = await this.#metadataChunks();
    const paths = this.#chunkFiles().filter((path) => !metadata.has(path.slice(-64)));
    for (let n = this.#random.between(1, 6); n > 0; n--) {
      const path = this.#random.pick(paths);
      if (!existsSync(path)) continue;
      const bytes = readFileSync(path);
      const at = this.#random.below(bytes.length);
      const kinds = [
        () => rmSync(path),
        () => truncateSync(path, at),
        () => writeFileSync(path, Buffer.alloc(bytes.length)),
        () =>
          writeFileSync(
            path,
            Buffer.concat([bytes.subarray(0, at), Buffer.of((bytes[at] as number) ^ 4), bytes.subarray(at + 1)]),
          ),
      ];
      this.#random.pick(kinds)();
      dropCached(Buffer.from(path.slice(-64), 'hex'));
    }
    return paths.length;
  }

  /** Verifies everything; what it does not name must be as it was. @returns how many chunks stay damaged */
  async verify(): Promise<number> {
    const report = await runCare(this.#t, this.#store, 'scrub', { maxAgeDays: 0, spread: false });
    const named = new Set(report.damaged.flatMap(({ files }) => files));
    for (const [tree, files] of [['current', this.#live] as const, ...this.#snapshots]) {
      for (const [name, bytes] of files) await this.#check(`${GROUP}/${tree}/${name}`, bytes, named);
    }
    return report.damaged.length;
  }

  /** Writes all live files again, or repairs from a copy of every tree there is. */
  async heal(): Promise<void> {
    if (this.#random.below(2) === 0) {
      for (const [name, bytes] of this.#live) await this.#store.write(`${GROUP}/current/${name}`, bytes);
      return;
    }
    for (const [time, files] of [['current', this.#live] as const, ...this.#snapshots]) {
      const folder = join(temporaryFolder(this.#t), time);
      mkdirSync(folder);
      for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
      await runCare(this.#t, this.#store, 'repair', { from: folder, apply: true });
      rmSync(folder, { recursive: true });
    }
  }

  async #check(path: string, bytes: Buffer, named: ReadonlySet<string>): Promise<void> {
    try {
      assert.ok((await this.#store.read(path)).equals(bytes), `${path} holds other bytes`);
    } catch (error) {
      if (kindOf(error) !== 'corrupt') throw error;
      assert.ok(named.has(path), `${path} cannot be read and is not named`);
    }
  }

  #chunkFiles(): string[] {
    const root = join(this.#store.folder, '.chunks');
    return readdirSync(root)
      .flatMap((prefix) => readdirSync(join(root, prefix)).map((name) => join(root, prefix, name)))
      .filter((path) => !path.endsWith('.bad'))
      .sort();
  }

  async #metadataChunks(): Promise<Set<string>> {
    const found = new Set<string>();
    for (const time of this.#snapshots.keys()) {
      for (const name of ['root.mpxar.didx', 'cairn.attrs.didx']) {
        const { index } = await loadIndex(join(this.#store.folder, GROUP, time, name));
        for (let i = 0; i < index.count; i++) found.add(Buffer.from(index.digest(i)).toString('hex'));
      }
    }
    return found;
  }
}

test('damage is always named, and what is healed is what it was', async (t) => {
  const seed = seedOfRun(t);
  const end = performance.now() + tortureSeconds(5) * 1000;
  const damaged = new DamagedStore(t, await OpenStore.make(t), new Random(seed));
  const figures = { rounds: 0, damaged: 0, unhealed: 0 };
  for (; performance.now() < end; figures.rounds++) {
    await damaged.change();
    await damaged.damage();
    figures.damaged += await damaged.verify();
    await damaged.heal();
    figures.unhealed += await damaged.verify();
  }
  recordFigures('damage-and-heal', seed, figures);
});
