import { CairnError, isOutOfRoom } from '../../core/errors.js';
import { formatRedundancy, piecesOf, type Redundancy, sameRedundancy, writeQuorumOf } from '../../core/redundancy.js';
import type { ShardGroup } from '../../core/shard-group.js';
import type { ShardHeader } from '../erasure/shard-header.js';
import { codeObject, cutObject, parityBytesOf } from '../erasure/shards.js';
import { FileBatch } from '../file-batch.js';
import type { Member } from './member.js';
import type { Members } from './members.js';
import { type Answers, lookForPieces, type PieceSet, setsOf, stagedName } from './pieces.js';
import { RecycledRoom } from './recycled-room.js';

/** What writing works with. */
export interface WriterParts {
  readonly members: Members;
  /** Told where an object was put; durable after a barrier of those members. */
  readonly placed: (put: PlacedObject) => void;
  /** Told of objects of which fewer pieces could be stored than there should be. */
  readonly degraded: (name: string) => void;
  readonly now: () => number;
}

/** A piece on a member, as of one of its epochs. */
export interface PlacedPiece {
  readonly member: Member;
  readonly epoch: number;
}

/** An object that was put, and its pieces by their index. */
export interface PlacedObject {
  readonly name: string;
  readonly group: Omit<ShardGroup, 'places'>;
  readonly pieces: ReadonlyMap<number, PlacedPiece>;
}

/** How an object is put; all may be absent. */
export interface PutOptions {
  /** Members whose pieces of this very object, in the redundancy it is to have, were just read and need not be written again. */
  readonly sound?: ReadonlySet<Member> | undefined;
  /** Id of the member that is to have one of the pieces, where it takes anything. */
  readonly first?: string | undefined;
  /** Default: the one it has, as long as that is in use. */
  readonly redundancy?: Redundancy | undefined;
}

/** One object that is being put. */
interface Write {
  readonly name: string;
  readonly redundancy: Redundancy;
  readonly generation: number;
  readonly objectBytes: number;
  /** Of each piece the runs of bytes it consists of. */
  readonly files: readonly (readonly Uint8Array[])[];
  /** Puts of pieces where nothing stands go together. */
  readonly batch: FileBatch;
  /** Members with pieces of another object under the name: theirs wait beside them until all are durable. */
  readonly occupied: ReadonlySet<Member>;
  /** Members that have a piece of this very object. */
  readonly kept: ReadonlySet<Member>;
  /** Members that are not taken yet, in order. */
  readonly spare: Member[];
  readonly done: Map<number, PlacedPiece>;
  readonly failures: unknown[];
}

/** Puts objects on members. Calls for one name come one after the other. */
export class SpreadWriter {
  readonly #parts: WriterParts;
  readonly #room = new RecycledRoom();

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /**
   * Puts an object in as many pieces as there should be, or as can be stored, on a member each. What stood under the name
   * before stays until the new pieces are durable.
   * @throws {CairnError} `no-space` where too few members have room, `unreachable` where too few can be written; the
   *   name then means what it meant before
   */
  async put(name: string, object: Uint8Array, options: PutOptions = {}): Promise<void> {
    const likely = options.redundancy ?? this.#parts.members.redundancy;
    const other = await this.#putAs(likely, name, object, options);
    if (other !== undefined) await this.#putAs(other, name, object, { ...options, redundancy: other });
  }

