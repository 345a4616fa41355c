import { CairnError, isOutOfRoom, kindOf } from '../../core/errors.js';
import type { Backend, BackendFigures } from '../backend.js';
import type { FileBatch } from '../file-batch.js';
import { MARK_NAME, type MemberMark, parseMark } from './mark.js';

/** How a member is to be used; may be changed at any time. */
export interface MemberSettings {
  readonly id: string;
  /** Its share of the objects among members of all weights; above 0. */
  readonly weight: number;
  /** Nothing new is put on it. */
  readonly readOnly: boolean;
  /** What it has is to go elsewhere; nothing new is put on it. */
  readonly draining: boolean;
  /** Room that is left free. */
  readonly minFreeBytes: number;
}

/** One of the stores objects are spread over. */
export interface MemberPlace {
  readonly settings: MemberSettings;
  /** Opens the store anew; nothing is asked of it. */
  open(): Backend;
}

/** How a member is doing, for people. */
export interface MemberHealth {
  readonly id: string;
  readonly failing: boolean;
  /** Why, or what is wrong with the last thing that was asked. */
  readonly reason: string | undefined;
}

/** What was done on a member by this process's thread, since it was opened. Pieces, and bytes with their headers. */
export interface MemberCounters {
  readonly piecesWritten: number;
  readonly bytesWritten: number;
  readonly piecesRead: number;
  readonly bytesRead: number;
  /** What failed for another reason than that something is absent. */
  readonly errors: number;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** So long figures count. What was put since is taken from them. */
const FIGURES_MS = 3000;
/** Kinds that say something of what was asked for, nothing of the store. */
const ORDINARY: ReadonlySet<string> = new Set(['not-found', 'invalid', 'no-space', 'quota-exceeded']);

/**
 * A member and how it is doing. One that fails is left alone for a while, then opened and looked at anew: only the store
 * with this member's mark is taken for it, so no other disk and no empty mountpoint.
 */
export class Member {
  settings: MemberSettings;
  readonly #place: MemberPlace;
  readonly #mark: MemberMark;
  readonly #now: () => number;
  #backend: Backend;
  #identified: Promise<void> | undefined;
  #failure: CairnError | undefined;
  #failingUntil = 0;
  #pauseMs = 0;
  #epoch = 0;
  #figures: { readonly room: Promise<BackendFigures | undefined>; readonly at: number } | undefined;
  #putBytes = 0;
  #fullUntil = 0;
  readonly #counters = { piecesWritten: 0, bytesWritten: 0, piecesRead: 0, bytesRead: 0, errors: 0 };
  #lastRoom: BackendFigures | undefined;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(place: MemberPlace, datastore: string, now: () => number) {
    this.settings = place.settings;
    this.#place = place;
    this.#mark = { datastore, member: place.settings.id };
    this.#now = now;
    this.#backend = place.open();
  }

  /** Rises when the member was lost sight of: what was put before and not synced may be lost there. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether there is a point in asking. */
  get available(): boolean {
    return this.#now() >= this.#failingUntil;
  }

