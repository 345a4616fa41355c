import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { chunkFolders, chunkName } from '../../src/chunkstore/layout.js';
import { fetchSnapshotsAndChunks } from '../../src/daemon/attach/attach-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MANIFEST = 'host/a/2026-11-21T10:00:00Z/index.json.blob';
const CHUNK = chunkName(Buffer.alloc(32, 7), 2);

/** A bucket in which a machine publishes a snapshot at the moment that others look for snapshots. */
class BusyBucket extends MemoryBackend {
  readonly listing = { objects: (prefix: string) => this.#objects(prefix) };

  override async *list(prefix: string): AsyncGenerator<string> {
    if (prefix === 'host') for (const name of [CHUNK, MANIFEST]) await this.put(name, Buffer.from(name));
    yield* super.list(prefix);
  }

  async *#objects(prefix: string) {
    for await (const name of super.list(prefix)) yield { name, bytes: CHUNK.length, tag: '' };
  }
}

test('attach finds the chunks of each snapshot it finds, though it was published meanwhile', async (t) => {
  const folder = temporaryFolder(t);
  for (const chunks of chunkFolders(2)) mkdirSync(join(folder, chunks), { recursive: true });
  const caller = { progress: () => undefined, signal: new AbortController().signal };
  const { chunks } = await fetchSnapshotsAndChunks(new BusyBucket(), folder, 2, caller);
  assert.ok(existsSync(join(folder, MANIFEST)) && existsSync(join(folder, CHUNK)));
  assert.equal(chunks.chunks, 1);
});
