import { CairnError, kindOf } from '../../core/errors.js';
import { type Redundancy, writeQuorumOf } from '../../core/redundancy.js';
import type { Backend, BackendFigures, Move } from '../backend.js';
import { checkName, checkPrefix, checkRange } from '../names.js';
import { roomFor } from './capacity.js';
import { KeyedLocks } from './keyed-locks.js';
import { MARK_NAME } from './mark.js';
import { Member, type MemberPlace } from './member.js';
import { ObjectMender } from './object-mender.js';
import { STAGED_FOLDER } from './pieces.js';
import { placementOrder } from './placement.js';
import { ReadRepair } from './read-repair.js';
import { SpreadReader } from './spread-reader.js';
import { SpreadWriter } from './spread-writer.js';
import { Unsynced } from './unsynced.js';

/** Runs `work` while nobody else, in any thread, puts, moves or removes what has this name. */
export type Exclusively = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** What objects are spread over, and how. */
export interface SpreadOptions {
  /** Whose members they are: it stands in their marks. */
  readonly datastore: string;
  readonly members: readonly MemberPlace[];
  readonly redundancy: Redundancy;
  /** The member that comes first in every placement. */
  readonly preferred?: string | undefined;
  /** Some objects may still be as an earlier redundancy, or none, had them. */
  readonly converting?: boolean;
  /** Folders a listing goes through one after the other: names heard of several times are remembered for one at a time. */
  readonly partitions?: (prefix: string) => readonly string[];
  /** For mending in the background; who calls the other methods sees to it himself where it matters. */
  readonly exclusively?: Exclusively;
  /** Milliseconds of a clock; for tests. */
  readonly now?: () => number;
}

/**
 * Objects in several pieces on as many backends (README.md): under its own name on each, never two on one. A member that
 * fails is left alone for a while, and nobody notices as long as the others make up for it.
 */
export class SpreadBackend implements Backend {
  readonly members: readonly Member[];
  readonly redundancy: Redundancy;
  /** Mends one object after the other, for who looks after all of them. */
  readonly mender: ObjectMender;
  /** Objects that readers and writers saw lacking something. */
  readonly readRepair: ReadRepair;
  readonly #preferred: string | undefined;
  readonly #partitions: (prefix: string) => readonly string[];
  readonly #reader: SpreadReader;
  readonly #writer: SpreadWriter;
  readonly #locks = new KeyedLocks();
  /** So many members may keep silent, and every object is still heard of. */
  readonly #silentAtMost: number;
  #unsynced = new Unsynced();
  #barrier: Promise<unknown> = Promise.resolve();

  constructor(options: SpreadOptions) {
    const { redundancy, converting = false, exclusively = (_name, work) => work(), now = Date.now } = options;
    this.redundancy = redundancy;
    this.members = options.members.map((place) => new Member(place, options.datastore, now));
    this.#preferred = options.preferred;
    this.#partitions = options.partitions ?? ((prefix) => [prefix]);
    this.#silentAtMost = converting ? 0 : writeQuorumOf(redundancy) - 1;
    const order = (name: string): Member[] => this.#order(name);
    this.readRepair = new ReadRepair((name) => exclusively(name, () => this.mender.mend(name)));
    const degraded = (name: string): void => this.readRepair.note(name);
    this.#reader = new SpreadReader({ order, redundancy, converting, degraded });
    const placed: SpreadWriterPlaced = (name, pieces) => this.#unsynced.add(name, pieces);
    this.#writer = new SpreadWriter({ order, redundancy, placed, degraded, now });
    this.mender = new ObjectMender({
      order,
      redundancy,
      converting,
      reader: this.#reader,
      writer: this.#writer,
      locks: this.#locks,
    });
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    await this.#locks.run(name, () => this.#writer.put(name, bytes));
  }

