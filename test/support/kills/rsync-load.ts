import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noise } from '../noise.js';
import { Random } from '../random.js';
import { makeShell, WatchedRsync } from '../watched-rsync.js';

const KIB = 1024;
const FILES = 80;
const CHANGED = 40;

/** What one of the rsyncs had finished at a moment. */
export interface Finished {
  readonly turn: number;
  readonly names: readonly string[];
}

/** One rsync after the other from a folder that changes between them, and what each file must be after a crash. */
export class RsyncLoad {
  readonly #source: string;
  readonly #target: string;
  readonly #shell: string;
  readonly #random: Random;
  readonly #seed: number;
  #turn = 0;
  /** Name → hash of what the last whole rsync brought, and of what the source has. */
  #brought = new Map<string, string>();
  readonly #wanted = new Map<string, string>();
  #rsync: WatchedRsync | undefined;

  /** @param folder where the source is to lie */
  constructor(folder: string, target: string, seed: number) {
    this.#source = join(folder, 'rsync-source');
    this.#target = target;
    this.#seed = seed;
    this.#random = new Random(seed);
    mkdirSync(this.#source, { recursive: true });
    this.#shell = makeShell(folder);
    for (let i = 0; i < FILES; i++) this.#change(`f${i}`);
  }

  /** Runs one rsync to its end; rejects where it fails. */
  async run(): Promise<void> {
    this.#rsync = new WatchedRsync(this.#source, this.#target, this.#shell);
    await this.#rsync.ended();
    assert.equal(this.#rsync.status, 0, 'rsync failed');
    this.#rsync = undefined;
    this.#brought = new Map(this.#wanted);
    this.#turn += 1;
    for (let i = 0; i < CHANGED; i++) this.#change(`f${this.#random.below(FILES)}`);
  }

  /** Which names are final by now. */
  finished(): Finished {
    return { turn: this.#turn, names: this.#rsync?.finished() ?? [] };
  }

  /**
   * Compares every file.
   * @param finished what was final before a crash
   */
  judge(finished: Finished): number {
    const final = new Set(finished.turn === this.#turn ? finished.names : []);
    for (const [name, wanted] of this.#wanted) {
      const path = join(this.#target, name);
      const found = existsSync(path) ? hashOf(readFileSync(path)) : undefined;
      if (found === wanted) {
        // Later crashes may not take it away.
        this.#brought.set(name, wanted);
        continue;
      }
      assert.ok(!final.has(name), `${path} is not what rsync had finished`);
      assert.equal(found, this.#brought.get(name), `${path} is neither the old one nor the new one`);
    }
    return this.#wanted.size;
  }

  end(): void {
    this.#rsync?.kill();
    rmSync(this.#source, { recursive: true });
  }

  #change(name: string): void {
    const length = this.#random.below(12) === 0 ? this.#random.between(150, 900) : this.#random.between(1, 40);
    const bytes = noise(`rsync ${this.#seed} ${this.#turn} ${name}`, length * KIB + this.#turn);
    writeFileSync(join(this.#source, name), bytes);
    this.#wanted.set(name, hashOf(bytes));
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
