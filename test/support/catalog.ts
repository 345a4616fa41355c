import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ContentChange, CreateChange } from '../../src/catalog/change.js';
import type { ChunkExtent, Extent, JournalExtent } from '../../src/catalog/extent.js';
import type { Inode } from '../../src/catalog/inode.js';
import { type Catalog, createCatalog, openCatalog } from '../../src/catalog/open.js';

/** The path of a database in a folder that goes when the test ends. */
export function catalogPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-catalog-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'catalog.db');
}

/** A new catalog with an open transaction and a group host/web1, closed when the test ends. */
export function makeCatalog(t: TestContext): { catalog: Catalog; path: string; current: number } {
  const path = catalogPath(t);
  createCatalog(path, { seconds: 1000, nanoseconds: 1 });
  const catalog = openCatalog(path);
  t.after(() => catalog.close());
  catalog.transactions.begin();
  const current = makeGroup(catalog, 'web1');
  return { catalog, path, current };
}

/** Makes a group of type host and returns the inode of its `current/`. */
export function makeGroup(catalog: Catalog, id: string): number {
  const [groupIno, currentIno] = [catalog.inodes.allocate(), catalog.inodes.allocate()];
  const group = { namespace: [], type: 'host', id } as const;
  const numbers = { id: catalog.groups.allocateId(), groupIno, currentIno, folderInos: [] };
  catalog.apply({ kind: 'create-group', group, ...numbers, uid: 0, gid: 0, timeSec: 1001, timeNsec: 2 });
  return currentIno;
}

export const FILE = 0o100644;
export const FOLDER = 0o040755;

/** A new inode of group 1 with times that say when it was made. */
export function newInode(ino: number, mode: number, atSec = 2000): Inode {
  const times = { atimeSec: atSec, mtimeSec: atSec, ctimeSec: atSec, btimeSec: atSec };
  return {
    ...{ ino, mode, nlink: mode === FOLDER ? 2 : 1, uid: 1, gid: 2, rdev: 0, size: 0, allocated: 0 },
    ...{ ...times, atimeNsec: 3, mtimeNsec: 3, ctimeNsec: 3, btimeNsec: 3 },
    ...{ storage: 0, chunker: 0, version: 0, role: 0, group: 1, target: null },
  };
}

/** Makes a file or folder and returns its inode number. */
export function make(catalog: Catalog, parent: number, name: string, mode: number, atSec = 2000): number {
  const ino = catalog.inodes.allocate();
  const inode = newInode(ino, mode, atSec);
  const change: CreateChange = { kind: 'create', parent, name: Buffer.from(name), inode, xattrs: [] };
  catalog.apply(change);
  return ino;
}

export function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A piece of a 1,000-byte chunk named by `name`. */
export function chunkExtent(offset: number, length: number, name: string, at = 0): ChunkExtent {
  return { kind: 'chunk', offset, length, digest: digestOf(name), at, chunkLength: 1000, storedLength: 400 };
}

export function journalExtent(offset: number, length: number, segment: number, at = 0): JournalExtent {
  return { kind: 'journal', offset, length, segment, at };
}

/** A content change of [start, end) with times that say when. */
export function content(
  ino: number,
  start: number,
  end: number,
  extents: readonly Extent[],
  size: number,
): ContentChange {
  const times = { mtimeSec: 3000, mtimeNsec: 4, ctimeSec: 3001, ctimeNsec: 5 };
  return { kind: 'content', ino, start, end, extents, size, storage: 2, chunker: 0, ...times };
}

/** All extents of a file, each as a short text such as `0+100 chunk ab12cd@0` or `100+50 journal 3@7`. */
export function extentsOf(catalog: Catalog, ino: number): string[] {
  const shown = (extent: Extent) =>
    extent.kind === 'chunk' ? `chunk ${Buffer.from(extent.digest).toString('hex', 0, 3)}` : `journal ${extent.segment}`;
  return [...catalog.extents.all(ino)].map((e) => `${e.offset}+${e.length} ${shown(e)}@${e.at}`);
}

/** How `extentsOf` shows a chunk. */
export function shortDigest(name: string): string {
  return `chunk ${digestOf(name).toString('hex', 0, 3)}`;
}

export function bytes(text: string): Buffer {
  return Buffer.from(text);
}

/** Matches a CairnError of a kind in assert.throws. */
export function ofKind(kind: string): (error: unknown) => boolean {
  return (error) => (error as { kind?: string }).kind === kind;
}
