import type { z } from 'zod';
import { CairnError } from '../../core/errors.js';
import {
  getIfThere,
  namesBelow,
  numbered,
  numberOf,
  removeEach,
  type SharedObjects,
  toJson,
} from './shared-objects.js';

/** A record and its place in the chain. */
export interface ChainRecord<T> {
  readonly number: number;
  readonly value: T;
}

/**
 * One value that machines change one after the other: records with rising numbers, of which the last one counts. Whoever
 * appends says which one it followed, and of several that follow the same one succeeds. Values must differ in who wrote
 * them.
 */
export class RecordChain<T> {
  readonly #objects: SharedObjects;
  readonly #folder: string;
  readonly #schema: z.ZodType<T>;

  constructor(objects: SharedObjects, folder: string, schema: z.ZodType<T>) {
    this.#objects = objects;
    this.#folder = folder;
    this.#schema = schema;
  }

  /**
   * The last record; undefined where there is none yet.
   * @throws {CairnError} `corrupt` where it makes no sense
   */
  async head(): Promise<ChainRecord<T> | undefined> {
    for (;;) {
      const number = await this.#last();
      if (number === undefined) return undefined;
      const bytes = await getIfThere(this.#objects, this.#name(number));
      // One that is gone was followed by another.
      if (bytes !== undefined) return { number, value: this.#parse(number, bytes) };
    }
  }

  /**
   * Appends a record behind `after` (undefined: as the first). @returns its number, or undefined where somebody else was
   * faster
   */
  async append(after: number | undefined, value: T): Promise<number | undefined> {
    const number = (after ?? 0) + 1;
    if (!(await this.#objects.putNew(this.#name(number), toJson(value)))) return undefined;
    // The place may have been free because the record that was in it has been removed as old.
    return (await this.#last()) === number ? number : undefined;
  }

  /** Whether the record is still the last one. */
  async isLast(number: number): Promise<boolean> {
    return (await this.#last()) === number;
  }

  /** Removes all records before this one, which is not the last to be read by anybody. */
  async removeBefore(number: number): Promise<void> {
    const old = (await this.#numbers()).filter((other) => other < number);
    await removeEach(
      this.#objects,
      old.map((other) => this.#name(other)),
    );
  }

  async #last(): Promise<number | undefined> {
    const numbers = await this.#numbers();
    return numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.max(a, b));
  }

  async #numbers(): Promise<number[]> {
    const names = await namesBelow(this.#objects, this.#folder);
    return names.flatMap((name) => numberOf(name.slice(this.#folder.length + 1)) ?? []);
  }

  #parse(number: number, bytes: Buffer): T {
    try {
      return this.#schema.parse(JSON.parse(bytes.toString()));
    } catch (error) {
      throw new CairnError('corrupt', `${this.#name(number)} makes no sense: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #name(number: number): string {
    return `${this.#folder}/${numbered(number)}`;
  }
}
