import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { chunkFolders, chunkName } from '../../src/chunkstore/layout.js';
import { Quarantine } from '../../src/chunkstore/quarantine.js';
import { beginSweep } from '../../src/chunkstore/removal.js';
import { setAside } from '../../src/chunkstore/set-aside.js';
import { CatalogChunkStates } from '../../src/content/catalog-chunk-states.js';
import type { GcReport } from '../../src/control/gc-commands.js';
import { silentLog } from '../../src/core/log.js';
import { GcService } from '../../src/daemon/gc-service.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { type FileLook, filesInFolder, filesOnMembers } from '../../src/maintenance/gc/chunk-files.js';
import { type Clocks, ClockWatch, systemClocks } from '../../src/maintenance/gc/clock-watch.js';
import { collect } from '../../src/maintenance/gc/collect.js';
import { GcOwner } from '../../src/maintenance/gc/gc-owner.js';
import type { GcParts } from '../../src/maintenance/gc/gc-parts.js';
import type { GcAsks, GcJobOptions } from '../../src/maintenance/gc/gc-protocol.js';
import type { GcReport as DoneReport } from '../../src/maintenance/gc/plan.js';
import type { OpenStore } from './open-store.js';

export const HOUR = 3600;

/** What a collection in a test may have different. */
export interface CollectOptions extends Partial<GcJobOptions> {
  readonly clocks?: Clocks;
  /** Called wherever the collection may be given up. */
  readonly goOn?: () => void;
  /** Called before each ask. */
  readonly onAsk?: (name: keyof GcAsks) => Promise<void> | void;
}

/** Collects garbage of an open store in this thread. */
export async function collectIn(store: OpenStore, options: CollectOptions = {}): Promise<DoneReport> {
  const { clocks = systemClocks, goOn = () => undefined, onAsk = () => undefined, ...job } = options;
  const { live, datastore } = store;
  const { catalog, chunks, paths } = datastore;
  const states = new CatalogChunkStates({ catalog, chunks, durability: live.durability, log: live.parts.log });
  const { durability, packer } = live;
  const owner = new GcOwner({ catalog, durability, packer, states, log: live.parts.log, requests: () => 0 });
  const reader = await openDatastoreReader(paths.root);
  const { backend, config } = reader;
  const prefixDigits = config.prefixDigits;
  const look: FileLook = async (path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found && { bytes: found.size, modifiedSeconds: found.mtimeMs / 1000 };
  };
  const files = reader.spread
    ? filesOnMembers(reader.spread.spread, look)
    : filesInFolder(paths.root, reader.backend, look);
  const parts: GcParts = {
    options: {
      ...{ dryRun: false, full: false, graceSeconds: HOUR, lastEndedAt: 0, processStartedAt: Date.now() / 1000 },
      ...{ quarantine: null, graceFrom: 0 },
      ...{ store: paths.root, folders: chunkFolders(prefixDigits) },
      ...job,
    },
    reader: reader.catalog,
    clock: new ClockWatch(clocks),
    quarantine: new Quarantine({ backend, prefixDigits, states, bytes: files.bytes }),
    beginSweep: (since) => beginSweep({ backend, prefixDigits, states, since }),
    setAside: (digest) => setAside({ backend, prefixDigits, chunks: reader.chunks, states }, digest),
    chunkBytes: (digest) => backend.size(chunkName(digest, prefixDigits)),
    files,
    ask: async (name, payload) => {
      await onAsk(name);
      return owner.handlers[name](payload);
    },
    progress: () => undefined,
    goOn,
  };
  try {
    return await collect(parts);
  } finally {
    owner.close();
    reader.close();
  }
}

/** Collects as the daemon does, in a job's thread. */
export async function collectInJob(store: OpenStore, graceSeconds = HOUR, full = false): Promise<GcReport> {
  const service = new GcService(store.datastore, store.live, silentLog);
  const context = { progress: () => undefined, signal: new AbortController().signal };
  return service.run({ dryRun: false, full, graceSeconds }, context);
}

/** Chunk files of a store: their digests in hex, sorted. */
export function chunksOnDisk(store: string, folder = '.chunks'): string[] {
  const names = readdirSync(join(store, folder), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.slice(0, 64))
    .sort();
}

/** Bytes of all files below a folder. */
export function bytesBelow(folder: string): number {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Where a chunk's file is. */
export function chunkPath(store: string, digest: Uint8Array): string {
  const hex = Buffer.from(digest).toString('hex');
  return join(store, '.chunks', hex.slice(0, 2), hex);
}

/** Runs the test's cleanup of a path at its end. */
export function removedAfter(t: TestContext, path: string): string {
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
