import * as z from 'zod';
import { DIGEST_BYTES, type Digest, digestHex } from '../../core/digest.js';
import { type ChainRecord, RecordChain } from './record-chain.js';
import { getIfThere, namesBelow, numbered, SHARED_FOLDER, type SharedObjects } from './shared-objects.js';

const round = z.object({
  round: z.number().int().positive(),
  machine: z.string(),
  epoch: z.number().int().positive(),
  /** For people: the machine's name, and when it wrote this. */
  host: z.string(),
  since: z.string(),
  /** Tells records of the same machine apart. */
  nonce: z.string(),
  /**
   * `marking`: nothing is condemned yet. `proposed`: chunks are, every machine says which it keeps. `deleting`: the others
   * may go at any time. `settled`: no deletion of this round can come any more, or there was none.
   */
  phase: z.enum(['marking', 'proposed', 'deleting', 'settled']),
});

/** Where the collection of the object store is. The last record is also the lease: who wrote it collects. */
export type Round = z.output<typeof round>;
export type RoundRecord = ChainRecord<Round>;

/** The chain of all rounds. */
export function roundsOf(objects: SharedObjects): RecordChain<Round> {
  return new RecordChain(objects, `${SHARED_FOLDER}/gc`, round);
}

/** Names of a round's objects. */
export const condemnedName = (of: number): string => `${roundFolder(of)}/condemned`;
export const doomedName = (of: number): string => `${roundFolder(of)}/doomed`;
export const answerName = (of: number, machine: string, epoch: number): string =>
  `${roundFolder(of)}/kept/${machine}.${epoch}`;

/** All objects of a round. */
export function roundFolder(of: number): string {
  return `${SHARED_FOLDER}/rounds/${numbered(of)}`;
}

/** Who has answered a round: `<machine>.<epoch>`. */
export async function answersOf(objects: SharedObjects, of: number): Promise<ReadonlySet<string>> {
  const folder = `${roundFolder(of)}/kept`;
  return new Set((await namesBelow(objects, folder)).map((name) => name.slice(folder.length + 1)));
}

/** Digests, one after the other. */
export function packDigests(digests: readonly Digest[]): Buffer {
  return Buffer.concat(digests);
}

/** What `packDigests` put under a name, as hex; undefined where there is nothing. */
export async function readDigests(
  objects: Pick<SharedObjects, 'get'>,
  name: string,
): Promise<Map<string, Digest> | undefined> {
  const bytes = await getIfThere(objects, name);
  if (bytes === undefined) return undefined;
  const digests = new Map<string, Digest>();
  for (let at = 0; at + DIGEST_BYTES <= bytes.length; at += DIGEST_BYTES) {
    const digest = bytes.subarray(at, at + DIGEST_BYTES);
    digests.set(digestHex(digest), digest);
  }
  return digests;
}
