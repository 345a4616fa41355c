import assert from 'node:assert/strict';
import { join } from 'node:path';
import { callDaemon } from '../../../src/control/client.js';
import type { CommandArguments, CommandName, CommandResult } from '../../../src/control/commands.js';
import { CairnError } from '../../../src/core/errors.js';
import { ownSocketPath } from '../../../src/daemon/control-socket.js';
import { until } from '../commands.js';
import type { IoOrder, IoShim } from '../io-shim.js';
import type { TestStore } from '../mounted-store.js';
import type { Random } from '../random.js';
import { AcknowledgedFiles } from './acknowledged-files.js';
import { errnoOf, GROUP, writeSynced } from './files.js';
import { MetSnapshots } from './met-snapshots.js';

/** What a caller may hear when the disk below fails: that it did, or that nothing is taken any more. */
const ERRNOS: ReadonlySet<string> = new Set(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EACCES']);
const KINDS: ReadonlySet<string> = new Set([
  ...['io', 'no-space', 'quota-exceeded', 'read-only', 'access-denied'],
  // A collection that cannot look everywhere removes nothing, and says so.
  'not-ready',
]);
/** SQLite itself takes a page that the disk does not give for a damaged one. */
const CATALOG_READ = /^read (catalog|wal) /;
/** What a message for people never says: names of what went wrong in the program. */
const PROGRAM_TALK = /is not a function|Cannot read prop|undefined|\[object|^ +at /m;
/** Snapshots that are left after a judgement. */
const KEPT_SNAPSHOTS = 2;

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
  readonly files: AcknowledgedFiles;
  readonly snapshots: MetSnapshots;
  readonly #shim: IoShim;

  constructor(store: TestStore, shim: IoShim, random: Random) {
    this.store = store;
    this.random = random;
    this.files = new AcknowledgedFiles(join(store.mountpoint, GROUP, 'current'), random);
    this.snapshots = new MetSnapshots(store.mountpoint, (command, args) => this.ask(command, args), this.files);
    this.#shim = shim;
    // Each trial makes the daemon complain of something else.
    store.log.expect(/./);
  }

  /** The calls that an operation makes when nothing fails: `sync journal` → how many. */
  async count(operation: FaultOperation): Promise<ReadonlyMap<string, number>> {
    await operation.prepare?.(this);
    this.#shim.arm({ action: 'count' });
    await operation.run(this);
    this.#shim.disarm();
    const { counts } = this.#shim.tally;
    await operation.settle?.(this);
    await this.#judgeSoon();
    return counts;
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
    if (hit > 0 && this.store.isMounted && (await this.#isReadOnly())) await this.#comeBack(first);
    await operation.settle?.(this);
    if (hit > 0) await this.#judgeSoon();
    // A snapshot holds the tree of now, so it is met before the tree changes.
    else await this.snapshots.judge({ deep: false });
    return hit > 0;
  }

  /** Everything acknowledged is there, after a new mount, and the store checks clean. */
  async judge(): Promise<void> {
    await this.store.remount();
    this.files.compare({ mountedAnew: true });
    await this.snapshots.judge({ deep: true });
    await this.#judgeSoon();
    const times = await this.snapshots.times();
    for (const time of times.slice(0, -KEPT_SNAPSHOTS)) await this.snapshots.forget(time);
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

  #judgeFailure(failure: unknown, hit: string | undefined): void {
    this.counts.failed += 1;
    const told = failure instanceof Error ? failure.message : String(failure);
    assert.ok(hit !== undefined, `it failed by itself: ${told}`);
    assert.doesNotMatch(told, PROGRAM_TALK, hit);
    if (failure instanceof CommandFailed) return;
    const isKnown =
      failure instanceof CairnError
        ? KINDS.has(failure.kind) || (failure.kind === 'corrupt' && CATALOG_READ.test(hit))
        : ERRNOS.has(errnoOf(failure) ?? '');
    assert.ok(isKnown, `${failure instanceof CairnError ? `${failure.kind}: ` : ''}${told}; the fault was ${hit}`);
  }

  /** The store checks clean and has every snapshot that nobody removed. */
  async #judgeSoon(): Promise<void> {
    await this.snapshots.judge({ deep: false });
    const { findings } = await this.ask('check', { deep: true });
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'damage'),
      [],
    );
    this.files.removeOld();
  }

  /** Whether the daemon takes nothing new, which `status` has to say. */
  async #isReadOnly(): Promise<boolean> {
    // What the fault left broken a change may be the first to meet; it is told, and nothing is taken from then on.
    if (this.#probe() === undefined) return false;
    let error = this.#probe();
    // SQLite's I/O errors may be a quota: the reserve was given up, and is set aside again soon.
    await until('room', () => {
      if (error !== undefined && errnoOf(error) === 'ENOSPC') error = this.#probe();
      return error === undefined || errnoOf(error) !== 'ENOSPC';
    });
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
    this.files.compare({ mountedAnew: false });
    await this.store.remount();
    this.files.compare({ mountedAnew: true });
    assert.equal(this.#probe(), undefined, why);
  }

  /** Writes and syncs a file. @returns what it failed with */
  #probe(): unknown {
    try {
      writeSynced(join(this.files.folder, 'probe'), Buffer.from('x'));
      return undefined;
    } catch (error) {
      return error;
    }
  }
}
