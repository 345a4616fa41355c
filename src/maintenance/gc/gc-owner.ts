import type { Catalog } from '../../catalog/open.js';
import type { CatalogChunkStates } from '../../content/catalog-chunk-states.js';
import type { ChangeLog } from '../../content/change-log.js';
import type { Durability } from '../../content/durability.js';
import type { Packer } from '../../content/packing/packer.js';
import { digestHex } from '../../core/digest.js';
import type { AskHandlers } from '../job/job-owner.js';
import type { GcAsks, Load, PackedDigests, ReadIndex } from './gc-protocol.js';
import { recordIndex } from './index-recorder.js';
import { unpackDigests } from './packed-digests.js';

/** Rows written between two turns of the mount's requests. */
const ROWS_PER_TURN = 250;
/** With so many requests the mount has no time to spare. */
const BUSY_REQUESTS_PER_SECOND = 500;

/** What a collection's owner writes with. */
export interface GcOwnerParts {
  readonly catalog: Pick<Catalog, 'pieces' | 'indexFiles' | 'freedLists'>;
  readonly states: Pick<CatalogChunkStates, 'write' | 'commit'>;
  readonly log: Pick<ChangeLog, 'requireWorking' | 'backgroundTurn'>;
  readonly durability: Pick<Durability, 'commit' | 'commitWith'>;
  readonly packer: Pick<Packer, 'repack'>;
  /** How many requests the mount has had so far. */
  requests(): number;
}

/** Does for a collection's job what only the catalog's writer may, in turns with the mount's requests. */
export class GcOwner {
  readonly handlers: AskHandlers<GcAsks>;
  readonly #parts: GcOwnerParts;
  #endMoment: () => void = () => undefined;
  #avoided = new Set<string>();
  #asked: { readonly at: number; readonly requests: number };

  constructor(parts: GcOwnerParts) {
    this.#parts = parts;
    this.#asked = { at: performance.now(), requests: parts.requests() };
    this.handlers = {
      settle: () => this.#settle(),
      'begin-moment': () => this.#beginMoment(),
      'end-moment': () => {
        this.close();
        return null;
      },
      load: () => this.#load(),
      'write-states': ({ digests, to }) => done(this.#parts.states.write(unpackDigests(digests), to)),
      'commit-states': () => done(this.#parts.states.commit()),
      'begin-repack': (packs) => {
        this.#avoided = new Set(unpackDigests(packs).map(digestHex));
        return null;
      },
      repack: (inos) => this.#parts.packer.repack(inos, (pack) => this.#avoided.has(digestHex(pack))),
      'record-index': (index) => this.#recordIndex(index),
      'drop-indexes': (paths) => this.#dropIndexes(paths),
      'drop-pieces': (contents) => this.#dropPieces(contents),
    };
  }

  /** The job has ended, wherever it was. */
  close(): void {
    this.#endMoment();
    this.#endMoment = () => undefined;
  }

  async #settle(): Promise<null> {
    const { freedLists } = this.#parts.catalog;
    while (freedLists.hasAny()) {
      await this.#turn();
      freedLists.empty(ROWS_PER_TURN);
    }
    await this.#parts.durability.commit();
    return null;
  }

  /** Resolves when the commit has returned; the next one waits for `end-moment`. */
  #beginMoment(): Promise<null> {
    return new Promise((resolve, reject) => {
      const after = (): Promise<void> =>
        new Promise((end) => {
          this.#endMoment = end;
          resolve(null);
        });
      this.#parts.durability.commitWith({ before: () => undefined, after }).catch(reject);
    });
  }

  #load(): Load {
    const now = { at: performance.now(), requests: this.#parts.requests() };
    const seconds = Math.max(0.001, (now.at - this.#asked.at) / 1000);
    const perSecond = (now.requests - this.#asked.requests) / seconds;
    this.#asked = now;
    return { busy: Math.min(1, perSecond / BUSY_REQUESTS_PER_SECOND) };
  }

  async #recordIndex(index: ReadIndex): Promise<null> {
    await recordIndex(this.#parts.catalog, index, () => this.#turn());
    return null;
  }

  async #dropIndexes(paths: readonly string[]): Promise<null> {
    await this.#inTurns(paths, (path) => this.#parts.catalog.indexFiles.remove(path));
    return null;
  }

  async #dropPieces(contents: PackedDigests): Promise<null> {
    await this.#inTurns(unpackDigests(contents), (content) => this.#parts.catalog.pieces.removeLost([content]));
    return null;
  }

  async #inTurns<T>(items: readonly T[], write: (item: T) => void): Promise<void> {
    for (const [index, item] of items.entries()) {
      if (index % ROWS_PER_TURN === 0) await this.#turn();
      write(item);
    }
  }

  /** Lets the mount answer what has come in, and commits come to their end. */
  async #turn(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    await this.#parts.log.backgroundTurn();
    this.#parts.log.requireWorking();
  }
}

async function done(work: Promise<void>): Promise<null> {
  await work;
  return null;
}
