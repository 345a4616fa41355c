import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../random.js';
import { contentHash, writeClosed, writeSynced } from './files.js';

/** Files that are remembered; older ones are removed. */
const REMEMBERED = 8;

/** Files of a live tree that were acknowledged, and the bytes they must have. */
export class AcknowledgedFiles {
  /** The live tree. */
  readonly folder: string;
  readonly #random: Random;
  readonly #contents = new Map<string, Buffer>();
  /** Files of which a replacement failed: until the next mount they may have these bytes as well. */
  readonly #replaced = new Map<string, Buffer>();
  #number = 0;

  constructor(folder: string, random: Random) {
    this.folder = folder;
    this.#random = random;
  }

  /** A new file of so many bytes, written and closed, and synced if that is not ruled out. */
  write(bytes: number, { synced = true } = {}): void {
    const name = `f${this.#number++}`;
    const content = this.#random.bytes(bytes);
    (synced ? writeSynced : writeClosed)(join(this.folder, name), content);
    this.#contents.set(name, content);
  }

  /** The newest file gets other bytes by `replace`, which may fail: then it may have either. */
  replaceNewest(bytes: number, replace: (path: string, content: Buffer) => void): void {
    const name = [...this.#contents.keys()].at(-1) as string;
    const content = this.#random.bytes(bytes);
    this.#replaced.set(name, content);
    replace(join(this.folder, name), content);
    this.#replaced.delete(name);
    this.#contents.set(name, content);
  }

  /** Removes what failed writes left (`f1` …, `temporary`): nothing was promised of it. */
  removeOthers(): void {
    for (const name of readdirSync(this.folder)) {
      if (/^(f\d+|temporary)$/.test(name) && !this.#contents.has(name)) rmSync(join(this.folder, name));
    }
  }

  /** Removes all but the newest. */
  removeOld(): void {
    for (const name of [...this.#contents.keys()].slice(0, -REMEMBERED)) {
      rmSync(join(this.folder, name));
      this.#contents.delete(name);
    }
  }

  /** Every file has its bytes, read from the mount. @param mountedAnew whether what it has now is final */
  compare({ mountedAnew }: { mountedAnew: boolean }): void {
    for (const [name, content] of this.#contents) {
      const found = readFileSync(join(this.folder, name));
      this.#require(name, contentHash(found), 'the live tree');
      if (mountedAnew && !found.equals(content)) this.#contents.set(name, found);
    }
    if (mountedAnew) this.#replaced.clear();
  }

  /** A tree that is the live tree of now has every file. @param tree name → hash */
  requireIn(tree: ReadonlyMap<string, string>, where: string): void {
    for (const name of this.#contents.keys()) this.#require(name, tree.get(name), where);
  }

  #require(name: string, hash: string | undefined, where: string): void {
    const possible = [this.#contents.get(name), this.#replaced.get(name)].filter((content) => content !== undefined);
    const isRight = possible.some((content) => contentHash(content) === hash);
    assert.ok(isRight, `${name} in ${where} is not what was acknowledged`);
  }
}
