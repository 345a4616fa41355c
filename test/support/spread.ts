import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend, BackendFigures, Move } from '../../src/backend/backend.js';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { markMember } from '../../src/backend/spread/mark.js';
import type { MemberSettings } from '../../src/backend/spread/member.js';
import { SpreadBackend, type SpreadOptions } from '../../src/backend/spread/spread-backend.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { parseRedundancy } from '../../src/core/redundancy.js';

export const DATASTORE = '6f1c6b0e-3f0e-4a86-9c55-0d5f8ac0c001';

/** What is to be different from the usual. */
export type SpreadChange = Partial<Omit<SpreadOptions, 'members' | 'redundancy'>>;

/** A spread backend over folders `0`, `1` … of `folder`, and the names of those. */
export async function spreadOverFolders(
  folder: string,
  count: number,
  redundancy: string,
  change: SpreadChange = {},
  state: 'made' | 'as they are' = 'made',
): Promise<{ backend: SpreadBackend; folders: string[] }> {
  const folders = Array.from({ length: count }, (_, at) => join(folder, `${at}`));
  const members = folders.map((path, at) => ({
    settings: memberSettings(`d${at}`),
    open: () => new FsBackend(path, ['.chunks']),
  }));
  for (const [at, path] of state === 'made' ? folders.entries() : []) {
    mkdirSync(join(path, '.chunks'), { recursive: true });
    await markMember(new FsBackend(path), { datastore: DATASTORE, member: `d${at}` }, path);
  }
  const options = { datastore: DATASTORE, members, redundancy: parseRedundancy(redundancy), ...change };
  return { backend: new SpreadBackend(options), folders };
}

/** Members in memory that can be made to fail, and what is spread over them. */
export class MemorySpread {
  readonly stores: FaultyMember[];
  readonly settings: MemberSettings[];
  readonly backend: SpreadBackend;
  /** Milliseconds; moved by tests. */
  now = 1_000_000;

  private constructor(stores: FaultyMember[], redundancy: string, change: SpreadChange) {
    this.stores = stores;
    this.settings = stores.map((_, at) => memberSettings(`d${at}`));
    this.backend = this.reopen(redundancy, {}, change);
  }

  static async open(
    count: number,
    redundancy: string,
    { capacityBytes, ...change }: SpreadChange & { capacityBytes?: number } = {},
  ): Promise<MemorySpread> {
    const stores = Array.from({ length: count }, () => new FaultyMember(new MemoryBackend(capacityBytes)));
    for (const [at, store] of stores.entries()) {
      await markMember(store, { datastore: DATASTORE, member: `d${at}` }, `d${at}`);
    }
    return new MemorySpread(stores, redundancy, change);
  }

  /** Another backend over the same members, some of them with other settings. */
  reopen(
    redundancy: string,
    settings: Readonly<Record<string, Partial<MemberSettings>>> = {},
    change: SpreadChange = {},
  ): SpreadBackend {
    const members = this.stores.map((store, at) => ({
      settings: { ...(this.settings[at] as MemberSettings), ...settings[`d${at}`] },
      open: () => store,
    }));
    const now = () => this.now;
    return new SpreadBackend({
      datastore: DATASTORE,
      members,
      redundancy: parseRedundancy(redundancy),
      now,
      ...change,
    });
  }

  /** Members that have something under the name. */
  async holders(name: string): Promise<number[]> {
    const sizes = await Promise.all(this.stores.map((store) => store.real.size(name)));
    return sizes.flatMap((size, at) => (size === undefined ? [] : [at]));
  }
}

/** A member that fails while it is told so. */
export class FaultyMember implements Backend {
  readonly real: MemoryBackend;
  /** What calls fail with; `writes`: only those that change something. */
  failure: { readonly kind: ErrorKind; readonly writes?: boolean } | undefined;
  /** What barriers fail with. */
  barrierFailure: ErrorKind | undefined;
  /** Names that were read. */
  readonly reads: string[] = [];

  constructor(real: MemoryBackend) {
    this.real = real;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#check('change');
    return this.real.put(name, bytes);
  }

  async get(name: string): Promise<Buffer> {
    this.#check('read');
    this.reads.push(name);
    return this.real.get(name);
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    this.#check('read');
    this.reads.push(name);
    return this.real.getRange(name, offset, length);
  }

  async size(name: string): Promise<number | undefined> {
    this.#check('read');
    return this.real.size(name);
  }

  async touch(name: string): Promise<number | undefined> {
    this.#check('change');
    return this.real.touch(name);
  }

  async removeAll(names: readonly string[]): Promise<boolean[]> {
    this.#check('change');
    return this.real.removeAll(names);
  }

  async moveAll(moves: readonly Move[]): Promise<boolean[]> {
    this.#check('change');
    return this.real.moveAll(moves);
  }

  async *list(prefix: string): AsyncIterable<string> {
    this.#check('read');
    yield* this.real.list(prefix);
  }

  async sync(): Promise<void> {
    if (this.barrierFailure !== undefined) throw new CairnError(this.barrierFailure, 'made to fail');
    this.#check('change');
  }

  async syncAll(): Promise<void> {
    return this.sync();
  }

  async figures(): Promise<BackendFigures> {
    this.#check('read');
    return this.real.figures();
  }

  #check(what: 'read' | 'change'): void {
    if (this.failure === undefined || (this.failure.writes === true && what === 'read')) return;
    throw new CairnError(this.failure.kind, 'made to fail');
  }
}

function memberSettings(id: string): MemberSettings {
  return { id, weight: 1, readOnly: false, draining: false, minFreeBytes: 0 };
}
