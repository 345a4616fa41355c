import type { Catalog } from '../catalog/open.js';
import type { Log } from '../core/log.js';
import type { LiveStore } from './open-live-store.js';

const TICK_MILLISECONDS = 250;
const BARRIER_MILLISECONDS = 1000;
const BARRIER_BYTES = 64 * 1024 * 1024;
const COMMIT_MILLISECONDS = 5000;
const LOOK_MILLISECONDS = 1000;
const COMMIT_CHANGES = 10_000;
/** Rows of freed extents deleted between two requests' turns (about a microsecond each). */
const FREED_ROWS = 1000;

/**
 * What a live store does by itself while it is open (design §3): a barrier every second or 64 MiB, a commit every 5 s
 * or 10,000 changes, packing, a look at the disk's room every second, and the deletion of freed extents in small steps.
 */
export class Upkeep {
  readonly #store: LiveStore;
  readonly #catalog: Pick<Catalog, 'freedLists' | 'transactions'>;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #sinceBarrier = 0;
  #sinceCommit = 0;
  #sinceLook = 0;
  #looking = false;
  #freeing = false;
  #errorLogged = false;
  #failureLogged = false;
  #refusalLogged = false;

  constructor(store: LiveStore, catalog: Pick<Catalog, 'freedLists' | 'transactions'>, log: Log) {
    this.#store = store;
    this.#catalog = catalog;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => this.#tickOrSay(), TICK_MILLISECONDS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A catalog that cannot be read is no reason to end: the mount serves what it can. */
  #tickOrSay(): void {
    try {
      this.#tick();
      this.#errorLogged = false;
    } catch (error) {
      if (!this.#errorLogged) this.#log.error({ error }, 'Upkeep cannot be done; it is tried again');
      this.#errorLogged = true;
    }
  }

  #tick(): void {
    const { durability, parts, packer } = this.#store;
    if (parts.log.failure !== undefined) {
      this.#reportFailure();
      parts.log.keepReadable();
      return;
    }
    this.#reportRefusal();
    this.#sinceBarrier += TICK_MILLISECONDS;
    this.#sinceCommit += TICK_MILLISECONDS;
    this.#sinceLook += TICK_MILLISECONDS;
    const due = this.#sinceCommit >= COMMIT_MILLISECONDS && parts.log.changesSinceCommit > 0;
    if (due || parts.log.changesSinceCommit >= COMMIT_CHANGES) {
      this.#sinceCommit = 0;
      this.#sinceBarrier = 0;
      durability.commit().catch((error: unknown) => this.#log.error({ error }, 'Changes cannot be committed'));
    } else if (this.#sinceBarrier >= BARRIER_MILLISECONDS || durability.unsyncedBytes >= BARRIER_BYTES) {
      this.#sinceBarrier = 0;
      durability.barrier().catch((error: unknown) => this.#log.error({ error }, 'Changes cannot be made durable'));
    }
    durability.noteQuiet();
    parts.budget.shrunk();
    packer.tick();
    this.#lookAtRoom();
    this.#emptyFreed();
  }

  #lookAtRoom(): void {
    if (this.#looking || this.#sinceLook < LOOK_MILLISECONDS) return;
    this.#sinceLook = 0;
    this.#looking = true;
    void this.#store.parts.room.look().finally(() => {
      this.#looking = false;
    });
  }

  #emptyFreed(): void {
    if (this.#freeing || this.#catalog.transactions.state !== 'open' || !this.#catalog.freedLists.hasAny()) return;
    this.#freeing = true;
    const step = () => {
      if (this.#emptyStep()) setImmediate(step);
      else this.#freeing = false;
    };
    step();
  }

  /** @returns whether there may be more */
  #emptyStep(): boolean {
    if (this.#catalog.transactions.state !== 'open') return false;
    try {
      return this.#catalog.freedLists.empty(FREED_ROWS) === FREED_ROWS;
    } catch (error) {
      this.#log.error({ error }, 'Freed extents cannot be deleted; it is tried again');
      return false;
    }
  }

  #reportFailure(): void {
    if (this.#failureLogged) return;
    this.#failureLogged = true;
    const failure = this.#store.parts.log.failure;
    this.#log.error({ error: failure?.cause }, `The store takes no more changes: ${failure?.reason}`);
  }

  #reportRefusal(): void {
    const { refusal } = this.#store.parts.log;
    if (this.#refusalLogged === (refusal !== undefined)) return;
    this.#refusalLogged = refusal !== undefined;
    if (refusal === undefined) this.#log.info({}, 'The journal can be written again');
    else this.#log.error({ error: refusal }, 'The journal cannot be written: changes are refused');
  }
}
