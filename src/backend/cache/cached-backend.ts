import { join } from 'node:path';
import { putFile } from '../../native/files.js';
import type { Backend, BackendFigures, Move } from '../backend.js';
import { FsBackend } from '../fs/fs-backend.js';
import { temporaryName } from '../names.js';
import { FetchedObjects } from './fetched-objects.js';
import { isPlaceholder } from './placeholder.js';
import { Transfers, whereHere } from './transfers.js';

const FILE_MODE = 0o644;

/** The other backend is not this one's alone: objects are taken away and moved here only. */
export interface SharedWithOthers {
  /** Where the other backend has what is under a name here. */
  nameThere(name: string): string;
}

/**
 * A local folder in front of another backend (README.md). What is put is as durable as in the folder alone and goes to the
 * other one with `transfers`; what is there may be evicted and is fetched when it is read. The folder has a file for every
 * object, so lengths, listings and times are local; one that is missing is looked for in the other backend.
 */
export class CachedBackend implements Backend {
  /** What brings objects to and fro, when somebody says so. */
  readonly transfers: Transfers;
  readonly readAheadBytes = 24 * 1024 * 1024;
  readonly #folder: string;
  readonly #local: FsBackend;
  readonly #remote: Backend;
  readonly #fetched = new FetchedObjects((name, bytes) => this.#keep(name, bytes));
  readonly #shared: SharedWithOthers | undefined;

  /** @param folder absolute path; it must exist */
  constructor(folder: string, remote: Backend, shared?: SharedWithOthers) {
    this.#folder = folder;
    this.#local = new FsBackend(folder);
    this.#remote = remote;
    this.#shared = shared;
    this.transfers = new Transfers(folder, this.#local, remote);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#fetched.settled([name]);
    await this.#local.put(name, bytes);
  }

  async get(name: string): Promise<Buffer> {
    const bytes = await whereHere(join(this.#folder, name), () => this.#local.get(name));
    if (bytes !== undefined) return bytes;
    const coming = this.#fetched.find(name);
    if (coming !== undefined) return coming;
    const fetched = await this.#remote.get(this.#nameThere(name));
    await this.#fetched.add(name, fetched);
    return fetched;
  }

  async getElsewhere(name: string): Promise<Buffer> {
    const fetched = await this.#remote.get(this.#nameThere(name));
    await this.#keep(name, fetched);
    return fetched;
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    const here = await whereHere(join(this.#folder, name), () => this.#local.getRange(name, offset, length));
    return here ?? this.#remote.getRange(this.#nameThere(name), offset, length);
  }

  async size(name: string): Promise<number | undefined> {
    return (await this.#local.size(name)) ?? this.#remote.size(this.#nameThere(name));
  }

  /** Of what others may take away only bytes that are here count: whoever has them at hand puts them here. */
  async touch(name: string): Promise<number | undefined> {
    const length = await this.#local.touch(name);
    if (this.#shared === undefined) return length ?? this.#remote.touch(name);
    return length !== undefined && (await isPlaceholder(join(this.#folder, name))) ? undefined : length;
  }

  /** The other backend first: as long as a file stands here, a collector finds it and tries again. */
  async removeAll(names: readonly string[]): Promise<boolean[]> {
    await this.#fetched.settled(names);
    if (this.#shared !== undefined) return this.#local.removeAll(names);
    const there = await this.#remote.removeAll(names);
    const here = await this.#local.removeAll(names);
    return here.map((was, index) => was || there[index] === true);
  }

  /** In the same order as `removeAll`. */
  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    await this.#fetched.settled(moves.map(({ from }) => from));
    if (this.#shared !== undefined) return this.#local.moveAll(moves);
    const there = await this.#remote.moveAll(moves);
    const here = await this.#local.moveAll(moves);
    return here.map((was, index) => was || there[index] === true);
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#local.list(prefix);
  }

  async sync(): Promise<void> {
    await this.#fetched.settled('all');
    await this.#local.sync();
  }

  syncAll(): Promise<void> {
    return this.#local.syncAll();
  }

  figures(): Promise<BackendFigures> {
    return this.#local.figures();
  }

  #nameThere(name: string): string {
    return this.#shared?.nameThere(name) ?? name;
  }

  /**
   * Synced before it takes the placeholder's place: after a power cut nobody could tell it from a damaged object. Without
   * room it is just not kept.
   */
  async #keep(name: string, bytes: Buffer): Promise<void> {
    const path = join(this.#folder, name);
    await putFile(path, temporaryName(path), bytes, { mode: FILE_MODE, sync: true }).catch(() => undefined);
  }
}
