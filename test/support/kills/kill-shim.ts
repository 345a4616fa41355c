import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { compiledLibrary } from '../compiled-program.js';

// The layout of `struct control` in test/crash/shim/kill-at.c.
const NAME_BYTES = 120;
const WAITING_FILE_BYTES = 256;
const LEAST_DIRTY_AT = 16;
const WAITING_FILE_AT = 24;
const KILLED_AT = WAITING_FILE_AT + WAITING_FILE_BYTES;
const HIT_AT = KILLED_AT + 16;
const WRITTEN_AT = HIT_AT + NAME_BYTES;
const POINT_COUNT_AT = WRITTEN_AT + 16;
const POINTS_AT = POINT_COUNT_AT + 8;
const POINT_BYTES = NAME_BYTES + 8;
const MAX_POINTS = 500;
const TOTAL_BYTES = POINTS_AT + MAX_POINTS * POINT_BYTES;

/** When the daemon dies: just before the call, when half of what it writes is written, or just after the call. */
export const MOMENTS = ['before', 'halfway', 'after'] as const;

/** Where a daemon is to be killed. */
export interface KillOrder {
  /** At which failpoints not; at any other. */
  readonly spent: ReadonlySet<string>;
  readonly moment: (typeof MOMENTS)[number];
  /** How many calls of others are to pass first. */
  readonly passing: number;
  /** Only while so many bytes in the journal and in chunk files were not synced. */
  readonly leastDirtyBytes: number;
  /** Only while a request waits for its answer, as this file of the kernel tells (`waitingFile`). */
  readonly waitingFile?: string;
}

/** A kill as the daemon's last act told of it. */
export interface Kill {
  readonly failpoint: string;
  readonly dirtyBytes: number;
  readonly waitingRequests: number;
}

/**
 * Kills a daemon at a chosen change of its datastore, and counts those: the test's end of the shared file of
 * test/crash/shim. For one daemon after the other.
 */
export class KillShim {
  /** For a daemon that is to be killed. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: number;

  /**
   * @param folder where the shared file is to lie
   * @param store the datastore's real path
   */
  constructor(folder: string, store: string) {
    const path = join(folder, 'kill-control');
    this.#file = openSync(path, 'w+');
    ftruncateSync(this.#file, TOTAL_BYTES);
    this.environment = {
      LD_PRELOAD: compiledLibrary('crash/shim', 'kill-at'),
      CAIRN_KILL_CONTROL: path,
      CAIRN_KILL_BELOW: store,
    };
  }

  arm({ spent, moment, passing, leastDirtyBytes, waitingFile = '' }: KillOrder): void {
    this.disarm();
    const order = Buffer.alloc(KILLED_AT);
    order.writeUInt32LE(MOMENTS.indexOf(moment), 4);
    order.writeUInt32LE(passing, 8);
    order.writeUInt32LE(waitingFile === '' ? 0 : 1, 12);
    order.writeBigUInt64LE(BigInt(leastDirtyBytes), LEAST_DIRTY_AT);
    order.write(waitingFile, WAITING_FILE_AT, 'latin1');
    writeSync(this.#file, order, 4, order.length - 4, 4);
    [...this.points().keys()].forEach((name, index) => {
      this.#writeNumber(POINTS_AT + (index + 1) * POINT_BYTES - 4, spent.has(name) ? 1 : 0);
    });
    this.#writeNumber(KILLED_AT, 0);
    this.#writeNumber(0, 1);
  }

  disarm(): void {
    this.#writeNumber(0, 0);
  }

  /** The kill since `arm`, if there was one. */
  killed(): Kill | undefined {
    const told = this.#read(KILLED_AT, WRITTEN_AT - KILLED_AT);
    if (told.readUInt32LE(0) === 0) return undefined;
    return {
      failpoint: textAt(told, HIT_AT - KILLED_AT),
      waitingRequests: told.readUInt32LE(4),
      dirtyBytes: Number(told.readBigUInt64LE(8)),
    };
  }

  /** How many bytes the daemon wrote into the journal and chunk files that no barrier has made durable. */
  dirtyBytes(): number {
    const figures = this.#read(WRITTEN_AT, 16);
    return Number(figures.readBigUInt64LE(0) - figures.readBigUInt64LE(8));
  }

  /** The failpoints passed since the shim was made, and how often. */
  points(): Map<string, number> {
    const bytes = this.#read(0, TOTAL_BYTES);
    const points = new Map<string, number>();
    for (let left = bytes.readUInt32LE(POINT_COUNT_AT), at = POINTS_AT; left > 0; left--, at += POINT_BYTES) {
      points.set(textAt(bytes, at), bytes.readUInt32LE(at + NAME_BYTES));
    }
    return points;
  }

  /** Begins anew with the next daemon: nothing is dirty, nobody was killed. */
  forget(): void {
    this.#writeNumber(KILLED_AT, 0);
    writeSync(this.#file, this.#read(WRITTEN_AT, 8), 0, 8, WRITTEN_AT + 8);
  }

  close(): void {
    closeSync(this.#file);
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    readSync(this.#file, bytes, 0, length, at);
    return bytes;
  }

  #writeNumber(at: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(this.#file, bytes, 0, 4, at);
  }
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}
