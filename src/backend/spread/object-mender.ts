import { CairnError } from '../../core/errors.js';
import { piecesOf, type Redundancy, sameRedundancy } from '../../core/redundancy.js';
import type { ShardGroup, ShardNews } from '../../core/shard-group.js';
import { headerBytesOf } from '../erasure/shard-header.js';
import type { KeyedLocks } from './keyed-locks.js';
import type { Member } from './member.js';
import type { Members } from './members.js';
import {
  type Answers,
  lookAtPieces,
  onlyPieces,
  type Piece,
  type PieceSet,
  readPieces,
  STAGED_FOLDER,
  setsOf,
} from './pieces.js';
import { joined, type SpreadReader } from './spread-reader.js';
import type { SpreadWriter } from './spread-writer.js';

/** What mending works with. */
export interface MenderParts {
  readonly members: Members;
  readonly reader: SpreadReader;
  readonly writer: SpreadWriter;
  /** Those puts of this process's thread take. */
  readonly locks: KeyedLocks;
  readonly exclusively: Exclusively;
  /** Told where pieces are, in the end. */
  readonly heard: (change: ShardNews) => void;
}

/** Runs `work` while nobody else, in any thread, puts, moves or removes what has this name. */
export type Exclusively = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** A piece that waits to take another's place, though nobody is about to do that any more. */
export interface StagedPiece {
  readonly member: Member;
  readonly staged: string;
  /** Of the object it is of; undefined where it is damaged. */
  readonly name: string | undefined;
}

/** What became of one object. */
export interface Mended {
  /**
   * `whole`: every piece was where it should be; `mended`: it is now; `degraded`: it can be read, but pieces are missing still;
   * `lost`: too few pieces are left; `unknown`: too few members answered to tell; `absent`: no member has anything.
   */
  readonly state: 'whole' | 'mended' | 'degraded' | 'lost' | 'unknown' | 'absent';
  /** Pieces that were missing, damaged or on members that are being emptied. */
  readonly pieces: number;
  /** Members whose piece is not needed any more once the others are durable (`removeSurplus`). */
  readonly surplus: readonly Member[];
  /** What keeps it from being whole. */
  readonly reason?: string;
  readonly found: FoundPieces;
}

/** What members said of an object before anything was done. Members are told by their ids. */
export interface FoundPieces {
  /** Undefined where no sound piece was found. */
  readonly group: ShardGroup | undefined;
  /** Proven to have nothing. */
  readonly absent: readonly string[];
  /** Nobody knows what they have. */
  readonly silent: readonly string[];
}

/** Brings objects into the form they should have, each while nobody else changes it. */
export class ObjectMender {
  readonly #parts: MenderParts;

  constructor(parts: MenderParts) {
    this.#parts = parts;
  }

  /**
   * Reads all pieces of an object, checks each, and stores anew what is missing, damaged, on a member that is being emptied
   * or of another redundancy. Durable after the next barrier.
   * @param wanted in which redundancy; default: as it is where that is in use, else that of the datastore
   */
  async mend(name: string, wanted?: Redundancy): Promise<Mended> {
    return this.#alone(name, () => this.#mend(name, true, wanted));
  }

  /** Says what `mend` would find: `degraded` is what it would try to mend. */
  survey(name: string, wanted?: Redundancy): Promise<Mended> {
    return this.#mend(name, false, wanted);
  }

  /** Whether the headers of enough pieces say that an object has this redundancy; not whether it is whole. */
  async has(name: string, redundancy: Redundancy): Promise<boolean> {
    const order = this.#parts.members.order(name).slice(0, piecesOf(redundancy));
    const [set] = setsOf((await lookAtPieces(order, name)).pieces);
    return set?.whole === true && sameRedundancy(set.header.redundancy, redundancy);
  }

  /**
   * Removes pieces `mend` found to be surplus, where the object has all of its pieces on other members; these are durable.
   * @returns from how many members
   */
  async removeSurplus(name: string, surplus: readonly Member[]): Promise<number> {
    return this.#alone(name, async () => {
      const others = this.#parts.members.order(name).filter((member) => !surplus.includes(member));
      const [set] = setsOf((await lookAtPieces(others, name)).pieces);
      if (set === undefined || !isComplete(set, this.#wanted(set))) return 0;
      const removed = await Promise.all(surplus.map((member) => member.ask((backend) => backend.removeAll([name]))));
      return removed.filter(([was]) => was === true).length;
    });
  }

