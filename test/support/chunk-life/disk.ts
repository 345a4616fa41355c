import type { Backend, BackendFigures, Move } from '../../../src/backend/backend.js';
import { CairnError } from '../../../src/core/errors.js';
import type { Random } from '../random.js';
import type { Turns } from './turns.js';

/** A file's bytes. Until they are synced a power cut may leave as many others. */
export interface Content {
  readonly bytes: Buffer;
  synced: boolean;
  /** The disk itself went bad under it. */
  readonly rotten: boolean;
}

interface Place {
  now: Content | undefined;
  /** What may stand there after a power cut: what is durable, and all that came since. */
  possible: (Content | undefined)[];
}

/** Files by name, with what a power cut may do to them. */
export class Disk {
  readonly #places = new Map<string, Place>();

  at(name: string): Content | undefined {
    return this.#places.get(name)?.now;
  }

  names(prefix: string): string[] {
    return [...this.#places].flatMap(([name, { now }]) => (now && name.startsWith(`${prefix}/`) ? [name] : []));
  }

  set(name: string, content: Content | undefined): void {
    const place = this.#places.get(name) ?? { now: undefined, possible: [undefined] };
    place.now = content;
    place.possible.push(content);
    this.#places.set(name, place);
  }

  /** Whether a power cut changes nothing about the name. */
  durable(name: string): boolean {
    const place = this.#places.get(name);
    return place === undefined || (place.possible.length === 1 && place.now?.synced !== false);
  }

  /** As fsync(2) of the folder: what stands there now stands there after a power cut. */
  syncName(name: string): void {
    const place = this.#places.get(name);
    if (place !== undefined) place.possible = [place.now];
  }

  sync(name: string): void {
    const place = this.#places.get(name);
    if (place === undefined) return;
    if (place.now) place.now.synced = true;
    place.possible = [place.now];
  }

  syncAll(): void {
    for (const name of this.#places.keys()) this.sync(name);
  }

  /** The disk goes bad under a file. */
  rot(name: string, random: Random): void {
    const now = this.at(name);
    if (now === undefined) return;
    const bytes = random.below(2) === 0 ? garbled(now.bytes) : now.bytes.subarray(0, 5);
    this.#places.set(name, { now: { bytes, synced: true, rotten: true }, possible: [] });
    this.sync(name);
  }

  /** Of each name one of its possible states is left; bytes that were not synced are whole or not. */
  powerCut(random: Random): void {
    for (const [name, { possible }] of this.#places) {
      const left = random.pick(possible);
      const torn = left !== undefined && !left.synced && random.below(2) === 0;
      const now = torn ? { bytes: garbled(left.bytes), synced: true, rotten: left.rotten } : left;
      this.#places.set(name, { now, possible: [now] });
      this.sync(name);
    }
  }
}

function garbled(bytes: Buffer): Buffer {
  return Buffer.alloc(bytes.length, 0x55);
}

/**
 * The disk as one thread's backend sees it, as `FsBackend` works: a file that replaces another is synced before its
 * rename, and a barrier is about the names this thread has changed, whatever stands there then.
 */
export class DiskBackend implements Backend {
  readonly #disk: Disk;
  readonly #turns: Turns;
  #files = new Set<string>();
  #changed = new Set<string>();
  #failed = false;
  /** One barrier runs at a time, as in `Barrier`; it never rejects. */
  #syncing: Promise<void> = Promise.resolve();

  constructor(disk: Disk, turns: Turns) {
    this.#disk = disk;
    this.#turns = turns;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const content = Buffer.from(bytes);
    await this.#turns.point();
    const replaces = this.replaces(name);
    await this.#turns.point();
    this.#disk.set(name, { bytes: content, synced: replaces, rotten: false });
    this.#files.add(name);
    this.#changed.add(name);
    await this.#turns.point();
  }

  async get(name: string): Promise<Buffer> {
    await this.#turns.point();
    const content = this.#disk.at(name);
    if (content === undefined) throw new CairnError('not-found', `${name} is not there`);
    return Buffer.from(content.bytes);
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    return (await this.get(name)).subarray(offset, offset + length);
  }

  async size(name: string): Promise<number | undefined> {
    await this.#turns.point();
    return this.#disk.at(name)?.bytes.length;
  }

  async touch(name: string): Promise<number | undefined> {
    const size = await this.size(name);
    await this.#turns.point();
    return size;
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    const gone: boolean[] = [];
    for (const name of names) {
      await this.#turns.point();
      gone.push(this.#disk.at(name) !== undefined);
      this.#take(name);
    }
    return gone;
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    const moved: boolean[] = [];
    for (const { from, to } of moves) {
      await this.#turns.point();
      const content = this.#disk.at(from);
      moved.push(content !== undefined);
      if (content === undefined) continue;
      const mine = this.#files.has(from);
      this.#take(from);
      this.#disk.set(to, content);
      this.#changed.add(to);
      if (mine) this.#files.add(to);
    }
    return moved;
  }

  async *list(prefix: string): AsyncIterable<string> {
    for (const name of this.#disk.names(prefix)) {
      await this.#turns.point();
      yield name;
    }
  }

  sync(): Promise<void> {
    const turn = this.#syncing.then(() => this.#sync());
    this.#syncing = turn.catch(() => undefined);
    return turn;
  }

  async syncAll(): Promise<void> {
    this.#disk.syncAll();
  }

  async figures(): Promise<BackendFigures | undefined> {
    return undefined;
  }

  /** Whether a put has to be durable before its rename: then it may take away what is. */
  protected replaces(name: string): boolean {
    return this.#disk.at(name) !== undefined;
  }

  #take(name: string): void {
    this.#files.delete(name);
    if (this.#disk.at(name) !== undefined) this.#disk.set(name, undefined);
    this.#changed.add(name);
  }

  async #sync(): Promise<void> {
    if (this.#failed) throw new CairnError('io', 'An earlier barrier failed');
    const [files, changed] = [this.#files, this.#changed];
    this.#files = new Set();
    this.#changed = new Set();
    await this.#turns.point();
    for (const name of files) {
      if (this.#disk.at(name) !== undefined) continue;
      this.#failed = true;
      throw new CairnError('io', `${name} is gone, and nobody here removed it`);
    }
    for (const name of changed) this.#disk.syncName(name);
    for (const name of files) this.#disk.sync(name);
    await this.#turns.point();
  }
}
