import type { MemberCounters } from '../backend/spread/member.js';
import type { HeldShards } from '../catalog/shard-places.js';
import {
  type BackendCommandArguments,
  type BackendCommandName,
  type BackendCommandResult,
  backendCommands,
} from '../control/backend-commands.js';
import type { Problem } from '../control/commands.js';
import { CairnError } from '../core/errors.js';
import { formatRedundancy, overheadOf, parseRedundancy, toleranceOf } from '../core/redundancy.js';
import { backendConfig } from '../datastore/backend-config.js';
import { BackendsChanger } from '../datastore/backends-changer.js';
import type { BackendsChange } from '../datastore/change-backends.js';
import { readConfig } from '../datastore/config.js';
import type { MembersLook } from '../datastore/members-look.js';
import type { ReadableDatastore } from '../datastore/open.js';
import { titleOfBackend } from '../datastore/open-spread.js';
import { dependenceOn } from './backend-dependence.js';
import type { CareCaller, RunCareJob } from './care-handlers.js';

/** What the main thread asks the mount worker about backends: the clients' commands as they are. */
export type BackendWorkerCommands = {
  [C in BackendCommandName]: { arguments: BackendCommandArguments<C>; result: BackendCommandResult<C> };
};

type HandlersOf<Context> = {
  readonly [C in BackendCommandName]: (
    args: BackendCommandArguments<C>,
    context: Context,
  ) => Promise<BackendCommandResult<C>>;
};

/** What of an open datastore is needed. */
export type BackendParts = Pick<ReadableDatastore, 'paths' | 'spread'>;

/** The mount worker's side; a store that is not mounted is served by the same. */
export function backendHandlers(parts: BackendParts, run: RunCareJob): HandlersOf<CareCaller> {
  const changer = new BackendsChanger(parts);
  return {
    'backend-list': () => describeBackends(parts),
    'backend-show': ({ id }) => describeBackend(parts, id),
    'backend-change': async (change) => {
      const checked = checkedChange(change);
      if (parts.spread === undefined && checked.kind === 'add') {
        throw new CairnError('busy', 'The second backend of a datastore can be added only while it is not mounted');
      }
      await changer.change(checked);
      return {};
    },
    'backend-mend': async ({ apply, group }, { progress, signal }) => {
      const { conversion } = changer;
      const report = await run('mend', { apply, group }, { onProgress: progress, signal });
      if (apply && group === undefined && report.complete) await changer.endConversion(conversion);
      return structuredClone(report) as BackendCommandResult<'backend-mend'>;
    },
  };
}

/** The main thread's side: every command goes to the mount worker. */
export function passBackendCommands<Context>(
  request: (command: BackendCommandName, args: never, context: Context) => Promise<unknown>,
): HandlersOf<Context> {
  const names = Object.keys(backendCommands) as BackendCommandName[];
  const passing = names.map((name) => [name, (args: never, context: Context) => request(name, args, context)]);
  return Object.fromEntries(passing) as HandlersOf<Context>;
}

/** The backends of a datastore, each asked how it is doing. */
export async function describeBackends({
  paths,
  spread: places,
}: BackendParts): Promise<BackendCommandResult<'backend-list'>> {
  const config = readConfig(paths);
  const redundancy = parseRedundancy(config.redundancy ?? 'single');
  const spread = places?.spread;
  const room = await spread?.figures().catch(() => undefined);
  const held = places?.shards.read((shards) => shards.held());
  const backends = await Promise.all(
    (config.backends ?? []).map(async (backend) => {
      const member = spread?.members.all.find(({ settings }) => settings.id === backend.id);
      const figures = await member?.figures().catch(() => undefined);
      const { failing = false, reason } = member?.health ?? {};
      const { id, type, weight, readOnly, draining, minFreeBytes, media = null } = backend;
      return {
        ...{ id, type, weight, readOnly, draining, minFreeBytes, media },
        place: titleOfBackend(backend),
        preferred: config.preferredBackend === id,
        state: failing ? ('failing' as const) : ('ok' as const),
        reason: failing ? (reason ?? null) : null,
        totalBytes: figures?.totalBytes ?? null,
        availableBytes: figures?.availableBytes ?? null,
        ...shownPieces(held, id),
      };
    }),
  );
  return {
    ...{
      redundancy: formatRedundancy(redundancy),
      overhead: overheadOf(redundancy),
      tolerance: toleranceOf(redundancy),
    },
    groupRedundancy: config.groupRedundancy ?? {},
    ...{ converting: config.converting ?? false, backends },
    ...{ totalBytes: room?.totalBytes ?? null, availableBytes: room?.availableBytes ?? null },
    waitingForRepair: spread?.readRepair.waiting ?? 0,
    comparedAt: places?.shards.read((shards) => shards.comparedAt()) ?? null,
    recordProblem: places?.shards.problem() ?? null,
  };
}

