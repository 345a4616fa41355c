import { CHUNKS_FOLDER } from '../../chunkstore/layout.js';
import type { Digest } from '../../core/digest.js';
import type { FolderName } from '../../native/files.js';

/** A file among the chunks; its path is relative to the datastore. */
export type ChunkFile =
  | { readonly kind: 'chunk'; readonly digest: Digest; readonly path: string }
  /** A chunk that was found corrupt and set aside (pbs-format §1.3). */
  | { readonly kind: 'bad'; readonly digest: Digest; readonly path: string }
  /** A put that is under way, or whose process was killed. */
  | { readonly kind: 'unfinished'; readonly path: string }
  /** Anything else: somebody else's. */
  | { readonly kind: 'foreign'; readonly path: string };

const CHUNK = /^[0-9a-f]{64}$/;
const BAD = /^([0-9a-f]{64})\.[0-9]\.bad$/;
const UNFINISHED = /^[0-9a-f]{64}\.tmp_[0-9a-zA-Z]{6}$/;

/**
 * What the files in one folder of chunks are.
 * @param folder e.g. `.chunks/a9`
 */
export function chunkFilesAmong(names: readonly FolderName[], folder: string): ChunkFile[] {
  const prefix = folder.slice(CHUNKS_FOLDER.length + 1);
  return names.map(({ name, type }) => chunkFile(folder, prefix, name.toString('latin1'), type === 'file'));
}

function chunkFile(folder: string, prefix: string, name: string, isFile: boolean): ChunkFile {
  const path = `${folder}/${name}`;
  if (isFile && name.startsWith(prefix)) {
    if (CHUNK.test(name)) return { kind: 'chunk', digest: Buffer.from(name, 'hex'), path };
    const bad = BAD.exec(name)?.[1];
    if (bad !== undefined) return { kind: 'bad', digest: Buffer.from(bad, 'hex'), path };
    if (UNFINISHED.test(name)) return { kind: 'unfinished', path };
  }
  return { kind: 'foreign', path };
}