  get health(): MemberHealth {
    return { id: this.settings.id, failing: this.#failure !== undefined, reason: this.#failure?.message };
  }

  get counters(): MemberCounters {
    return this.#counters;
  }

  /**
   * Asks the store. What does not answer, or is not this member, is failing from then on.
   * @throws {CairnError} the store's; `unreachable` where it is failing
   */
  async ask<T>(work: (backend: Backend) => Promise<T>): Promise<T> {
    if (!this.available) throw this.#failure ?? this.#unreachable('it is failing');
    await this.#identify();
    const epoch = this.#epoch;
    try {
      return await work(this.#backend);
    } catch (error) {
      if (kindOf(error) !== 'not-found' && kindOf(error) !== 'invalid') this.#counters.errors += 1;
      if (isOutOfRoom(error)) this.#fullUntil = this.#now() + FIGURES_MS;
      else if (!ORDINARY.has(kindOf(error)) && epoch === this.#epoch) await this.#lookAfter(error);
      throw error;
    }
  }

  /**
   * Like `ask`, where undefined says that something is absent: which the store is believed only while it has its mark.
   * @param proof `believed` where nothing depends on it
   * @throws {CairnError} as `ask`
   */
  async find<T>(
    work: (backend: Backend) => Promise<T | undefined>,
    proof: 'proven' | 'believed' = 'proven',
  ): Promise<T | undefined> {
    const found = await this.ask((backend) => whereFound(() => work(backend)));
    if (found === undefined && proof === 'proven') await this.prove();
    return found;
  }

  /** @throws {CairnError} `unreachable` where the store is not there any more, though what is in its place answers */
  async prove(): Promise<void> {
    if ((await this.ask((backend) => backend.size(MARK_NAME))) !== undefined) return;
    const failure = this.#unreachable('its mark has gone; is the disk mounted?');
    this.#fail(failure);
    throw failure;
  }

  /** Whether the store, as far as it is believed, has nothing under the name; false also where it has to be asked by itself. */
  lacks(name: string, batch: FileBatch): Promise<boolean> {
    return this.ask(async (backend) => (await backend.localFiles?.together(batch).lacks(name)) ?? false);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.ask((backend) => backend.put(name, bytes));
    this.#countPut(bytes.length);
  }

  /** Puts runs of bytes as one object where nothing is under the name, as far as known; together with others' puts. */
  async putNew(name: string, parts: readonly Uint8Array[], batch: FileBatch): Promise<void> {
    await this.ask((backend) => {
      const together = backend.localFiles?.together(batch);
      return together === undefined ? backend.put(name, Buffer.concat(parts)) : together.put(name, parts);
    });
    this.#countPut(parts.reduce((sum, part) => sum + part.length, 0));
  }

  /** The object under a name, undefined where it is proven that there is none. @throws {CairnError} as `ask` */
  async get(name: string): Promise<Buffer | undefined> {
    const bytes = await this.find((backend) => backend.get(name));
    if (bytes === undefined) return undefined;
    this.#counters.piecesRead += 1;
    this.#counters.bytesRead += bytes.length;
    return bytes;
  }

  /** A barrier. @throws {CairnError} what was put since the last one may be lost; the member is failing */
  async sync(all = false): Promise<void> {
    try {
      await this.ask((backend) => (all ? backend.syncAll() : backend.sync()));
      await this.prove();
    } catch (error) {
      // A failed barrier is the last of an open store, and what it did not write is gone.
      this.#fail(asFailure(error));
      throw error;
    }
  }

  /** Whether something of this length may be put, as far as settings and figures tell. */
  async takes(bytes: number): Promise<'yes' | 'full' | 'no'> {
    if (this.settings.readOnly || this.settings.draining) return 'no';
    if (!this.available) return 'no';
    if (this.#now() < this.#fullUntil) return 'full';
    try {
      const room = await this.figures();
      if (room === undefined) return 'yes';
      return room.availableBytes - this.#putBytes - bytes >= this.settings.minFreeBytes ? 'yes' : 'full';
    } catch {
      return 'no';
    }
  }

  /** Its room, not older than a few seconds; undefined where there is no limit. @throws {CairnError} */
  figures(): Promise<BackendFigures | undefined> {
    if (this.#figures === undefined || this.#now() >= this.#figures.at + FIGURES_MS) {
      this.#putBytes = 0;
      const room = this.ask((backend) => backend.figures());
      room.then(
        (figures) => {
          this.#lastRoom = figures;
        },
        () => {
          this.#figures = undefined;
        },
      );
      this.#figures = { room, at: this.#now() };
    }
    return this.#figures.room;
  }

  /** Its room as last heard, for who cannot wait; it is asked anew for the next time. */
  lastFigures(): BackendFigures | undefined {
    this.figures().catch(() => undefined);
    return this.#lastRoom;
  }

  #countPut(bytes: number): void {
    this.#putBytes += bytes;
    this.#counters.piecesWritten += 1;
    this.#counters.bytesWritten += bytes;
  }

  #identify(): Promise<void> {
    this.#identified ??= this.#readMark();
    return this.#identified;
  }

  async #readMark(): Promise<void> {
    try {
      const mark = parseMark(await this.#backend.get(MARK_NAME));
      if (mark === undefined || mark.datastore !== this.#mark.datastore || mark.member !== this.#mark.member) {
        throw this.#unreachable('what is in its place belongs to another member or datastore');
      }
      this.#failure = undefined;
      this.#pauseMs = 0;
    } catch (error) {
      const missing = kindOf(error) === 'not-found';
      const failure = missing ? this.#unreachable('there is no mark of it; is the disk mounted?') : asFailure(error);
      this.#fail(failure);
      throw failure;
    }
  }

  /** After an error: does the store answer at all? */
  async #lookAfter(error: unknown): Promise<void> {
    const epoch = this.#epoch;
    try {
      if (kindOf(error) !== 'unreachable' && (await this.#backend.size(MARK_NAME)) !== undefined) return;
    } catch {
      // As good as no answer.
    }
    if (epoch === this.#epoch) this.#fail(asFailure(error));
  }

  #fail(failure: CairnError): void {
    this.#failure = failure;
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.#failingUntil = this.#now() + this.#pauseMs;
    this.#epoch += 1;
    this.#identified = undefined;
    this.#figures = undefined;
    this.#backend = this.#place.open();
  }

  #unreachable(why: string): CairnError {
    return new CairnError('unreachable', `Backend ${this.settings.id}: ${why}`);
  }
}

/** What `work` gives; undefined where it says not-found. */
async function whereFound<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}

function asFailure(error: unknown): CairnError {
  if (error instanceof CairnError) return error;
  return new CairnError('io', error instanceof Error ? error.message : String(error), { cause: error });
}
