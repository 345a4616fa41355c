// Chunks through the backends of one datastore, without the store: one folder against several redundancies over six folders
// of the same disk. Bytes do not compress, as chunks that were compressed.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { FsBackend } from '../../dist/src/backend/fs/fs-backend.js';
import { markMember } from '../../dist/src/backend/spread/mark.js';
import { SpreadBackend } from '../../dist/src/backend/spread/spread-backend.js';
import { parseRedundancy } from '../../dist/src/core/redundancy.js';
import { encodeObject } from '../../dist/src/native/erasure.js';

const CHUNKS = 96;
const CHUNK_BYTES = 1024 * 1024;
/** As many as a chunk store writes at once on two cores. */
const AT_ONCE = 4;
const MEMBERS = 6;
const DATASTORE = 'bench';
const GB = 1e9;
export const ONE_FOLDER = 'one folder';

const chunks = Array.from({ length: CHUNKS }, () => randomBytes(CHUNK_BYTES));

async function open(scheme, folder) {
  mkdirSync(folder);
  if (scheme === ONE_FOLDER) return { backend: new FsBackend(folder), folders: [] };
  const folders = Array.from({ length: MEMBERS }, (_, at) => join(folder, `${at}`));
  for (const [at, path] of folders.entries()) {
    mkdirSync(path);
    await markMember(new FsBackend(path), { datastore: DATASTORE, member: `d${at}` }, path);
  }
  const settings = { weight: 1, readOnly: false, draining: false, minFreeBytes: 0 };
  const members = folders.map((path, at) => ({
    settings: { ...settings, id: `d${at}` },
    open: () => new FsBackend(path),
  }));
  const backend = new SpreadBackend({ datastore: DATASTORE, members, redundancy: parseRedundancy(scheme) });
  await backend.readRepair.pause();
  return { backend, folders };
}

/** Does something to each chunk. @returns bytes a second */
async function rated(work) {
  const limit = pLimit(AT_ONCE);
  const begun = performance.now();
  await Promise.all(chunks.map((bytes, at) => limit(() => work(`.chunks/${at % 16}/${at}`, bytes))));
  return (CHUNKS * CHUNK_BYTES) / ((performance.now() - begun) / 1000);
}

/** Bytes a second put and read, also with two of six members lost, and microseconds of CPU to put a chunk. */
export async function backendRound(scheme, folder) {
  const { backend, folders } = await open(scheme, folder);
  try {
    const before = process.cpuUsage();
    const put = await rated((name, bytes) => backend.put(name, bytes));
    const { user, system } = process.cpuUsage(before);
    const read = await rated((name) => backend.get(name));
    if (!scheme.startsWith('ec:')) return { put, cpu: (user + system) / CHUNKS, read };
    for (const path of folders.slice(0, 2)) rmSync(path, { recursive: true });
    const degraded = await rated((name) => backend.get(name));
    return { put, cpu: (user + system) / CHUNKS, read, degraded };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** GB a second one core encodes, with all checksums: one chunk after the other. */
export async function encodeRate({ data, parity }) {
  const shardBytes = Math.ceil(CHUNK_BYTES / data);
  const room = Buffer.alloc(parity * shardBytes);
  const begun = performance.now();
  for (const chunk of chunks) await encodeObject({ data, parity }, chunk, shardBytes, room);
  return (CHUNKS * CHUNK_BYTES) / GB / ((performance.now() - begun) / 1000);
}
