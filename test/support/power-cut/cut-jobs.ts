import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { callDaemon } from '../../../src/control/client.js';
import type { CommandArguments, CommandName, CommandResult } from '../../../src/control/commands.js';
import { ownSocketPath } from '../../../src/daemon/control-socket.js';
import type { TestStore } from '../mounted-store.js';
import type { Random } from '../random.js';
import { readTree } from '../read-tree.js';
import type { PromisedFiles } from './promised-files.js';

const CLONED = 'host/cloned';
const KEPT = 2;

/** Path of each file → SHA-256 of its bytes. */
type Tree = ReadonlyMap<string, string>;

/** How often each job was done to its end. */
export interface JobCounts {
  snapshots: number;
  forgets: number;
  prunes: number;
  collections: number;
  undeletes: number;
  clones: number;
}

/** What is promised of snapshots and clones at a moment. */
export interface JobPromises {
  /** Snapshots whose making was acknowledged and that nobody began to remove. */
  readonly present: ReadonlyMap<string, Tree>;
  /** Snapshots whose removal was acknowledged. */
  readonly gone: ReadonlySet<string>;
  /** How many clones were begun, and the last one that must survive: numbers of `clones`, 0 is the empty tree. */
  readonly clones: { readonly begun: number; readonly durable: number };
}

/** Snapshots, forgetting, pruning, collections and clones, one after the other at random, and what each promises. */
export class CutJobs {
  readonly counts: JobCounts = { snapshots: 0, forgets: 0, prunes: 0, collections: 0, undeletes: 0, clones: 0 };
  readonly #store: TestStore;
  readonly #group: string;
  readonly #files: PromisedFiles;
  readonly #random: Random;
  readonly #present = new Map<string, Tree>();
  readonly #gone = new Set<string>();
  /** What each clone made of the one tree that all replace. */
  readonly #clones: Tree[] = [new Map()];
  #acknowledgedClone = 0;
  #durableClone = 0;

  /** @param group of which snapshots are made; `files` are written in it */
  constructor(store: TestStore, group: string, parts: { files: PromisedFiles; random: Random }) {
    this.#store = store;
    this.#group = group;
    this.#files = parts.files;
    this.#random = parts.random;
  }

  promises(): JobPromises {
    return {
      present: new Map(this.#present),
      gone: new Set(this.#gone),
      clones: { begun: this.#clones.length - 1, durable: this.#durableClone },
    };
  }

  /** Does one job; each comes with a snapshot, so that there is something to be removed. */
  async step(): Promise<void> {
    await this.#create();
    const jobs = [() => this.#forget(), () => this.#prune(), () => this.#collect(), () => this.#clone()];
    await this.#random.pick(jobs)();
  }

  /** Compares what a cut left with what was promised when it began and when it had been made. @returns snapshots compared */
  async judge(store: TestStore, before: JobPromises, after: JobPromises): Promise<number> {
    const { snapshots } = await this.#askOf(store, 'snapshot-list', { group: this.#group });
    const there = new Set(snapshots.map(({ time }) => time));
    let compared = 0;
    for (const [time, tree] of before.present) {
      if (!there.has(time) && !after.present.has(time)) continue;
      assert.deepEqual(await readTree(join(store.mountpoint, this.#group, time)), tree, `${time} is what it was`);
      compared += 1;
    }
    for (const time of before.gone) assert.ok(!there.has(time), `${time} is back, which was removed`);
    const found = await readTree(join(store.mountpoint, CLONED, 'current'));
    const possible = this.#clones.slice(before.clones.durable, after.clones.begun + 1);
    assert.ok(
      possible.some((tree) => sameTree(tree, found)),
      `a clone of ${found.size} files is none of ${possible.length} that were made`,
    );
    return compared;
  }

  async #create(): Promise<void> {
    const promised = this.#files.beforeSync();
    const clone = this.#acknowledgedClone;
    const { time } = await this.#ask('snapshot-create', { group: this.#group });
    promised();
    this.#durableClone = clone;
    this.#present.set(time, await readTree(join(this.#store.mountpoint, this.#group, time)));
    this.counts.snapshots += 1;
  }

  /** Forgets the oldest, never the newest: within its second its name may be given again, and then it is rightly there. */
  async #forget(): Promise<void> {
    const [time, newer] = this.#present.keys();
    if (time === undefined || newer === undefined) return;
    this.#present.delete(time);
    await this.#ask('snapshot-forget', { snapshot: `${this.#group}/${time}` });
    this.#gone.add(time);
    this.counts.forgets += 1;
  }

  async #prune(): Promise<void> {
    const times = [...this.#present.keys()].slice(0, -KEPT);
    for (const time of times) this.#present.delete(time);
    await this.#ask('prune', { groups: [this.#group], keep: { last: KEPT }, dryRun: false });
    for (const time of times) this.#gone.add(time);
    this.counts.prunes += 1;
  }

  /** Removes what nothing needs, or takes it to the quarantine and now and then brings it back. */
  async #collect(): Promise<void> {
    const graceSeconds = this.#random.pick([0, 0, 3600]);
    await this.#ask('gc', { dryRun: false, full: this.#random.below(4) === 0, graceSeconds });
    this.counts.collections += 1;
    if (this.#random.below(2) === 0) return;
    await this.#ask('gc-undelete', { digests: null });
    this.counts.undeletes += 1;
  }

  async #clone(): Promise<void> {
    const [time, tree] = this.#random.pick([...this.#present]);
    const number = this.#clones.push(tree) - 1;
    const source = { source: `${this.#group}/${time}`, path: '' };
    await this.#ask('tree-clone', { ...source, group: CLONED, targetPath: '', replace: true });
    this.#acknowledgedClone = number;
    this.counts.clones += 1;
  }

  #ask<C extends CommandName>(command: C, args: CommandArguments<C>): Promise<CommandResult<C>> {
    return this.#askOf(this.#store, command, args);
  }

  #askOf<C extends CommandName>(store: TestStore, command: C, args: CommandArguments<C>): Promise<CommandResult<C>> {
    return callDaemon(ownSocketPath(realpathSync(store.store)), command, args);
  }
}

function sameTree(a: Tree, b: Tree): boolean {
  return a.size === b.size && [...a].every(([name, hash]) => b.get(name) === hash);
}
