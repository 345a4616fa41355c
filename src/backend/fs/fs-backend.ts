import { dirname, join } from 'node:path';
import { CairnError, fromSystemError } from '../../core/errors.js';
import {
  type FolderName,
  fileSize,
  fileSystemFigures,
  listFolder,
  makeFolders,
  putFile,
  readFile,
  readRange,
  removeFiles,
  renameFiles,
  syncFileSystem,
  touchFile,
} from '../../native/files.js';
import type { Backend, BackendFigures, LocalFiles, Move } from '../backend.js';
import { FILE_MODE, type FileBatch } from '../file-batch.js';
import { checkName, checkPrefix, checkRange, isComponent, isTemporary, temporaryName } from '../names.js';
import { Barrier } from './barrier.js';

const FOLDER_MODE = 0o755;

/** A folder of a local file system as a backend: an object is a file of the same relative path. */
export class FsBackend implements Backend {
  readonly #folder: string;
  readonly #barrier: Barrier;
  readonly #standing: ReadonlySet<string>;

  readonly localFiles: LocalFiles = {
    pathOf: (name) => {
      checkName(name);
      return this.#path(name);
    },
    together: (batch) => ({
      lacks: async (name) => {
        checkName(name);
        return !(await batch.mayStand(this.#path(name)));
      },
      put: (name, parts) => this.#putNew(name, parts, batch),
    }),
  };

  /**
   * @param folder absolute path; it must exist
   * @param standing names of folders in it that are never made here: where one is gone its disk is, and bytes put into a
   *   new one would be hidden when it comes back
   */
  constructor(folder: string, standing: readonly string[] = []) {
    this.#folder = folder;
    this.#standing = new Set(standing);
    this.#barrier = new Barrier(folder);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    this.#barrier.check();
    try {
      await this.#putMakingFolders(name, bytes);
      this.#barrier.noteFile(name);
    } catch (error) {
      throw fromSystemError(error, `write ${this.#path(name)}`);
    }
  }

  async get(name: string): Promise<Buffer> {
    checkName(name);
    return this.#attempt(name, 'read', (path) => readFile(path));
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    checkName(name);
    checkRange(offset, length);
    return this.#attempt(name, 'read', (path) => readRange(path, offset, length));
  }

  async size(name: string): Promise<number | undefined> {
    checkName(name);
    return this.#attempt(name, 'look at', sizeOf);
  }

  async touch(name: string): Promise<number | undefined> {
    checkName(name);
    return this.#attempt(name, 'touch', (path) => touchFile(path));
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    names.forEach(checkName);
    const noted = names.filter((name) => this.#barrier.expectRemoval(name));
    try {
      const gone = await removeFiles(names.map((name) => this.#path(name)));
      for (const name of names.filter((_, index) => gone[index])) this.#barrier.noteRemoval(name);
      return gone;
    } catch (error) {
      await this.#noteAgain(noted);
      await this.#noteFoldersOf(names);
      throw fromSystemError(error, `remove files in ${this.#folder}`);
    }
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    for (const { from, to } of moves) {
      checkName(from);
      checkName(to);
    }
    await this.#makeFoldersOf(moves.map(({ to }) => to));
    const unsynced = moves.filter(({ from }) => this.#barrier.expectRemoval(from));
    for (const { to } of moves) this.#barrier.expectRemoval(to);
    try {
      const moved = await renameFiles(
        moves.map(({ from }) => this.#path(from)),
        moves.map(({ to }) => this.#path(to)),
      );
      for (const { from, to } of moves.filter((_, index) => moved[index])) {
        this.#barrier.noteRemoval(from);
        this.#barrier.noteRemoval(to);
      }
      return moved;
    } catch (error) {
      await this.#noteAgain(unsynced.map(({ from }) => from));
      await this.#noteFoldersOf(moves.flatMap(({ from, to }) => [from, to]));
      throw fromSystemError(error, `move files in ${this.#folder}`);
    } finally {
      await this.#noteAgain(unsynced.map(({ to }) => to));
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    checkPrefix(prefix);
    const folders = [prefix];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const { name, type } of await this.#entries(folder)) {
        const component = name.toString('latin1');
        const path = folder === '' ? component : `${folder}/${component}`;
        if (!isComponent(component)) continue;
        if (type === 'folder') folders.push(path);
        else if (type === 'file' && !isTemporary(component)) yield path;
      }
    }
  }

  sync(): Promise<void> {
    return this.#barrier.sync();
  }

  async syncAll(): Promise<void> {
    return this.#attempt('', 'make durable what is in', (path) => syncFileSystem(path));
  }

  async figures(): Promise<BackendFigures> {
    return this.#attempt('', 'look at', (path) => fileSystemFigures(path));
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #attempt<T>(name: string, verb: string, operation: (path: string) => Promise<T>): Promise<T> {
    const path = this.#path(name);
    try {
      return await operation(path);
    } catch (error) {
      throw fromSystemError(error, `${verb} ${path}`);
    }
  }

  async #putNew(name: string, parts: readonly Uint8Array[], batch: FileBatch): Promise<void> {
    checkName(name);
    this.#barrier.check();
    const put = (): Promise<void> =>
      batch.put({ path: this.#path(name), temporaryPath: this.#path(temporaryName(name)), parts });
    try {
      if (!(await foundFolder(put()))) {
        await this.#makeFoldersOf([name]);
        await put();
      }
      this.#barrier.noteFile(name);
    } catch (error) {
      const failure = fromSystemError(error, `write ${this.#path(name)}`);
      if (failure.kind !== 'exists') throw failure;
      await this.put(name, Buffer.concat(parts));
    }
  }

  async #putMakingFolders(name: string, bytes: Uint8Array): Promise<void> {
    // A rename replaces durable bytes at once, so the new ones have to be durable before it. Where the file system cannot rename
    // without replacing, that takes two steps: whoever puts a name twice at the same time (chunks are locked) sees to it.
    const options = { mode: FILE_MODE, sync: 'where-it-replaces' } as const;
    const put = (): Promise<void> => putFile(this.#path(name), this.#path(temporaryName(name)), bytes, options);
    try {
      await put();
    } catch (error) {
      if (fromSystemError(error, '').kind !== 'not-found') throw error;
      await this.#makeFoldersOf([name]);
      await put();
    }
  }

  async #makeFoldersOf(names: readonly string[]): Promise<void> {
    const firsts = new Map(names.map((name) => [dirname(name), name]));
    const all = new Set([...firsts.values()].flatMap(parentsOf));
    const parents = [...all].filter((parent) => !this.#standing.has(parent));
    try {
      await makeFolders(
        parents.map((parent) => this.#path(parent)),
        FOLDER_MODE,
      );
    } catch (error) {
      const { kind, message } = fromSystemError(error, `make folders in ${this.#folder}`);
      if (kind !== 'not-found') throw error;
      throw new CairnError('io', `${message}; is a disk missing?`, { cause: error });
    }
    for (const parent of parents) this.#barrier.noteFolder(parent);
  }

  /** Files that were not synced when they were to go, and may still be there. */
  async #noteAgain(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if ((await sizeOf(this.#path(name)).catch(() => 0)) !== undefined) this.#barrier.noteFile(name);
    }
  }

  /** Some of the names may have gone. */
  async #noteFoldersOf(names: readonly string[]): Promise<void> {
    const firsts = new Map(names.map((name) => [dirname(name), name]));
    for (const [folder, name] of firsts) {
      if ((await sizeOf(this.#path(folder)).catch(() => 0)) !== undefined) this.#barrier.noteRemoval(name);
    }
  }

  /** A folder that is absent has no objects, unless the backend's own is. */
  async #entries(folder: string): Promise<FolderName[]> {
    try {
      return await listFolder(this.#path(folder));
    } catch (error) {
      const wrapped = fromSystemError(error, `list ${this.#path(folder)}`);
      if (wrapped.kind === 'not-found' && folder !== '') return [];
      throw wrapped;
    }
  }
}

/** Whether a put found its folder. */
async function foundFolder(put: Promise<void>): Promise<boolean> {
  try {
    await put;
    return true;
  } catch (error) {
    if (fromSystemError(error, '').kind === 'not-found') return false;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return await fileSize(path);
  } catch (error) {
    if (fromSystemError(error, '').kind === 'not-found') return undefined;
    throw error;
  }
}

/** The folders a name lies in, outermost first: `a` and `a/b` for `a/b/c`. */
function parentsOf(name: string): string[] {
  const components = name.split('/').slice(0, -1);
  return components.map((_, index) => components.slice(0, index + 1).join('/'));
}
