import { CairnError, kindOf } from '../../core/errors.js';
import { sha256Sync } from '../../native/hash.js';
import {
  headerLength,
  looksLikeShard,
  parseShardHeader,
  type ShardHeader,
  USUAL_HEADER_BYTES,
} from '../erasure/shard-header.js';
import { readShards, sameObject } from '../erasure/shards.js';
import type { FileBatch } from '../file-batch.js';
import type { Member } from './member.js';

/** A piece of an object; with `payload` where it was read and is sound. */
export interface Piece {
  readonly member: Member;
  readonly header: ShardHeader;
  readonly payload?: Buffer;
  /** Whether it waits to take the place of another object's piece. */
  readonly staged: boolean;
}

/** An object stored as it is, by a datastore that had one folder. Its bytes are checked by nobody here. */
export interface WholeCopy {
  readonly member: Member;
  readonly length: number;
  readonly bytes?: Buffer;
}

/** What members said about one name. */
export interface Answers {
  readonly pieces: Piece[];
  readonly copies: WholeCopy[];
  readonly damaged: { readonly member: Member; readonly reason: CairnError }[];
  readonly absent: Member[];
  readonly unknown: { readonly member: Member; readonly reason: unknown }[];
}

/** Pieces of one object under a name; `whole` if they give it back. */
export interface PieceSet {
  readonly header: ShardHeader;
  /** One for each index. */
  readonly pieces: ReadonlyMap<number, Piece>;
  readonly whole: boolean;
}

/** Folder of pieces that wait to take others' places. */
export const STAGED_FOLDER = '.cairn/staged';

/** Where a piece of an object of this name waits. */
export function stagedName(name: string): string {
  const hex = Buffer.from(sha256Sync(Buffer.from(name))).toString('hex');
  return `${STAGED_FOLDER}/${hex.slice(0, 2)}/${hex}`;
}

export function noAnswers(): Answers {
  return { pieces: [], copies: [], damaged: [], absent: [], unknown: [] };
}

/** Reads what members have under a name, whole and checked; no member's error is another's. */
export async function readPieces(members: readonly Member[], name: string, staged = false): Promise<Answers> {
  const answers = noAnswers();
  const read: { readonly member: Member; readonly bytes: Buffer }[] = [];
  await asked(members, answers, async (member) => {
    const bytes = await member.get(name);
    if (bytes === undefined) answers.absent.push(member);
    else if (looksLikeShard(bytes)) read.push({ member, bytes });
    else answers.copies.push({ member, length: bytes.length, bytes });
  });
  const shards = await readShards(read.map(({ bytes }) => bytes));
  read.forEach(({ member }, at) => {
    const shard = shards[at];
    if (shard instanceof CairnError) answers.damaged.push({ member, reason: shard });
    else if (shard !== undefined) answers.pieces.push({ member, staged, ...shard });
  });
  return answers;
}

/** Looks at the headers of what members have under a name; the rest is not read. */
export async function lookAtPieces(members: readonly Member[], name: string): Promise<Answers> {
  const answers = noAnswers();
  await asked(members, answers, (member) => look(member, name, 'proven', answers));
  return answers;
}

/** The same where members mostly have nothing, which is believed: who is about to write finds out anyway. */
export async function lookForPieces(members: readonly Member[], name: string, batch: FileBatch): Promise<Answers> {
  const answers = noAnswers();
  await asked(members, answers, async (member) => {
    if (await member.lacks(name, batch)) answers.absent.push(member);
    else await look(member, name, 'believed', answers);
  });
  return answers;
}

async function look(member: Member, name: string, proof: 'proven' | 'believed', answers: Answers): Promise<void> {
  let start = await member.find((backend) => backend.getRange(name, 0, USUAL_HEADER_BYTES), proof);
  if (start !== undefined && looksLikeShard(start) && headerLength(start) > start.length) {
    const bytes = headerLength(start);
    start = await member.find((backend) => backend.getRange(name, 0, bytes), proof);
  }
  if (start === undefined) {
    answers.absent.push(member);
  } else if (looksLikeShard(start)) {
    answers.pieces.push({ member, staged: false, header: parseShardHeader(start) });
  } else {
    const length = await member.find((backend) => backend.size(name));
    if (length === undefined) answers.absent.push(member);
    else answers.copies.push({ member, length });
  }
}

async function asked(
  members: readonly Member[],
  answers: Answers,
  ask: (member: Member) => Promise<void>,
): Promise<void> {
  await Promise.all(
    members.map(async (member) => {
      try {
        await ask(member);
      } catch (reason) {
        if (kindOf(reason) === 'invalid') throw reason;
        // A disk that cannot read these bytes answers for others.
        if (kindOf(reason) === 'corrupt' || (kindOf(reason) === 'io' && member.available)) {
          answers.damaged.push({ member, reason: reason as CairnError });
        } else answers.unknown.push({ member, reason });
      }
    }),
  );
}

/** Answers of several rounds as one. */
export function addAnswers(to: Answers, more: Answers): void {
  to.pieces.push(...more.pieces);
  to.copies.push(...more.copies);
  to.damaged.push(...more.damaged);
  to.absent.push(...more.absent);
  to.unknown.push(...more.unknown);
}

/**
 * Where every object of the store has been cut into pieces, what does not begin as one is damaged: it might be taken for
 * an object of its own.
 */
export function onlyPieces({ copies, damaged, ...answers }: Answers): Answers {
  const torn = copies.map(({ member }) => {
    return { member, reason: new CairnError('corrupt', `What backend ${member.settings.id} has is no piece`) };
  });
  return { ...answers, copies: [], damaged: [...damaged, ...torn] };
}

/** The pieces by object, the newest first. */
export function setsOf(pieces: readonly Piece[]): PieceSet[] {
  const sets: { header: ShardHeader; pieces: Map<number, Piece> }[] = [];
  for (const piece of pieces) {
    let set = sets.find(({ header }) => sameObject(header, piece.header));
    if (set === undefined) {
      set = { header: piece.header, pieces: new Map() };
      sets.push(set);
    }
    const other = set.pieces.get(piece.header.index);
    if (other === undefined || rank(piece) < rank(other)) set.pieces.set(piece.header.index, piece);
  }
  sets.sort((a, b) => b.header.generation - a.header.generation);
  return sets.map((set) => ({ ...set, whole: set.pieces.size >= set.header.redundancy.data }));
}

/** Of two pieces alike the one that is to stay counts. */
function rank({ staged, member }: Piece): number {
  return (staged ? 2 : 0) + (member.settings.draining ? 1 : 0);
}