/** One backend, and what depends on it. @throws {CairnError} `not-found` */
export async function describeBackend(parts: BackendParts, id: string): Promise<BackendCommandResult<'backend-show'>> {
  const { backends } = await describeBackends(parts);
  const backend = backends.find((one) => one.id === id);
  if (backend === undefined) throw new CairnError('not-found', `There is no backend ${id}`);
  const layouts = parts.spread?.shards.read((shards) => shards.layouts());
  const failing = backends.filter(({ state }) => state === 'failing').map((one) => one.id);
  const ids = backends.map((one) => one.id);
  return { backend, dependence: layouts === undefined ? null : dependenceOn(id, layouts, ids, failing) };
}

/** What a record says of one backend. */
function shownPieces(
  held: ReadonlyMap<string, HeldShards> | undefined,
  id: string,
): { pieces: number | null; pieceBytes: number | null } {
  const { shards, bytes } = held?.get(id) ?? { shards: 0, bytes: 0 };
  return held === undefined ? { pieces: null, pieceBytes: null } : { pieces: shards, pieceBytes: bytes };
}

/** How one backend is doing, for figures; room is as last heard, null where it is not known or has no limit. */
export interface BackendState extends MemberCounters {
  readonly id: string;
  readonly failing: boolean;
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  /** Pieces it has as far as is recorded, and their bytes; null where nothing is. */
  readonly pieces: number | null;
  readonly pieceBytes: number | null;
}

/** Nothing is waited for, and none of it depends on how many chunks there are. */
export function backendStates({ spread: places }: Pick<BackendParts, 'spread'>): BackendState[] {
  const held = places?.shards.read((shards) => shards.held());
  return (places?.spread.members.all ?? []).map((member) => {
    const { id, failing } = member.health;
    const room = member.lastFigures();
    const { totalBytes = null, availableBytes = null } = (failing ? undefined : room) ?? {};
    return { id, failing, totalBytes, availableBytes, ...shownPieces(held, id), ...member.counters };
  });
}

/** What an operator should know of the backends. @param look undefined where there are not several */
export function backendProblems(
  { spread: places }: Pick<BackendParts, 'spread'>,
  look: MembersLook | undefined,
): Problem[] {
  const waiting = places?.spread.readRepair.waiting ?? 0;
  return [
    ...(look?.missing ?? []).map(({ id, reason }) => {
      return { kind: 'backend-failing', message: `Backend ${id} is failing, others make up for it: ${reason}` };
    }),
    ...(waiting === 0
      ? []
      : [{ kind: 'pieces-missing', message: `${waiting} chunks lack pieces: "cairn repair" makes them good` }]),
  ];
}

/** @throws {CairnError} `invalid` */
export function checkedChange(change: BackendCommandArguments<'backend-change'>): BackendsChange {
  if (change.kind !== 'add') return change;
  const parsed = backendConfig.safeParse(change.backend);
  if (parsed.success) return { kind: 'add', backend: parsed.data };
  throw new CairnError('invalid', `Not a backend: ${parsed.error.issues[0]?.message ?? 'not understood'}`);
}
