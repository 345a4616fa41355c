import * as z from 'zod';
import type { Backend } from '../backend/backend.js';
import { kindOf } from '../core/errors.js';

/** How often a machine that has a datastore mounted says so in its object store. */
export const NOTED_EVERY_SECONDS = 300;
/** It is taken for gone when it missed that three times. */
const FRESH_SECONDS = 3 * NOTED_EVERY_SECONDS;
const FOLDER = '.cairn/machines';

const note = z.object({
  /** For people. */
  host: z.string(),
  /** By its clock, seconds since 1970. */
  seenAt: z.number().int(),
});

/** A machine that has a datastore mounted. */
export interface SeenMachine extends z.output<typeof note> {
  readonly machine: string;
}

/** Says in an object store that a machine uses it. @throws {CairnError} */
export function putMachineNote(remote: Backend, { machine, host, seenAt }: SeenMachine): Promise<void> {
  return remote.put(nameOf(machine), Buffer.from(`${JSON.stringify({ host, seenAt })}\n`));
}

/** Takes that back. @throws {CairnError} */
export async function removeMachineNote(remote: Backend, machine: string): Promise<void> {
  await remote.removeAll([nameOf(machine)]);
}

/**
 * The machines that said so lately, by their clocks and ours. One that makes no sense counts for none.
 * @param now seconds since 1970
 * @throws {CairnError} where the object store cannot be asked
 */
export async function machinesSeen(remote: Backend, now: number): Promise<SeenMachine[]> {
  const seen: SeenMachine[] = [];
  for await (const name of remote.list(FOLDER)) {
    const parsed = await noteIn(remote, name);
    if (parsed === undefined || now - parsed.seenAt > FRESH_SECONDS) continue;
    seen.push({ machine: name.slice(FOLDER.length + 1).replace(/\.json$/, ''), ...parsed });
  }
  return seen;
}

async function noteIn(remote: Backend, name: string): Promise<z.output<typeof note> | undefined> {
  try {
    return note.parse(JSON.parse((await remote.get(name)).toString()));
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}

function nameOf(machine: string): string {
  return `${FOLDER}/${machine}.json`;
}
