import { CairnError } from '../../core/errors.js';
import { joinShards, type Shard, sameObject } from '../erasure/shards.js';
import type { Member } from './member.js';
import type { Members } from './members.js';
import {
  type Answers,
  addAnswers,
  lookAtPieces,
  noAnswers,
  onlyPieces,
  type Piece,
  type PieceSet,
  readPieces,
  setsOf,
  stagedName,
} from './pieces.js';

/** An object, and what members said about it. */
export interface ReadObject {
  /** Undefined where there is proven to be none, or too little of one. */
  readonly object: Buffer | undefined;
  /** Undefined where it is stored as it is, or not at all. */
  readonly set: PieceSet | undefined;
  readonly answers: Answers;
}

type Ask = (members: readonly Member[], name: string) => Promise<Answers>;

/** Reads objects that are spread over members: first where they should be, then everywhere. */
export class SpreadReader {
  readonly #members: Members;
  readonly #degraded: (name: string) => void;

  /** @param degraded told of objects that lack something, which others may mend */
  constructor(members: Members, degraded: (name: string) => void) {
    this.#members = members;
    this.#degraded = degraded;
  }

  /**
   * The object under a name. Its buffer is the caller's.
   * @throws {CairnError} `unreachable` where members that do not answer may have what is missing
   */
  async read(name: string): Promise<ReadObject> {
    const answers = await this.#ask(name, readPieces);
    const set = setsOf(answers.pieces).find(({ whole }) => whole);
    if (set !== undefined) {
      if (answers.damaged.length > 0 || answers.absent.length > 0) this.#degraded(name);
      return { object: await joined(set), set, answers };
    }
    const [copy] = answers.copies;
    if (copy === undefined) this.#requireAbsence(name, answers);
    return { object: copy?.bytes, set: undefined, answers };
  }

  /** Length in bytes of the object, by the headers of its pieces. @throws {CairnError} as `read` */
  async size(name: string): Promise<number | undefined> {
    const answers = await this.#ask(name, lookAtPieces);
    const set = setsOf(answers.pieces).find(({ whole }) => whole);
    const length = set?.header.objectBytes ?? answers.copies[0]?.length;
    if (length === undefined) this.#requireAbsence(name, answers);
    return length;
  }

  /**
   * A range of the object: of the pieces only those that have it are read, where they are in their places and sound.
   * @returns undefined where there is no object
   */
  async range(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    const quick = await this.#quickRange(name, offset, length);
    return quick ?? (await this.read(name)).object?.subarray(offset, offset + length);
  }

  async #quickRange(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    const order = this.#members.order(name);
    const [first] = (await lookAtPieces(order.slice(0, 1), name)).pieces;
    if (first === undefined) return undefined;
    const { objectBytes, shardBytes } = first.header;
    const end = Math.min(offset + length, objectBytes);
    if (offset >= end) return Buffer.alloc(0);
    const from = Math.floor(offset / shardBytes);
    const needed = order.slice(from, Math.ceil(end / shardBytes));
    const [set] = setsOf((await readPieces(needed, name)).pieces);
    if (set === undefined || !sameObject(set.header, first.header)) return undefined;
    const payloads = needed.flatMap((_, at) => set.pieces.get(from + at)?.payload ?? []);
    if (payloads.length < needed.length) return undefined;
    const start = from * shardBytes;
    return Buffer.concat(payloads).subarray(offset - start, end - start);
  }

  /** First those that should have the data, then those that should have the parity, then the others. */
  async #ask(name: string, ask: Ask): Promise<Answers> {
    const order = this.#members.order(name);
    const { data, parity } = this.#members.redundancy;
    const answers = noAnswers();
    const rounds = [order.slice(0, data), order.slice(data, data + parity), order.slice(data + parity)];
    for (const round of rounds) {
      if (round.length === 0) continue;
      const said = await ask(round, name);
      addAnswers(answers, this.#members.converting ? said : onlyPieces(said));
      if (setsOf(answers.pieces).some(({ whole }) => whole)) return answers;
    }
    const names = new Set(answers.pieces.map(({ header }) => header.name));
    for (const own of names) {
      // Somebody was interrupted while new pieces took the places of old ones: the others are still beside them.
      const staged = await readPieces(order, stagedName(own), true);
      answers.pieces.push(...staged.pieces);
    }
    return answers;
  }

  /** @throws {CairnError} where the object may be there for all that was heard */
  #requireAbsence(name: string, { pieces, unknown, copies }: Answers): void {
    const [silent] = unknown;
    if (silent === undefined || copies.length > 0) return;
    const found = setsOf(pieces).map(({ pieces: held, header }) => header.redundancy.data - held.size);
    const missing = Math.min(this.#members.leastData, ...found);
    if (unknown.length < missing) return;
    const ids = unknown.map(({ member }) => member.settings.id).join(', ');
    const reason = silent.reason instanceof Error ? silent.reason.message : String(silent.reason);
    throw new CairnError(
      'unreachable',
      `Cannot read ${name}: ${missing} more of its pieces are needed, and these backends do not answer: ${ids} (${reason})`,
      { cause: silent.reason },
    );
  }
}

/** The object of a whole set whose pieces were read. @throws {CairnError} `corrupt` */
export function joined(set: PieceSet): Promise<Buffer> {
  return joinShards([...set.pieces.values()].map(asShard));
}

function asShard({ header, payload }: Piece): Shard {
  if (payload === undefined) throw new TypeError('the piece was not read');
  return { header, payload };
}
