import { readSync } from 'node:fs';
import { addon } from './addon.js';
import { type FilePath, requireBytes, requireInteger, requirePath, requireRange } from './check.js';
import type { Draft, DraftHandle } from './draft.js';

interface JournalHandle {
  readonly journal: unique symbol;
}

type FlatBody = Uint8Array | DraftHandle | number;

const native = addon as {
  journalOpen(path: FilePath, create: boolean, preallocateBytes: number): JournalHandle;
  journalAppend(file: JournalHandle, header: Uint8Array, bodies: readonly FlatBody[]): number;
  journalSync(file: JournalHandle): Promise<void>;
  journalSize(file: JournalHandle): number;
  journalDescriptor(file: JournalHandle): number;
  journalClose(file: JournalHandle): void;
};

/** Bytes of a record after its header: as they are, or [start, end) of a draft, wholly dirty. */
export type JournalBody = Uint8Array | { readonly draft: Draft; readonly start: number; readonly end: number };

export interface JournalFileOptions {
  /** Make the file where it does not exist. */
  readonly create: boolean;
  /** Room to set aside beforehand, the file's size staying as it is; a hint only. */
  readonly preallocateBytes: number;
}

const CHECKSUM_END = 8;

/** A file that records are appended to, all by one thread. */
export class JournalFile {
  readonly #handle: JournalHandle;

  private constructor(handle: JournalHandle) {
    this.#handle = handle;
  }

  /** Opens for reading and appending; blocks. @throws {Error} of the system */
  static open(path: FilePath, options: JournalFileOptions): JournalFile {
    requirePath(path);
    requireInteger(options.preallocateBytes, 'preallocateBytes');
    return new JournalFile(native.journalOpen(path, options.create, options.preallocateBytes));
  }

  /** Length in bytes; the next record starts here. */
  get size(): number {
    return native.journalSize(this.#handle);
  }

  /** The open descriptor, for reads; gone after `close`. */
  get descriptor(): number {
    return native.journalDescriptor(this.#handle);
  }

  /**
   * Appends a record, into the page cache only, and gives the offset it starts at. Puts the CRC32 of `header` from
   * byte 8 on and all bodies into bytes 4…7 of `header`, little-endian. Blocks for the write(2).
   * @throws {Error} of the system, such as `ENOSPC`; the file then is as it was
   */
  append(header: Uint8Array, bodies: readonly JournalBody[]): number {
    requireBytes(header, 'header');
    if (header.length < CHECKSUM_END) throw new RangeError(`header must have at least ${CHECKSUM_END} bytes`);
    return native.journalAppend(this.#handle, header, flatten(bodies));
  }

  /** The bytes [start, start + length), or as many as there are; blocks. @throws {Error} of the system */
  readNow(start: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - start)));
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(this.descriptor, bytes, done, bytes.length - done, start + done);
      if (read === 0) return bytes.subarray(0, done);
      done += read;
    }
    return bytes;
  }

  /** fdatasync(2) on a pool thread: what was appended before the call survives a power cut. */
  async sync(): Promise<void> {
    return native.journalSync(this.#handle);
  }

  /** Idempotent; the descriptor goes once a `sync` under way has ended. Any other use afterwards throws. */
  close(): void {
    native.journalClose(this.#handle);
  }
}

function flatten(bodies: readonly JournalBody[]): readonly FlatBody[] {
  const flat: FlatBody[] = [];
  for (const body of bodies) {
    if (body instanceof Uint8Array) {
      flat.push(body);
    } else {
      requireRange(body.start, body.end);
      flat.push(body.draft.handle, body.start, body.end);
    }
  }
  return flat;
}
