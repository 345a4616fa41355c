import type { NamedPiece } from '../../content/cloner.js';
import type { ReadPiece } from '../../content/transfer.js';
import type { Attributes, Awaitable, FolderEntry, NodeId } from '../api.js';

/** A range of a snapshot's file as pieces of chunks. */
export interface SnapshotPieces {
  /** Bytes the range is long: fewer than asked for where the file ends or the pieces would be too many. */
  readonly length: number;
  /** `offset` is from the start of the range; what none covers is a hole. */
  readonly pieces: readonly NamedPiece[];
  /** The range is the whole of a small file, in one chunk that holds its payload header as well. */
  readonly isPacked: boolean;
}

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
  /** Where a regular file's bytes [offset, offset + length) lie, in `most` chunks at most; nothing is loaded. */
  pieces(node: NodeId, offset: number, length: number, most: number): Awaitable<SnapshotPieces>;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). */
  seek(node: NodeId, offset: number, whence: number): Awaitable<number>;
}
