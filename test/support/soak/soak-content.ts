import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../random.js';

const KIB = 1024;
const BLOCK_BYTES = 512 * KIB;

/** Few contents, so that what was deleted and collected comes again while that goes on. */
const CONTENTS = 150;
/** Of which so many are larger than what is packed. */
const LARGE_CONTENTS = 12;
const FOLDERS = 6;
const FILES = 120;

const blocks = new Map<number, Buffer>();

function blockOf(seed: number): Buffer {
  const made = blocks.get(seed) ?? new Random(seed).bytes(BLOCK_BYTES);
  blocks.set(seed, made);
  return made;
}

/** What a file of this number holds: it says its number first, so that any file can be judged by itself. */
function contentOf(number: number): Buffer {
  const random = new Random(number);
  const large = number < LARGE_CONTENTS;
  const parts: Buffer[] = [Buffer.from(`soak ${String(number).padStart(6, '0')}\n`)];
  for (let left = large ? random.between(2, 9) : 1; left > 0; left--) {
    const block = blockOf(1000 + random.below(24));
    parts.push(large ? block : block.subarray(0, random.between(1, 60 * KIB)));
  }
  return Buffer.concat(parts);
}

const hashes = new Map<number, string>();

function hashOf(number: number): string {
  const known = hashes.get(number) ?? sha256(contentOf(number));
  hashes.set(number, known);
  return known;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whether a whole file written by a soak's writer has the bytes that its first line promises. */
export function isWholeContent(bytes: Buffer): boolean {
  const number = /^soak (\d{6})\n/.exec(bytes.toString('latin1', 0, 12))?.[1];
  return number !== undefined && sha256(bytes) === hashOf(Number(number));
}

/** A folder of files that changes a little at each turn: what a writer copies into its group. */
export class SoakSource {
  readonly folder: string;
  readonly #random: Random;
  readonly #files = new Map<string, number>();

  constructor(folder: string, seed: number) {
    this.folder = folder;
    this.#random = new Random(seed);
    for (let i = 0; i < FOLDERS; i++) mkdirSync(join(folder, `d${i}`), { recursive: true });
    for (let i = 0; i < FILES; i++) this.#write(`d${i % FOLDERS}/f${i}`);
  }

  /** Rewrites some files, removes some, and makes some anew. */
  change(): void {
    for (let i = this.#random.between(3, 30); i > 0; i--) {
      const name = `d${this.#random.below(FOLDERS)}/f${this.#random.below(FILES)}`;
      if (this.#random.below(4) > 0) this.#write(name);
      else {
        rmSync(join(this.folder, name), { force: true });
        this.#files.delete(name);
      }
    }
  }

  /** Whether the folder `copy` has exactly these files with these bytes; the first difference otherwise. */
  differenceTo(copy: string): string | undefined {
    for (const [name, number] of this.#files) {
      if (sha256(readFileSync(join(copy, name))) !== hashOf(number)) return `${name} differs`;
    }
    return undefined;
  }

  #write(name: string): void {
    const number = this.#random.below(CONTENTS);
    writeFileSync(join(this.folder, name), contentOf(number));
    this.#files.set(name, number);
  }
}
