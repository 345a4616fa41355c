import { KeyedLocks } from '../backend/spread/keyed-locks.js';
import { type BackendsChange, changeBackends } from './change-backends.js';
import type { SpreadPlaces } from './object-store.js';
import type { DatastorePaths } from './paths.js';

/** What of an open datastore is needed to change its backends. */
export interface ChangedParts {
  readonly paths: DatastorePaths;
  /** Undefined where there are not several backends. */
  readonly spread: SpreadPlaces | undefined;
}

const ALL = '';

/** Changes the backends of a datastore that is open, which goes by each change. Who has it open has one of these. */
export class BackendsChanger {
  readonly #parts: ChangedParts;
  readonly #turns = new KeyedLocks();

  constructor(parts: ChangedParts) {
    this.#parts = parts;
  }

  /** Makes a change after those that were asked for before. @throws {CairnError} as `changeBackends` */
  change(change: BackendsChange): Promise<void> {
    return this.#turns.run(ALL, () => this.#make(change));
  }

  async #make(change: BackendsChange): Promise<void> {
    const { paths, spread } = this.#parts;
    // What was put on a backend that goes has to be durable where it was put besides.
    if (change.kind === 'remove') await spread?.spread.sync();
    await changeBackends(paths, change, async (config) => spread?.reconfigure(config));
  }
}
