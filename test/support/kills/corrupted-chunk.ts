import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noise } from '../noise.js';

/** One chunk, too large to be packed. */
const BYTES = 200 * 1024;

/**
 * A file whose only chunk is damaged on disk now and then, for verification to find and for a rewrite to heal, so that
 * kills hit these as well. Nothing else refers to the chunk.
 */
export class CorruptedChunk {
  readonly #file: string;
  readonly #chunk: string;
  readonly #content: Buffer;
  #isCorrupt = false;

  /**
   * @param folder of the mount
   * @param store the datastore's folder
   */
  constructor(folder: string, store: string, seed: number) {
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, 'victim');
    this.#content = noise(`victim ${seed}`, BYTES);
    const digest = createHash('sha256').update(this.#content).digest('hex');
    this.#chunk = join(store, '.chunks', digest.slice(0, 2), digest);
  }

  /** Whether a verification is due, and a rewrite after it. */
  get isCorrupt(): boolean {
    return this.#isCorrupt;
  }

  /** Writes the file whole; heals what a verification has found. */
  write(): void {
    writeFileSync(this.#file, this.#content);
  }

  /** To be called when all was verified since `corrupt` and written after that. */
  healed(): void {
    this.#isCorrupt = false;
  }

  /** Flips a byte of the chunk's file, if it is there. */
  corrupt(): void {
    if (!existsSync(this.#chunk)) return;
    this.#isCorrupt = true;
    const blob = readFileSync(this.#chunk);
    blob.writeUInt8(blob.readUInt8(100) ^ 1, 100);
    writeFileSync(this.#chunk, blob);
  }
}
