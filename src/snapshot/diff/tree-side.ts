import { type EntryKind, kindOfMode } from '../../archive/entry.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { Xattr } from '../../archive/xattrs.js';
import type { Inode } from '../../catalog/inode.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Digest } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import type { Timestamp } from '../../core/time.js';
import { piecesOf } from '../payload-bytes.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import { type Place, sameFolders } from './same-stretch.js';

/** What is compared of something in a tree. */
export interface SideNode {
  readonly kind: EntryKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly size: number;
  readonly rdev: number;
  readonly target: Uint8Array | null;
}

/** A stretch of a file: a piece of a chunk, zeros, or bytes of which nothing is known without reading them. */
export type SidePiece =
  | { readonly kind: 'chunk'; readonly length: number; readonly digest: Digest; readonly at: number }
  | { readonly kind: 'zeros' | 'unknown'; readonly length: number };

/** A tree as one side of a comparison. */
export interface TreeSide<N extends SideNode = SideNode> {
  root(): Promise<N>;
  /** In byte order of names. */
  children(folder: N): AsyncIterable<{ readonly name: Uint8Array; readonly node: N }>;
  xattrs(node: N): Promise<readonly Xattr[]>;
  /** Undefined where nobody recorded it. */
  ctime(node: N): Promise<Timestamp | undefined>;
  /** Where a regular file's bytes are, from its start to its end. */
  pieces(file: N): Iterable<SidePiece>;
}

/** What spares looking into folders. */
export interface Shortcut<A extends SideNode, B extends SideNode> {
  /** Whether nothing below the folders differs, but perhaps by hard links to files outside them. */
  same(before: A, now: B): Promise<boolean>;
  /** Equal for names of the same file. */
  identity(now: B): number;
  /** How many names the file has; any number where nobody knows. */
  names(now: B): Promise<number>;
}

/** A snapshot's entry. */
export interface SnapshotNode extends SideNode {
  readonly entry: ArchiveEntry;
  /** Where in the metadata stream it ends with all that is in it; undefined for the root. */
  readonly end: number | undefined;
}

/** A snapshot as one side. Folders of snapshots PBS made are sorted in memory, one at a time. */
export function snapshotSide(view: TreeView): TreeSide<SnapshotNode> {
  return {
    root: async () => snapshotNode(await view.archive.entry(view.archive.root), undefined),
    async *children({ entry }) {
      const isOurs = (await view.record(view.archive.root)) !== undefined;
      if (isOurs) {
        for await (const child of childrenOf(view, entry.position))
          yield { name: child.name, node: snapshotNode(child.entry, child.end) };
        return;
      }
      const all: { name: Uint8Array; node: SnapshotNode }[] = [];
      for await (const child of childrenOf(view, entry.position))
        all.push({ name: child.name, node: snapshotNode(child.entry, child.end) });
      yield* all.sort((a, b) => Buffer.compare(a.name, b.name));
    },
    xattrs: async ({ entry }) => view.xattrs(entry),
    ctime: async ({ entry }) => (await view.record(entry.position))?.ctime,
    *pieces({ entry }) {
      if (entry.payload === undefined) return;
      for (const { length, digest, at, isZeros } of piecesOf(view.payload, entry.payload)) {
        yield isZeros ? { kind: 'zeros', length } : { kind: 'chunk', length, digest, at };
      }
    },
  };
}

function snapshotNode(entry: ArchiveEntry, end: number | undefined): SnapshotNode {
  const { kind, mode, uid, gid, size, rdev, mtimeSec, mtimeNsec, target } = entry;
  const mtime = { seconds: mtimeSec, nanoseconds: mtimeNsec };
  return { entry, end, kind, mode, uid, gid, mtime, size, rdev, target: target ?? null };
}

/** How folders in which nothing differs are told of two snapshots; undefined where that cannot be told. */
export function snapshotShortcut(a: TreeView, b: TreeView): Shortcut<SnapshotNode, SnapshotNode> | undefined {
  const same = sameFolders(a, b);
  if (same === undefined) return undefined;
  const placeOf = ({ entry, end }: SnapshotNode): Place => ({ position: entry.position, end });
  return {
    same: (before, now) => same(placeOf(before), placeOf(now)),
    identity: ({ entry }) => entry.position,
    names: async ({ entry }) => (await b.record(entry.position))?.nlink ?? Number.POSITIVE_INFINITY,
  };
}

/** An inode of a live tree. */
interface LiveNode extends SideNode {
  readonly inode: Readonly<Inode>;
}

/** A live tree as one side, as the reader's picture shows it. @param currentIno its root */
export function liveSide(catalog: CatalogReader, currentIno: number): TreeSide<LiveNode> {
  return {
    async root() {
      const inode = catalog.inodes.find(currentIno);
      if (inode === undefined) throw new CairnError('stale', 'The live tree is gone');
      return liveNode(inode);
    },
    async *children({ inode }) {
      for (const child of catalog.children.byName(inode.ino)) yield { name: child.name, node: liveNode(child.inode) };
    },
    xattrs: async ({ inode }) => catalog.xattrs.all(inode.ino),
    ctime: async ({ inode }) => ({ seconds: inode.ctimeSec, nanoseconds: inode.ctimeNsec }),
    *pieces({ inode }) {
      let end = 0;
      for (const extent of catalog.extents.all(inode.ino)) {
        if (extent.offset > end) yield { kind: 'zeros', length: extent.offset - end };
        const { length } = extent;
        if (extent.kind === 'chunk') yield { kind: 'chunk', length, digest: extent.digest, at: extent.at };
        else yield { kind: 'unknown', length };
        end = extent.offset + length;
      }
      if (end < inode.size) yield { kind: 'zeros', length: inode.size - end };
    },
  };
}

function liveNode(inode: Readonly<Inode>): LiveNode {
  const { mode, uid, gid, size, rdev, mtimeSec, mtimeNsec, target } = inode;
  const kind = kindOfMode(mode);
  if (kind === undefined) throw new CairnError('corrupt', `Inode ${inode.ino} has the impossible mode ${mode}`);
  const mtime = { seconds: mtimeSec, nanoseconds: mtimeNsec };
  return { inode, kind, mode, uid, gid, mtime, size: kind === 'folder' ? 0 : size, rdev, target };
}
