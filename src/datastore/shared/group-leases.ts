import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { CairnError } from '../../core/errors.js';
import { endEpoch, epochsOf, livingEpoch } from './machine-epochs.js';
import type { MachineIdentity, MachineLease } from './machine-lease.js';
import { RecordChain } from './record-chain.js';
import { SHARED_FOLDER, type SharedObjects } from './shared-objects.js';
import type { Watch } from './watch.js';

const owner = z.object({
  machine: z.string(),
  /** Under which it has said so; records of old have none. */
  epoch: z.number().int().positive().optional(),
  /** For people. */
  host: z.string(),
  since: z.string(),
  nonce: z.string(),
});

/** Who writes to a group. */
export type GroupOwner = z.output<typeof owner>;

/** What it takes to be the writer of groups. */
export interface GroupLeaseParts {
  readonly objects: SharedObjects;
  readonly identity: MachineIdentity;
  readonly watch: Watch;
}

/**
 * Makes this machine the one writer of a group: it stays so as long as its lease lasts, through restarts too. Each epoch says so
 * anew: who found the one before to have ended, and is about to take the group, does not come to it any more.
 * @param group its path, e.g. `host/web1`
 * @throws {CairnError} `busy` saying who is, `stale` where the lease has ended
 */
export async function takeGroup(parts: GroupLeaseParts, lease: MachineLease, group: string): Promise<void> {
  const chain = chainOf(parts.objects, group);
  for (;;) {
    const head = await chain.head();
    const isOwn = head?.value.machine === lease.machine;
    if (isOwn && head.value.epoch === lease.epoch) return lease.check();
    if (head !== undefined && !isOwn) await requireGone(parts, lease, group, head.value);
    await lease.check();
    const { host } = parts.identity;
    const value = {
      ...{ machine: lease.machine, epoch: lease.epoch, host, since: new Date().toISOString() },
      nonce: randomBytes(8).toString('hex'),
    };
    const number = await chain.append(head?.number, value);
    if (number === undefined) continue;
    if (number > 1) await chain.removeBefore(number);
    return;
  }
}

/** Who writes to a group, as far as the object store knows; they may have gone since. */
export async function groupOwner(objects: SharedObjects, group: string): Promise<GroupOwner | undefined> {
  return (await chainOf(objects, group).head())?.value;
}

function chainOf(objects: SharedObjects, group: string): RecordChain<GroupOwner> {
  return new RecordChain(objects, `${SHARED_FOLDER}/groups/${group}/owners`, owner);
}

async function requireGone(
  { objects, watch }: GroupLeaseParts,
  lease: MachineLease,
  group: string,
  { machine, host, since }: GroupOwner,
): Promise<void> {
  const living = livingEpoch(await epochsOf(objects, machine));
  if (living === undefined) return;
  if (!(await watch.isSilent(machine, living.number))) {
    throw new CairnError('busy', `The group ${group} is written by ${host} (machine ${machine}) since ${since}`);
  }
  await endEpoch(objects, machine, living.number, lease.machine);
}
