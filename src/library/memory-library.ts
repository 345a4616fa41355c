import { MemoryBackend } from '../backend/memory/memory-backend.js';
import type { ChunkStates } from '../chunkstore/chunk-states.js';
import { ChunkStore } from '../chunkstore/chunk-store.js';
import { beginSweep } from '../chunkstore/removal.js';
import { digestHex } from '../core/digest.js';
import { parseDynamicIndex } from '../index/dynamic-index.js';
import { isHeld } from '../native/holds.js';
import type { CollectOptions, CollectResult, Library } from './api.js';
import { backendOperations } from './backend-operations.js';
import { noBackendChanges } from './change-backends.js';
import { changesDuring } from './changes.js';
import { chunkReads } from './chunk-operations.js';
import { eitherSignal, requireGoingOn } from './interruption.js';
import { MemoryIndex } from './memory-index.js';
import { oneBackend } from './one-backend.js';
import { OpenWork } from './open-work.js';
import { objectReads } from './read-objects.js';
import type { WritableIndex } from './store-index.js';
import type { WriteParts } from './store-parts.js';
import { TurnsByKey } from './turns-by-key.js';

const PREFIX_DIGITS = 2;
const ROWS_AT_ONCE = 1000;

/** A store that is in memory, index and all, and goes with the process: for tests, and for what is kept nowhere. */
export function memoryLibrary(options: { readonly capacityBytes?: number | undefined } = {}): Library {
  const storage = new MemoryBackend(options.capacityBytes);
  const place = { type: 'memory', location: 'memory', readOnly: false } as const;
  const backends = oneBackend(place, storage, PREFIX_DIGITS);
  const work = new OpenWork();
  const parts: WriteParts = {
    index: new MemoryIndex(),
    chunks: new ChunkStore(storage, PREFIX_DIGITS),
    chunksOn: (backend) => new ChunkStore(backend, PREFIX_DIGITS),
    files: storage,
    closing: work.signal,
    turns: new TurnsByKey(),
    storing: (insert) => insert(),
    counts: { received: 0, deleted: 0 },
  };
  return {
    ...objectReads(parts),
    ...chunkReads(parts, parts.counts),
    ...changesDuring(work, parts, backends),
    ...backendOperations(backends),
    ...noBackendChanges(),
    collectGarbage: work.during((collecting?: CollectOptions) => collect(parts, collecting ?? {})),
    close: () => work.end(async () => undefined),
  };
}

/** There is no quarantine: what nothing names goes at once. */
async function collect(parts: WriteParts, { signal, dryRun = false }: CollectOptions): Promise<CollectResult> {
  const { index, files, closing } = parts;
  const either = eitherSignal(closing, signal);
  const removed = { chunks: 0, bytes: 0 };
  const sweep = beginSweep({ backend: files, prefixDigits: PREFIX_DIGITS, states: statesOf(index), since: 0 });
  try {
    const named = await sweep.mark(() => namedChunks(parts));
    for (let after: Uint8Array = Buffer.alloc(0); ; ) {
      requireGoingOn(either);
      const page = index.listChunks(after, ROWS_AT_ONCE);
      const unused = page.filter(
        ({ digest, state }) => state === 'present' && !named.has(digestHex(digest)) && !isHeld(digest),
      );
      const digests = unused.map(({ digest }) => digest);
      const gone = new Set(dryRun ? digests : (await sweep.remove(digests, 'delete')).removed);
      removed.chunks += gone.size;
      for (const { digest, stored } of unused) if (gone.has(digest)) removed.bytes += stored;
      const last = page.at(-1);
      if (last === undefined || page.length < ROWS_AT_ONCE) break;
      after = last.digest;
    }
  } finally {
    await sweep.end();
  }
  return { removed, freed: dryRun ? { chunks: 0, bytes: 0 } : removed };
}

function statesOf(index: WritableIndex): ChunkStates {
  return {
    forget: async (digests) => {
      for (const digest of digests) index.forgetChunk(digest);
    },
    expire: async () => undefined,
    restore: async () => undefined,
  };
}

async function namedChunks({ index, files }: WriteParts): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  for (let from: Buffer = Buffer.alloc(0); ; ) {
    const page = index.listObjects(from, ROWS_AT_ONCE);
    for (const { indexPath } of page) {
      if (indexPath === undefined) continue;
      const listed = parseDynamicIndex(await files.get(indexPath));
      for (let position = 0; position < listed.count; position += 1) named.add(digestHex(listed.digest(position)));
    }
    const last = page.at(-1);
    if (last === undefined || page.length < ROWS_AT_ONCE) return named;
    from = Buffer.concat([Buffer.from(last.id), Buffer.alloc(1)]);
  }
}
