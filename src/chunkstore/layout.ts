import { type Digest, digestFromHex, digestHex } from '../core/digest.js';

/** How many of a digest's hex digits name the folder its chunk lies in: 2 by default, 4 as PBS has it (pbs-format §1.2). */
export type PrefixDigits = 2 | 4;

/** Folder of all chunks, relative to the datastore. */
export const CHUNKS_FOLDER = '.chunks';

/** The chunk's name in a backend, e.g. `.chunks/a9/a948…` */
export function chunkName(digest: Digest, prefixDigits: PrefixDigits): string {
  const hex = digestHex(digest);
  return `${CHUNKS_FOLDER}/${hex.slice(0, prefixDigits)}/${hex}`;
}

const CHUNK = /^\.chunks\/[0-9a-f]+\/([0-9a-f]{64})$/;

/** The chunk that has this name in a backend; undefined for any other name. */
export function chunkOfName(name: string): Digest | undefined {
  const [, hex] = CHUNK.exec(name) ?? [];
  return hex === undefined ? undefined : digestFromHex(hex);
}

/** The names of all folders chunks can lie in, relative to the datastore; 256 or 65,536 of them. */
export function chunkFolders(prefixDigits: PrefixDigits): string[] {
  return Array.from({ length: 16 ** prefixDigits }, (_, prefix) => {
    return `${CHUNKS_FOLDER}/${prefix.toString(16).padStart(prefixDigits, '0')}`;
  });
}

/** Folder of quarantined chunks, relative to the datastore. */
export const QUARANTINE_FOLDER = '.cairn/quarantine';

const QUARANTINED = /\/([0-9a-f]{64})\.(\d{1,12})$/;

/** Where a chunk waits for its end. @param since when it was taken out of sight, seconds since 1970 */
export function quarantineName(digest: Digest, since: number): string {
  const hex = digestHex(digest);
  return `${QUARANTINE_FOLDER}/${hex.slice(0, 2)}/${hex}.${since}`;
}

/** What the name of a quarantined chunk says; undefined where it is none. */
export function parseQuarantineName(name: string): { digest: Digest; since: number } | undefined {
  const [, hex, since] = QUARANTINED.exec(name) ?? [];
  return hex === undefined ? undefined : { digest: digestFromHex(hex), since: Number(since) };
}

/** Where the n-th bad version of a chunk is kept, n from 0 to 9 (pbs-format §1.2). */
export function badChunkName(digest: Digest, prefixDigits: PrefixDigits, n: number): string {
  return `${chunkName(digest, prefixDigits)}.${n}.bad`;
}
