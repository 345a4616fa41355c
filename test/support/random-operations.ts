import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { outputLater, outputOf } from './commands.js';
import { assertSameTree } from './compare-trees.js';
import type { TestStore } from './mounted-store.js';

const PROGRAM = fileURLToPath(new URL('../../../test/support/programs/side-by-side/main.py', import.meta.url));

/** Each works in a subtree of its own and in one they share, where their order makes no difference. */
const PROCESSES = 4;

const LIMIT = { limitMilliseconds: 600_000 };

/** -B: nothing compiled is left among the sources. */
const python = (...args: readonly (string | number)[]): string[] => ['-B', PROGRAM, ...args.map(String)];

/** How much is done: trees are compared after each batch, and once more over a remount after every second. */
export interface Amount {
  readonly batches: number;
  /** By each process, in each batch. */
  readonly operations: number;
}

/** A plain folder and one in a mount, on which several processes do the same random operations. */
class TwoTrees {
  constructor(
    readonly model: string,
    readonly mounted: string,
  ) {
    for (const folder of [model, mounted]) {
      mkdirSync(folder);
      // Ordinary users act in them too, whatever our umask is.
      chmodSync(folder, 0o755);
    }
    outputOf('python3', python('prepare', PROCESSES, model, mounted));
  }

  async batch(seed: number, operations: number): Promise<void> {
    const work = (me: number) =>
      outputLater('python3', python('work', seed, operations, me, this.model, this.mounted), LIMIT);
    await Promise.all(Array.from({ length: PROCESSES }, (_, me) => work(me)));
    outputOf('python3', python('settle', this.model, this.mounted));
  }

  assertSame(mounted = this.mounted): void {
    assertSameTree(this.model, mounted);
  }
}

/** What the program expects, on two plain folders. */
export async function operateOnFolders(folder: string, seed: number, { batches, operations }: Amount): Promise<void> {
  const both = new TwoTrees(join(folder, 'model'), join(folder, 'other'));
  for (let batch = 0; batch < batches; batch++) await both.batch(seed + batch, operations);
  both.assertSame();
}

/** Random operations on a group's live tree and on a folder beside the store. */
export async function operateOnMount(store: TestStore, seed: number, { batches, operations }: Amount): Promise<void> {
  chmodSync(store.folder, 0o755);
  const group = `host/x${seed}`;
  mkdirSync(join(store.mountpoint, group));
  const both = new TwoTrees(join(store.folder, `model-${seed}`), join(store.mountpoint, group, 'current', 'tree'));
  for (let batch = 0; batch < batches; batch++) {
    await both.batch(seed + batch, operations);
    both.assertSame();
    if (batch % 2 === 1) {
      await store.remount();
      both.assertSame();
    }
  }
  store.cairn('snapshot', 'create', group);
  both.assertSame(join(store.latest(group), 'tree'));
  assert.deepEqual(store.status().problems, []);
  outputOf('rm', ['-rf', both.model, both.mounted]);
}

/** How many operations that is. */
export function countOf({ batches, operations }: Amount): number {
  return batches * operations * PROCESSES;
}
