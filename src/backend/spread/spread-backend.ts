import { CairnError } from '../../core/errors.js';
import type { ShardNews } from '../../core/shard-group.js';
import type { Backend, BackendFigures, Move } from '../backend.js';
import { checkName, checkPrefix, checkRange } from '../names.js';
import { roomFor } from './capacity.js';
import { KeyedLocks } from './keyed-locks.js';
import { MARK_NAME } from './mark.js';
import type { Member } from './member.js';
import { fewAnswers, Members, type SpreadSetup } from './members.js';
import { type Exclusively, ObjectMender } from './object-mender.js';
import { STAGED_FOLDER } from './pieces.js';
import { ReadRepair } from './read-repair.js';
import { SpreadReader } from './spread-reader.js';
import { type PlacedObject, SpreadWriter } from './spread-writer.js';
import { Unsynced } from './unsynced.js';

/** What objects are spread over, and how. */
export interface SpreadOptions extends SpreadSetup {
  /** Whose members they are: it stands in their marks. */
  readonly datastore: string;
  /** Folders a listing goes through one after the other: names heard of several times are remembered for one at a time. */
  readonly partitions?: (prefix: string) => readonly string[];
  /** For mending in the background; who calls the other methods sees to it himself where it matters. */
  readonly exclusively?: Exclusively;
  /** Told where pieces were put and seen, for who keeps a record of that; nothing here asks for it. */
  readonly heard?: (change: ShardNews) => void;
  /** Milliseconds of a clock; for tests. */
  readonly now?: () => number;
}

/**
 * Objects in several pieces on as many backends (README.md): under its own name on each, never two on one. A member that
 * fails is left alone for a while, and nobody notices as long as the others make up for it.
 */
export class SpreadBackend implements Backend {
  readonly members: Members;
  /** Mends one object after the other, for who looks after all of them. */
  readonly mender: ObjectMender;
  /** Objects that readers and writers saw lacking something. */
  readonly readRepair: ReadRepair;
  readonly #partitions: (prefix: string) => readonly string[];
  readonly #reader: SpreadReader;
  readonly #writer: SpreadWriter;
  readonly #locks = new KeyedLocks();
  readonly #heard: (change: ShardNews) => void;
  #unsynced = new Unsynced();
  #barrier: Promise<unknown> = Promise.resolve();

  constructor(options: SpreadOptions) {
    const { exclusively = (_name, work) => work(), heard = () => undefined, now = Date.now } = options;
    const members = new Members(options, options.datastore, now);
    this.members = members;
    this.#heard = heard;
    this.#partitions = options.partitions ?? ((prefix) => [prefix]);
    this.readRepair = new ReadRepair((name) => this.mender.mend(name));
    const degraded = (name: string): void => this.readRepair.note(name);
    this.#reader = new SpreadReader(members, degraded);
    this.#writer = new SpreadWriter({ members, degraded, now, placed: (put) => this.#notePut(put) });
    this.mender = new ObjectMender({
      members,
      reader: this.#reader,
      writer: this.#writer,
      locks: this.#locks,
      exclusively,
      heard,
    });
  }

  /** @param first id of the member that is to have one of the pieces, where it takes anything */
  async put(name: string, bytes: Uint8Array, first?: string): Promise<void> {
    checkName(name);
    await this.#locks.run(name, () => this.#writer.put(name, bytes, { first }));
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
    const answers = await this.members.askAll('remove objects', (backend) => backend.removeAll(names));
    const silent = this.#silentBut(answers);
    for (const name of names) this.#heard({ kind: 'seen', name, group: undefined, silent });
    return names.map((_, at) => answers.some(({ answer }) => answer[at] === true));
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    for (const { from, to } of moves) {
      checkName(from);
      checkName(to);
    }
    const answers = await this.members.askAll('move objects', (backend) => backend.moveAll(moves));
    const moved = moves.map((_, at) => answers.some(({ answer }) => answer[at] === true));
    const silent = this.#silentBut(answers);
    moves.forEach(({ from, to }, at) => {
      if (moved[at] === true) this.#heard({ kind: 'moved', from, to, silent });
    });
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
      const lists = await this.members.askAll(`list ${folder}`, (backend) => namesIn(backend, folder), 'proven');
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
    const results = await Promise.allSettled(this.members.all.map((member) => member.sync(true)));
    const failed = results.filter((result) => result.status === 'rejected');
    if (failed.length <= this.members.mostUnsynced) return;
    throw fewAnswers(
      'make objects durable',
      failed.map(({ reason }) => reason),
    );
  }

  figures(): Promise<BackendFigures | undefined> {
    return roomFor(this.members.all, this.members.redundancy);
  }

  #notePut({ name, pieces, group }: PlacedObject): void {
    this.#unsynced.add(name, [...pieces.values()], group.redundancy.data);
    const places = new Map([...pieces].map(([index, { member }]) => [index, member.settings.id]));
    this.#heard({ kind: 'seen', name, group: { ...group, places }, silent: this.members.silent() });
  }

  #silentBut(answers: readonly { readonly member: Member }[]): string[] {
    const heardOf = new Set(answers.map(({ member }) => member));
    return this.members.all.filter((member) => !heardOf.has(member)).map(({ settings }) => settings.id);
  }

  async #sync(): Promise<void> {
    const taken = this.#unsynced;
    this.#unsynced = new Unsynced();
    const synced = new Map<Member, number>();
    const failures: unknown[] = [];
    await Promise.all(
      this.members.all.map(async (member) => {
        const { epoch } = member;
        try {
          await member.sync();
          synced.set(member, epoch);
        } catch (error) {
          failures.push(error);
        }
      }),
    );
    const { bearable, unbearable } = taken.lost(synced);
    for (const name of bearable) this.readRepair.note(name);
    if (unbearable === 0) return;
    this.#unsynced.addAll(taken);
    throw fewAnswers(`make ${unbearable} objects durable`, failures);
  }
}

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
