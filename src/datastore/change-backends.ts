import { resolve } from 'node:path';
import { MARK_NAME, markMember, readMark } from '../backend/spread/mark.js';
import { CHUNKS_FOLDER, QUARANTINE_FOLDER } from '../chunkstore/layout.js';
import { CairnError, kindOf } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import {
  formatRedundancy,
  parseRedundancy,
  piecesOf,
  type Redundancy,
  SINGLE,
  toleranceOf,
  writeQuorumOf,
} from '../core/redundancy.js';
import { putFile, syncFolder } from '../native/files.js';
import { type BackendConfig, requireBackend, type SpreadConfig } from './backend-config.js';
import { type DatastoreConfig, formatConfig, readConfig, SPREAD_FORMAT_VERSION } from './config.js';
import { forgetBackend, prepareBackend, titleOfBackend, withBackend } from './open-spread.js';
import type { DatastorePaths } from './paths.js';

/** What is to be different about one backend; what is absent stays. */
export interface BackendChanges {
  readonly weight?: number | undefined;
  readonly readOnly?: boolean | undefined;
  readonly minFreeBytes?: number | undefined;
  readonly media?: BackendConfig['media'] | undefined;
  readonly preferred?: boolean | undefined;
}

/** What is to be different about the backends of a datastore. */
export type BackendsChange =
  | { readonly kind: 'add'; readonly backend: BackendConfig }
  | { readonly kind: 'set'; readonly id: string; readonly changes: BackendChanges }
  | { readonly kind: 'drain'; readonly id: string; readonly draining: boolean }
  /** `lost`: whatever it holds will not come back. */
  | { readonly kind: 'remove'; readonly id: string; readonly lost: boolean }
  | { readonly kind: 'redundancy'; readonly redundancy: string }
  /** What chunks of a group are to bear at least; null: no more than others. */
  | { readonly kind: 'group-redundancy'; readonly group: string; readonly redundancy: string | null }
  /** Every chunk was found to be as the redundancy has it. */
  | { readonly kind: 'converted' };

/** The backend a datastore with one folder becomes when it gets a second one. */
export const LOCAL_ID = 'local';
const CONFIG_MODE = 0o644;

/**
 * Changes the backends of a datastore, durably. Only who holds its claim may, one change at a time (`BackendsChanger`).
 * @param goBy called with the config after it, once that is durable, for who has the backends open
 * @throws {CairnError} `invalid`, `exists`, `not-found`, or `not-empty` for a backend that still holds something; whatever
 *   keeps a backend that is removed from being told so
 */
export async function changeBackends(
  paths: DatastorePaths,
  change: BackendsChange,
  goBy: (config: DatastoreConfig) => Promise<void> = async () => undefined,
): Promise<void> {
  const config = readConfig(paths);
  if (config.s3 !== undefined) {
    throw new CairnError('unsupported', 'A datastore in front of a bucket has no other backends');
  }
  const next: DatastoreConfig = { ...config, ...(await changed(paths, config, change)), format: SPREAD_FORMAT_VERSION };
  await putFile(paths.config, `${paths.config}.tmp`, Buffer.from(formatConfig(next)), {
    mode: CONFIG_MODE,
    sync: true,
  });
  await syncFolder(paths.own);
  await goBy(next);
  if (change.kind === 'remove' && !change.lost) await forgetRemoved(requireBackend(config, change.id));
}

async function forgetRemoved(backend: BackendConfig): Promise<void> {
  try {
    await forgetBackend(backend);
  } catch (error) {
    const left = `${titleOfBackend(backend)}/${MARK_NAME}`;
    const message = `Backend ${backend.id} is removed, but keeps its mark (${(error as Error).message}): remove ${left} by hand`;
    throw new CairnError(kindOf(error), message, { cause: error });
  }
}

async function changed(paths: DatastorePaths, config: DatastoreConfig, change: BackendsChange): Promise<SpreadConfig> {
  switch (change.kind) {
    case 'add':
      return added(paths, config, change.backend);
    case 'set':
      return set(config, change.id, change.changes);
    case 'drain':
      return drained(config, change.id, change.draining);
    case 'remove':
      return removed(config, change.id, change.lost);
    case 'redundancy':
      return withRedundancy(config, change.redundancy);
    case 'group-redundancy':
      return withGroupRedundancy(config, change);
    case 'converted':
      return { converting: false };
  }
}

async function added(paths: DatastorePaths, config: DatastoreConfig, backend: BackendConfig): Promise<SpreadConfig> {
  const backends = config.backends ?? [await localBackend(paths, config)];
  requireNew(backends, backend);
  await prepareBackend(backend, config.uuid);
  // What the one folder has has no headers, and is read as it is until it is converted.
  return { backends: [...backends, backend], ...(config.backends === undefined && { converting: true }) };
}

async function localBackend(paths: DatastorePaths, { uuid }: DatastoreConfig): Promise<BackendConfig> {
  const usual = { weight: 1, readOnly: false, draining: false, minFreeBytes: 0 };
  const local: BackendConfig = { id: LOCAL_ID, type: 'fs', path: paths.root, ...usual };
  await withBackend(local, (backend) => markMember(backend, { datastore: uuid, member: LOCAL_ID }, paths.root));
  return local;
}

/** @throws {CairnError} `exists` */
export function requireNew(backends: readonly BackendConfig[], backend: BackendConfig): void {
  const { id, path, s3 } = backend;
  if (backends.some((other) => other.id === id)) throw new CairnError('exists', `There is a backend ${id} already`);
  const twin = backends.find((other) =>
    path === undefined
      ? other.s3?.bucket === s3?.bucket && other.s3?.store === s3?.store && other.s3?.endpoint === s3?.endpoint
      : other.path !== undefined && resolve(other.path) === resolve(path),
  );
  if (twin !== undefined) throw new CairnError('exists', `That is the place of backend ${twin.id} already`);
}

