import { CairnError } from '../../core/errors.js';
import type { Redundancy } from '../../core/redundancy.js';
import type { Members } from './members.js';
import { lookAtPieces, setsOf } from './pieces.js';

/** Where an object is. Members are told by their ids. */
export interface ObjectLayout {
  readonly redundancy: Redundancy;
  /** Length of the object. */
  readonly objectBytes: number;
  /** The pieces found, by their index; data pieces first. */
  readonly pieces: readonly { readonly index: number; readonly member: string }[];
  /** Members with the object as it is, from before it was cut. */
  readonly copies: readonly string[];
  /** Members whose piece cannot be read. */
  readonly damaged: readonly string[];
  /** Members that did not answer. */
  readonly silent: readonly string[];
}

/**
 * Looks at the headers of an object's pieces on all members; contents are not read.
 * @returns undefined where no member has anything
 * @throws {CairnError} `unreachable` where nothing was found and members did not answer
 */
export async function objectLayout(members: Members, name: string): Promise<ObjectLayout | undefined> {
  const answers = await lookAtPieces(members.order(name), name);
  const damaged = answers.damaged.map(({ member }) => member.settings.id);
  const silent = answers.unknown.map(({ member }) => member.settings.id);
  const copies = answers.copies.map(({ member }) => member.settings.id);
  const [set] = setsOf(answers.pieces);
  const objectBytes = set?.header.objectBytes ?? answers.copies[0]?.length;
  if (objectBytes === undefined && damaged.length === 0) {
    if (silent.length === 0) return undefined;
    throw new CairnError('unreachable', `Nothing is known of ${name}: ${silent.join(', ')} do not answer`);
  }
  const pieces = [...(set?.pieces ?? [])].map(([index, { member }]) => ({ index, member: member.settings.id }));
  return {
    redundancy: set?.header.redundancy ?? { data: 1, parity: 0 },
    objectBytes: objectBytes ?? 0,
    pieces: pieces.sort((a, b) => a.index - b.index),
    ...{ copies, damaged, silent },
  };
}
