import { CairnError } from '../core/errors.js';
import { MAX_PATH_BYTES } from './items.js';

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * Whether an archive may hold an entry of this name (pbs-format §6.1): no slash, no NUL, not empty, not `.` or
 * `..`.
 */
export function isEntryName(name: Uint8Array): boolean {
  const length = name.length;
  if (length === 0 || length > MAX_PATH_BYTES) return false;
  for (let i = 0; i < length; i += 1) {
    const byte = name[i];
    if (byte === SLASH || byte === 0) return false;
  }
  return !(name[0] === DOT && (length === 1 || (length === 2 && name[1] === DOT)));
}

/** Whether a symbolic link may have this target: no NUL, not empty, at most 4096 bytes. */
export function isLinkTarget(target: Uint8Array): boolean {
  return target.length > 0 && target.length <= MAX_PATH_BYTES && !target.includes(0);
}

/** The bytes as text, for messages. */
export function shownName(name: Uint8Array): string {
  return JSON.stringify(Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString());
}

/**
 * @throws {CairnError} `invalid` for a name no archive may hold
 */
export function checkEntryName(name: Uint8Array): void {
  if (!isEntryName(name)) throw new CairnError('invalid', `Not a file name: ${shownName(name)}`);
}
