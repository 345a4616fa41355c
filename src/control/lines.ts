import { CairnError } from '../core/errors.js';

const NEWLINE = 0x0a;

/** Puts the chunks a socket delivers together to lines. */
export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  /** @param maxBytes of one line */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The lines this chunk completes, as text without their ends.
   * @throws {CairnError} `too-large` at a line over the limit, complete or not
   */
  *push(chunk: Buffer): Generator<string> {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      this.#add(rest.subarray(0, end));
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#length = 0;
      yield line;
      rest = rest.subarray(end + 1);
    }
    this.#add(rest);
  }

  #add(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > this.#maxBytes) {
      throw new CairnError('too-large', `The message is longer than ${this.#maxBytes} bytes`);
    }
    this.#parts.push(part);
  }
}

/**
 * Reads one line's JSON.
 * @throws {CairnError} `invalid`
 */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new CairnError('invalid', 'The message is not JSON', { cause: error });
  }
}

/** A message as its line. */
export function formatLine(message: unknown): string {
  return `${JSON.stringify(message)}\n`;
}
