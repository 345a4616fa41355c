import { addon } from './addon.js';
import { requireBytes, requireInteger, requirePath } from './check.js';
import type { NodeTime } from './node-attributes.js';

/** A regular file that is to be made, with less than 16 MiB of content. */
export interface NewFile {
  /** An open folder's, which stays open until it is made. */
  readonly folder: number;
  /** What it is called until it is whole; a single component. */
  readonly temporary: Uint8Array;
  /** A single component. */
  readonly name: Uint8Array;
  /** Nobody changes it until the file is made. */
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly atime: NodeTime;
  readonly mtime: NodeTime;
}

const native = addon as {
  makeNewFiles(
    numbers: Float64Array,
    temporaries: readonly Uint8Array[],
    names: readonly Uint8Array[],
    contents: readonly Uint8Array[],
    asAllowed: boolean,
  ): Promise<Uint8Array>;
};

/** In the order native/new_files_binding.cc reads them. */
const NUMBERS = 8;
const MAX_DESCRIPTOR = 0x7fffffff;
const MAX_ID = 0xffffffff;
const SLASH = 0x2f;
const MAX_NSEC = 999_999_999;

/**
 * Makes files on a pool thread, in one go. Each gets its owner, mode, times and only then its name; nothing is replaced, and
 * nothing is left of one that could not be made.
 * @param asAllowed owners an ordinary user may not set are left
 * @returns for each whether it was made; why not is for who tries it by itself to say
 */
export async function makeNewFiles(files: readonly NewFile[], asAllowed: boolean): Promise<boolean[]> {
  const numbers = new Float64Array(files.length * NUMBERS);
  for (const [index, file] of files.entries()) {
    requireComponent(file.temporary, 'temporary');
    requireComponent(file.name, 'name');
    requireBytes(file.content, 'content');
    requireInteger(file.folder, 'folder', 0, MAX_DESCRIPTOR);
    requireInteger(file.mode, 'mode', 0, 0o7777);
    requireInteger(file.uid, 'uid', 0, MAX_ID);
    requireInteger(file.gid, 'gid', 0, MAX_ID);
    for (const { sec, nsec } of [file.atime, file.mtime]) {
      requireInteger(sec, 'sec', Number.MIN_SAFE_INTEGER);
      requireInteger(nsec, 'nsec', 0, MAX_NSEC);
    }
    const { folder, mode, uid, gid, atime, mtime } = file;
    numbers.set([folder, mode, uid, gid, atime.sec, atime.nsec, mtime.sec, mtime.nsec], index * NUMBERS);
  }
  const made = await native.makeNewFiles(
    numbers,
    files.map(({ temporary }) => temporary),
    files.map(({ name }) => name),
    files.map(({ content }) => content),
    asAllowed,
  );
  return [...made].map((flag) => flag === 1);
}

/** A name that leads nowhere but into its folder. */
function requireComponent(name: Uint8Array, what: string): void {
  requirePath(name, what);
  if (name.includes(SLASH)) throw new RangeError(`${what} must not contain a slash`);
}
