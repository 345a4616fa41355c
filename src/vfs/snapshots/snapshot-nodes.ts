import type { ReadPiece } from '../../content/transfer.js';
import type { Attributes, Awaitable, FolderEntry, NodeId } from '../api.js';

/**
 * The nodes of snapshots, read-only, straight from their archives. Answers at once where the bytes are cached.
 * All throw `stale` for a node whose snapshot was forgotten.
 */
export interface SnapshotNodes {
  /** Attributes of the snapshot's root folder. */
  root(archive: number): Awaitable<Attributes>;
  get(node: NodeId): Awaitable<Attributes>;
  lookup(parent: NodeId, name: Uint8Array): Awaitable<Attributes | undefined>;
  readLink(node: NodeId): Awaitable<Uint8Array>;
  /** Entries behind `cookie`, `.` and `..` among them. `..` of a snapshot's root is `above`. */
  list(node: NodeId, cookie: number, limit: number, above: () => Attributes): Awaitable<readonly FolderEntry[]>;
  /** @throws {CairnError} `no-attribute` */
  xattr(node: NodeId, name: Uint8Array): Awaitable<Uint8Array>;
  xattrNames(node: NodeId): Awaitable<readonly Uint8Array[]>;
  /** Pieces of a regular file's bytes [offset, offset + length), cut off at its end; chunks among them are cached. */
  read(node: NodeId, offset: number, length: number): Awaitable<readonly ReadPiece[]>;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). */
  seek(node: NodeId, offset: number, whence: number): Awaitable<number>;
}
