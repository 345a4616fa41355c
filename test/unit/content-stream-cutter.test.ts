import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChunkExtent } from '../../src/catalog/extent.js';
import { FIXED_CUTTER } from '../../src/chunk/limits.js';
import { StreamCutter } from '../../src/content/stream-cutter.js';
import type { Digest } from '../../src/core/digest.js';
import { Draft } from '../../src/native/draft.js';
import { noise } from '../support/noise.js';

const CHUNK = 4 * 1024 * 1024;
const CHUNKS = 4;

/** A stream of four chunks whose storing ends when the test says so. */
function streamOf(t: { after(work: () => void): void }) {
  const draft = new Draft();
  t.after(() => draft.dispose());
  draft.write(0, noise('stream', CHUNKS * CHUNK));
  const ends = new Map<number, { resolve(extent: ChunkExtent): void; reject(error: Error): void }>();
  const stored: number[] = [];
  const failed: string[] = [];
  let begun = (): void => undefined;
  const allBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const sink = {
    store: (_: Draft, start: number, end: number, digest: Digest) =>
      new Promise<ChunkExtent>((resolve, reject) => {
        const extent = { kind: 'chunk', at: start, offset: 0, length: end - start, digest } as unknown as ChunkExtent;
        ends.set(start / CHUNK, { resolve: () => resolve(extent), reject });
        if (ends.size === CHUNKS) begun();
      }),
  };
  const stream = new StreamCutter(draft, sink, FIXED_CUTTER, 0, {
    dirtyEnd: () => CHUNKS * CHUNK,
    stored: ({ at }) => stored.push(at / CHUNK),
    failed: (error) => failed.push((error as Error).message),
    settled: () => undefined,
  });
  const end = (chunk: number, error?: Error) => {
    const { resolve, reject } = ends.get(chunk) ?? assert.fail(`chunk ${chunk} is not being stored`);
    if (error === undefined) resolve({} as ChunkExtent);
    else reject(error);
  };
  return { stream, stored, failed, allBegun, end };
}

test('chunks are told of in the order of the file, whichever is stored first', async (t) => {
  const { stream, stored, allBegun, end } = streamOf(t);
  const finished = stream.finish(CHUNKS * CHUNK);
  await allBegun;
  for (const chunk of [3, 1, 2]) end(chunk);
  await new Promise(setImmediate);
  assert.deepEqual(stored, [], 'a file must not grow past bytes that are nowhere yet');
  assert.ok(stream.frozen(CHUNK, 2 * CHUNK), 'what is not recorded must not change');
  end(0);
  await finished;
  assert.deepEqual(stored, [0, 1, 2, 3]);
});

test('a chunk that cannot be stored does not keep those behind it back for ever', async (t) => {
  const { stream, stored, failed, allBegun, end } = streamOf(t);
  const finished = stream.finish(CHUNKS * CHUNK);
  await allBegun;
  for (const chunk of [3, 2, 1]) end(chunk);
  end(0, new Error('no room'));
  await finished;
  assert.deepEqual([stored, failed], [[1, 2, 3], ['no room']]);
  assert.equal(stream.busy, false);
});
