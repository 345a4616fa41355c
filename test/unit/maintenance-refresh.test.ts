import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestHex } from '../../src/core/digest.js';
import { encodeDynamicIndex } from '../../src/index/dynamic-index.js';
import { unpackDigests } from '../../src/maintenance/gc/packed-digests.js';
import { fetchSnapshot } from '../../src/maintenance/refresh/fetch-snapshot.js';
import type { RefreshParts } from '../../src/maintenance/refresh/refresh-parts.js';

const FOLDER = 'host/a/2026-11-21T10:00:00Z';
const SNAPSHOT = { group: 'host/a', time: 1, folder: FOLDER, files: [`${FOLDER}/root.mpxar.didx`], tag: '' };

test('a chunk that a collector takes while its snapshot is fetched is asked for in the object store', async () => {
  const digest: Digest = Buffer.alloc(32, 7);
  const { bytes } = encodeDynamicIndex({ uuid: Buffer.alloc(16), ctime: 0 }, [{ end: 10, digest }]);
  const asked: string[] = [];
  let state: 'present' | 'absent' = 'present';
  const parts = {
    store: '/nowhere',
    prefixDigits: 2,
    reader: { chunks: { find: () => ({ state }) } },
    objects: { get: async () => bytes, size: async () => 77 },
    guards: {
      hold: () => undefined,
      release: () => undefined,
      // The collector had the lock, and has written down what it took when it gives it back.
      lock: async () => {
        state = 'absent';
      },
      unlock: () => undefined,
    },
    ask: async (_name: 'chunks', { digests }: { digests: Uint8Array }) => {
      asked.push(...unpackDigests(digests).map(digestHex));
      return false;
    },
    goOn: () => undefined,
  };
  assert.equal(await fetchSnapshot(parts as unknown as RefreshParts, SNAPSHOT, new Set(), []), false);
  assert.deepEqual(asked, [digestHex(digest)]);
});
