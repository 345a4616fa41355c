import type { ShardPlaces } from '../catalog/shard-places.js';
import { kindOf } from '../core/errors.js';
import type { ShardChange, ShardNews } from '../core/shard-group.js';
import { discardShards, isNewest, type OpenShards, openShardReader, openShardWriter } from './shard-file.js';

/** So many changes are written in one transaction: the thread answers a mount's requests, too. */
const STEP = 100;
const DELAY_MS = 1000;
const NEXT_STEP_MS = 20;
/** What is heard beyond that is dropped: the next comparison finds it. */
const MOST_WAITING = 50_000;
const BEHIND = 'some of what was put could not be recorded: "cairn repair" counts anew';

/**
 * What one thread hears of where pieces are, on its way to the database in `.cairn/shards`. It is written behind, a second later at most
 * while nothing else writes, and nobody waits for it or fails with it: what is lost on the way, by a crash or because the
 * disk is full, `cairn repair` finds again.
 */
export class ShardRecord {
  readonly #folder: string;
  readonly #waiting: ShardChange[] = [];
  #open: OpenShards | undefined;
  #timer: NodeJS.Timeout | undefined;
  #problem: string | undefined;
  /** When something that was heard could last not be written, seconds since 1970. */
  #lostAt: number | undefined;
  /** Found when it was used: the next who writes begins it anew. */
  #isDamaged = false;
  #closed = false;

  /** Nothing is opened yet. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Why it is behind; undefined where all this thread has heard since the last comparison, by any thread, could be written. */
  problem(): string | undefined {
    if (this.#problem !== undefined || this.#lostAt === undefined) return this.#problem;
    const comparedAt = this.read((places) => places.comparedAt()) ?? 0;
    return comparedAt > this.#lostAt ? undefined : BEHIND;
  }

  note(news: ShardNews): void {
    if (this.#closed) return;
    if (this.#waiting.length >= MOST_WAITING) {
      this.#lostAt = Date.now() / 1000;
      return;
    }
    this.#waiting.push({ ...news, at: Date.now() });
    this.#wake(DELAY_MS);
  }

  /** Writes all that waits, as far as nobody else is writing. */
  flush(): void {
    while (this.#waiting.length > 0 && this.#step() === 'written');
  }

  /** All objects have been compared with what backends have; waits for who is writing. @param now seconds since 1970 */
  compared(now: number): void {
    this.#attempt(() => this.#writer().waitForOthers());
    this.flush();
    this.#attempt(() => this.#writer().setCompared(now));
  }

  /** What `read` gives; undefined where nothing was ever recorded, or it cannot be read. */
  read<T>(read: (places: ShardPlaces) => T): T | undefined {
    let result: T | undefined;
    if (this.#waiting.length > 0) this.#step();
    this.#attempt(() => {
      if (this.#open !== undefined && isNewest(this.#open, this.#folder)) {
        result = read(this.#open.places);
        return;
      }
      const places = openShardReader(this.#folder);
      try {
        result = places && read(places);
      } finally {
        places?.close();
      }
    });
    return result;
  }

  /** Writes what waits, if that is possible at once, and closes. */
  close(): void {
    if (this.#closed) return;
    if (this.#waiting.length > 0) this.#attempt(() => this.#writer().waitForOthers());
    this.flush();
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#open?.places.close();
  }

  #wake(delayMs: number): void {
    if (this.#timer !== undefined) return;
    // Nobody's process lives for it.
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const done = this.#step();
      if (this.#waiting.length > 0) this.#wake(done === 'written' ? NEXT_STEP_MS : DELAY_MS);
    }, delayMs).unref();
  }

  #step(): 'written' | 'dropped' | 'busy' {
    const changes = this.#waiting.slice(0, STEP);
    const done = this.#attempt(() => this.#writer().apply(changes));
    if (done !== 'busy') this.#waiting.splice(0, changes.length);
    if (done === 'dropped') this.#lostAt = Date.now() / 1000;
    return done;
  }

  #writer(): ShardPlaces {
    const open = this.#open;
    const isOurs = open !== undefined && isNewest(open, this.#folder);
    if (isOurs && !this.#isDamaged) return open.places;
    this.#open = undefined;
    open?.places.close();
    if (isOurs) discardShards(this.#folder);
    this.#isDamaged = false;
    this.#open = openShardWriter(this.#folder);
    return this.#open.places;
  }

  #attempt(work: () => void): 'written' | 'dropped' | 'busy' {
    try {
      work();
      this.#problem = undefined;
      return 'written';
    } catch (error) {
      if (kindOf(error) === 'busy') return 'busy';
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#isDamaged = kindOf(error) === 'corrupt';
      return 'dropped';
    }
  }
}
