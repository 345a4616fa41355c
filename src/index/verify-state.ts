import type { JsonObject } from './canonical-json.js';
import { type Manifest, withUnprotected } from './manifest.js';

/** What the last verification of a snapshot found. */
export interface VerifyOutcome {
  readonly state: 'ok' | 'failed';
  /** When it began, epoch seconds. */
  readonly startedAt: number;
}

/** `UPID:<node>:<pid>:<pstart>:<task id>:<start time>:<type>:<id>:<auth id>:` (pbs-format §5), numbers in hex. */
const UPID = /^UPID:[^:]+:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8,16}:([0-9A-Fa-f]{8}):[^:]+:[^:]*:[^:]+:$/;

/** The outcome a manifest tells of, or undefined where it tells of none that makes sense. */
export function verifyOutcomeOf(manifest: Manifest): VerifyOutcome | undefined {
  const told = manifest.unprotected.verify_state;
  if (typeof told !== 'object' || told === null || Array.isArray(told)) return undefined;
  const { upid, state } = told as JsonObject;
  const startedAt = typeof upid === 'string' ? UPID.exec(upid)?.[1] : undefined;
  if (startedAt === undefined || (state !== 'ok' && state !== 'failed')) return undefined;
  return { state, startedAt: Number.parseInt(startedAt, 16) };
}

/** The manifest with another outcome; all else in its unprotected part stays. @param task tells this run from others, below 2^32 */
export function withVerifyOutcome(manifest: Manifest, { state, startedAt }: VerifyOutcome, task: number): Manifest {
  const upid = ['UPID', 'cairn', hex(process.pid), hex(0), hex(task), hex(startedAt), 'verify', '', 'root@pam', ''];
  const outcome: JsonObject = { state, upid: upid.join(':') };
  return withUnprotected(manifest, { ...manifest.unprotected, verify_state: outcome });
}

function hex(value: number): string {
  return (value >>> 0).toString(16).toUpperCase().padStart(8, '0');
}
