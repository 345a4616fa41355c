import { type Digest, digestHex } from '../core/digest.js';

/** How many of a digest's hex digits name the folder its chunk lies in: 2 by default, 4 as PBS has it (pbs-format §1.2). */
export type PrefixDigits = 2 | 4;

/** Folder of all chunks, relative to the datastore. */
export const CHUNKS_FOLDER = '.chunks';

/** The chunk's name in a backend, e.g. `.chunks/a9/a948…` */
export function chunkName(digest: Digest, prefixDigits: PrefixDigits): string {
  const hex = digestHex(digest);
  return `${CHUNKS_FOLDER}/${hex.slice(0, prefixDigits)}/${hex}`;
}

/** The names of all folders chunks can lie in, relative to the datastore; 256 or 65,536 of them. */
export function chunkFolders(prefixDigits: PrefixDigits): string[] {
  return Array.from({ length: 16 ** prefixDigits }, (_, prefix) => {
    return `${CHUNKS_FOLDER}/${prefix.toString(16).padStart(prefixDigits, '0')}`;
  });
}