  /** @returns nothing, or in which redundancy to put the object instead: what stands is of another one that is in use */
  #putAs(
    redundancy: Redundancy,
    name: string,
    object: Uint8Array,
    options: PutOptions,
  ): Promise<Redundancy | undefined> {
    const parityBytes = parityBytesOf(object.length, redundancy);
    return this.#room.use(parityBytes, async (room) => {
      const members = this.#parts.members.order(name, options.first);
      const batch = new FileBatch();
      const looking = lookForPieces(members, name, batch);
      const [coded, answers] = await Promise.all([codeObject(object, redundancy, room), looking]);
      const sets = setsOf(answers.pieces);
      const own = sets.filter(({ header }) => isOf(header, object, coded.sums.object));
      const wanted = options.redundancy ?? this.#redundancyOf(own);
      if (!sameRedundancy(wanted, redundancy)) return wanted;
      const same = own.find(({ header }) => sameRedundancy(header.redundancy, redundancy));
      const generation = same?.header.generation ?? this.#newGeneration(sets);
      const files = cutObject(object, coded, { redundancy, generation, name });
      const objectBytes = object.length;
      const write = { name, redundancy, generation, objectBytes, files, batch, answers, same };
      await this.#put(write, members, options.sound);
      return undefined;
    });
  }

  async #put(
    object: Pick<Write, 'name' | 'redundancy' | 'generation' | 'objectBytes' | 'files' | 'batch'> & {
      answers: Answers;
      same: PieceSet | undefined;
    },
    members: readonly Member[],
    sound: ReadonlySet<Member> = new Set(),
  ): Promise<void> {
    const { name, redundancy, generation, objectBytes, files, answers, same } = object;
    const assigned = assignedOf(same);
    const length = (files[0] ?? []).reduce((sum, part) => sum + part.length, 0);
    const kept = new Set(assigned.values());
    const { spare, failures } = await this.#writable({ name, redundancy, kept }, members, length);
    const standing = [...assigned].filter(([, member]) => sound.has(member));
    const done = new Map(standing.map(([index, member]) => [index, { member, epoch: member.epoch }]));
    const write: Write = { ...object, occupied: occupiedBy(answers, same), kept, spare, done, failures };
    const missing = files.map((_, index) => index).filter((index) => !done.has(index));
    await Promise.all(missing.map((index) => this.#putPiece(write, index, assigned.get(index) ?? spare.shift())));
    await this.#requireQuorum(write);
    if (write.occupied.size > 0) await this.#replace(write);
    if (write.done.size < files.length) this.#parts.degraded(name);
    const group = { redundancy, generation, objectBytes, shardBytes: length };
    this.#parts.placed({ name, group, pieces: write.done });
  }

  /**
   * Members that may take a piece, in order, and why others may not.
   * @throws {CairnError} where they are too few
   */
  async #writable(
    { name, redundancy, kept }: Pick<Write, 'name' | 'redundancy' | 'kept'>,
    members: readonly Member[],
    bytes: number,
  ): Promise<Pick<Write, 'spare' | 'failures'>> {
    const others = members.filter((member) => !kept.has(member));
    const rooms = await Promise.all(others.map((member) => member.takes(bytes)));
    const spare = others.filter((_, at) => rooms[at] === 'yes');
    const failures = others.flatMap((member, at) =>
      rooms[at] === 'yes' ? [] : refusals(member, rooms[at] === 'full'),
    );
    if (spare.length + kept.size >= writeQuorumOf(redundancy)) return { spare, failures };
    throw tooFew({ name, redundancy, failures }, `${spare.length + kept.size} can be written`);
  }

  /** Where a member does not take the piece, the next spare one does. */
  async #putPiece(write: Write, index: number, first: Member | undefined): Promise<void> {
    for (let member = first; member !== undefined; member = write.spare.shift()) {
      const { epoch } = member;
      try {
        await putOn(member, write, write.files[index] ?? []);
        write.done.set(index, { member, epoch });
        return;
      } catch (error) {
        write.failures.push(error);
        // It may have been stored all the same, but not as a piece of an object.
        await this.#remove(write, member);
      }
    }
  }

  async #requireQuorum(write: Write): Promise<void> {
    if (write.done.size >= writeQuorumOf(write.redundancy)) return;
    await Promise.all([...write.done.values()].map(({ member }) => this.#remove(write, member)));
    throw tooFew(write, `${write.done.size} took it`);
  }

  /** Takes back what was put on a member, but not what stood there before. */
  async #remove(write: Write, member: Member): Promise<void> {
    if (write.kept.has(member)) return;
    await member.ask((backend) => backend.removeAll([placeOf(write, member)])).catch(() => undefined);
  }

  /** Once the new pieces are durable those that waited take the places of old ones, and what is left of the old goes. */
  async #replace(write: Write): Promise<void> {
    const { name, done, occupied } = write;
    await Promise.all([...done].map(([index, { member }]) => member.sync().catch((error) => lose(index, error))));
    await this.#requireQuorum(write);
    const staged = [...done].filter(([, { member }]) => occupied.has(member));
    await Promise.all(
      staged.map(([index, { member }]) => {
        const moves = [{ from: stagedName(name), to: name }];
        return member.ask((backend) => backend.moveAll(moves)).catch((error) => lose(index, error));
      }),
    );
    const holding = new Set([...done.values()].map(({ member }) => member));
    const left = [...occupied].filter((member) => !holding.has(member));
    // Where that fails the older object is beside the newer one, which counts.
    await Promise.allSettled(left.map((member) => member.ask((backend) => backend.removeAll([name]))));

    function lose(index: number, error: unknown): void {
      done.delete(index);
      write.failures.push(error);
    }
  }

  /** What an object may stay in that some pieces are of already. */
  #redundancyOf(own: readonly PieceSet[]): Redundancy {
    const { members } = this.#parts;
    const standing = own.find(({ header }) => members.isInUse(header.redundancy));
    return standing?.header.redundancy ?? members.redundancy;
  }

  #newGeneration(sets: readonly PieceSet[]): number {
    return Math.max(Math.floor(this.#parts.now() * 1000), 1 + (sets[0]?.header.generation ?? 0));
  }
}

