import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { CommandArguments, CommandName, CommandResult } from '../../../src/control/commands.js';
import { readTree } from '../read-tree.js';
import type { AcknowledgedFiles } from './acknowledged-files.js';
import { GROUP } from './files.js';

/** Path of each file → SHA-256 of its bytes. */
type Tree = ReadonlyMap<string, string>;

/** Asks the daemon of the mounted store for something. */
type Ask = <C extends CommandName>(command: C, args: CommandArguments<C>) => Promise<CommandResult<C>>;

/** The snapshots of a store, and what each must hold for good. While nothing fails, but for `leaving`. */
export class MetSnapshots {
  readonly #mountpoint: string;
  readonly #ask: Ask;
  readonly #files: AcknowledgedFiles;
  readonly #met = new Map<string, Tree>();
  #leaving: readonly string[] = [];

  constructor(mountpoint: string, ask: Ask, files: AcknowledgedFiles) {
    this.#mountpoint = mountpoint;
    this.#ask = ask;
    this.#files = files;
  }

  /** Times of the snapshots of a group, the oldest first. */
  async times(group = GROUP): Promise<string[]> {
    const { snapshots } = await this.#ask('snapshot-list', { group });
    return snapshots.map(({ time }) => time).sort();
  }

  /** Makes one of the live tree as it is. @returns its time */
  async make(): Promise<string> {
    const { time } = await this.#ask('snapshot-create', { group: GROUP });
    await this.#compare(time);
    return time;
  }

  async forget(time: string): Promise<void> {
    await this.#ask('snapshot-forget', { snapshot: `${GROUP}/${time}` });
    this.#met.delete(time);
  }

  /** Announces those that something which may fail removes, besides those announced before. */
  leaving(times: readonly string[]): void {
    this.#leaving = [...this.#leaving, ...times];
  }

  contentOf(time: string): Tree {
    const known = this.#met.get(time);
    assert.ok(known !== undefined, `snapshot ${time} was never looked at`);
    return known;
  }

  /** All are there that nobody removed; new ones hold the live tree, and where `deep`, old ones what they held. */
  async judge({ deep }: { deep: boolean }): Promise<void> {
    const times = await this.times();
    for (const time of this.#met.keys()) {
      if (times.includes(time)) continue;
      assert.ok(this.#leaving.includes(time), `snapshot ${time} is gone, which nobody removed`);
      this.#met.delete(time);
    }
    this.#leaving = [];
    for (const time of times) if (deep || !this.#met.has(time)) await this.#compare(time);
  }

  async #compare(time: string): Promise<void> {
    const found = await readTree(join(this.#mountpoint, GROUP, time));
    const before = this.#met.get(time);
    if (before === undefined) this.#files.requireIn(found, `the new snapshot ${time}`);
    else assert.deepEqual(found, before, `snapshot ${time} is what it was`);
    this.#met.set(time, found);
  }
}
