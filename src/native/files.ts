import { mkdir } from 'node:fs/promises';
import { addon } from './addon.js';
import { type FilePath, requireBytes, requireInteger, requireMode, requirePath } from './check.js';

// Blocking system calls on pool threads. They reject with Errors of the system: `code`, `errno`, `syscall`, `path`.

interface RawListing {
  readonly names: Buffer;
  readonly ends: number[];
  readonly types: Buffer;
}

export type FileType = 'file' | 'folder' | 'symlink' | 'other';

const native = addon as {
  /** What the numbers in `RawListing.types` mean. */
  readonly fileTypes: readonly FileType[];
  putFile(path: FilePath, temporary: FilePath, bytes: Uint8Array, mode: number, sync: number): Promise<void>;
  putNewFiles(
    paths: readonly FilePath[],
    temporaries: readonly FilePath[],
    contents: readonly (readonly Uint8Array[])[],
    mode: number,
  ): Promise<(Error | undefined)[]>;
  whichMayStand(paths: readonly FilePath[]): Promise<boolean[]>;
  readFile(path: FilePath): Promise<Buffer>;
  readRange(path: FilePath, offset: number, length: number): Promise<Buffer>;
  readDescriptor(descriptor: number, offset: number, length: number): Promise<Buffer>;
  writeOut(descriptor: number, offset: number, bytes: Uint8Array): Promise<void>;
  touchFile(path: FilePath): Promise<number | undefined>;
  fileSize(path: FilePath): Promise<number>;
  removeFile(path: FilePath): Promise<boolean>;
  renameFile(from: FilePath, to: FilePath): Promise<void>;
  renameFiles(from: readonly FilePath[], to: readonly FilePath[]): Promise<boolean[]>;
  removeFiles(paths: readonly FilePath[]): Promise<boolean[]>;
  linkFile(from: FilePath, to: FilePath): Promise<void>;
  syncPath(path: FilePath, folder: boolean): Promise<void>;
  syncFileSystem(path: FilePath): Promise<void>;
  listFolder(path: FilePath): Promise<RawListing>;
  fileSystemFigures(path: FilePath): Promise<FileSystemFigures>;
  makeFolders(paths: readonly FilePath[], mode: number): Promise<void>;
  reserveFile(path: FilePath, bytes: number): Promise<void>;
};

export interface PutFileOptions {
  /** Permission bits; the process's umask applies. */
  readonly mode: number;
  /**
   * Sync the file before the rename and its folder after it: once settled, the file survives a power cut. `where-it-replaces`
   * does so only where something stood at the path, which is never taken away before the new bytes are durable.
   */
  readonly sync?: boolean | 'where-it-replaces';
}

/**
 * Writes the bytes to `temporaryPath` and renames that to `path`, replacing what is there: others see the whole file
 * or none. Both paths are on one file system. Where it fails, no temporary file is left.
 */
export async function putFile(
  path: FilePath,
  temporaryPath: FilePath,
  bytes: Uint8Array,
  options: PutFileOptions,
): Promise<void> {
  requirePath(path);
  requirePath(temporaryPath, 'temporaryPath');
  requireBytes(bytes, 'bytes');
  requireMode(options.mode);
  const { sync } = options;
  return native.putFile(
    path,
    temporaryPath,
    bytes,
    options.mode,
    sync === 'where-it-replaces' ? 2 : Number(sync ?? false),
  );
}

/** A file that is to stand where none does. */
export interface FileToPut {
  readonly path: FilePath;
  /** What it is called until it is whole; on the same file system. */
  readonly temporaryPath: FilePath;
  /** Its bytes, one run after the other; left alone until it is put. */
  readonly parts: readonly Uint8Array[];
}

/**
 * Puts files as `putFile` does, without syncing, in one go. Nothing is replaced.
 * @returns for each what it failed with (`EEXIST` where something stands), which changes nothing for the others
 */
export async function putNewFiles(files: readonly FileToPut[], mode: number): Promise<(Error | undefined)[]> {
  for (const { path, temporaryPath, parts } of files) {
    requirePath(path);
    requirePath(temporaryPath, 'temporaryPath');
    for (const part of parts) requireBytes(part, 'part');
  }
  requireMode(mode);
  return native.putNewFiles(
    files.map(({ path }) => path),
    files.map(({ temporaryPath }) => temporaryPath),
    files.map(({ parts }) => [...parts]),
    mode,
  );
}

/** For each path, in one go, whether something stands there or that cannot be told. */
export async function whichMayStand(paths: readonly FilePath[]): Promise<boolean[]> {
  for (const path of paths) requirePath(path);
  return native.whichMayStand(paths);
}

/** The whole file, in a Buffer of the caller's own. */
export async function readFile(path: FilePath): Promise<Buffer> {
  requirePath(path);
  return native.readFile(path);
}

/** [offset, offset + length) of a file; shorter only where the file ends. */
export async function readRange(path: FilePath, offset: number, length: number): Promise<Buffer> {
  requirePath(path);
  requireInteger(offset, 'offset');
  requireInteger(length, 'length');
  return native.readRange(path, offset, length);
}

