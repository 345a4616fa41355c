import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { callDaemon } from '../../../src/control/client.js';
import type { CommandArguments, CommandName, CommandResult } from '../../../src/control/commands.js';
import { ownSocketPath } from '../../../src/daemon/control-socket.js';
import type { TestStore } from '../mounted-store.js';
import type { Random } from '../random.js';
import { readTree } from '../read-tree.js';
import type { CorruptedChunk } from './corrupted-chunk.js';

const KEPT = 2;

/** Snapshots, forgetting, pruning, collections, verification, repair and clones, one after the other at random. */
export class StoreJobs {
  readonly #store: TestStore;
  readonly #group: string;
  readonly #random: Random;
  readonly #victim: CorruptedChunk;
  /** Snapshots that were acknowledged, by time → hashes of their files where they were read. */
  readonly #snapshots = new Map<string, ReadonlyMap<string, string> | undefined>();
  /** Those that something which did not end was to forget. */
  #leaving = new Set<string>();

  /** @param group of which snapshots are made */
  constructor(store: TestStore, group: string, parts: { random: Random; victim: CorruptedChunk }) {
    this.#store = store;
    this.#group = group;
    this.#random = parts.random;
    this.#victim = parts.victim;
  }

  /** Does one job; rejects where that fails. */
  async run(): Promise<void> {
    const jobs = [
      () => this.#create(),
      () => this.#create(),
      () => this.#forget(),
      () => this.#prune(),
      () => this.#collect(),
      () => this.#collect(),
      () => this.ask('gc-undelete', { digests: null }),
      () => this.#verify(),
      () => this.ask('repair', { from: null, apply: true }),
      () => this.#clone(),
      () => this.#makeGroup(),
      () => this.#mark(),
    ];
    await this.#random.pick(jobs)();
  }

  /** Every snapshot that nobody forgot is there with every byte. @returns how many files were compared */
  async judge(): Promise<number> {
    const { snapshots } = await this.ask('snapshot-list', { group: this.#group });
    const there = new Set(snapshots.map(({ time }) => time));
    for (const time of this.#snapshots.keys()) {
      if (there.has(time)) continue;
      assert.ok(this.#leaving.has(time), `snapshot ${time} is gone, which nobody forgot`);
      this.#snapshots.delete(time);
    }
    this.#leaving = new Set();
    let files = 0;
    for (const time of there) {
      const found = await this.#read(time);
      const before = this.#snapshots.get(time);
      if (before !== undefined) assert.deepEqual(found, before, `${time} is what it was`);
      this.#snapshots.set(time, found);
      files += found.size;
    }
    return files;
  }

  /** Heals what is corrupt, then checks everything. */
  async check(): Promise<void> {
    if (this.#victim.isCorrupt) await this.#heal();
    const { findings } = await this.ask('check', { deep: true });
    const damage = findings.filter(({ severity }) => severity === 'damage');
    assert.deepEqual(damage, [], 'check --deep finds no damage');
    const { problems } = await this.ask('status', {});
    assert.deepEqual(problems, []);
  }

  /** Asks the daemon. */
  ask<C extends CommandName>(command: C, args: CommandArguments<C>): Promise<CommandResult<C>> {
    return callDaemon(ownSocketPath(this.#store.store), command, args);
  }

  async #create(): Promise<void> {
    const { time } = await this.ask('snapshot-create', { group: this.#group });
    this.#snapshots.set(time, undefined);
    this.#snapshots.set(time, await this.#read(time));
  }

  async #forget(): Promise<void> {
    const [time] = this.#snapshots.keys();
    if (time === undefined || this.#snapshots.size < 2) return this.#create();
    this.#leaving.add(time);
    await this.ask('snapshot-forget', { snapshot: `${this.#group}/${time}` });
    this.#gone([time]);
  }

  async #prune(): Promise<void> {
    const times = [...this.#snapshots.keys()].slice(0, -KEPT);
    for (const time of times) this.#leaving.add(time);
    await this.ask('prune', { groups: [this.#group], keep: { last: KEPT }, dryRun: false });
    this.#gone(times);
  }

  async #collect(): Promise<void> {
    const graceSeconds = this.#random.pick([0, 0, 3600]);
    await this.ask('gc', { dryRun: false, full: this.#random.below(4) === 0, graceSeconds });
  }

  async #clone(): Promise<void> {
    const time = [...this.#snapshots.keys()].at(-1);
    if (time === undefined) return;
    await this.ask('tree-clone', {
      ...{ source: `${this.#group}/${time}`, path: '', group: 'host/cloned', targetPath: '', replace: true },
    });
    const hashes = this.#snapshots.get(time);
    const clone = await readTree(join(this.#store.mountpoint, 'host/cloned/current'));
    if (hashes !== undefined) assert.deepEqual(clone, hashes, 'a clone is what it is of');
  }

  async #verify(): Promise<void> {
    this.#victim.write();
    await this.ask('sync', {});
    this.#victim.corrupt();
    await this.#heal();
  }

  async #heal(): Promise<void> {
    await this.ask('verify-chunks', { maxAgeDays: 0, spread: false, bytesPerSecond: null });
    this.#victim.write();
    await this.ask('sync', {});
    this.#victim.healed();
  }

  async #makeGroup(): Promise<void> {
    const path = join(this.#store.mountpoint, 'host/fleeting');
    mkdirSync(path, { recursive: true });
    rmdirSync(path);
    await this.ask('sync', {});
  }

  async #mark(): Promise<void> {
    const [time] = this.#snapshots.keys();
    if (time === undefined) return;
    await this.ask('snapshot-note', { snapshot: `${this.#group}/${time}`, text: `note ${this.#random.below(1000)}` });
  }

  #gone(times: readonly string[]): void {
    for (const time of times) this.#snapshots.delete(time);
  }

  #read(time: string): Promise<Map<string, string>> {
    return readTree(join(this.#store.mountpoint, this.#group, time));
  }
}
