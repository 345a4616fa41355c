import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CachedBackend } from '../../src/backend/cache/cached-backend.js';
import type { Alone } from '../../src/backend/cache/transfers.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { ChunkCare } from '../../src/chunkstore/chunk-care.js';
import { ChunkStore } from '../../src/chunkstore/chunk-store.js';
import { chunkName } from '../../src/chunkstore/layout.js';
import { CairnError } from '../../src/core/errors.js';
import { sha256Sync } from '../../src/native/hash.js';
import { testBackend } from './backend-suite.js';

const alone: Alone = (work) => work();

/** One whose objects are elsewhere as soon as they are put. */
class EvictingBackend extends CachedBackend {
  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    await this.transfers.upload(name);
    await this.transfers.evict(name, alone);
  }
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-cache-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function withBackend(
  Kind: typeof CachedBackend,
  body: (backend: CachedBackend, folder: string) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const backend = new Kind(folder, new MemoryBackend());
    await body(backend, folder);
    // Nothing is written into it any more.
    await backend.sync();
  });
}

testBackend('cache', (body) => withBackend(CachedBackend, body));
testBackend('cache, evicted', (body) => withBackend(EvictingBackend, body));

const NAME = '.chunks/a9/a948';

test('cache: what is evicted takes no room, looks the same, and comes back when it is read', async () => {
  await withFolder(async (folder) => {
    const remote = new MemoryBackend();
    const backend = new CachedBackend(folder, remote);
    const bytes = randomBytes(100_000);
    await backend.put(NAME, bytes);
    assert.equal(await backend.transfers.evict(NAME, alone), 0, 'it is nowhere else');
    assert.equal(await backend.transfers.upload(NAME), bytes.length);
    assert.equal(await backend.transfers.evict(NAME, alone), bytes.length);
    assert.equal(await backend.transfers.evict(NAME, alone), 0);
    assert.equal(await backend.transfers.upload(NAME), undefined, 'a placeholder is not uploaded');
    const { size, blocks } = statSync(join(folder, NAME));
    assert.deepEqual({ size, blocks }, { size: bytes.length, blocks: 0 });
    assert.equal(await backend.size(NAME), bytes.length);
    assert.equal(await backend.touch(NAME), bytes.length);
    assert.deepEqual(await backend.getRange(NAME, 500, 9), bytes.subarray(500, 509));
    assert.ok((await backend.get(NAME)).equals(bytes));
    await backend.sync();
    assert.ok(readFileSync(join(folder, NAME)).equals(bytes), 'it is kept');
    await remote.removeAll([NAME]);
    assert.ok((await backend.get(NAME)).equals(bytes), 'from here');
  });
});

test('cache: what is fetched is there at once, as it was, before it is written here; what comes after finds it written', async () => {
  await withBackend(EvictingBackend, async (backend, folder) => {
    const names = Array.from({ length: 40 }, (_, n) => `.chunks/a9/${n}`);
    const contents = names.map(() => randomBytes(50_000));
    for (const [n, name] of names.entries()) await backend.put(name, contents[n] as Buffer);
    await Promise.all(
      names.map(async (name, n) => {
        const [first, second] = await Promise.all([backend.get(name), backend.get(name)]);
        first.fill(0);
        assert.ok(second.equals(contents[n] as Buffer));
        assert.ok((await backend.get(name)).equals(contents[n] as Buffer), 'as it was');
        if (n % 3 === 0) assert.deepEqual(await backend.removeAll([name]), [true]);
        if (n % 3 === 1) assert.deepEqual(await backend.moveAll([{ from: name, to: `moved/${n}` }]), [true]);
      }),
    );
    await backend.sync();
    for (const [n, name] of names.entries()) {
      assert.equal(await backend.size(name), n % 3 === 2 ? 50_000 : undefined, name);
      if (n % 3 === 2) assert.ok(readFileSync(join(folder, name)).equals(contents[n] as Buffer));
    }
  });
});

