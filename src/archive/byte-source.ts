import { CairnError } from '../core/errors.js';
import { type Awaitable, type Steps, settled } from './steps.js';

/**
 * Reads `length` bytes at `offset` of a stream: all of them, or it fails. At once where they are at hand. What it gave
 * must not change any more; whoever reads only looks at it and copies what is to be kept.
 */
export type ReadBytes = (offset: number, length: number) => Awaitable<Uint8Array>;

/** A stream of known length whose reads stay inside it. */
export class ByteSource {
  readonly #read: ReadBytes;
  /** Length of the stream in bytes. */
  readonly size: number;

  constructor(read: ReadBytes, size: number) {
    this.#read = read;
    this.size = size;
  }

  /**
   * @throws {CairnError} `corrupt` where the range is not inside the stream, and whatever the read throws
   */
  *bytes(offset: number, length: number): Steps<Uint8Array> {
    if (offset < 0 || offset + length > this.size) {
      throw new CairnError('corrupt', `Stream of ${this.size} bytes refers to ${length} bytes at ${offset}`);
    }
    const bytes = yield* settled(this.#read(offset, length));
    if (bytes.length !== length) throw new Error(`Read ${bytes.length} bytes instead of ${length}`);
    return bytes;
  }
}

/** Looks at a stretch of a stream through a window, so that many small looks are few reads. */
export class ByteWindow {
  readonly #source: ByteSource;
  readonly #readAhead: number;
  readonly #limit: number;
  /** The bytes `at` numbers count in; good until the next `at`. */
  bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  /**
   * @param readAhead how many bytes to read at once where fewer are asked for
   * @param limit position no look may go beyond
   */
  constructor(source: ByteSource, readAhead: number, limit = source.size) {
    this.#source = source;
    this.#readAhead = readAhead;
    this.#limit = Math.min(limit, source.size);
  }

  /**
   * Sees to it that `length` bytes from `position` of the stream are in `bytes`.
   * @returns where in `bytes` they start
   * @throws {CairnError} `corrupt` where they go beyond the limit
   */
  *at(position: number, length: number): Steps<number> {
    const at = position - this.#start;
    if (at >= 0 && at + length <= this.bytes.length) return at;
    if (position < 0 || position + length > this.#limit) {
      throw new CairnError('corrupt', `Stream refers to ${length} bytes at ${position}, beyond byte ${this.#limit}`);
    }
    const window = Math.max(length, Math.min(this.#readAhead, this.#limit - position));
    this.bytes = yield* this.#source.bytes(position, window);
    this.#start = position;
    return 0;
  }
}
