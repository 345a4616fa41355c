import assert from 'node:assert/strict';
import { copyFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { noise } from '../noise.js';
import { Random } from '../random.js';

const KIB = 1024;
const FILES = 10;
const MAX_BYTES = 2048 * KIB;

/** What was being done to a file, and its bytes before and afterwards; undefined: it is not there. */
interface Step {
  readonly name: string;
  /** Whether the old bytes may be gone before the new ones are all there. */
  readonly inPlace: boolean;
  readonly after: Buffer | undefined;
}

/**
 * A program that writes files and knows what each must hold after a crash of the daemon: what it held when it was last
 * closed, renamed or removed; the one in the middle of a step may be anywhere in it.
 */
export class ClosedFiles {
  readonly #folder: string;
  readonly #random: Random;
  readonly #seed: number;
  readonly #contents = new Map<string, Buffer>();
  #steps = 0;
  #underWay: Step | undefined;

  /** @param folder is made by the first step */
  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.#seed = seed;
    this.#random = new Random(seed);
  }

  /** Does one thing to one file. Rejects where that fails; `judge` is to be called before the next step then. */
  async step(): Promise<void> {
    this.#steps += 1;
    await mkdir(this.#folder, { recursive: true });
    const name = `f${this.#random.below(FILES)}`;
    const old = this.#contents.get(name);
    const dice = this.#random.below(10);
    if (old === undefined || dice < 4) await this.#replace(name);
    else if (dice < 6 && old.length < MAX_BYTES) await this.#append(name, old);
    else if (dice < 7) await this.#rewrite(name);
    else if (dice < 8) await this.#copy(name, old);
    else if (dice < 9) await this.#overwrite(name, old);
    else await this.#remove(name);
  }

  /**
   * Compares every file, after a crash or without one; goes on from what it finds.
   * @returns how many files were compared
   */
  async judge(): Promise<number> {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    for (let i = 0; i < FILES; i++) {
      const name = `f${i}`;
      const found = await readIfThere(join(this.#folder, name));
      const expected = this.#contents.get(name);
      if (!same(found, expected)) this.#judgeStep(name, found, underWay);
      if (found === undefined) this.#contents.delete(name);
      else this.#contents.set(name, found);
    }
    await rm(join(this.#folder, 'new'), { force: true });
    return FILES;
  }

  #judgeStep(name: string, found: Buffer | undefined, step: Step | undefined): void {
    const expected = this.#contents.get(name);
    const what = `${join(this.#folder, name)} has ${found?.length} bytes`;
    assert.ok(step?.name === name, `${what} and not the ${expected?.length} it was closed with`);
    if (same(found, step.after)) return;
    assert.ok(step.inPlace && found !== undefined, `${what}: neither what was before a rename nor what was after it`);
    // Each byte is the old or the new one.
    for (const [at, byte] of found.entries()) {
      const isKnown = byte === step.after?.[at] || byte === expected?.[at];
      assert.ok(isKnown, `${what}; byte ${at} is ${byte}, which nobody wrote`);
    }
  }

  async #do(step: Step, work: () => Promise<void>): Promise<void> {
    this.#underWay = step;
    await work();
    if (step.after === undefined) this.#contents.delete(step.name);
    else this.#contents.set(step.name, step.after);
    this.#underWay = undefined;
  }

  async #replace(name: string): Promise<void> {
    const after = this.#bytes();
    await this.#do({ name, inPlace: false, after }, async () => {
      await this.#write('new', 'w', after);
      await rename(join(this.#folder, 'new'), join(this.#folder, name));
    });
  }

  async #append(name: string, old: Buffer): Promise<void> {
    const more = this.#bytes();
    await this.#do({ name, inPlace: true, after: Buffer.concat([old, more]) }, () => this.#write(name, 'a', more));
  }

  async #rewrite(name: string): Promise<void> {
    const after = this.#bytes();
    await this.#do({ name, inPlace: true, after }, () => this.#write(name, 'w', after));
  }

  async #overwrite(name: string, old: Buffer): Promise<void> {
    const piece = noise(`${this.#seed} ${this.#steps}`, this.#random.between(1, 8 * KIB));
    const at = this.#random.below(old.length);
    const after = Buffer.concat([old.subarray(0, at), piece, old.subarray(at + piece.length)]);
    await this.#do({ name, inPlace: true, after }, () => this.#write(name, 'r+', piece, at));
  }

  async #copy(name: string, after: Buffer): Promise<void> {
    const target = `f${this.#random.below(FILES)}`;
    if (target === name) return;
    const paths = [join(this.#folder, name), join(this.#folder, target)] as const;
    await this.#do({ name: target, inPlace: true, after }, () => copyFile(...paths));
  }

  async #remove(name: string): Promise<void> {
    await this.#do({ name, inPlace: false, after: undefined }, () => rm(join(this.#folder, name)));
  }

  async #write(name: string, flags: string, bytes: Buffer, at?: number): Promise<void> {
    const file = await open(join(this.#folder, name), flags);
    try {
      await file.write(bytes, 0, bytes.length, at);
      if (this.#random.below(8) === 0) await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Mostly small, now and then beyond what is packed. */
  #bytes(): Buffer {
    const length = this.#random.below(5) === 0 ? this.#random.between(200 * KIB, 1500 * KIB) : undefined;
    return noise(`${this.#seed} ${this.#steps}`, length ?? this.#random.between(1, 60 * KIB));
  }
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
