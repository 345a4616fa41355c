import { mkdir, readdir, rmdir, stat } from 'node:fs/promises';
import type { Backend } from '../backend/backend.js';
import { FsBackend } from '../backend/fs/fs-backend.js';
import type { S3Backend } from '../backend/s3/s3-backend.js';
import { MARK_NAME, markMember, readMark } from '../backend/spread/mark.js';
import type { MemberPlace } from '../backend/spread/member.js';
import type { SpreadSetup } from '../backend/spread/members.js';
import type { Exclusively } from '../backend/spread/object-mender.js';
import { SpreadBackend } from '../backend/spread/spread-backend.js';
import { processGuards, withLock } from '../chunkstore/guards.js';
import { CHUNKS_FOLDER, chunkFolders, type PrefixDigits, QUARANTINE_FOLDER } from '../chunkstore/layout.js';
import { digestFromHex } from '../core/digest.js';
import { CairnError, fromSystemError, kindOf } from '../core/errors.js';
import { parseRedundancy } from '../core/redundancy.js';
import type { BackendConfig, SpreadConfig } from './backend-config.js';
import { ShardRecord } from './shard-record.js';

const FOLDER_MODE = 0o750;
/** Folders of a member that are never made by a put: where they are gone its disk is. */
const STANDING = [CHUNKS_FOLDER];
const CHUNK_FILE = /\/([0-9a-f]{64})(?:\.[^/]*)?$/;

/** What is needed of a config. */
export type SpreadSource = SpreadConfig & { readonly uuid: string; readonly prefixDigits: PrefixDigits };

/** Several backends as one, and what closes them. */
export interface OpenSpread {
  readonly spread: SpreadBackend;
  /** Where pieces were put and last seen. */
  readonly shards: ShardRecord;
  /** Goes by a config that was changed. */
  reconfigure(config: SpreadSource): Promise<void>;
  close(): void;
}

/**
 * Opens the backends of a config that has some; nothing is asked of them.
 * @param purpose only the datastore's one writer mends what readers come across
 * @param record folder of the database of where pieces are
 */
export async function openSpread(config: SpreadSource, purpose: 'read' | 'write', record: string): Promise<OpenSpread> {
  const servers = new Servers();
  const shards = new ShardRecord(record);
  const spread = new SpreadBackend({
    ...(await setupOf(config, servers)),
    datastore: config.uuid,
    partitions: (prefix) => partitionsOf(prefix, config.prefixDigits),
    exclusively: whileLocked,
    heard: (change) => shards.note(change),
  });
  if (purpose === 'read') await spread.readRepair.pause();
  return {
    spread,
    shards,
    reconfigure: async (changed) => spread.members.configure(await setupOf(changed, servers)),
    close: () => {
      void spread.readRepair.pause();
      servers.close();
      shards.close();
    },
  };
}

/** Opens one backend by itself, for what is done before it is a member or after. */
export async function withBackend<T>(config: BackendConfig, work: (backend: Backend) => Promise<T>): Promise<T> {
  const servers = new Servers();
  try {
    return await work((await placeOf(config, servers)).open());
  } finally {
    servers.close();
  }
}

/**
 * Makes a store a member of a datastore, so that it is known again.
 * @returns takes that back, as far as it was made now
 * @throws {CairnError} `exists` where it is another's, or has chunks of nobody; what the store says
 */
export async function prepareBackend(config: BackendConfig, datastore: string): Promise<() => Promise<void>> {
  const title = titleOfBackend(config);
  const madeFolder = config.type === 'fs' && (await makeFolder(config.path as string));
  const wasMarked = await withBackend(config, async (backend) => {
    const found = await readMark(backend);
    if (found === undefined) await requireNoChunks(backend, title);
    await markMember(backend, { datastore, member: config.id }, title);
    return found !== undefined;
  });
  if (config.type === 'fs') await makeFolder(`${config.path}/${CHUNKS_FOLDER}`);
  return async () => {
    if (config.type === 'fs') await removeEmptyFolders(`${config.path}/${CHUNKS_FOLDER}`);
    if (!wasMarked) await forgetBackend(config);
    if (madeFolder) await rmdir(config.path as string).catch(() => undefined);
  };
}

