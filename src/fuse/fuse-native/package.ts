import { createRequire } from 'node:module';
import { CairnError } from '../../core/errors.js';

/** Answers an operation: a negative errno, else what it returns, and values where it gives some. To be called once. */
export type Done = (result: number, ...values: unknown[]) => void;

/** The operations of the package, as our patch (native/fuse-native.patch) leaves them. Paths and names: a byte per character. */
export interface FuseNativeOperations {
  getattr(path: string, done: Done): void;
  fgetattr(path: string, handle: number, done: Done): void;
  readlink(path: string, done: Done): void;
  chmod(path: string, mode: number, done: Done): void;
  /** 2^32 - 1 leaves the owner or the group. */
  chown(path: string, uid: number, gid: number, done: Done): void;
  truncate(path: string, size: number, done: Done): void;
  ftruncate(path: string, handle: number, size: number, done: Done): void;
  /** Nanoseconds may be UTIME_NOW or UTIME_OMIT. */
  utimens(path: string, atimeSec: number, atimeNsec: number, mtimeSec: number, mtimeNsec: number, done: Done): void;
  statfs(path: string, done: Done): void;
  readdir(path: string, done: Done): void;
  fsyncdir(path: string, dataOnly: number, handle: number, done: Done): void;
  create(path: string, mode: number, flags: number, done: Done): void;
  mknod(path: string, mode: number, device: number, done: Done): void;
  mkdir(path: string, mode: number, done: Done): void;
  symlink(target: string, path: string, done: Done): void;
  link(path: string, newPath: string, done: Done): void;
  unlink(path: string, done: Done): void;
  rmdir(path: string, done: Done): void;
  rename(path: string, newPath: string, done: Done): void;
  open(path: string, flags: number, done: Done): void;
  read(path: string, handle: number, room: Buffer, length: number, offset: number, done: Done): void;
  write(path: string, handle: number, bytes: Buffer, length: number, offset: number, done: Done): void;
  flush(path: string, handle: number, done: Done): void;
  fsync(path: string, dataOnly: number, handle: number, done: Done): void;
  release(path: string, handle: number, done: Done): void;
  getxattr(path: string, name: string, position: number, done: Done): void;
  listxattr(path: string, done: Done): void;
  setxattr(path: string, name: string, value: Buffer, position: number, flags: number, done: Done): void;
  removexattr(path: string, name: string, done: Done): void;
}

/** A mount of the package. */
export interface FuseNativeMount {
  /** Who asks, while an operation is being called: uid, gid, pid and umask, 32 bits each. */
  readonly caller: Buffer;
  /** To be set: the mount has gone, and everything is answered. */
  onended: () => void;
  mount(done: (error: Error | null) => void): void;
}

interface FuseNative {
  new (
    mountpoint: string,
    operations: FuseNativeOperations,
    options: { readonly timeout: false; readonly raw: readonly string[] },
  ): FuseNativeMount;
  readonly cairnPatch?: number;
}

/** The patch this adapter is written for (`cairn_patch` in it). */
const PATCH = 1;

/**
 * The package, patched. Its callbacks run on the main thread's loop, whatever thread loads it: to be used from there only.
 * @param load as Node's `require`
 * @throws {CairnError} `unsupported` where it is not installed, does not load, or is not patched
 */
export function loadFuseNative(load: (name: string) => unknown = createRequire(import.meta.url)): FuseNative {
  const found = requirePackage(load);
  if (found.cairnPatch === PATCH) return found;
  throw new CairnError(
    'unsupported',
    'The package fuse-native is not patched: as published it stores the time of access as that of modification; run "npm run build:fuse-native", or mount with --transport native',
  );
}

function requirePackage(load: (name: string) => unknown): FuseNative {
  try {
    return load('fuse-native') as FuseNative;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why =
      code === 'MODULE_NOT_FOUND' && message.includes("'fuse-native'")
        ? 'is not installed'
        : `does not load (${message.split('\n')[0]})`;
    const advice = 'run scripts/setup, or mount with --transport native';
    throw new CairnError('unsupported', `The package fuse-native ${why}; ${advice}`, { cause });
  }
}
