import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { outputOf } from '../commands.js';

/**
 * A disk whose power can be cut at any moment without stopping what writes to it: an ext4 file system in a file on an
 * XFS that can copy by reference. The copy has what reached the disk and lacks what only the page cache held.
 * Needs root and loop devices. Method: reference/ecosystem.md, "Power cuts without device-mapper".
 */
export class CutDisk {
  /** Root of the file system whose power is cut. */
  readonly root: string;
  readonly #folder: string;
  readonly #outer: string;
  readonly #copy: string;

  /** Makes and mounts it. @param sizeMib of the file system */
  constructor(sizeMib: number) {
    this.#folder = mkdtempSync(join(tmpdir(), 'cairn-cut-'));
    this.#outer = join(this.#folder, 'outer');
    this.root = join(this.#folder, 'inner');
    this.#copy = join(this.#folder, 'copy');
    for (const folder of [this.#outer, this.root, this.#copy]) mkdirSync(folder);
    const image = join(this.#folder, 'outer.img');
    outputOf('truncate', ['-s', `${Math.max(512, 4 * sizeMib)}M`, image]);
    outputOf('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
    outputOf('mount', ['-o', 'loop', image, this.#outer]);
    const inner = join(this.#outer, 'in.img');
    outputOf('truncate', ['-s', `${sizeMib}M`, inner]);
    outputOf('mkfs.ext4', ['-q', '-F', '-m', '0', inner]);
    // So that ext4 writes nothing by itself that was not synced.
    outputOf('mount', ['-o', 'loop,commit=60', inner, this.root]);
  }

  /** Cuts the power while everything goes on; resolves when the cut has been made. */
  cut(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const images = [join(this.#outer, 'in.img'), this.#image(number)];
      const copying = spawn('cp', ['--reflink=always', ...images], { stdio: 'inherit' });
      copying.on('error', reject);
      copying.on('close', (status) => (status === 0 ? resolve() : reject(new Error(`cp ended with ${status}`))));
    });
  }

  /** Calls `body` with the root of what a cut left, mounted after the power is back; the image goes afterwards. */
  async withCut(number: number, body: (root: string) => Promise<void>): Promise<void> {
    outputOf('mount', ['-o', 'loop', this.#image(number), this.#copy]);
    try {
      await body(this.#copy);
    } finally {
      outputOf('umount', [this.#copy]);
    }
    rmSync(this.#image(number));
  }

  /** Takes all of it away. */
  remove(): void {
    for (const folder of [this.root, this.#outer]) outputOf('umount', [folder]);
    rmSync(this.#folder, { recursive: true });
  }

  #image(number: number): string {
    return join(this.#outer, `cut-${number}.img`);
  }
}