test('cache: files may be deleted by hand once they were uploaded', async () => {
  await withFolder(async (folder) => {
    const backend = new CachedBackend(folder, new MemoryBackend());
    await backend.put(NAME, Buffer.from('abc'));
    await backend.transfers.upload(NAME);
    unlinkSync(join(folder, NAME));
    assert.equal(await backend.size(NAME), 3);
    assert.equal((await backend.get(NAME)).toString(), 'abc');
  });
});

test('cache: an object of zeros is no placeholder', async () => {
  await withFolder(async (folder) => {
    const remote = new MemoryBackend();
    const backend = new CachedBackend(folder, remote);
    await remote.put('zeros', Buffer.from('something older'));
    await backend.put('zeros', Buffer.alloc(5000));
    assert.deepEqual(await backend.get('zeros'), Buffer.alloc(5000));
    assert.deepEqual(await backend.getRange('zeros', 10, 10), Buffer.alloc(10));
    assert.equal(await backend.transfers.upload('zeros'), 5000);
    assert.equal(await backend.transfers.evict('zeros', alone), 0);
  });
});

test('cache: what was written anew while it was to be evicted stays', async () => {
  await withFolder(async (folder) => {
    const backend = new CachedBackend(folder, new MemoryBackend());
    await backend.put(NAME, Buffer.from('old'));
    await backend.transfers.upload(NAME);
    const writing: Alone = async (work) => {
      await backend.put(NAME, Buffer.from('newer'));
      return work();
    };
    assert.equal(await backend.transfers.evict(NAME, writing), 0);
    assert.equal((await backend.get(NAME)).toString(), 'newer');
  });
});

test('cache: where the other one cannot be asked, what is here goes on and nothing is said to be absent', async () => {
  await withFolder(async (folder) => {
    const remote = new MemoryBackend();
    const backend = new CachedBackend(folder, remote);
    await backend.put('here', Buffer.from('here'));
    await backend.put(NAME, Buffer.from('there'));
    await backend.transfers.upload(NAME);
    await backend.transfers.evict(NAME, alone);
    const down = () => Promise.reject(new CairnError('unreachable', 'made to fail'));
    Object.assign(remote, { get: down, getRange: down, size: down, touch: down, moveAll: down, removeAll: down });
    assert.equal((await backend.get('here')).toString(), 'here');
    assert.equal(await backend.touch(NAME), 5);
    const unreachable = (error: unknown) => error instanceof CairnError && error.kind === 'unreachable';
    await assert.rejects(backend.get(NAME), unreachable);
    await assert.rejects(backend.size('unknown'), unreachable);
    await assert.rejects(backend.removeAll(['here']), unreachable);
    await assert.rejects(backend.moveAll([{ from: 'here', to: 'gone' }]), unreachable);
    assert.equal((await backend.get('here')).toString(), 'here', 'it can be tried again');
  });
});

test('cache: a damaged copy here is replaced by the one there', async () => {
  await withFolder(async (folder) => {
    const remote = new MemoryBackend();
    const backend = new CachedBackend(folder, remote);
    const digest = sha256Sync(Buffer.from('content'));
    const name = chunkName(digest, 2);
    const chunks = new ChunkStore(backend, 2);
    const care = new ChunkCare(backend, 2, chunks);
    chunks.hold(digest);
    await chunks.insertBytes(digest, Buffer.from('content'));
    const spoil = () => writeFileSync(join(folder, name), 'spoilt');
    spoil();
    assert.equal((await care.examine(digest)).kind, 'corrupt', 'it is nowhere else');
    await chunks.insertBytes(digest, Buffer.from('content'));
    await backend.transfers.upload(name);
    const sound = readFileSync(join(folder, name));
    for (const read of [() => chunks.read(digest), () => chunks.load(digest), () => care.examine(digest)]) {
      spoil();
      await read();
      assert.ok(readFileSync(join(folder, name)).equals(sound));
    }
    spoil();
    remote.get = () => Promise.reject(new CairnError('unreachable', 'made to fail'));
    await assert.rejects(care.examine(digest), (error) => (error as CairnError).kind === 'unreachable');
    chunks.release(digest);
  });
});
