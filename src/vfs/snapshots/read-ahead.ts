import type { ByteRange } from '../../core/ranges.js';

/** How far a read may begin from where a reader was last to count as its next one: names left out, requests out of order. */
const NEAR_BYTES = 1024 * 1024;
const FIRST_WINDOW_BYTES = 1024 * 1024;
/** Readers told apart; who comes back after so many others is taken for a new one. */
const MOST_READERS = 8;

interface Reader {
  /** Where it has come to. */
  end: number;
  /** Up to where it was told to load. */
  ahead: number;
  /** How far to load beyond `end` the next time. */
  window: number;
}

/**
 * Recognises readers that go through a stream in order, across the borders of the files in it, and says what to load
 * before they ask. Who reads here and there is told nothing. Positions are bytes of the stream.
 */
export class ReadAhead {
  /** Most recently seen first. */
  readonly #readers: Reader[] = [];
  readonly #mostBytes: number;

  /** @param mostBytes how far to load at most beyond where a reader has come to */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /**
   * Notes a read of [start, end).
   * @param begins it is the beginning of something longer: no second read is needed to tell that more will follow
   * @returns what to load now, beyond what is read; undefined where that was said before, or nothing is foreseen
   */
  next(start: number, end: number, begins: boolean): ByteRange | undefined {
    const known = this.#readers.findIndex((reader) => Math.abs(start - reader.end) <= NEAR_BYTES);
    const reader = this.#readers.splice(known, known < 0 ? 0 : 1)[0] ?? newReader(end);
    this.#readers.unshift(reader);
    this.#readers.length = Math.min(this.#readers.length, MOST_READERS);
    const moves = end > reader.end || begins;
    reader.end = Math.max(reader.end, end);
    return (known >= 0 || begins) && moves ? extended(reader, this.#mostBytes) : undefined;
  }
}

function newReader(end: number): Reader {
  return { end, ahead: end, window: FIRST_WINDOW_BYTES };
}

/** The next stretch, once half of the one before is used. */
function extended(reader: Reader, mostBytes: number): ByteRange | undefined {
  const start = Math.max(reader.ahead, reader.end);
  if (start - reader.end > reader.window / 2) return undefined;
  const end = reader.end + reader.window;
  reader.ahead = end;
  reader.window = Math.min(2 * reader.window, mostBytes);
  return start < end ? { start, end } : undefined;
}
