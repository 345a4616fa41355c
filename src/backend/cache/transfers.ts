import { join } from 'node:path';
import { kindOf } from '../../core/errors.js';
import type { Backend } from '../backend.js';
import { isPlaceholder, looksEvicted, PLACEHOLDER_START_BYTES, replaceByPlaceholder } from './placeholder.js';

/** Runs `work` while nobody else works on an object, with its digest locked, or gives 0 where it changed its mind. */
export type Alone = (work: () => Promise<number>) => Promise<number>;

/** Brings objects of a cached backend to the other one, and gives their room back. */
export class Transfers {
  readonly #folder: string;
  readonly #local: Backend;
  readonly #remote: Backend;

  /** @param folder where `local` has its objects */
  constructor(folder: string, local: Backend, remote: Backend) {
    this.#folder = folder;
    this.#local = local;
    this.#remote = remote;
  }

  /**
   * Stores the object in the other backend too. The caller sees to it that nobody removes, moves or replaces it meanwhile.
   * @returns its length in bytes; undefined where its bytes are not here, so there already or nowhere
   */
  async upload(name: string): Promise<number | undefined> {
    const bytes = await whereHere(join(this.#folder, name), () => this.#local.get(name));
    if (bytes === undefined) return undefined;
    await this.#remote.put(name, bytes);
    return bytes.length;
  }

  /** Length in bytes of the object by its file here, which may be a placeholder; undefined where there is none. */
  lengthHere(name: string): Promise<number | undefined> {
    return this.#local.size(name);
  }

  /**
   * Gives back the room of an object's bytes if the other backend says it has as many; the caller knows that they were
   * uploaded as they are, and that nobody removes the object meanwhile.
   * @param alone runs what must not meet anybody who writes, moves or removes the object; it is short
   * @returns bytes given back; 0 where they stay, or were not here
   */
  async evict(name: string, alone: Alone): Promise<number> {
    const length = await this.#evictable(name);
    if (length === 0 || (await this.#remote.size(name)) !== length) return 0;
    return alone(async () => {
      if ((await this.#evictable(name)) !== length) return 0;
      await replaceByPlaceholder(join(this.#folder, name), length);
      return length;
    });
  }

  /** Length of what is here and may be evicted; 0: nothing. */
  async #evictable(name: string): Promise<number> {
    const start = await whereStanding(() => this.#local.getRange(name, 0, PLACEHOLDER_START_BYTES));
    if (start === undefined || start.length === 0 || looksEvicted(start)) return 0;
    return (await this.#local.size(name)) ?? 0;
  }
}

/**
 * What `read` gives of an object; undefined where there is none, or only its placeholder. That may be replaced by what was
 * fetched after it was read, and before it is looked at: zeros are believed if they are read from a file twice.
 * @param path of its file
 */
export async function whereHere(path: string, read: () => Promise<Buffer>): Promise<Buffer | undefined> {
  for (let isFile = false; ; isFile = true) {
    const bytes = await whereStanding(read);
    if (bytes === undefined || !looksEvicted(bytes)) return bytes;
    if (await isPlaceholder(path)) return undefined;
    if (isFile) return bytes;
  }
}

/** What `read` gives; undefined where there is no such object. */
async function whereStanding<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}