/** [offset, offset + length) of an open file, which may be closed meanwhile; shorter only where it ends. */
export async function readDescriptor(descriptor: number, offset: number, length: number): Promise<Buffer> {
  requireInteger(descriptor, 'descriptor', 0, 0x7fffffff);
  requireInteger(offset, 'offset');
  requireInteger(length, 'length');
  return native.readDescriptor(descriptor, offset, length);
}

/**
 * Writes all bytes at `offset` of an open file, which may be closed meanwhile, and has the kernel begin to bring them to the disk.
 * Nobody changes them until it resolves.
 */
export async function writeOut(descriptor: number, offset: number, bytes: Uint8Array): Promise<void> {
  requireInteger(descriptor, 'descriptor', 0, 0x7fffffff);
  requireInteger(offset, 'offset');
  requireBytes(bytes, 'bytes');
  return native.writeOut(descriptor, offset, bytes);
}

/** Sets access and modification time to now; gives the size in bytes, undefined where there is no such file. */
export async function touchFile(path: FilePath): Promise<number | undefined> {
  requirePath(path);
  return native.touchFile(path);
}

/** The size in bytes; rejects with `ENOENT` where there is no such file. */
export async function fileSize(path: FilePath): Promise<number> {
  requirePath(path);
  return native.fileSize(path);
}

/** Whether there was a file to remove. */
export async function removeFile(path: FilePath): Promise<boolean> {
  requirePath(path);
  return native.removeFile(path);
}

/** rename(2): replaces what is at `to`. */
export async function renameFile(from: FilePath, to: FilePath): Promise<void> {
  requirePath(from, 'from');
  requirePath(to, 'to');
  return native.renameFile(from, to);
}

/**
 * rename(2) of each, in turn and in one go, to the path at the same place; for each whether there was a file. It ends at the
 * first failure; that the folder of `to` is missing is one.
 */
export async function renameFiles(from: readonly FilePath[], to: readonly FilePath[]): Promise<boolean[]> {
  for (const path of from) requirePath(path, 'from');
  for (const path of to) requirePath(path, 'to');
  if (from.length !== to.length) throw new RangeError(`${from.length} files cannot be renamed to ${to.length} paths`);
  return native.renameFiles(from, to);
}

/** Removes each, in turn and in one go; for each whether there was a file. It ends at the first failure. */
export async function removeFiles(paths: readonly FilePath[]): Promise<boolean[]> {
  for (const path of paths) requirePath(path);
  return native.removeFiles(paths);
}

/** link(2): a second name; rejects with `EEXIST` where `to` stands already. */
export async function linkFile(from: FilePath, to: FilePath): Promise<void> {
  requirePath(from, 'from');
  requirePath(to, 'to');
  return native.linkFile(from, to);
}

/** fsync(2) of a file. */
export async function syncFile(path: FilePath): Promise<void> {
  requirePath(path);
  return native.syncPath(path, false);
}

/** fsync(2) of a folder: the names in it survive a power cut. */
export async function syncFolder(path: FilePath): Promise<void> {
  requirePath(path);
  return native.syncPath(path, true);
}

/** syncfs(2) of the file system that holds `path`. */
export async function syncFileSystem(path: FilePath): Promise<void> {
  requirePath(path);
  return native.syncFileSystem(path);
}

/** One name in a folder. */
export interface FolderName {
  readonly name: Buffer;
  readonly type: FileType;
}

/** All names in a folder but `.` and `..`, in no order. Names made or removed meanwhile may or may not be in it. */
export async function listFolder(path: FilePath): Promise<FolderName[]> {
  requirePath(path);
  const { names, ends, types } = await native.listFolder(path);
  let start = 0;
  return ends.map((end, index) => {
    const name = names.subarray(start, end);
    start = end;
    return { name, type: native.fileTypes[types[index] as number] as FileType };
  });
}

/** What statvfs(2) says about a file system. */
export interface FileSystemFigures {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Free for users that are not root. */
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}

export async function fileSystemFigures(path: FilePath): Promise<FileSystemFigures> {
  requirePath(path);
  return native.fileSystemFigures(path);
}

/** mkdir(2): rejects with `EEXIST` where something stands already. On libuv's pool: not for the mount worker. */
export async function makeFolder(path: string, mode: number): Promise<void> {
  requirePath(path);
  requireMode(mode);
  await mkdir(path, { mode });
}

/** mkdir(2) of each in turn, parents first; a folder that stands already is left as it is. The umask applies. */
export async function makeFolders(paths: readonly FilePath[], mode: number): Promise<void> {
  for (const path of paths) requirePath(path);
  requireMode(mode);
  return native.makeFolders(paths, mode);
}

/** Makes the file where needed and sets aside room in it, so that it has at least `bytes`; rejects with `ENOSPC`. */
export async function reserveFile(path: FilePath, bytes: number): Promise<void> {
  requirePath(path);
  requireInteger(bytes, 'bytes');
  return native.reserveFile(path, bytes);
}
