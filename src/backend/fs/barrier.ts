import { dirname, join } from 'node:path';
import { CairnError, fromSystemError } from '../../core/errors.js';
import { syncFile, syncFileSystem, syncFolder } from '../../native/files.js';

/**
 * From this many files on one syncfs(2) is used. Measured on ext4, 512 KiB each: syncfs is the faster from four files
 * on, but it also waits for whatever others wrote to the same file system.
 */
const SYNCFS_FILES = 16;

/** What was written below one folder since the last barrier, and the barriers themselves, one at a time. */
export class Barrier {
  readonly #root: string;
  #unsynced = new Unsynced();
  /** What the running barrier is about. */
  #syncing = new Unsynced();
  /** The running barrier; it never rejects. */
  #running: Promise<void> = Promise.resolve();
  /** The barrier that starts after the running one. */
  #next: Promise<void> | undefined;
  #failure: CairnError | undefined;

  /** @param root absolute path of the folder all names are relative to */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The kernel drops what it failed to write and reports it once, so no later barrier could be believed.
   * @throws {CairnError} that of the barrier that failed
   */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A file came to stand under `name`. */
  noteFile(name: string): void {
    this.#unsynced.addFile(name);
  }

  /** A folder of this name was made. */
  noteFolder(name: string): void {
    this.#unsynced.addFolder(name);
    this.#unsynced.addFolder(dirname(name));
  }

  /** The file under `name` is about to be removed: it may be missing from now on. Whether a barrier would have synced it. */
  expectRemoval(name: string): boolean {
    const syncing = this.#syncing.files.delete(name);
    const unsynced = this.#unsynced.files.delete(name);
    return syncing || unsynced;
  }

  /** The file under `name` was removed, or another one has taken its place; so its folder is there. */
  noteRemoval(name: string): void {
    this.#unsynced.addFolder(dirname(name));
  }

  /** Resolves when everything noted before the call is durable. Calls that wait for their turn share one barrier. */
  sync(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<void> {
    await this.#running;
    this.#next = undefined;
    const pass = this.#pass();
    this.#running = pass.catch(() => undefined);
    return pass;
  }

  async #pass(): Promise<void> {
    this.check();
    const taken = this.#unsynced;
    this.#syncing = taken;
    this.#unsynced = new Unsynced();
    try {
      if (taken.tooMany) {
        await syncFileSystem(this.#root);
        return;
      }
      await Promise.all([...taken.files].map((name) => this.#syncFile(name, taken)));
      await Promise.all([...taken.folders].map((name) => syncFolder(join(this.#root, name))));
    } catch (error) {
      const { kind, message } = fromSystemError(error, `make ${this.#root} durable`);
      // A file nobody removed is gone: that is no absence a caller could be told about.
      this.#failure = new CairnError(kind === 'not-found' ? 'io' : kind, message, { cause: error });
      throw this.#failure;
    }
  }

  async #syncFile(name: string, taken: Unsynced): Promise<void> {
    try {
      await syncFile(join(this.#root, name));
    } catch (error) {
      if (taken.files.has(name)) throw error;
    }
  }
}

/** Names of files and of the folders whose entries changed; names only as long as they are few. */
class Unsynced {
  readonly files = new Set<string>();
  readonly folders = new Set<string>();
  tooMany = false;

  addFile(name: string): void {
    this.files.add(name);
    this.addFolder(dirname(name));
  }

  addFolder(name: string): void {
    this.folders.add(name);
    if (this.files.size < SYNCFS_FILES && this.folders.size < SYNCFS_FILES) return;
    this.tooMany = true;
    this.files.clear();
    this.folders.clear();
  }
}
