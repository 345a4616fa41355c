import { KeyedLocks } from '../backend/spread/keyed-locks.js';
import { type BackendsChange, changeBackends } from './change-backends.js';
import { readConfig } from './config.js';
import type { SpreadPlaces } from './object-store.js';
import type { DatastorePaths } from './paths.js';

/** What of an open datastore is needed to change its backends. */
export interface ChangedParts {
  readonly paths: DatastorePaths;
  /** Undefined where there are not several backends. */
  readonly spread: SpreadPlaces | undefined;
}

const ALL = '';
/** What may leave chunks as an earlier redundancy had them. */
const CONVERSIONS: ReadonlySet<BackendsChange['kind']> = new Set(['redundancy', 'group-redundancy']);

/** Changes the backends of a datastore that is open, which goes by each change. Who has it open has one of these. */
export class BackendsChanger {
  readonly #parts: ChangedParts;
  readonly #turns = new KeyedLocks();
  #conversion = 0;

  constructor(parts: ChangedParts) {
    this.#parts = parts;
  }

  /** Makes a change after those that were asked for before. @throws {CairnError} as `changeBackends` */
  change(change: BackendsChange): Promise<void> {
    return this.#turns.run(ALL, () => this.#make(change));
  }

  /** Which conversion is under way: for `endConversion`, and read before anything is converted. */
  get conversion(): number {
    return this.#conversion;
  }

  /**
   * Every chunk was found to be as the redundancy has it: the conversion is over, unless another began meanwhile.
   * @throws {CairnError} as `changeBackends`
   */
  endConversion(conversion: number): Promise<void> {
    return this.#turns.run(ALL, async () => {
      if (conversion !== this.#conversion || readConfig(this.#parts.paths).converting !== true) return;
      await this.#make({ kind: 'converted' });
    });
  }

  async #make(change: BackendsChange): Promise<void> {
    const { paths, spread } = this.#parts;
    // What was put on a backend that goes has to be durable where it was put besides.
    if (change.kind === 'remove') await spread?.spread.sync();
    try {
      await changeBackends(paths, change, async (config) => spread?.reconfigure(config));
    } finally {
      // Also where it failed, since the config may be in its place.
      if (CONVERSIONS.has(change.kind)) this.#conversion += 1;
    }
  }
}
