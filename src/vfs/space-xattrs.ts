import { isFolder, isRegularFile, ROLE_CURRENT, ROLE_GROUP, ROLE_ROOT } from '../catalog/inode.js';
import { type Digest, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { Awaitable, NodeId } from './api.js';
import { attributesOf, inodeOf } from './live/live-nodes.js';
import type { LiveParts } from './live/live-parts.js';
import type { SnapshotNodes } from './snapshots/snapshot-nodes.js';

/** What is told of a folder that stands for the store, a group, its live tree or a snapshot. */
export interface FolderSpace {
  readonly logicalBytes: number;
  readonly chunks: number;
  readonly uniqueBytes: number;
  readonly storedBytes: number;
  readonly exclusiveBytes: number;
}

/** Where the figures come from that the tree itself does not know. */
export interface SpaceSource {
  /** Bytes of a chunk's file; undefined where they are not known. */
  storedBytes(digest: Digest): number | undefined;
  /** As last measured, or measured now. @param archive of a snapshot @returns undefined where there is no such thing */
  folder(
    kind: 'store' | 'group' | 'live' | 'snapshot',
    group: number,
    archive: number,
  ): Promise<FolderSpace | undefined>;
}

export interface SpaceXattrParts {
  readonly live: LiveParts;
  readonly snapshots: SnapshotNodes;
  readonly space: SpaceSource;
}

const PREFIX = Buffer.from('user.cairn.');
/** Longest value the kernel takes (XATTR_SIZE_MAX). */
const MOST_BYTES = 65_536;
const ELLIPSIS = '…\n';
/** Pieces looked at between two turns of the mount's requests. */
const PIECES_PER_TURN = 500;

/** A piece of a file: of a chunk, or of the journal where it has no digest. */
interface FilePiece {
  readonly offset: number;
  readonly length: number;
  readonly digest?: Digest;
  readonly at: number;
  readonly chunkLength: number;
  readonly storedLength: number;
}

/** Whether an extended attribute of this name is made up here: answered when asked for, never listed, never kept. */
export function isSpaceXattr(name: Uint8Array): boolean {
  return PREFIX.equals(name.subarray(0, PREFIX.length));
}

/**
 * What a file or folder takes, as text. Files have `logical-size`, `unique-size`, `stored-size`, `chunk-count` and
 * `chunk-list`; the root, groups, live trees and snapshots `exclusive-size` in place of the list. Sizes in bytes.
 * @throws {CairnError} `no-attribute` for any other name or node
 */
export function spaceXattr(parts: SpaceXattrParts, node: NodeId, name: Uint8Array): Awaitable<Uint8Array> {
  const what = Buffer.from(name.subarray(PREFIX.length)).toString('latin1');
  return node.archive === 0 ? liveXattr(parts, node, what) : snapshotXattr(parts, node, what);
}

function liveXattr(parts: SpaceXattrParts, node: NodeId, what: string): Awaitable<Uint8Array> {
  const inode = inodeOf(parts.live, node);
  if (isRegularFile(inode.mode)) {
    return fileValue(what, attributesOf(parts.live, inode).size, () => livePieces(parts, inode.ino));
  }
  const kind = { [ROLE_ROOT]: 'store', [ROLE_GROUP]: 'group', [ROLE_CURRENT]: 'live' } as const;
  const role = inode.role as keyof typeof kind;
  if (kind[role] === undefined) throw noAttribute();
  return folderValue(parts, what, kind[role], inode.group, 0);
}

async function snapshotXattr(parts: SpaceXattrParts, node: NodeId, what: string): Promise<Uint8Array> {
  const { mode, size } = await parts.snapshots.get(node);
  if (isRegularFile(mode)) return fileValue(what, size, () => snapshotPieces(parts, node, size));
  const root = await parts.snapshots.root(node.archive);
  if (!isFolder(mode) || root.node.position !== node.position) throw noAttribute();
  return folderValue(parts, what, 'snapshot', 0, node.archive);
}

async function folderValue(
  { space }: SpaceXattrParts,
  what: string,
  ...[kind, group, archive]: Parameters<SpaceSource['folder']>
): Promise<Uint8Array> {
  const field = {
    'logical-size': 'logicalBytes',
    'unique-size': 'uniqueBytes',
    'stored-size': 'storedBytes',
    'exclusive-size': 'exclusiveBytes',
    'chunk-count': 'chunks',
  } as const;
  const wanted = Object.hasOwn(field, what) ? field[what as keyof typeof field] : undefined;
  const figures = wanted === undefined ? undefined : await space.folder(kind, group, archive);
  if (wanted === undefined || figures === undefined) throw noAttribute();
  return Buffer.from(String(figures[wanted]));
}

function fileValue(what: string, size: number, pieces: () => AsyncIterable<FilePiece>): Awaitable<Uint8Array> {
  if (what === 'logical-size') return Buffer.from(String(size));
  if (what === 'chunk-list') return chunkList(pieces());
  if (what !== 'unique-size' && what !== 'stored-size' && what !== 'chunk-count') throw noAttribute();
  return countPieces(pieces()).then((counted) => Buffer.from(String(counted[what])));
}

/** Every piece once; a file that uses part of a chunk is counted as taking that share of the chunk's file. */
async function countPieces(pieces: AsyncIterable<FilePiece>) {
  const seen = new Set<string>();
  const counted = { 'unique-size': 0, 'stored-size': 0, 'chunk-count': 0 };
  for await (const { length, digest, at, chunkLength, storedLength } of pieces) {
    const name = digest === undefined ? undefined : `${Buffer.from(digest).toString('latin1')} ${at} ${length}`;
    if (name !== undefined && seen.has(name)) continue;
    if (name !== undefined) {
      seen.add(name);
      counted['chunk-count'] += 1;
    }
    counted['unique-size'] += length;
    counted['stored-size'] += Math.ceil((storedLength * length) / chunkLength);
  }
  return counted;
}

/** A line for each piece: offset in the file, length, digest, offset in the chunk. What does not fit is an ellipsis. */
async function chunkList(pieces: AsyncIterable<FilePiece>): Promise<Uint8Array> {
  const room = MOST_BYTES - Buffer.byteLength(ELLIPSIS);
  const lines: string[] = [];
  let bytes = 0;
  for await (const { offset, length, digest, at } of pieces) {
    const line = `${offset} ${length} ${digest === undefined ? 'journal' : digestHex(digest)} ${at}\n`;
    bytes += line.length;
    if (bytes > room) {
      lines.push(ELLIPSIS);
      break;
    }
    lines.push(line);
  }
  return Buffer.from(lines.join(''));
}

/** What is stored of a live file; bytes still in its draft are not. */
async function* livePieces({ live }: SpaceXattrParts, ino: number): AsyncGenerator<FilePiece> {
  let done = 0;
  for (const extent of live.tree.extents.all(ino, 0, PIECES_PER_TURN)) {
    const { offset, length, at } = extent;
    if (extent.kind === 'journal') yield { offset, length, at, chunkLength: length, storedLength: length };
    else yield { offset, length, at, ...chunkOf(extent) };
    done += 1;
    if (done % PIECES_PER_TURN === 0) await turn();
  }
}

function chunkOf({ digest, chunkLength, storedLength }: { digest: Digest; chunkLength: number; storedLength: number }) {
  return { digest, chunkLength, storedLength };
}

async function* snapshotPieces(
  { snapshots, space }: SpaceXattrParts,
  node: NodeId,
  size: number,
): AsyncGenerator<FilePiece> {
  for (let offset = 0; offset < size; ) {
    const found = await snapshots.pieces(node, offset, size - offset, PIECES_PER_TURN);
    for (const { offset: from, length, digest, at, chunkLength } of found.pieces) {
      const storedLength = space.storedBytes(digest) ?? chunkLength;
      yield { offset: offset + from, length, digest, at, chunkLength, storedLength };
    }
    if (found.length === 0) return;
    offset += found.length;
    await turn();
  }
}

/** Lets the mount answer what has come in. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function noAttribute(): CairnError {
  return new CairnError('no-attribute', 'No such extended attribute');
}
