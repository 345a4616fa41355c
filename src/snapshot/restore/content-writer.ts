import { writeSync } from 'node:fs';
import { type CairnError, fromSystemError } from '../../core/errors.js';
import { writeOut } from '../../native/files.js';

/** The way to another thread and back takes longer than writing so much. */
const AT_ONCE_BYTES = 128 * 1024;

/**
 * Writes the content of an open file on a native thread, one piece at a time: file systems let one writer at a time into a file,
 * and others spin. The next one is loaded meanwhile.
 */
export class ContentWriter {
  readonly #descriptor: number;
  readonly #shown: string;
  #writing: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** @param shown the file's path, for messages */
  constructor(descriptor: number, shown: string) {
    this.#descriptor = descriptor;
    this.#shown = shown;
  }

  /**
   * Begins to write `bytes` at `offset` once the piece before is written; nobody changes them until the next call resolves. A small
   * piece is written when it resolves.
   * @param written called when they are written
   * @throws {CairnError} what writing an earlier piece gave
   */
  async write(bytes: Uint8Array, offset: number, written: () => void): Promise<void> {
    await this.settled();
    if (bytes.length <= AT_ONCE_BYTES) {
      this.#writeAtOnce(bytes, offset);
      written();
      return;
    }
    this.#writing = writeOut(this.#descriptor, offset, bytes)
      .then(written)
      .catch((error: unknown) => {
        this.#failure = { error };
      });
  }

  /** Resolves when no thread writes any more. @throws {CairnError} what writing gave */
  async settled(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#telling(this.#failure.error);
  }

  #writeAtOnce(bytes: Uint8Array, offset: number): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, offset + done);
      }
    } catch (error) {
      throw this.#telling(error);
    }
  }

  #telling(error: unknown): CairnError {
    return fromSystemError(error, `write ${this.#shown}`);
  }
}
