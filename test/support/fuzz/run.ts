import assert from 'node:assert/strict';
import { CairnError, type ErrorKind } from '../../../src/core/errors.js';
import { Random } from '../random.js';
import { Footprint } from './footprint.js';

/** One input, ready to be given to what reads it. */
export interface FuzzCase {
  /** Checksums, lengths and magics around what was changed were made to fit: it is the contents that are wrong. */
  readonly repaired: boolean;
  /** The input, to show where it breaks something. */
  readonly input: Uint8Array;
  /** Gives the input to its reader and uses all that this answers. */
  feed(): void | Promise<void>;
}

/** Something that reads what others wrote. */
export interface FuzzTarget {
  readonly name: string;
  /** Kinds of errors with which it may refuse an input. Any other error is a bug. */
  readonly refusals: readonly ErrorKind[];
  /** What a refusal says that a repaired input must never meet: the checksum or header around the contents. */
  readonly outerRefusal?: RegExp;
  /** The share of a round's cases that it gets, for one that takes long; default all. */
  readonly share?: number;
  make(random: Random): FuzzCase;
}

/** How many inputs there were and what became of them. */
export interface FuzzTally {
  cases: number;
  repaired: number;
  refused: number;
  accepted: number;
}

/** The share of inputs that must get past header and checksum (issue 5). */
const LEAST_REPAIRED = 0.3;

/**
 * Gives a target so many inputs. Each is made from the seed, the target's name and its number alone.
 * @throws {assert.AssertionError} naming seed and number, where an input is answered with anything but acceptance or a
 *   refusal the target may give, where memory or descriptors stay behind, and where too few were repaired
 */
export async function fuzz(target: FuzzTarget, seed: number, cases: number): Promise<FuzzTally> {
  const tally: FuzzTally = { cases: 0, repaired: 0, refused: 0, accepted: 0 };
  const before = new Footprint();
  for (let number = 0; number < cases; number += 1) await one(target, seed, number, tally);
  await before.requireHeld(`${target.name}, CAIRN_SEED=${seed}`);
  assert.ok(
    tally.repaired >= cases * LEAST_REPAIRED,
    `${target.name}: only ${tally.repaired} of ${cases} were repaired`,
  );
  return tally;
}

async function one(target: FuzzTarget, seed: number, number: number, tally: FuzzTally): Promise<void> {
  const made = target.make(new Random(seedOf(target.name, seed, number)));
  tally.cases += 1;
  if (made.repaired) tally.repaired += 1;
  try {
    await made.feed();
    tally.accepted += 1;
  } catch (error) {
    const kind = error instanceof CairnError ? error.kind : undefined;
    const isOuter = made.repaired && target.outerRefusal?.test((error as Error).message) === true;
    if (kind === undefined || !target.refusals.includes(kind) || isOuter) fail(target, seed, number, made, error);
    tally.refused += 1;
  }
}

function fail(target: FuzzTarget, seed: number, number: number, made: FuzzCase, error: unknown): never {
  const shown = Buffer.from(made.input.subarray(0, 2048)).toString('hex');
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const kind = error instanceof CairnError ? ` (${error.kind})` : '';
  throw new assert.AssertionError({
    message: `${target.name}, case ${number} of CAIRN_SEED=${seed}${kind}: ${what}\ninput of ${made.input.length} bytes: ${shown}`,
  });
}

function seedOf(name: string, seed: number, number: number): number {
  let mixed = seed ^ Math.imul(number + 1, 0x9e3779b1);
  for (const letter of name) mixed = Math.imul(mixed ^ (letter.codePointAt(0) as number), 0x01000193);
  return mixed >>> 0;
}
