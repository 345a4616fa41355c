import { addon } from './addon.js';
import { type FilePath, requirePath } from './check.js';

interface LockHandle {
  readonly lock: unique symbol;
}

const native = addon as {
  lockFile(path: FilePath, write: boolean): LockHandle | undefined;
  lockHolder(path: FilePath, write: boolean): number | undefined;
  fileLockHolder(lock: LockHandle): number | undefined;
  releaseFileLock(lock: LockHandle): void;
};

/** Many may hold `read`, one alone `write`. */
export type LockKind = 'read' | 'write';

/** A lock this process holds; ends with `release`, or with the thread that took it. */
export interface FileLock {
  readonly kind: LockKind;
  /** Process id of another process that holds a lock on the file too, undefined where there is none. */
  holder(): number | undefined;
  /** Idempotent. */
  release(): void;
}

/**
 * Takes a classic fcntl lock on the whole file, made where it does not exist, without waiting (pbs-format §1.6).
 * Undefined where another process has one in the way; `lockHolder` then tells which.
 *
 * Such locks belong to the process: here a read lock and one write lock live side by side, a second write lock is
 * refused. They vanish if the process closes any other descriptor of the file, so open it nowhere else.
 */
export function lockFile(path: FilePath, kind: LockKind): FileLock | undefined {
  requirePath(path);
  const handle = native.lockFile(path, isWrite(kind));
  return handle && new HeldLock(handle, kind);
}

/** Process id of whoever keeps a lock of this kind from being taken (this process too); undefined where nobody does. */
export function lockHolder(path: FilePath, kind: LockKind): number | undefined {
  requirePath(path);
  return native.lockHolder(path, isWrite(kind));
}

class HeldLock implements FileLock {
  readonly kind: LockKind;
  readonly #handle: LockHandle;

  constructor(handle: LockHandle, kind: LockKind) {
    this.#handle = handle;
    this.kind = kind;
  }

  holder(): number | undefined {
    return native.fileLockHolder(this.#handle);
  }

  release(): void {
    native.releaseFileLock(this.#handle);
  }
}

function isWrite(kind: LockKind): boolean {
  if (kind !== 'read' && kind !== 'write') throw new TypeError(`kind must be 'read' or 'write', not ${String(kind)}`);
  return kind === 'write';
}
