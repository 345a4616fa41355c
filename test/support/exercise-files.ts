import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputLater, outputOf } from './commands.js';
import { compiledProgram } from './compiled-program.js';
import type { TestStore } from './mounted-store.js';

/** What one process of the exerciser does in one round. */
export interface Exercise {
  /** Size its two files may reach. */
  readonly maxBytes: number;
  readonly operations: number;
  /** Whether nothing is put behind the end of a file through a mapping. */
  readonly cleanTails?: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Files that stay packed, cross the border to large ones to and fro, have a few chunks, have many. */
export const EXERCISES: readonly Exercise[] = [
  { maxBytes: 64 * KIB, operations: 10_000 },
  { maxBytes: 256 * KIB, operations: 9000 },
  { maxBytes: 5 * MIB, operations: 5000 },
  { maxBytes: 36 * MIB, operations: 2000 },
];

/** A round takes seconds; a loaded machine may take many times as long. */
const LIMIT = { limitMilliseconds: 600_000 };

/** Runs one process of the exerciser in an empty folder of `place`; its images are kept in a folder of `images`. */
export async function exercise(seed: number, one: Exercise, place: string, images: string) {
  const { maxBytes, operations, cleanTails } = one;
  const program = compiledProgram('file-exerciser');
  const folders = [place, images].map((folder) => join(folder, `up-to-${maxBytes}`)) as [string, string];
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  const tails = cleanTails ? ['clean-tails'] : [];
  await outputLater(program, [...[seed, operations, maxBytes, ...folders].map(String), ...tails], LIMIT);
}

/** Sets of random operations to files, all sizes at once; in between the store is unmounted or its daemon killed. */
export async function exerciseMount(store: TestStore, group: string, seed: number, rounds: number): Promise<void> {
  const images = join(store.folder, `images-${seed}`);
  const place = join(store.mountpoint, group, 'current', `files-${seed}`);
  for (let round = 0; round < rounds; round++) {
    await Promise.all(EXERCISES.map((one) => exercise(seed + round, one, place, images)));
    if (round % 2 === 0) await store.remount();
    else await killAndMount(store);
  }
  // The exerciser begins by comparing the files with its images, so nothing done is a comparison.
  await Promise.all(EXERCISES.map((one) => exercise(seed, { ...one, operations: 0 }, place, images)));
  store.cairn('snapshot', 'create', group);
  assertSameFiles(images, join(store.latest(group), `files-${seed}`));
  assert.deepEqual(store.status().problems, []);
  outputOf('rm', ['-rf', place, images]);
}

/** All files are closed: what was written survives the daemon. */
async function killAndMount(store: TestStore): Promise<void> {
  await store.kill9();
  await store.mount();
}

function assertSameFiles(wanted: string, found: string): void {
  for (const { maxBytes } of EXERCISES) {
    for (const name of ['a', 'b']) {
      const path = join(`up-to-${maxBytes}`, name);
      assert.ok(readFileSync(join(found, path)).equals(readFileSync(join(wanted, path))), `${path} in ${found}`);
    }
  }
}