function set(config: DatastoreConfig, id: string, changes: BackendChanges): SpreadConfig {
  const { preferred, ...about } = changes;
  const known = Object.entries(about).filter(([, value]) => value !== undefined);
  const backends = replaced(config, { ...requireBackend(config, id), ...Object.fromEntries(known) });
  if (preferred === undefined) return { backends };
  return { backends, preferredBackend: preferred ? id : undefined };
}

function drained(config: DatastoreConfig, id: string, draining: boolean): SpreadConfig {
  const backends = replaced(config, { ...requireBackend(config, id), draining });
  requireEnough(config, backends, `${id} cannot be emptied`);
  return { backends };
}

async function removed(config: DatastoreConfig, id: string, lost: boolean): Promise<SpreadConfig> {
  const backend = requireBackend(config, id);
  const backends = (config.backends ?? []).filter((other) => other !== backend);
  if (backends.length === 0) throw new CairnError('invalid', `${id} is the only backend`);
  requireEnough(config, backends, `${id} cannot be removed`);
  if (!lost) {
    if (!backend.draining) {
      throw new CairnError('not-empty', `Backend ${id} is in use: empty it first with "cairn backend drain ${id}"`);
    }
    await requireEmpty(backend, config.uuid);
  }
  return { backends, ...(config.preferredBackend === id && { preferredBackend: undefined }) };
}

function withRedundancy(config: DatastoreConfig, text: string): SpreadConfig {
  const redundancy = redundancyFor(config, text);
  const groups = Object.entries(config.groupRedundancy ?? {});
  const stronger = groups.filter(([, own]) => toleranceOf(parseRedundancy(own)) > toleranceOf(redundancy));
  return {
    redundancy: formatRedundancy(redundancy),
    converting: true,
    // What no group gains by any more is forgotten.
    ...(groups.length > 0 && { groupRedundancy: Object.fromEntries(stronger) }),
  };
}

function withGroupRedundancy(
  config: DatastoreConfig,
  { group, redundancy: text }: { readonly group: string; readonly redundancy: string | null },
): SpreadConfig {
  const path = groupPath(parseGroupPath(group));
  const { [path]: before, ...others } = config.groupRedundancy ?? {};
  if (text === null) {
    if (before === undefined) throw new CairnError('not-found', `The group ${path} has no redundancy of its own`);
    return { groupRedundancy: others, converting: true };
  }
  const redundancy = redundancyFor(config, text);
  const usual = config.redundancy ?? formatRedundancy(SINGLE);
  if (toleranceOf(redundancy) <= toleranceOf(parseRedundancy(usual))) {
    throw new CairnError('invalid', `${text} bears no more losses than ${usual}, which all chunks bear`);
  }
  const groupRedundancy = { ...others, [path]: formatRedundancy(redundancy) };
  // Chunks are still as the group had them before.
  return { groupRedundancy, ...(before !== undefined && { converting: true }) };
}

/** @throws {CairnError} `invalid` where the backends are too few for it */
function redundancyFor({ backends = [] }: DatastoreConfig, text: string): Redundancy {
  const redundancy = parseRedundancy(text);
  if (backends.length === 0) {
    throw new CairnError('invalid', 'The datastore has one folder: add backends first, with "cairn backend add"');
  }
  const usable = backends.filter(({ draining, readOnly }) => !draining && !readOnly).length;
  if (usable < piecesOf(redundancy)) throw tooFew(`${text} takes ${piecesOf(redundancy)} backends`, usable);
  return redundancy;
}

/** @throws {CairnError} `not-empty`; `unreachable` where it cannot be looked at */
async function requireEmpty(config: BackendConfig, datastore: string): Promise<void> {
  await withBackend(config, async (backend) => {
    for (const folder of [CHUNKS_FOLDER, QUARANTINE_FOLDER]) {
      for await (const name of backend.list(folder)) {
        throw new CairnError(
          'not-empty',
          `Backend ${config.id} still holds chunks (${name}): "cairn backend drain ${config.id}" brings them elsewhere`,
        );
      }
    }
    const mark = await readMark(backend);
    if (mark?.datastore === datastore && mark.member === config.id) return;
    throw new CairnError(
      'unreachable',
      `Backend ${config.id} is not there; if it is lost for good, remove it with --lost`,
    );
  });
}

/** Writes have to be possible without the backends that are left out. @throws {CairnError} `invalid` */
function requireEnough(
  { redundancy = formatRedundancy(SINGLE), groupRedundancy = {} }: SpreadConfig,
  backends: readonly BackendConfig[],
  why: string,
): void {
  const usable = backends.filter(({ draining, readOnly }) => !draining && !readOnly).length;
  for (const text of [redundancy, ...Object.values(groupRedundancy)]) {
    const quorum = writeQuorumOf(parseRedundancy(text));
    if (usable < quorum) throw tooFew(`${why}: ${text} takes ${quorum} others at least`, usable);
  }
}

function tooFew(what: string, usable: number): CairnError {
  return new CairnError('invalid', `${what}, and ${usable} can be written: add some with "cairn backend add"`);
}

function replaced({ backends = [] }: SpreadConfig, backend: BackendConfig): BackendConfig[] {
  return backends.map((other) => (other.id === backend.id ? backend : other));
}