/** Whether a piece is one of this very object, however it was cut. */
function isOf(header: ShardHeader, object: Uint8Array, crc: bigint): boolean {
  return header.objectCrc === crc && header.objectBytes === object.length;
}

/** Where pieces of the same object stand already: they are written anew in their places, since nobody knows whether they are durable. */
function assignedOf(same: PieceSet | undefined): Map<number, Member> {
  const entries = [...(same?.pieces ?? [])].filter(([, { member }]) => {
    return member.available && !member.settings.readOnly && !member.settings.draining;
  });
  return new Map(entries.map(([index, { member }]) => [index, member]));
}

/** Members that have something else under the name. */
function occupiedBy(answers: Answers, same: PieceSet | undefined): Set<Member> {
  const own = new Set([...(same?.pieces.values() ?? [])]);
  const others = answers.pieces.filter((piece) => !own.has(piece));
  return new Set([...others, ...answers.copies].map(({ member }) => member));
}

/** Where the pieces of a write go on a member. */
function placeOf({ name, occupied }: Write, member: Member): string {
  return occupied.has(member) ? stagedName(name) : name;
}

function putOn(member: Member, write: Write, parts: readonly Uint8Array[]): Promise<void> {
  const mayStand = write.occupied.has(member) || write.kept.has(member);
  if (mayStand) return member.put(placeOf(write, member), Buffer.concat(parts));
  return member.putNew(write.name, parts, write.batch);
}

/** Why nothing can be put on a member, unless its owner wants it so. */
function refusals(member: Member, isFull: boolean): CairnError[] {
  const { id, readOnly, draining } = member.settings;
  if (isFull) return [new CairnError('no-space', `backend ${id} is full`)];
  if (readOnly || draining) return [];
  return [new CairnError('unreachable', member.health.reason ?? `backend ${id} does not answer`)];
}

function tooFew(
  { name, redundancy, failures }: Pick<Write, 'name' | 'redundancy' | 'failures'>,
  outcome: string,
): CairnError {
  const isFull = failures.length > 0 && failures.every(isOutOfRoom);
  const reasons = [...new Set(failures.map((error) => (error instanceof Error ? error.message : String(error))))];
  const quorum = writeQuorumOf(redundancy);
  const why = reasons.length > 0 ? `: ${reasons.join('; ')}` : '';
  const message = `Cannot put ${name}: ${formatRedundancy(redundancy)} writes to at least ${quorum} of ${piecesOf(redundancy)} backends, and only ${outcome}${why}`;
  return new CairnError(isFull ? 'no-space' : 'unreachable', message, { cause: failures[0] });
}
