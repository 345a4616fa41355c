import type { Change } from '../catalog/change.js';
import { CairnError, isOutOfRoom } from '../core/errors.js';
import type { Log } from '../core/log.js';

/** Space set aside for the time when the disk is full. */
export interface Reserve {
  /** Whether it is set aside. */
  readonly kept: boolean;
  /** Blocks for a moment. @returns whether there is more room now */
  giveUp(): boolean;
  /** Whether there is no room beside it for a little file, by quota or disk; blocks. */
  isCrowded(): boolean;
  /** @returns whether it is set aside now; false where there is not the room */
  remake(): Promise<boolean>;
}

/** Makes room by deleting what is kept for convenience only. @returns whether it found anything */
export type Relief = () => Promise<boolean>;

/** The disk's room as far as it can be told in advance. */
export interface RoomSources {
  readonly reserve: Reserve;
  /** Bytes that can still be written. */
  availableBytes(): Promise<number>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/** With less room than this a commit is not tried without the reserve: SQLite may roll back one that fails. */
const COMMIT_BYTES = 24 * 1024 * 1024;
/** With less room than this relief is called for before anything fails. */
const LOW_BYTES = 128 * 1024 * 1024;

/** What a change does to the room there is. */
export type RoomUse = 'grows' | 'neutral' | 'frees';

/**
 * What happens when the disk is full (design §3). Deleting, forgetting, collecting and committing get the reserve; as long as
 * that is given up nothing new is taken, else it would be gone for nothing. Before that, relief (the quarantine) is used up.
 * One thread uses it.
 */
export class Room {
  readonly #sources: RoomSources;
  #relief: Relief | undefined;
  #relieving: Promise<boolean> | undefined;
  #remakeFailed = false;

  constructor(sources: RoomSources) {
    this.#sources = sources;
  }

  /** Whether nothing new is taken: the reserve is given up, and no relief is under way that may bring it back. */
  get scarce(): boolean {
    return !this.#sources.reserve.kept && this.#relieving === undefined;
  }

  /** Who can make room. */
  relieveWith(relief: Relief): void {
    this.#relief = relief;
  }

  /** @throws {CairnError} `no-space` while the reserve is given up */
  requireMore(): void {
    if (this.scarce) throw new CairnError('no-space', 'The disk is full, and only what frees space is taken');
  }

  /** Looks first whether there is room again, or relief can make some. @throws {CairnError} as `requireMore` */
  async requireSoon(): Promise<void> {
    await this.remake();
    if (!this.#sources.reserve.kept) await this.relieve();
    this.requireMore();
  }

  /** Gives the reserve up, for something that has to be written. @returns whether there is more room now */
  giveUp(why: string): boolean {
    if (!this.#sources.reserve.giveUp()) return false;
    this.#sources.log.warn({ why }, 'The disk is full: the reserve is given up, and nothing new is taken');
    // It may have to wait for the commit that asked.
    if (this.#relief !== undefined) void this.relieve();
    return true;
  }

  /** Whether the disk, or a quota, takes nothing more; blocks. For errors that do not tell. */
  isUsedUp(): boolean {
    return this.#sources.reserve.isCrowded();
  }

  /** To be called before a commit, which must not fail. */
  async prepareCommit(): Promise<void> {
    if (!this.#sources.reserve.kept) return;
    const available = await this.#sources.availableBytes().catch(() => Number.POSITIVE_INFINITY);
    if (available < COMMIT_BYTES) this.giveUp('a commit');
  }

  /**
   * Does something that takes room, again for as long as relief makes room for it.
   * @throws {CairnError} what `work` gives; `no-space` while the reserve is given up
   */
  async storing<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        await this.requireSoon();
        return await work();
      } catch (error) {
        if (!isOutOfRoom(error) || !(await this.relieve())) throw error;
      }
    }
  }

  /** Uses relief, once at a time. @returns whether there is more room than before; never throws */
  relieve(): Promise<boolean> {
    this.#relieving ??= this.#relieve().finally(() => {
      this.#relieving = undefined;
    });
    return this.#relieving;
  }

  /** To be called every second or so: gets ahead of a full disk, and sets the reserve aside when there is room again. */
  async look(): Promise<void> {
    const available = await this.#sources.availableBytes().catch(() => Number.POSITIVE_INFINITY);
    if (available < LOW_BYTES) await this.relieve();
    await this.remake();
  }

  /** Sets the reserve aside again where there is room. */
  async remake(): Promise<void> {
    const { reserve, log } = this.#sources;
    if (reserve.kept) return;
    try {
      if (await reserve.remake()) log.info({}, 'There is room again: the reserve is set aside');
      this.#remakeFailed = false;
    } catch (error) {
      if (!this.#remakeFailed) log.warn({ error }, 'The reserve cannot be set aside; it is tried again');
      this.#remakeFailed = true;
    }
  }

  async #relieve(): Promise<boolean> {
    try {
      if (this.#relief === undefined || !(await this.#relief())) return false;
    } catch (error) {
      this.#sources.log.warn({ error }, 'No room can be made on the full disk');
      return false;
    }
    await this.remake();
    return true;
  }
}

/** @param bodyBytes bytes the change brings into the journal */
export function roomUseOf(change: Change, bodyBytes: number): RoomUse {
  switch (change.kind) {
    case 'create':
    case 'link':
    case 'clone':
    case 'set-xattr':
    case 'create-group':
      return 'grows';
    case 'content':
      if (bodyBytes > 0) return 'grows';
      return change.extents.length === 0 && change.ifVersion === undefined ? 'frees' : 'neutral';
    case 'attributes':
    case 'place-tree':
      return 'neutral';
    default:
      return 'frees';
  }
}
