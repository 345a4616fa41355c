import { CairnError } from '../core/errors.js';
import { type Awaitable, type Steps, settled } from './steps.js';

/**
 * Reads `length` bytes at `offset` of a stream: all of them, or it fails. At once where they are at hand. What it
 * gave must not change any more; whoever reads only looks at it and copies what is to be kept.
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

/** Thrown by `ByteWindow.at` where the window ends too early: up to where it must reach. */
class WindowTooSmall {
  readonly end: number;

  constructor(end: number) {
    this.end = end;
  }
}

/** A stretch of a stream that was read, to be looked at synchronously; many small looks so are few reads. */
export class ByteWindow {
  readonly #source: ByteSource;
  readonly #readAhead: number;
  readonly #limit: number;
  /** What was read; `at` counts in it. */
  bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  /**
   * @param readAhead how many bytes to read at once where fewer are needed
   * @param limit position behind which reading ahead is of no use
   */
  constructor(source: ByteSource, readAhead: number, limit = source.size) {
    this.#source = source;
    this.#readAhead = readAhead;
    this.#limit = Math.min(limit, source.size);
  }

  /** Whether these bytes of the stream are in the window. */
  holds(position: number, length: number): boolean {
    const at = position - this.#start;
    return at >= 0 && at + length <= this.bytes.length;
  }

  /** Where in `bytes` these bytes of the stream are. To be called within `read` or `attempt`, which know what to do where they are not there. */
  at(position: number, length: number): number {
    if (this.holds(position, length)) return position - this.#start;
    throw new WindowTooSmall(position + length);
  }

  /**
   * Reads so that at least these bytes of the stream are in the window.
   * @throws {CairnError} `corrupt` where they are not in the stream
   */
  *load(position: number, length: number): Steps<void> {
    // Who comes back for more of the same stretch will do so again: reading twice as much keeps the work linear.
    const ahead = position === this.#start ? Math.max(this.#readAhead, 2 * this.bytes.length) : this.#readAhead;
    const window = Math.max(length, Math.min(ahead, this.#limit - position));
    this.bytes = yield* this.#source.bytes(position, window);
    this.#start = position;
  }

  /** What `parse` makes of what is in the window, or undefined where it looks beyond; as `read`, but that nothing is read. */
  attempt<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (error instanceof WindowTooSmall) return undefined;
      throw error;
    }
  }

  /**
   * What `parse` makes of the bytes from `base` on. It is begun anew, with more bytes in the window, as often as
   * it looks beyond; so it must have no effects before its last look, and must not look at what lies before
   * `base`.
   * @throws {CairnError} `corrupt` where it looks beyond the stream
   */
  *read<T>(base: number, parse: () => T): Steps<T> {
    for (;;) {
      try {
        return parse();
      } catch (error) {
        if (!(error instanceof WindowTooSmall)) throw error;
        yield* this.load(base, error.end - base);
      }
    }
  }
}
