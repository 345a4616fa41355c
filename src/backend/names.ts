import { CairnError } from '../core/errors.js';

/** What file systems allow a name to have, all in ASCII. */
const MAX_COMPONENT_BYTES = 255;
/** A put that is under way is called `<name>.tmp_XXXXXX` (pbs-format §1.4). */
const TEMPORARY_SUFFIX_BYTES = 11;
const TEMPORARY = /\.tmp_[A-Za-z0-9]{6}$/;
const COMPONENT = /^[A-Za-z0-9._:@+-]+$/;

/**
 * Checks an object's name: components of A-Z a-z 0-9 . _ : @ + - joined by single slashes, none of them
 * `.` or `..`, each at most 255 bytes and the last at most 244; not that of an unfinished put.
 * @throws {CairnError} `invalid`
 */
export function checkName(name: string): void {
  checkFolder(name);
  const last = name.slice(name.lastIndexOf('/') + 1);
  if (last.length > MAX_COMPONENT_BYTES - TEMPORARY_SUFFIX_BYTES || isTemporary(last)) throw notAName(name);
}

/**
 * Checks the name of a folder objects are listed of: as for an object, or empty.
 * @throws {CairnError} `invalid`
 */
export function checkPrefix(prefix: string): void {
  if (prefix !== '') checkFolder(prefix);
}

/**
 * Checks a range of an object.
 * @throws {CairnError} `invalid` unless both are whole numbers, not negative
 */
export function checkRange(offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (!whole || offset < 0 || length < 0) {
    throw new CairnError('invalid', `Not a range: ${length} bytes at ${offset}`);
  }
}

/** A name of its own for the bytes of a put that is under way. */
export function temporaryName(name: string): string {
  return `${name}.tmp_${Math.random().toString(36).slice(2, 8).padEnd(6, '0')}`;
}

/** Whether this is the name of an unfinished put. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Whether a name may have this component; what others put beside our objects may be called anything. */
export function isComponent(text: string): boolean {
  return COMPONENT.test(text) && text !== '.' && text !== '..' && text.length <= MAX_COMPONENT_BYTES;
}

function checkFolder(name: string): void {
  if (!name.split('/').every(isComponent)) throw notAName(name);
}

function notAName(name: string): CairnError {
  return new CairnError('invalid', `Not an object name: ${JSON.stringify(name)}`);
}
