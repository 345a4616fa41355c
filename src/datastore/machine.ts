import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { CairnError } from '../core/errors.js';
import { readJson, writeJson } from './json-file.js';
import type { DatastorePaths } from './paths.js';

/** Who a datastore's folder is among all those in front of one object store: 16 hex digits. */
const machine = z.object({ id: z.string().regex(/^[0-9a-f]{16}$/) });

/**
 * The id of the folder's machine; one is made where it has none. Only who holds the datastore's claim may ask.
 * @throws {CairnError} `corrupt` where it makes no sense, and what reading and writing give
 */
export async function machineOf(paths: DatastorePaths): Promise<string> {
  const value = readJson(paths.machine);
  if (value === undefined) {
    const id = randomBytes(8).toString('hex');
    await setMachine(paths, id);
    return id;
  }
  const parsed = machine.safeParse(value);
  if (!parsed.success) throw new CairnError('corrupt', `${paths.machine} makes no sense: remove it`);
  return parsed.data.id;
}

/** Makes the folder that of a machine that is no more. */
export async function setMachine(paths: DatastorePaths, id: string): Promise<void> {
  await writeJson(paths.machine, machine.parse({ id }));
}

/** Whether a text may be a machine's id. */
export function isMachine(text: string): boolean {
  return machine.safeParse({ id: text }).success;
}
