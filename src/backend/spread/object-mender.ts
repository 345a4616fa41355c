import { CairnError } from '../../core/errors.js';
import { piecesOf, type Redundancy, sameRedundancy } from '../../core/redundancy.js';
import type { KeyedLocks } from './keyed-locks.js';
import type { Member } from './member.js';
import { type Answers, lookAtPieces, onlyPieces, type PieceSet, readPieces, setsOf } from './pieces.js';
import { joined, type SpreadReader } from './spread-reader.js';
import type { SpreadWriter } from './spread-writer.js';

/** What mending works with. */
export interface MenderParts {
  readonly order: (name: string) => Member[];
  readonly redundancy: Redundancy;
  /** Whether there may be objects that are stored as they are. */
  readonly converting: boolean;
  readonly reader: SpreadReader;
  readonly writer: SpreadWriter;
  /** Those puts of this process's thread take. */
  readonly locks: KeyedLocks;
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
}

/** Brings objects into the form they should have. Whoever calls has the object to himself (`Exclusively`). */
export class ObjectMender {
  readonly #parts: MenderParts;

  constructor(parts: MenderParts) {
    this.#parts = parts;
  }

  /**
   * Reads all pieces of an object, checks each, and stores anew what is missing, damaged, on a member that is being emptied
   * or of another redundancy. Durable after the next barrier.
   */
  async mend(name: string): Promise<Mended> {
    return this.#parts.locks.run(name, () => this.#mend(name));
  }

  /**
   * Removes pieces `mend` found to be surplus, where the object has all of its pieces on other members; these are durable.
   * @returns from how many members
   */
  async removeSurplus(name: string, surplus: readonly Member[]): Promise<number> {
    return this.#parts.locks.run(name, async () => {
      const others = this.#parts.order(name).filter((member) => !surplus.includes(member));
      const [set] = setsOf((await lookAtPieces(others, name)).pieces);
      if (set === undefined || !this.#isComplete(set)) return 0;
      const removed = await Promise.all(surplus.map((member) => member.ask((backend) => backend.removeAll([name]))));
      return removed.filter(([was]) => was === true).length;
    });
  }

  /**
   * The object as another set of its pieces has it than the one readers get, which it takes the place of.
   * @throws {CairnError} `not-found` where there is none
   */
  async useOther(name: string): Promise<Buffer> {
    const { order, writer } = this.#parts;
    const answers = await readPieces(order(name), name);
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

  async #mend(name: string): Promise<Mended> {
    const { order, reader, writer } = this.#parts;
    const said = await readPieces(order(name), name);
    const answers = this.#parts.converting ? said : onlyPieces(said);
    const set = setsOf(answers.pieces).find(({ whole }) => whole);
    const wrong = this.#wrongPieces(set);
    const surplus = this.#surplus(set, answers);
    if (set !== undefined && wrong === 0) return { state: 'whole', pieces: 0, surplus };
    // What is not whole yet may be staged.
    const object = set === undefined ? await readable(reader, name) : await joined(set);
    if (object instanceof CairnError) return { state: 'unknown', pieces: wrong, surplus: [], reason: object.message };
    if (object === undefined) {
      const isAbsent = answers.pieces.length + answers.damaged.length === 0;
      return { state: isAbsent ? 'absent' : 'lost', pieces: wrong, surplus: [] };
    }
    const sound = new Set([...(set?.pieces.values() ?? [])].map(({ member }) => member));
    try {
      await writer.put(name, object, sound);
    } catch (error) {
      return { state: 'degraded', pieces: wrong, surplus: [], reason: (error as Error).message };
    }
    return this.#outcome(name, wrong);
  }

  async #outcome(name: string, pieces: number): Promise<Mended> {
    const answers = await lookAtPieces(this.#parts.order(name), name);
    const [set] = setsOf(answers.pieces);
    const left = this.#wrongPieces(set);
    const surplus = this.#surplus(set, answers);
    if (left === 0) return { state: 'mended', pieces, surplus };
    const reason = `${left} of ${piecesOf(this.#parts.redundancy)} pieces could be stored on no backend`;
    return { state: 'degraded', pieces, surplus: [], reason };
  }

  /** Pieces that are not on a member that is to keep them. */
  #wrongPieces(set: PieceSet | undefined): number {
    const { redundancy } = this.#parts;
    if (set === undefined || !sameRedundancy(set.header.redundancy, redundancy)) return piecesOf(redundancy);
    const kept = [...set.pieces.values()].filter(({ member }) => !member.settings.draining);
    return piecesOf(redundancy) - kept.length;
  }

  /** Members whose piece nobody needs: those that are being emptied, and those with a piece of another object or twice. */
  #surplus(set: PieceSet | undefined, { pieces, copies, damaged }: Answers): Member[] {
    if (set === undefined || !this.#isComplete(set)) return [];
    const needed = new Set([...set.pieces.values()].filter(({ member }) => !member.settings.draining));
    const members = [...pieces.filter((piece) => !needed.has(piece)), ...copies, ...damaged].map(
      ({ member }) => member,
    );
    return [...new Set(members)];
  }

  /** Whether all pieces are on members that are to keep them. */
  #isComplete(set: PieceSet): boolean {
    const { redundancy } = this.#parts;
    const kept = [...set.pieces.values()].filter(({ member }) => !member.settings.draining);
    return sameRedundancy(set.header.redundancy, redundancy) && kept.length === piecesOf(redundancy);
  }
}

async function readable(reader: SpreadReader, name: string): Promise<Buffer | CairnError | undefined> {
  try {
    return (await reader.read(name)).object;
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}
