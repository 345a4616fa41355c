import { type BigIntStats, fchmodSync, fchownSync } from 'node:fs';
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
const OWNER_WRITE = 0o200;
const SET_ID_BITS = 0o6000;
const KIND_BITS = 0o170000;
const FOLDER = 0o040000;
const LINK = 0o120000;
const isRoot = process.geteuid?.() === 0;

/** Namespaces that are the machine's, not the file's. */
const FOREIGN = /^(security\.(selinux|ima|evm|apparmor|SMACK64)|system\.(?!posix_acl_))/;
/** What an ordinary user can set. */
const ORDINARY = /^(user\.|system\.posix_acl_)/;
/** Gives whoever runs the file rights, as the set-uid bit does. */
const CAPABILITIES = 'security.capability';

/** How attributes are set. */
export interface AttributeRules {
  /** Whether a file that is no folder gets set-uid and set-gid bits and file capabilities; those it has already stay. */
  readonly setIds: boolean;
}

/** What came of it. */
export interface AttributeOutcome {
  /** What could not be set, in words. */
  readonly problems: readonly string[];
  /** Whether set-uid or set-gid bits or capabilities were not set because nobody asked for them. */
  readonly setIdsLeftOut: boolean;
}

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
 * @param now what it has; nobody changes it meanwhile
 * @param setOwner how the owner is set, for what is not an open file
 */
export function setAttributes(
  target: NodeTarget,
  wanted: RestoredAttributes,
  now: Pick<BigIntStats, 'uid' | 'gid' | 'mode'>,
  { setIds }: AttributeRules,
  setOwner: (uid: number, gid: number) => void = (uid, gid) => fchownSync(target as number, uid, gid),
): AttributeOutcome {
  const problems: string[] = [];
  const kind = wanted.mode & KIND_BITS;
  // Another owner, even the same once more, takes bits and capabilities away that are to stay.
  const had = Number(now.uid) === wanted.uid && Number(now.gid) === wanted.gid;
  const owned = had || tryOwner(wanted, setOwner);
  const isAllowed = owned && (setIds || kind === FOLDER);
  const kept = had ? wanted.mode & Number(now.mode) & SET_ID_BITS : 0;
  const mode = isAllowed ? wanted.mode & MODE_BITS : (wanted.mode & MODE_BITS & ~SET_ID_BITS) | kept;
  // An ordinary user sets attributes only of what he may write to, also through what is open.
  const isOpened = !isRoot && wanted.xattrs.length > 0 && (mode & OWNER_WRITE) === 0;
  if (typeof target === 'number') fchmodSync(target, isOpened ? mode | OWNER_WRITE : mode);
  const lacksBits = kind !== LINK && (wanted.mode & SET_ID_BITS & ~mode) !== 0;
  if (lacksBits && setIds) problems.push('set-uid or set-gid bits: it has another owner');
  let lacksCapabilities = false;
  if (kind !== LINK || isRoot) {
    problems.push(...setXattrs(target, wanted.xattrs, setIds));
    lacksCapabilities = !setIds && isRoot && lacks(target, wanted.xattrs);
  }
  if (isOpened && typeof target === 'number') fchmodSync(target, mode);
  setTimes(target, wanted.atime, wanted.mtime);
  return { problems, setIdsLeftOut: !setIds && kind !== FOLDER && (lacksBits || lacksCapabilities) };
}

/** Whether it was to have capabilities that it has not. */
function lacks(target: NodeTarget, xattrs: readonly Xattr[]): boolean {
  const wanted = xattrs.find(({ name }) => keyOf(name) === CAPABILITIES);
  if (wanted === undefined) return false;
  const has = namesOf(target).some((name) => keyOf(name) === CAPABILITIES);
  return !has || !xattrValue(target, wanted.name).equals(wanted.value);
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

function setXattrs(target: NodeTarget, wanted: readonly Xattr[], setIds: boolean): string[] {
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
  for (const name of there)
    if (!names.has(keyOf(name)) && isOurs(name, setIds)) attempt(name, () => removeXattr(target, name));
  for (const { name, value } of wanted) {
    if (!isOurs(name, setIds) || (there.some((other) => other.equals(name)) && xattrValue(target, name).equals(value)))
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

function isOurs(name: Uint8Array, setIds: boolean): boolean {
  const text = keyOf(name);
  if (text === CAPABILITIES && !setIds) return false;
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
