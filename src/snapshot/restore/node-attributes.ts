import { fchmodSync, fchownSync } from 'node:fs';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { Xattr } from '../../archive/xattrs.js';
import { CairnError } from '../../core/errors.js';
import {
  type NodeTarget,
  type NodeTime,
  removeXattr,
  setTimes,
  setXattr,
  xattrNames,
  xattrValue,
} from '../../native/node-attributes.js';

/** What is to be set on something restored. Times in seconds and nanoseconds. */
export interface RestoredAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: NodeTime;
  readonly mtime: NodeTime;
  readonly xattrs: readonly Xattr[];
}

const MODE_BITS = 0o7777;
const SET_ID_BITS = 0o6000;
const KIND_BITS = 0o170000;
const LINK = 0o120000;
const isRoot = process.geteuid?.() === 0;

/** Namespaces that are the machine's, not the file's. */
const FOREIGN = /^(security\.(selinux|ima|evm|apparmor|SMACK64)|system\.(?!posix_acl_))/;
/** What an ordinary user can set. */
const ORDINARY = /^(user\.|system\.posix_acl_)/;

export function attributesOf(
  entry: ArchiveEntry,
  atime: { readonly seconds: number; readonly nanoseconds: number } | undefined,
  xattrs: readonly Xattr[],
): RestoredAttributes {
  const { mode, uid, gid, mtimeSec, mtimeNsec } = entry;
  const mtime = { sec: mtimeSec, nsec: mtimeNsec };
  return { mode, uid, gid, mtime, atime: atime ? { sec: atime.seconds, nsec: atime.nanoseconds } : mtime, xattrs };
}

/**
 * Sets owner, mode, extended attributes and, last, times: each of them undoes what comes later. What only root may set
 * is left where an ordinary user restores.
 * @param setOwner how the owner is set, for what is not an open file
 * @returns what could not be set, in words
 */
export function setAttributes(
  target: NodeTarget,
  wanted: RestoredAttributes,
  setOwner: (uid: number, gid: number) => void = (uid, gid) => fchownSync(target as number, uid, gid),
): string[] {
  const problems: string[] = [];
  const owned = tryOwner(wanted, setOwner);
  if (typeof target === 'number') fchmodSync(target, wanted.mode & (owned ? MODE_BITS : MODE_BITS & ~SET_ID_BITS));
  if ((wanted.mode & KIND_BITS) !== LINK || isRoot) problems.push(...setXattrs(target, wanted.xattrs));
  setTimes(target, wanted.atime, wanted.mtime);
  return problems;
}

/** Whether it has its owner now. An ordinary user keeps what he restores, in the group where that is one of his. */
function tryOwner({ uid, gid }: RestoredAttributes, setOwner: (uid: number, gid: number) => void): boolean {
  if (isRoot) {
    setOwner(uid, gid);
    return true;
  }
  for (const [triedUid, triedGid] of [
    [uid, gid],
    [-1, gid],
  ] as const) {
    try {
      setOwner(triedUid, triedGid);
      return triedUid === uid;
    } catch (error) {
      if (codeOf(error) !== 'EPERM') throw error;
    }
  }
  return false;
}

function setXattrs(target: NodeTarget, wanted: readonly Xattr[]): string[] {
  const problems: string[] = [];
  const attempt = (name: Uint8Array, work: () => void): void => {
    try {
      work();
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      problems.push(`${Buffer.from(name).toString()}: ${code}`);
    }
  };
  const there = namesOf(target);
  const names = new Set(wanted.map(({ name }) => keyOf(name)));
  for (const name of there) if (!names.has(keyOf(name)) && isOurs(name)) attempt(name, () => removeXattr(target, name));
  for (const { name, value } of wanted) {
    if (!isOurs(name) || (there.some((other) => other.equals(name)) && xattrValue(target, name).equals(value)))
      continue;
    attempt(name, () => setXattr(target, name, value));
  }
  return problems;
}

function namesOf(target: NodeTarget): Buffer[] {
  try {
    return xattrNames(target);
  } catch (error) {
    // A file system without any: setting one will say so.
    if (codeOf(error) === 'ENOTSUP' || codeOf(error) === 'EOPNOTSUPP') return [];
    throw error;
  }
}

function isOurs(name: Uint8Array): boolean {
  const text = keyOf(name);
  return !FOREIGN.test(text) && (isRoot || ORDINARY.test(text));
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1');
}

/** The system's code of an error, also of one that was told in our words; undefined for any other. */
function codeOf(error: unknown): string | undefined {
  const cause = error instanceof CairnError ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
