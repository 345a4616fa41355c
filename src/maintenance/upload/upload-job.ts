import type { MessagePort } from 'node:worker_threads';
import { processGuards } from '../../chunkstore/guards.js';
import { CairnError } from '../../core/errors.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { JobPort } from '../job/job-port.js';
import { evictChunks } from './evict.js';
import { listStoreFiles } from './store-files.js';
import { uploadChunks } from './upload-chunks.js';
import { uploadFiles } from './upload-files.js';
import type { FactsOf, UploadParts } from './upload-parts.js';
import type { UploadAsks, UploadJobOptions, UploadReport } from './upload-protocol.js';

/** Given back at a time on a full disk. */
const ROOM_FOR_DISK_BYTES = 256 * 1024 * 1024;

const NO_CHUNKS = { chunks: 0, bytes: 0, missing: 0, waiting: 0, isCut: false };
const NO_FILES = { filesPut: 0, filesRemoved: 0, filesToRemove: 0, evictedBytes: 0, isHeldUp: false };

/** The job's side of an upload. */
export async function serveUploadJob(options: UploadJobOptions, port: MessagePort, factsOf: FactsOf): Promise<void> {
  const owner = new JobPort<UploadAsks>(port);
  await owner.serve(async () => {
    const datastore = await openDatastoreReader(options.store);
    try {
      const { objects, catalog, config } = datastore;
      if (objects === undefined) throw new CairnError('invalid', 'The datastore has no object store');
      const parts: UploadParts = {
        store: options.store,
        prefixDigits: config.prefixDigits,
        reader: catalog,
        objects,
        isShared: options.isShared,
        machine: options.machine,
        mayWithdraw: options.mayWithdraw,
        guards: processGuards(),
        cacheBytes: config.cacheBytes,
        factsOf,
        ask: (name, payload) => owner.ask(name, payload),
        progress: (progress) => owner.progress(progress),
        goOn: () => owner.goOn(),
      };
      return await (options.onlyEvict ? makeRoom(parts) : uploadAll(parts));
    } finally {
      datastore.close();
    }
  });
}

/** Makes passes until nobody asks for more: a thread that has begun takes what came meanwhile. @returns what the last one did */
async function uploadAll(parts: UploadParts): Promise<UploadReport> {
  let evictedBytes = 0;
  for (let { mayWithdraw } = parts; ; ) {
    const done = await upload({ ...parts, mayWithdraw });
    evictedBytes += done.evictedBytes;
    const again = await parts.ask('again', done);
    if (again === null) return done;
    // What was evicted here the newest copy of the live trees may need.
    mayWithdraw = again.mayWithdraw && evictedBytes === 0;
  }
}

/**
 * Brings everything to the object store that is not there now: chunks, then the files of snapshots, which name them. Files are
 * listed before the queue is gone through: what they name is in the object store then, unless a chunk is missing.
 */
export async function upload(parts: UploadParts): Promise<UploadReport> {
  const files = await listStoreFiles(parts);
  const uploaded = await uploadChunks(parts);
  if (uploaded.isCut) return { ...NO_FILES, ...uploaded };
  const isComplete = uploaded.missing + uploaded.waiting === 0;
  const { put, removed, kept } = isComplete ? await uploadFiles(parts, files) : { put: 0, removed: 0, kept: 0 };
  const evicted = await evictChunks(parts);
  return { ...uploaded, filesPut: put, filesRemoved: removed, filesToRemove: kept, ...evicted };
}

/** Evicts a part of what is here, whatever the bound. */
async function makeRoom(parts: UploadParts): Promise<UploadReport> {
  const evicted = await evictChunks(parts, (bytes) => bytes - ROOM_FOR_DISK_BYTES);
  return { ...NO_FILES, ...NO_CHUNKS, ...evicted };
}
