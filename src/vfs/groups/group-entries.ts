import type { Inode } from '../../catalog/inode.js';
import { formatSnapshotTime, snapshotTimeOf } from '../../core/snapshot-time.js';
import type { Attributes, NodeId } from '../api.js';
import { S_IFLNK, S_IFREG } from '../file-mode.js';
import type { GroupServices, SnapshotEntry } from './group-parts.js';

/** Inode numbers from here on belong to files that exist in no table: even ones to `latest`, odd ones to `owner`. */
const VIRTUAL_INO = 2 ** 39;
const LATEST = 0;
const OWNER = 1;

/**
 * Who walks a tree by way of `latest` asks for it with every path. Not longer: who makes or forgets a snapshot by mkdir or rmdir has
 * to wait until nobody believes the old one (`GroupFolders`), as the kernel can be told only when that is answered.
 */
const LATEST_VALID_MILLISECONDS = 10;
/** By then the kernel has let go of an older one: it counts in ticks, of up to 10 ms, and begins when it has the answer. */
export const LATEST_EXPIRED_MILLISECONDS = LATEST_VALID_MILLISECONDS + 30;

export const LATEST_NAME = Buffer.from('latest');
export const OWNER_NAME = Buffer.from('owner');

/** Cookies of a group's names that are no dentries: behind all of those. */
const VIRTUAL_COOKIE = 2 ** 45;
const SNAPSHOT_COOKIE = VIRTUAL_COOKIE + 16;

/** A name in a group's folder besides `current`. */
export type GroupEntry =
  | { readonly kind: 'latest'; readonly name: Uint8Array; readonly cookie: number; readonly snapshot: SnapshotEntry }
  | { readonly kind: 'owner'; readonly name: Uint8Array; readonly cookie: number }
  | { readonly kind: 'snapshot'; readonly name: Uint8Array; readonly cookie: number; readonly snapshot: SnapshotEntry };

const OWNER_ENTRY: GroupEntry = { kind: 'owner', name: OWNER_NAME, cookie: VIRTUAL_COOKIE + 1 };

/** The names a group's folder has besides `current`, by cookie: `owner`, `latest` where there is one, the snapshots. */
export function groupEntries(services: GroupServices, group: number): GroupEntry[] {
  const snapshots = services.snapshots(group);
  const newest = snapshots.at(-1);
  const entries: GroupEntry[] = [OWNER_ENTRY];
  if (newest !== undefined) entries.push(latestEntry(newest));
  entries.push(...snapshots.map(snapshotEntry));
  return entries.sort((a, b) => a.cookie - b.cookie);
}

/** The entry of one name, or undefined. */
export function groupEntry(services: GroupServices, group: number, name: Uint8Array): GroupEntry | undefined {
  if (OWNER_NAME.equals(name)) return OWNER_ENTRY;
  const snapshots = services.snapshots(group);
  const newest = snapshots.at(-1);
  if (LATEST_NAME.equals(name)) return newest === undefined ? undefined : latestEntry(newest);
  const time = snapshotTimeOf(Buffer.from(name).toString('latin1'));
  const snapshot = snapshots.find((candidate) => candidate.time === time);
  return snapshot === undefined ? undefined : snapshotEntry(snapshot);
}

function latestEntry(snapshot: SnapshotEntry): GroupEntry {
  return { kind: 'latest', name: LATEST_NAME, cookie: VIRTUAL_COOKIE + 2, snapshot };
}

function snapshotEntry(snapshot: SnapshotEntry): GroupEntry {
  const name = Buffer.from(formatSnapshotTime(snapshot.time));
  return { kind: 'snapshot', name, cookie: SNAPSHOT_COOKIE + snapshot.archive, snapshot };
}

/** A file that is in no table: the `latest` that points to a snapshot, or a group's `owner`. */
export type VirtualFile =
  | { readonly kind: 'latest'; readonly archive: number }
  | { readonly kind: 'owner'; readonly group: number };

/** Its node. A `latest` with another target is another node, so nobody is given the old target from a cache. */
export function virtualNode(file: VirtualFile): NodeId {
  const number = file.kind === 'latest' ? file.archive * 2 + LATEST : file.group * 2 + OWNER;
  return { archive: 0, position: VIRTUAL_INO + number };
}

/** Which `latest` or `owner` the node is; undefined for any other node. */
export function virtualOf(node: NodeId): VirtualFile | undefined {
  if (node.archive !== 0 || node.position < VIRTUAL_INO) return undefined;
  const number = node.position - VIRTUAL_INO;
  const half = Math.floor(number / 2);
  return number % 2 === LATEST ? { kind: 'latest', archive: half } : { kind: 'owner', group: half };
}

/** Attributes of `latest` and `owner`: owner and times are the group folder's. */
export function virtualAttributes(
  folder: Readonly<Inode>,
  node: NodeId,
  kind: 'latest' | 'owner',
  size: number,
): Attributes {
  return {
    node,
    mode: kind === 'latest' ? S_IFLNK | 0o777 : S_IFREG | 0o444,
    nlink: 1,
    uid: folder.uid,
    gid: folder.gid,
    rdev: 0,
    size,
    blocks: kind === 'latest' ? 0 : 1,
    atimeSec: folder.atimeSec,
    atimeNsec: folder.atimeNsec,
    mtimeSec: folder.mtimeSec,
    mtimeNsec: folder.mtimeNsec,
    ctimeSec: folder.ctimeSec,
    ctimeNsec: folder.ctimeNsec,
    ...(kind === 'latest' && { nameValidMilliseconds: LATEST_VALID_MILLISECONDS }),
  };
}
