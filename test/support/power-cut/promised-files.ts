import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Random } from '../random.js';

const KIB = 1024;
const REPLACED = 24;
const APPENDED = 6;
const MAX_APPEND_BYTES = 200 * KIB;

/** How far something is: in versions of a replaced file, in bytes of an appended one. */
interface Progress {
  /** What must survive a power cut. */
  durable: number;
  /** What was acknowledged. */
  acknowledged: number;
  /** What was begun. */
  issued: number;
}

/** What is promised of each file at a moment. */
export type Promises = ReadonlyMap<string, Readonly<Progress>>;

/** How a file was found after a cut. */
export type Found = { readonly broken: string } | { readonly progress: number };

/**
 * A program that writes files and remembers what it was promised of each: files that are replaced by renames, each
 * version whole, and files that grow.
 */
export class PromisedFiles {
  readonly #folder: string;
  readonly #random: Random;
  readonly #progress = new Map<string, Progress>();

  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.#random = new Random(seed);
  }

  /** What is promised now. */
  promises(): Promises {
    return new Map([...this.#progress].map(([name, progress]) => [name, { ...progress }]));
  }

  /** Does one thing: replaces a file or lets one grow, and now and then makes that durable. */
  async step(): Promise<void> {
    if (this.#random.below(3) > 0) await this.#replace(`r${this.#random.below(REPLACED)}`);
    else await this.#append(`a${this.#random.below(APPENDED)}`);
  }

  /** To be called before something that makes all durable; what it returns after that is done. */
  beforeSync(): () => void {
    const before = this.promises();
    return () => {
      for (const [name, { acknowledged }] of before) this.#note(name, { durable: acknowledged });
    };
  }

  async #replace(name: string): Promise<void> {
    const version = this.#of(name).issued + 1;
    this.#note(name, { issued: version });
    const temporary = join(this.#folder, `.${name}.new`);
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(versionOf(name, version));
      // Many do, so that its bytes are durable before it gets its name.
      if (this.#random.below(4) === 0) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#folder, name));
    this.#note(name, { acknowledged: version });
    if (this.#random.below(8) === 0) await this.#syncFolder(name, version);
  }

  async #syncFolder(name: string, version: number): Promise<void> {
    const folder = await open(this.#folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    this.#note(name, { durable: version });
  }

  async #append(name: string): Promise<void> {
    const from = this.#of(name).acknowledged;
    const to = from + this.#random.between(1, MAX_APPEND_BYTES);
    this.#note(name, { issued: to });
    const file = await open(join(this.#folder, name), 'a');
    try {
      await file.writeFile(stretchOf(name, from, to));
      this.#note(name, { acknowledged: to });
      if (this.#random.below(6) === 0) await this.#sync(file, name, to);
    } finally {
      await file.close();
    }
  }

  async #sync(file: FileHandle, name: string, bytes: number): Promise<void> {
    if (this.#random.below(2) === 0) await file.datasync();
    else await file.sync();
    this.#note(name, { durable: bytes });
  }

  #of(name: string): Progress {
    const known = this.#progress.get(name) ?? { durable: 0, acknowledged: 0, issued: 0 };
    this.#progress.set(name, known);
    return known;
  }

  #note(name: string, reached: Partial<Progress>): void {
    const progress = this.#of(name);
    progress.issued = Math.max(progress.issued, reached.issued ?? 0);
    progress.acknowledged = Math.max(progress.acknowledged, reached.acknowledged ?? 0);
    progress.durable = Math.max(progress.durable, reached.durable ?? 0);
  }
}

/** How far a file is that was found after a cut; 0 where it is not there. */
export async function findProgress(folder: string, name: string): Promise<Found> {
  let bytes: Buffer;
  try {
    bytes = await readFile(join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { progress: 0 };
    throw error;
  }
  if (name.startsWith('a')) {
    const expected = stretchOf(name, 0, bytes.length);
    if (bytes.equals(expected)) return { progress: bytes.length };
    const at = bytes.findIndex((byte, index) => byte !== expected[index]);
    return { broken: `${name}, ${bytes.length} bytes, differs from byte ${at}: ${bytes.toString('hex', at, at + 16)}` };
  }
  const version = Number(/ (\d+)\n/.exec(bytes.toString('latin1', 0, 32))?.[1]);
  const isRight = Number.isInteger(version) && bytes.equals(versionOf(name, version));
  return isRight ? { progress: version } : { broken: `${name} is no whole version` };
}

/** Mostly small, now and then beyond what is packed. */
function versionOf(name: string, version: number): Buffer {
  const random = new Random(seedOf(name) + version);
  const bytes = random.below(6) === 0 ? random.between(200 * KIB, 3000 * KIB) : random.between(1, 90 * KIB);
  return Buffer.concat([Buffer.from(`${name} ${version}\n`), random.bytes(bytes)]);
}

const PIECE_BYTES = 64 * KIB;

/** Bytes `from` up to but not `to` of an endless stream of its own for each name. */
function stretchOf(name: string, from: number, to: number): Buffer {
  const first = Math.floor(from / PIECE_BYTES);
  const pieces: Buffer[] = [];
  for (let piece = first; piece * PIECE_BYTES < to; piece++) {
    pieces.push(new Random(seedOf(name) + piece).bytes(PIECE_BYTES));
  }
  return Buffer.concat(pieces).subarray(from - first * PIECE_BYTES, to - first * PIECE_BYTES);
}

function seedOf(name: string): number {
  return name.charCodeAt(0) * 1_000_000_007 + Number(name.slice(1)) * 7_919_003;
}