  async get(name: string): Promise<Buffer> {
    checkName(name);
    const { object } = await this.#reader.read(name);
    // Whoever is putting another object under the name may have been half through.
    const found = object ?? (await this.#locks.run(name, () => this.#reader.read(name))).object;
    return found ?? absent(name);
  }

  async getElsewhere(name: string): Promise<Buffer> {
    checkName(name);
    return this.#locks.run(name, () => this.mender.useOther(name));
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    checkName(name);
    checkRange(offset, length);
    return (await this.#reader.range(name, offset, length)) ?? absent(name);
  }

  async size(name: string): Promise<number | undefined> {
    checkName(name);
    return this.#reader.size(name);
  }

  /** Members have no foreign collectors, so times of use are of no use here. */
  async touch(name: string): Promise<number | undefined> {
    return this.size(name);
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    names.forEach(checkName);
    const answers = await this.#everywhere('remove objects', (backend) => backend.removeAll(names));
    return names.map((_, at) => answers.some(({ answer }) => answer[at] === true));
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    for (const { from, to } of moves) {
      checkName(from);
      checkName(to);
    }
    const answers = await this.#everywhere('move objects', (backend) => backend.moveAll(moves));
    const moved = moves.map((_, at) => answers.some(({ answer }) => answer[at] === true));
    // Where a member had nothing to move, what it has under the new name is another object's.
    await Promise.all(
      answers.map(async ({ member, answer }) => {
        const stale = moves.filter((_, at) => moved[at] === true && answer[at] !== true).map(({ to }) => to);
        if (stale.length > 0) await member.ask((backend) => backend.removeAll(stale));
      }),
    );
    return moved;
  }

  async *list(prefix: string): AsyncIterable<string> {
    checkPrefix(prefix);
    for (const folder of this.#partitions(prefix)) {
      const lists = await this.#everywhere(`list ${folder}`, (backend) => namesIn(backend, folder), 'proven');
      yield* new Set(lists.flatMap(({ answer }) => answer));
    }
  }

  /** Members that fail are out; what was put there since the last barrier has to be enough elsewhere. */
  sync(): Promise<void> {
    const pass = this.#barrier.then(() => this.#sync());
    this.#barrier = pass.catch(() => undefined);
    return pass;
  }

  async syncAll(): Promise<void> {
    const results = await Promise.allSettled(this.members.map((member) => member.sync(true)));
    const failed = results.filter((result) => result.status === 'rejected');
    if (failed.length <= writeQuorumOf(this.redundancy) - this.redundancy.data) return;
    throw fewAnswers(
      'make objects durable',
      failed.map(({ reason }) => reason),
    );
  }

  figures(): Promise<BackendFigures | undefined> {
    return roomFor(this.members, this.redundancy);
  }

  async #sync(): Promise<void> {
    const taken = this.#unsynced;
    this.#unsynced = new Unsynced();
    const synced = new Map<Member, number>();
    const failures: unknown[] = [];
    await Promise.all(
      this.members.map(async (member) => {
        const { epoch } = member;
        try {
          await member.sync();
          synced.set(member, epoch);
        } catch (error) {
          failures.push(error);
        }
      }),
    );
    const { bearable, unbearable } = taken.lost(synced, this.redundancy.data);
    for (const name of bearable) this.readRepair.note(name);
    if (unbearable === 0) return;
    this.#unsynced.addAll(taken);
    throw fewAnswers(`make ${unbearable} objects durable`, failures);
  }

  /** What members answer; those that do not are left out. @throws {CairnError} where they are too many */
  async #everywhere<T>(
    doing: string,
    ask: (backend: Backend) => Promise<T>,
    proof?: 'proven',
  ): Promise<{ readonly member: Member; readonly answer: T }[]> {
    const failures: unknown[] = [];
    const answers = await Promise.all(
      this.members.map(async (member) => {
        try {
          const answer = await member.ask(ask);
          if (proof !== undefined) await member.prove();
          return [{ member, answer }];
        } catch (error) {
          if (kindOf(error) === 'invalid') throw error;
          failures.push(error);
          return [];
        }
      }),
    );
    if (failures.length > this.#silentAtMost) throw fewAnswers(doing, failures);
    return answers.flat();
  }

  /** Members that are failing come last, so that reading need not wait for them. */
  #order(name: string): Member[] {
    const order = placementOrder(name, this.members, this.#preferred);
    return [...order.filter(({ available }) => available), ...order.filter(({ available }) => !available)];
  }
}

type SpreadWriterPlaced = ConstructorParameters<typeof SpreadWriter>[0]['placed'];

async function namesIn(backend: Backend, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.list(folder)) {
    if (name !== MARK_NAME && !name.startsWith(`${STAGED_FOLDER}/`)) names.push(name);
  }
  return names;
}

function absent(name: string): never {
  throw new CairnError('not-found', `Cannot read ${name}: there is no such object, or too few of its pieces are left`);
}

function fewAnswers(doing: string, failures: readonly unknown[]): CairnError {
  const reasons = [...new Set(failures.map((error) => (error instanceof Error ? error.message : String(error))))];
  const [first] = failures;
  return new CairnError(kindOf(first), `Cannot ${doing}: ${reasons.join('; ')}`, { cause: first });
}