/** Takes a member's mark away; what else it has stays. */
export async function forgetBackend(config: BackendConfig): Promise<void> {
  await withBackend(config, (backend) => backend.removeAll([MARK_NAME]));
}

/** A backend for people. */
export function titleOfBackend({ type, path, s3 }: BackendConfig): string {
  return type === 'fs' ? (path as string) : `s3://${s3?.bucket}/${s3?.store}`;
}

async function setupOf(config: SpreadSource, servers: Servers): Promise<SpreadSetup> {
  const members: MemberPlace[] = [];
  for (const backend of config.backends ?? []) members.push(await placeOf(backend, servers));
  return {
    members,
    redundancy: parseRedundancy(config.redundancy ?? 'single'),
    groupRedundancies: Object.values(config.groupRedundancy ?? {}).map(parseRedundancy),
    converting: config.converting ?? false,
    preferred: config.preferredBackend,
  };
}

async function placeOf(config: BackendConfig, servers: Servers): Promise<MemberPlace> {
  const { id, weight, readOnly, draining, minFreeBytes, path } = config;
  const settings = { id, weight, readOnly, draining, minFreeBytes };
  if (config.type === 'fs') return { settings, open: () => new FsBackend(path as string, STANDING) };
  const server = await servers.open(config);
  return { settings, open: () => server };
}

/** Clients of object stores, one for each backend as long as all are open. */
class Servers {
  readonly #open = new Map<string, S3Backend>();

  async open(config: BackendConfig): Promise<S3Backend> {
    const key = JSON.stringify(config.s3);
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    if (config.s3 === undefined) throw new CairnError('corrupt', `The config names no bucket for backend ${config.id}`);
    // Loading the SDK takes a quarter of a second, which is for those who need it.
    const { S3Backend } = await import('../backend/s3/s3-backend.js');
    const opened = new S3Backend(config.s3);
    this.#open.set(key, opened);
    return opened;
  }

  close(): void {
    for (const server of this.#open.values()) server.close();
  }
}

/** Whoever puts, moves or removes a chunk has its digest locked; so has who mends it. */
const whileLocked: Exclusively = (name, work) => {
  const [, hex] = CHUNK_FILE.exec(name) ?? [];
  return hex === undefined ? work() : withLock(processGuards(), digestFromHex(hex), work);
};

function partitionsOf(prefix: string, prefixDigits: PrefixDigits): readonly string[] {
  if (prefix === CHUNKS_FOLDER) return chunkFolders(prefixDigits);
  if (prefix !== QUARANTINE_FOLDER) return [prefix];
  return Array.from({ length: 256 }, (_, at) => `${QUARANTINE_FOLDER}/${at.toString(16).padStart(2, '0')}`);
}

async function requireNoChunks(backend: Backend, title: string): Promise<void> {
  for await (const name of backend.list(CHUNKS_FOLDER)) {
    throw new CairnError('exists', `${title} has chunks already (${name}): choose an empty place`);
  }
}

/**
 * The folder above has to be there: a disk that is not mounted must not be taken for a new folder.
 * @returns whether it was made
 */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: FOLDER_MODE });
    return true;
  } catch (error) {
    const failure = fromSystemError(error, `make the folder ${path}`);
    if (kindOf(failure) !== 'exists' || !(await stat(path)).isDirectory()) throw failure;
    return false;
  }
}

async function removeEmptyFolders(path: string): Promise<void> {
  const names = await readdir(path).catch(() => []);
  for (const name of names) await rmdir(`${path}/${name}`).catch(() => undefined);
  await rmdir(path).catch(() => undefined);
}
