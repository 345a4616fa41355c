import { kindOf } from '../../core/errors.js';

/**
 * An object store that several machines share, as the protocol needs it (README.md): who reads after a write or a
 * deletion that was answered sees it, also in listings, and of several `putNew` of one name one succeeds.
 */
export interface SharedObjects {
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** @throws {CairnError} `not-found` */
  get(name: string): Promise<Buffer>;
  size(name: string): Promise<number | undefined>;
  /** The names below a folder, at any depth. */
  list(prefix: string): AsyncIterable<string>;
  /** At most 1,000 names. */
  removeAll(names: readonly string[]): Promise<unknown>;
  /** The same by a single request, which is sent at once or not at all. */
  deleteOnce(names: readonly string[]): Promise<void>;
  /** Puts bytes where nothing is. @returns whether these bytes are there now because this call put them */
  putNew(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Tries so far whose outcome is not known: the server may still do what they asked for, until it finds them too old. */
  unanswered(): number;
}

/** Everything of the protocol is below this folder. */
export const SHARED_FOLDER = '.cairn/shared';

const NUMBER_DIGITS = 10;

/** A number as a component of a name; names sort as numbers do. */
export function numbered(value: number): string {
  return String(value).padStart(NUMBER_DIGITS, '0');
}

/** What `numbered` made; undefined for anything else. */
export function numberOf(text: string): number | undefined {
  return /^\d{10}$/.test(text) ? Number(text) : undefined;
}

/** All names below a folder. */
export async function namesBelow(objects: Pick<SharedObjects, 'list'>, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of objects.list(folder)) names.push(name);
  return names;
}

/** What is under a name, or undefined where nothing is. @throws {CairnError} where that cannot be told */
export async function getIfThere(objects: Pick<SharedObjects, 'get'>, name: string): Promise<Buffer | undefined> {
  try {
    return await objects.get(name);
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined;
    throw error;
  }
}

const REMOVED_AT_ONCE = 1000;

/** Removes any number of names. */
export async function removeEach(objects: Pick<SharedObjects, 'removeAll'>, names: readonly string[]): Promise<void> {
  for (let done = 0; done < names.length; done += REMOVED_AT_ONCE) {
    await objects.removeAll(names.slice(done, done + REMOVED_AT_ONCE));
  }
}

/** An object of JSON. */
export function toJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
