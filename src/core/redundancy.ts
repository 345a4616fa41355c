import { CairnError } from './errors.js';

/**
 * In how many pieces an object is kept on as many backends, any `data` of which give it back: with one, each is a whole
 * copy; with more, they are shards of an erasure code.
 */
export interface Redundancy {
  readonly data: number;
  readonly parity: number;
}

/** The erasure code's field has 256 elements, one of which is needed otherwise. */
export const MAX_PIECES = 255;
const FORMS = 'single, mirror:N (N from 2) or ec:K+M (K from 2, M from 1), of at most 255 pieces';

export const SINGLE: Redundancy = { data: 1, parity: 0 };

/**
 * Reads `single`, `mirror:N` or `ec:K+M`.
 * @throws {CairnError} `invalid`
 */
export function parseRedundancy(text: string): Redundancy {
  if (text === 'single') return SINGLE;
  const [, copies, data, parity] = /^(?:mirror:(\d{1,3})|ec:(\d{1,3})\+(\d{1,3}))$/.exec(text) ?? [];
  const redundancy =
    copies === undefined
      ? { data: Number(data), parity: Number(parity) }
      : { data: 1, parity: Math.max(Number(copies), 0) - 1 };
  if (isLegal(redundancy) && (copies !== undefined || redundancy.data > 1)) return redundancy;
  throw new CairnError('invalid', `Not a redundancy: ${JSON.stringify(text)}; write ${FORMS}`);
}

/** As `parseRedundancy` reads it. */
export function formatRedundancy({ data, parity }: Redundancy): string {
  if (data > 1) return `ec:${data}+${parity}`;
  return parity === 0 ? 'single' : `mirror:${parity + 1}`;
}

/** Of two the one that bears more losses; of two that bear as many the one that takes less room. */
export function strongerRedundancy(a: Redundancy, b: Redundancy): Redundancy {
  if (toleranceOf(a) !== toleranceOf(b)) return toleranceOf(a) > toleranceOf(b) ? a : b;
  return overheadOf(b) < overheadOf(a) ? b : a;
}

export function sameRedundancy(a: Redundancy, b: Redundancy): boolean {
  return a.data === b.data && a.parity === b.parity;
}

/** Pieces of an object, and so the backends it takes to hold them all. */
export function piecesOf({ data, parity }: Redundancy): number {
  return data + parity;
}

/** Bytes stored for each byte kept. */
export function overheadOf(redundancy: Redundancy): number {
  return piecesOf(redundancy) / redundancy.data;
}

/** So many backends may be lost at once. */
export function toleranceOf({ parity }: Redundancy): number {
  return parity;
}

/**
 * So many pieces have to be stored before a write is taken for done: one more than what reading takes, where there is any
 * redundancy. The others are made good later.
 */
export function writeQuorumOf({ data, parity }: Redundancy): number {
  return data + Math.min(parity, 1);
}

function isLegal({ data, parity }: Redundancy): boolean {
  return data >= 1 && parity >= 1 && data + parity <= MAX_PIECES;
}
