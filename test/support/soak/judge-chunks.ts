import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { standingChunks } from '../../../src/chunk/standing-chunks.js';
import { digestHex } from '../../../src/core/digest.js';
import { chunkFiles } from '../check-chunks.js';
import { decodeIndex } from '../spec-decoder/indexes.js';

/** The digests that the index files of all snapshots of a store name. */
function referencedChunks(store: string): Set<string> {
  const digests = new Set<string>();
  for (const type of ['host', 'vm', 'ct', 'ns']) {
    for (const path of indexFiles(join(store, type))) {
      for (const { digest } of decodeIndex(readFileSync(path)).chunks) digests.add(digest);
    }
  }
  return digests;
}

function indexFiles(folder: string): string[] {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /\.[df]idx$/.test(name)).map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Every chunk an index file names is there, and after a collection of a store with empty live trees no other but the
 * standing ones. Returns how many are named.
 */
export function judgeChunks(store: string): number {
  const there = new Set(chunkFiles(store).map((path) => basename(path)));
  const referenced = referencedChunks(store);
  const standing = new Set([...standingChunks()].map(({ digest }) => digestHex(digest)));
  assert.deepEqual(
    [...referenced].filter((digest) => !there.has(digest)),
    [],
    'chunks that are referenced and missing',
  );
  assert.deepEqual(
    [...there].filter((digest) => !referenced.has(digest) && !standing.has(digest)),
    [],
    'chunks nothing refers to',
  );
  return referenced.size;
}
