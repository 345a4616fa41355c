import { readFile as readPseudoFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import * as z from 'zod';
import type { Problem } from '../control/commands.js';
import { type LastGc, lastGc } from '../control/gc-commands.js';
import { fromSystemError, kindOf } from '../core/errors.js';
import type { ClockReading } from '../maintenance/gc/clock-reading.js';
import { putFile, readFile } from '../native/files.js';

const MODE = 0o644;
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

const clockReading = z.object({ bootId: z.string(), upSeconds: z.number(), wallSeconds: z.number() });

const gcRecord = lastGc.extend({
  /** The clocks when it ended. */
  clock: clockReading.optional(),
  /** When the wall clock was last found to have been set, seconds since 1970; 0: never. */
  clockSetAt: z.number().default(0),
});

/** How the last collection ended, and the clocks at that time. */
export type GcRecord = z.output<typeof gcRecord>;

/**
 * How the last collection of a datastore ended, or undefined where none has, or what is said of it makes no sense: it is
 * told to people, and tells a later collection whether the clock can be believed.
 * @throws {CairnError} where the record cannot be read
 */
export async function readGcRecord(path: string): Promise<GcRecord | undefined> {
  let text: string;
  try {
    text = (await readFile(path)).toString();
  } catch (error) {
    const failure = fromSystemError(error, `read ${path}`);
    if (kindOf(failure) === 'not-found') return undefined;
    throw failure;
  }
  try {
    return gcRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** What an operator should know of the last collection. */
export function problemsOf({ error, report }: LastGc): Problem[] {
  if (error !== null) return [{ kind: 'gc', message: `The last collection failed: ${error}` }];
  const messages = [...(report?.problems ?? [])];
  const bucket = report?.bucket ?? null;
  if (bucket !== null && bucket.problem !== null && !bucket.isBusy) {
    messages.push(`The object store was not collected: ${bucket.problem}`);
  }
  return messages.map((message) => ({ kind: 'gc', message }));
}

/** Records how a collection ended. */
export async function writeGcRecord(path: string, record: GcRecord): Promise<void> {
  try {
    await putFile(path, `${path}.tmp`, Buffer.from(`${JSON.stringify(record)}\n`), { mode: MODE });
  } catch (error) {
    throw fromSystemError(error, `write ${path}`);
  }
}

/** The clocks now; undefined on a machine that does not tell its runs apart. */
export async function readClocks(): Promise<ClockReading | undefined> {
  const bootId = await readPseudoFile(BOOT_ID, 'latin1').catch(() => undefined);
  if (bootId === undefined) return undefined;
  return { bootId: bootId.trim(), upSeconds: uptime(), wallSeconds: Date.now() / 1000 };
}
