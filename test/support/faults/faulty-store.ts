import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { callDaemon } from '../../../src/control/client.js';
import type { CommandArguments, CommandName, CommandResult } from '../../../src/control/commands.js';
import { CairnError } from '../../../src/core/errors.js';
import { ownSocketPath } from '../../../src/daemon/control-socket.js';
import type { IoOrder, IoShim } from '../io-shim.js';
import type { TestStore } from '../mounted-store.js';
import { noise } from '../noise.js';
import type { Random } from '../random.js';
import { readTree } from '../read-tree.js';
import { contentHash, errnoOf, writeClosed, writeSynced } from './files.js';

export const GROUP = 'host/x';

/** What a caller may hear when the disk below fails: that it did, or that nothing is taken any more. */
const ERRNOS: ReadonlySet<string> = new Set(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES']);
const KINDS: ReadonlySet<string> = new Set(['io', 'no-space', 'quota-exceeded', 'read-only', 'access-denied']);
/** What a message for people never says: names of what went wrong in the program. */
const PROGRAM_TALK = /is not a function|Cannot read prop|undefined|\[object|^ +at /m;
/** Files that are remembered; older ones are removed. */
const KEPT_FILES = 8;
/** Snapshots that are left after a judgement. */
const KEPT_SNAPSHOTS = 2;
/** Files of the live tree that are not of `write`. */
const VICTIM = 'victim';
const PROBE = 'probe';
/** One chunk, too large to be packed. */
const VICTIM_BYTES = 200_000;

/** One thing that is done to a store while its disk fails. */
export interface FaultOperation {
  /** Brings the store where the thing can be done; nothing fails yet. */
  prepare?(store: FaultyStore): Promise<void> | void;
  /** Does it; throws where it fails. */
  run(store: FaultyStore): Promise<void> | void;
  /** Nothing fails any more: what was asked is done now, and what came of it is right. */
  settle?(store: FaultyStore): Promise<void> | void;
}

/** What came of trials. */
export interface FaultCounts {
  trials: number;
  /** Trials in which something was done to a call. */
  hit: number;
  /** Of these, those in which the operation failed; the others went through all the same. */
  failed: number;
  /** Of these, those after which nothing was taken before a new mount. */
  readOnly: number;
}

/** A command of the command line failed; its message is what it said. */
export class CommandFailed extends Error {}

/**
 * A mounted store whose disk fails: each trial does one thing to it while the nth call of a kind goes wrong, then
 * everything that was acknowledged has to be there and the store has to check clean.
 */
export class FaultyStore {
  readonly counts: FaultCounts = { trials: 0, hit: 0, failed: 0, readOnly: 0 };
  readonly store: TestStore;
  readonly random: Random;
  readonly #shim: IoShim;
  /** Files of the live tree that were acknowledged. */
  readonly #kept = new Map<string, Buffer>();
  /** Snapshots that were met → hashes of their files. */
  readonly #snapshots = new Map<string, ReadonlyMap<string, string>>();
  /** Files of which a replacement failed: until the next mount they may have these bytes as well. */
  readonly #replaced = new Map<string, Buffer>();
  /** Snapshots that something which may fail is to remove. */
  #leaving: readonly string[] = [];
  #number = 0;
  /** A file whose one chunk, which nothing else has, is there to be damaged. */
  readonly victim: { readonly content: Buffer; readonly path: string; readonly chunk: string };

  constructor(store: TestStore, shim: IoShim, random: Random) {
    this.store = store;
    this.random = random;
    this.#shim = shim;
    const content = noise('victim', VICTIM_BYTES);
    const digest = contentHash(content);
    const chunk = join(store.store, '.chunks', digest.slice(0, 2), digest);
    this.victim = { content, path: join(this.current, VICTIM), chunk };
    // Each trial makes the daemon complain of something else.
    store.log.expect(/./);
  }

  /** The live tree. */
  get current(): string {
    return join(this.store.mountpoint, GROUP, 'current');
  }

  /** Files of the live tree that were acknowledged, by name. */
  get kept(): ReadonlyMap<string, Buffer> {
    return this.#kept;
  }

  /** The calls that an operation makes when nothing fails: `sync journal` → how many. */
  async count(operation: FaultOperation): Promise<ReadonlyMap<string, number>> {
    await operation.prepare?.(this);
    this.#shim.arm({ action: 'count' });
    await operation.run(this);
    this.#shim.disarm();
    await operation.settle?.(this);
    await this.#judgeSoon();
    return this.#shim.tally.counts;
  }

  /** Does it once while the order counts. @returns whether something was done to a call */
  async try(operation: FaultOperation, order: IoOrder): Promise<boolean> {
    await operation.prepare?.(this);
    this.counts.trials += 1;
    this.#shim.arm(order);
    let failure: unknown;
    try {
      await operation.run(this);
    } catch (error) {
      failure = error;
    } finally {
      this.#shim.disarm();
    }
    const { hit, first } = this.#shim.tally;
    if (hit > 0) this.counts.hit += 1;
    if (failure !== undefined) this.#judgeFailure(failure, hit > 0 ? first : undefined);
    if (hit > 0 && this.store.isMounted && this.#isReadOnly()) await this.#comeBack(first);
    await operation.settle?.(this);
    if (hit > 0) await this.#judgeSoon();
    return hit > 0;
  }

  /** Everything acknowledged is there, after a new mount, and the store checks clean. */
  async judge(): Promise<void> {
    await this.store.remount();
    this.compareFiles();
    for (const time of await this.snapshotTimes()) await this.#compareSnapshot(time);
    await this.#judgeSoon();
    const times = await this.snapshotTimes();
    for (const time of times.slice(0, -KEPT_SNAPSHOTS)) await this.forget(time);
  }

  /** Asks the daemon for something. @throws {CairnError} its answer */
  ask<C extends CommandName>(command: C, args: CommandArguments<C>): Promise<CommandResult<C>> {
    return callDaemon(ownSocketPath(this.store.store), command, args);
  }

  /** Runs a command of the command line, with faults if they are on. @throws {CommandFailed} */
  command(...args: string[]): void {
    const { status, stderr } = this.store.run(args);
    const told = `cairn ${args.join(' ')} ended with ${status}: ${stderr}`;
    if (status === 0) return;
    assert.ok(status !== null && stderr.trim() !== '', told);
    throw new CommandFailed(told);
  }

  /** A new file of so many bytes, written and closed, and synced if that is not ruled out. */
  write(bytes: number, { synced = true } = {}): void {
    const name = `f${this.#number++}`;
    const content = this.random.bytes(bytes);
    (synced ? writeSynced : writeClosed)(join(this.current, name), content);
    this.#kept.set(name, content);
  }

  /** The newest file gets other bytes by `replace`, which may fail: then it may have either. */
  replaceNewest(bytes: number, replace: (path: string, content: Buffer) => void): void {
    const name = [...this.#kept.keys()].at(-1) as string;
    const content = this.random.bytes(bytes);
    this.#replaced.set(name, content);
    replace(join(this.current, name), content);
    this.#replaced.delete(name);
    this.#kept.set(name, content);
  }

  /** Removes what failed writes left: nothing was promised of it. */
  removeUnkept(): void {
    for (const name of readdirSync(this.current)) {
      if (!this.#kept.has(name) && name !== VICTIM) rmSync(join(this.current, name));
    }
  }

  /** Chunks that nothing needs, while nothing fails: of a large file, and part of a pack. */
  async makeGarbage(bytes: number): Promise<void> {
    const names = ['garbage-large', 'garbage-small', 'no-garbage'].map((name) => join(this.current, name));
    for (const [at, path] of names.entries()) writeSynced(path, this.random.bytes(at === 0 ? bytes : 5000));
    await this.snapshotAndForget();
    for (const path of names.slice(0, -1)) rmSync(path);
    await this.ask('catalog-commit', {});
  }

  /** Every file that was acknowledged has its bytes. To be called right after a mount, or while nothing may change. */
  compareFiles(): void {
    for (const [name, content] of this.#kept) {
      const found = readFileSync(join(this.current, name));
      if (found.equals(content)) continue;
      assert.ok(this.#replaced.get(name)?.equals(found), `${name} is not what was acknowledged`);
      this.#kept.set(name, found);
    }
    this.#replaced.clear();
  }

  /** A snapshot of the live tree as it is, made while nothing fails. @returns its time */
  async snapshot(): Promise<string> {
    const { time } = await this.ask('snapshot-create', { group: GROUP });
    await this.#compareSnapshot(time);
    return time;
  }

  /** Forgets a snapshot while nothing fails. */
  async forget(time: string): Promise<void> {
    await this.ask('snapshot-forget', { snapshot: `${GROUP}/${time}` });
    this.#snapshots.delete(time);
  }

  /** Has everything packed, while nothing fails. */
  async snapshotAndForget(): Promise<void> {
    await this.forget(await this.snapshot());
  }

  /** Announces snapshots that something which may fail removes. */
  leaving(times: readonly string[]): void {
    this.#leaving = times;
  }

  /** The snapshots of a group, the oldest first. */
  async snapshotTimes(group = GROUP): Promise<string[]> {
    const { snapshots } = await this.ask('snapshot-list', { group });
    return snapshots.map(({ time }) => time).sort();
  }

  /** What a snapshot must hold. */
  contentOf(time: string): ReadonlyMap<string, string> {
    const known = this.#snapshots.get(time);
    assert.ok(known !== undefined, `snapshot ${time} was never looked at`);
    return known;
  }

  #judgeFailure(failure: unknown, hit: string | undefined): void {
    this.counts.failed += 1;
    const told = failure instanceof Error ? failure.message : String(failure);
    assert.ok(hit !== undefined, `it failed by itself: ${told}`);
    assert.doesNotMatch(told, PROGRAM_TALK, hit);
    if (failure instanceof CommandFailed) return;
    const isKnown = failure instanceof CairnError ? KINDS.has(failure.kind) : ERRNOS.has(errnoOf(failure) ?? '');
    assert.ok(isKnown, `${failure instanceof CairnError ? `${failure.kind}: ` : ''}${told}; the fault was ${hit}`);
  }

  /** The store takes changes, checks clean and has every snapshot that nobody forgot. */
  async #judgeSoon(): Promise<void> {
    const times = new Set(await this.snapshotTimes());
    for (const time of times) if (!this.#snapshots.has(time)) await this.#compareSnapshot(time);
    for (const time of this.#snapshots.keys()) {
      if (times.has(time)) continue;
      assert.ok(this.#leaving.includes(time), `snapshot ${time} is gone, which nobody removed`);
      this.#snapshots.delete(time);
    }
    this.#leaving = [];
    const { findings } = await this.ask('check', { deep: true });
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'damage'),
      [],
    );
    for (const name of [...this.#kept.keys()].slice(0, -KEPT_FILES)) {
      rmSync(join(this.current, name));
      this.#kept.delete(name);
    }
  }

  /** Whether the daemon takes nothing new, which `status` has to say. */
  #isReadOnly(): boolean {
    const probe = (): unknown => failureOf(() => writeSynced(join(this.current, PROBE), Buffer.from('x')));
    // What the fault left broken a change may be the first to meet; it is told, and nothing is taken from then on.
    if (probe() === undefined) return false;
    const error = probe();
    if (error === undefined) return false;
    assert.equal(errnoOf(error), 'EROFS', String(error));
    const { status, stdout } = this.store.run(['status']);
    assert.equal(status, 6, stdout);
    assert.match(stdout, /^Problem .*takes no changes.*mount it again/m);
    return true;
  }

  /** What is there can be read while nothing is taken, and a new mount takes everything again. */
  async #comeBack(why: string | undefined): Promise<void> {
    this.counts.readOnly += 1;
    for (const [name, content] of this.#kept)
      this.#requireContent(name, contentHash(readFileSync(join(this.current, name))), content);
    await this.store.remount();
    this.compareFiles();
    const error = failureOf(() => writeSynced(join(this.current, PROBE), Buffer.from('y')));
    assert.equal(error, undefined, why);
  }

  #requireContent(name: string, hash: string | undefined, content: Buffer, where = ''): void {
    const other = this.#replaced.get(name);
    const isRight = hash === contentHash(content) || (other !== undefined && hash === contentHash(other));
    assert.ok(isRight, `${name}${where} is not what was acknowledged`);
  }

  /** A snapshot met for the first time holds the live tree as it is; later it holds what it held. */
  async #compareSnapshot(time: string): Promise<void> {
    const found = await readTree(join(this.store.mountpoint, GROUP, time));
    const before = this.#snapshots.get(time);
    if (before === undefined) {
      for (const [name, content] of this.#kept) {
        this.#requireContent(name, found.get(name), content, ` in the new snapshot ${time}`);
      }
    } else assert.deepEqual(found, before, `snapshot ${time} is what it was`);
    this.#snapshots.set(time, found);
  }
}

function failureOf(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}
