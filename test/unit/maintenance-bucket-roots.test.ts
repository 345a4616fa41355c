import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Digest } from '../../src/core/digest.js';
import { encodeDynamicIndex } from '../../src/index/dynamic-index.js';
import { type RootParts, SharedRoots } from '../../src/maintenance/bucket/bucket-roots.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const FOLDER = 'host/a/2026-11-21T10:00:00Z';
const [MANIFEST, INDEX] = [`${FOLDER}/index.json.blob`, `${FOLDER}/root.mpxar.didx`];
const [FIRST, SECOND] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

const indexOf = (digest: Digest): Buffer =>
  encodeDynamicIndex({ uuid: Buffer.alloc(16), ctime: 0 }, [{ end: 10, digest }]).bytes;
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** A bucket with a snapshot, and a machine that knows one of its name, which names the first chunk. */
function bucketOf(t: TestContext, there: { manifest: string; digest: Digest }, identity: string) {
  const bucket = new Map([
    [MANIFEST, Buffer.from(there.manifest)],
    [INDEX, indexOf(there.digest)],
  ]);
  const store = temporaryFolder(t);
  mkdirSync(join(store, FOLDER), { recursive: true });
  writeFileSync(join(store, MANIFEST), 'first');
  const read: string[] = [];
  const parts = {
    store,
    objects: {
      get: async (name: string) => {
        read.push(name);
        return bucket.get(name);
      },
    },
    listing: {
      objects: async function* (prefix: string) {
        for (const [name, bytes] of bucket) if (name.startsWith(`${prefix}/`)) yield { name, tag: md5(bytes) };
      },
    },
    reader: {
      chunks: { find: (digest: Digest) => (FIRST.equals(digest) ? { state: 'present' } : undefined) },
      indexFiles: { find: () => ({}) },
      uploads: { fileIdentity: (path: string) => (path === MANIFEST ? identity : '1:2:3') },
    },
    goOn: () => undefined,
  };
  return { roots: new SharedRoots(parts as unknown as RootParts), read };
}

for (const [whose, identity] of [
  ['another machine', `tag ${md5(Buffer.from('first'))}`],
  ['this machine', '1:2:3'],
]) {
  test(`index files of a snapshot of ${whose} that has been made anew under its name are read`, async (t) => {
    const { roots, read } = bucketOf(t, { manifest: 'second', digest: SECOND }, identity as string);
    await roots.mark();
    assert.deepEqual([read, roots.has(SECOND)], [[INDEX], true]);
  });

  test(`index files of a snapshot of ${whose} that is here as it is there are not read`, async (t) => {
    const { roots, read } = bucketOf(t, { manifest: 'first', digest: FIRST }, identity as string);
    await roots.mark();
    assert.deepEqual([read, roots.has(FIRST)], [[], true]);
  });
}