  /** Pieces somebody left who was interrupted while new pieces took the places of old ones, on members that answer. */
  async staged(): Promise<StagedPiece[]> {
    const lists = await this.#parts.members.askAll('list what is staged', async (backend) => {
      const names: string[] = [];
      for await (const name of backend.list(STAGED_FOLDER)) names.push(name);
      return names;
    });
    const looks = lists.flatMap(({ member, answer }) =>
      answer.map(async (staged) => {
        const { pieces, copies, damaged } = await lookAtPieces([member], staged);
        const torn = damaged.filter(({ reason }) => reason.kind === 'corrupt');
        // What was not read may be needed, and what is absent took its place meanwhile.
        if (pieces.length + copies.length + torn.length === 0) return [];
        return [{ member, staged, name: pieces[0]?.header.name }];
      }),
    );
    return (await Promise.all(looks)).flat();
  }

  /** Removes a staged piece whose object does without it. @returns whether it did */
  removeStaged({ member, staged, name }: StagedPiece): Promise<boolean> {
    const remove = async (): Promise<boolean> => {
      const needed = name !== undefined && (await this.#mend(name, true)).state;
      if (needed !== false && needed !== 'whole' && needed !== 'mended' && needed !== 'absent') return false;
      const [was] = await member.ask((backend) => backend.removeAll([staged]));
      return was === true;
    };
    return name === undefined ? remove() : this.#alone(name, remove);
  }

  #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#parts.exclusively(name, () => this.#parts.locks.run(name, work));
  }

  /**
   * The object as another set of its pieces has it than the one readers get, which it takes the place of.
   * @throws {CairnError} `not-found` where there is none
   */
  async useOther(name: string): Promise<Buffer> {
    const { members, writer } = this.#parts;
    const answers = await readPieces(members.order(name), name);
    const whole = await Promise.all(
      setsOf(answers.pieces)
        .filter((set) => set.whole)
        .map(joined),
    );
    const objects = [...whole, ...answers.copies.flatMap(({ bytes }) => bytes ?? [])];
    const [first, ...others] = objects;
    const other = others.find((object) => first !== undefined && !object.equals(first));
    if (other === undefined) throw new CairnError('not-found', `${name} is nowhere else`);
    // With more than two nobody knows yet which is right.
    if (others.length === 1) await writer.put(name, other);
    return other;
  }

  async #mend(name: string, apply: boolean, asked?: Redundancy): Promise<Mended> {
    const { members, reader, writer, heard } = this.#parts;
    const said = await readPieces(members.order(name), name);
    const answers = members.converting ? said : onlyPieces(said);
    const sets = setsOf(answers.pieces);
    const set = sets.find(({ whole }) => whole);
    const found = foundIn(set ?? sets[0], answers);
    const wanted = asked ?? this.#wanted(set);
    const wrong = wrongPieces(set, wanted);
    const surplus = surplusOf(set, wanted, answers);
    if (apply) heard({ kind: 'seen', name, group: found.group, silent: found.silent });
    if (set !== undefined && wrong === 0) return { state: 'whole', pieces: 0, surplus, found };
    const unmended = { pieces: wrong, surplus: [], found };
    // What is not whole yet may be staged.
    const object = set === undefined ? await readable(reader, name) : await joined(set);
    if (object instanceof CairnError) return { state: 'unknown', ...unmended, reason: object.message };
    if (object === undefined) {
      const isAbsent = answers.pieces.length + answers.damaged.length === 0;
      return { state: isAbsent ? 'absent' : 'lost', ...unmended };
    }
    if (!apply) return { state: 'degraded', ...unmended };
    const sound = new Set([...(set?.pieces.values() ?? [])].map(({ member }) => member));
    try {
      await writer.put(name, object, { sound, redundancy: wanted });
    } catch (error) {
      return { state: 'degraded', ...unmended, reason: (error as Error).message };
    }
    return { ...(await this.#outcome(name, wrong, wanted)), found };
  }

  async #outcome(name: string, pieces: number, wanted: Redundancy): Promise<Omit<Mended, 'found'>> {
    const answers = await lookAtPieces(this.#parts.members.order(name), name);
    const [set] = setsOf(answers.pieces);
    const left = wrongPieces(set, wanted);
    const surplus = surplusOf(set, wanted, answers);
    if (left === 0) return { state: 'mended', pieces, surplus };
    const reason = `${left} of ${piecesOf(wanted)} pieces could be stored on no backend`;
    return { state: 'degraded', pieces, surplus: [], reason };
  }

  #wanted(set: PieceSet | undefined): Redundancy {
    const { members } = this.#parts;
    return set !== undefined && members.isInUse(set.header.redundancy) ? set.header.redundancy : members.redundancy;
  }
}

/** How many pieces are not on a member that is to keep them. */
function wrongPieces(set: PieceSet | undefined, wanted: Redundancy): number {
  if (set === undefined || !sameRedundancy(set.header.redundancy, wanted)) return piecesOf(wanted);
  return piecesOf(wanted) - keptOf(set).length;
}

/** Members whose piece nobody needs: those that are being emptied, and those with a piece of another object or twice. */
function surplusOf(set: PieceSet | undefined, wanted: Redundancy, { pieces, copies, damaged }: Answers): Member[] {
  if (set === undefined || !isComplete(set, wanted)) return [];
  const needed = new Set(keptOf(set));
  const others = [...pieces.filter((piece) => !needed.has(piece)), ...copies, ...damaged];
  return [...new Set(others.map(({ member }) => member))];
}

/** Whether all pieces are on members that are to keep them. */
function isComplete(set: PieceSet, wanted: Redundancy): boolean {
  return wrongPieces(set, wanted) === 0;
}

function foundIn(set: PieceSet | undefined, { absent, unknown }: Answers): FoundPieces {
  const ids = (members: readonly Member[]): string[] => members.map(({ settings }) => settings.id);
  const silent = ids(unknown.map(({ member }) => member));
  if (set === undefined) return { group: undefined, absent: ids(absent), silent };
  const { redundancy, generation, objectBytes, shardBytes, name } = set.header;
  const places = new Map([...set.pieces].map(([index, { member }]) => [index, member.settings.id]));
  const stored = headerBytesOf(name) + shardBytes;
  return { group: { redundancy, generation, objectBytes, shardBytes: stored, places }, absent: ids(absent), silent };
}

function keptOf(set: PieceSet): Piece[] {
  return [...set.pieces.values()].filter(({ member }) => !member.settings.draining);
}

async function readable(reader: SpreadReader, name: string): Promise<Buffer | CairnError | undefined> {
  try {
    return (await reader.read(name)).object;
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}
