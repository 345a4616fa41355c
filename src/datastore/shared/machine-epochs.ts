import { CairnError } from '../../core/errors.js';
import {
  getIfThere,
  namesBelow,
  numbered,
  numberOf,
  SHARED_FOLDER,
  type SharedObjects,
  toJson,
} from './shared-objects.js';

const MACHINES = `${SHARED_FOLDER}/machines`;
const REVOKED = `${SHARED_FOLDER}/revoked`;

/** One time that a machine had the object store open, as the object store has it. */
export interface Epoch {
  readonly number: number;
  readonly ended: boolean;
  /** The machine knew what was in the object store: it had missed nothing, or found out. */
  readonly ready: boolean;
  /** Names of objects that say what the machine was about to publish. */
  readonly intents: readonly string[];
}

/** Epochs of one machine, by number, the last one last. */
export type Epochs = readonly Epoch[];

/** Names of the objects of an epoch. */
export function epochFolder(machine: string, epoch: number): string {
  return `${MACHINES}/${machine}/${numbered(epoch)}`;
}

export const joinedName = (machine: string, epoch: number): string => `${epochFolder(machine, epoch)}/joined`;
export const beatName = (machine: string, epoch: number): string => `${epochFolder(machine, epoch)}/beat`;
export const readyName = (machine: string, epoch: number): string => `${epochFolder(machine, epoch)}/ready`;
const endedName = (machine: string, epoch: number): string => `${epochFolder(machine, epoch)}/ended`;
export const intentsFolder = (machine: string, epoch: number): string => `${epochFolder(machine, epoch)}/publishing`;

/** The epochs of a machine. */
export async function epochsOf(objects: SharedObjects, machine: string): Promise<Epochs> {
  return collected(await namesBelow(objects, `${MACHINES}/${machine}`)).get(machine) ?? [];
}

/** The epochs of all machines, by machine. */
export async function allEpochs(objects: SharedObjects): Promise<ReadonlyMap<string, Epochs>> {
  return collected(await namesBelow(objects, MACHINES));
}

/** The machine's last epoch, if it has not ended. */
export function livingEpoch(epochs: Epochs): Epoch | undefined {
  const last = epochs.at(-1);
  return last?.ended === false ? last : undefined;
}

/**
 * Ends an epoch: from now on its machine publishes nothing, whatever it believes. What it was about to publish and is
 * not there yet is revoked, so that it does not count should it still come. May be done by anybody, again, and by several.
 * @param roundsSeen by the machine itself: the last record of the collections, which was settled before this call
 * @returns whether this call ended it
 */
export async function endEpoch(
  objects: SharedObjects,
  machine: string,
  epoch: number,
  by: string,
  roundsSeen?: number,
): Promise<boolean> {
  const ended = await objects.putNew(endedName(machine, epoch), toJson({ by, roundsSeen }));
  await revokeIntents(objects, await namesBelow(objects, intentsFolder(machine, epoch)));
  return ended;
}

/** What the machine that ended its own epoch had seen of the collections, if it said so (`endEpoch`). */
export async function roundsSeenAtEnd(
  objects: Pick<SharedObjects, 'get'>,
  machine: string,
  epoch: number,
): Promise<number | undefined> {
  const bytes = await getIfThere(objects, endedName(machine, epoch));
  return bytes && (JSON.parse(bytes.toString()) as { roundsSeen?: number }).roundsSeen;
}

/** @throws {CairnError} `stale` where the epoch has ended, or another one of the machine has begun */
export async function requireLastEpoch(objects: SharedObjects, machine: string, epoch: number): Promise<void> {
  const last = (await epochsOf(objects, machine)).at(-1);
  if (last?.number === epoch && !last.ended) return;
  throw new CairnError('stale', `The lease of machine ${machine} (epoch ${epoch}) was ended by another one`);
}

/** Revokes what ended epochs left, where those who ended them did not come to it. */
export async function completeEndings(objects: SharedObjects): Promise<void> {
  for (const epochs of (await allEpochs(objects)).values()) {
    for (const { intents, ended } of epochs) {
      if (ended && intents.length > 0) await revokeIntents(objects, intents);
    }
  }
}

/** Removes what is left of epochs that ended before a machine's last one. */
export async function forgetOldEpochs(objects: SharedObjects, machine: string): Promise<void> {
  const epochs = await epochsOf(objects, machine);
  const old = epochs.slice(0, -1).filter(({ ended, intents }) => ended && intents.length === 0);
  for (const { number } of old) {
    // `ended` last: without it the epoch would seem to go on.
    await objects.removeAll([beatName, joinedName, readyName].map((nameOf) => nameOf(machine, number)));
    await objects.removeAll([endedName(machine, number)]);
  }
}

/** The mark of what does not count though its objects may be there. @param unit name of the object that completes it */
export function revokedName(unit: string): string {
  return `${REVOKED}/${unit}`;
}

/** What is revoked: names of the objects that would complete it. */
export async function revokedUnits(objects: Pick<SharedObjects, 'list'>): Promise<ReadonlySet<string>> {
  const names = await namesBelow(objects, REVOKED);
  return new Set(names.map((name) => name.slice(REVOKED.length + 1)));
}

async function revokeIntents(objects: SharedObjects, intents: readonly string[]): Promise<void> {
  for (const intent of intents) {
    const units = await unitsOf(objects, intent);
    for (const unit of units ?? []) {
      if ((await objects.size(unit)) === undefined) await objects.put(revokedName(unit), toJson({ intent }));
    }
    await objects.removeAll([intent]);
  }
}

/** Undefined where somebody else was faster, or it was published. */
async function unitsOf(objects: SharedObjects, intent: string): Promise<readonly string[] | undefined> {
  const bytes = await getIfThere(objects, intent);
  return bytes && (JSON.parse(bytes.toString()) as string[]);
}

function collected(names: readonly string[]): Map<string, Epoch[]> {
  const found = new Map<string, Map<number, { ended: boolean; ready: boolean; intents: string[] }>>();
  for (const name of names) {
    const [machine = '', text = '', kind] = name.slice(MACHINES.length + 1).split('/');
    const number = numberOf(text);
    if (number === undefined) continue;
    const epochs = found.get(machine) ?? new Map();
    const epoch = epochs.get(number) ?? { ended: false, ready: false, intents: [] };
    if (kind === 'ended') epoch.ended = true;
    if (kind === 'ready') epoch.ready = true;
    if (kind === 'publishing') epoch.intents.push(name);
    found.set(machine, epochs.set(number, epoch));
  }
  return new Map(
    [...found].map(([machine, epochs]) => [
      machine,
      [...epochs].map(([number, epoch]) => ({ number, ...epoch })).sort((a, b) => a.number - b.number),
    ]),
  );
}
