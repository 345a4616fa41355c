import * as z from 'zod';
import { type GroupName, groupPath } from '../../core/group.js';
import { readJson, writeJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';

const stored = z.record(z.string(), z.array(z.number()));

/**
 * Names of snapshots that were forgotten: in a shared object store none is given to another snapshot, since other machines may
 * know the first one, and requests to put it may come late.
 */
export class ForgottenNames {
  readonly #path: string;
  /** Times, by the path of the group. */
  #times: Map<string, Set<number>> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor({ forgottenNames }: Pick<DatastorePaths, 'forgottenNames'>) {
    this.#path = forgottenNames;
  }

  /** @throws {CairnError} where that cannot be read */
  has(group: GroupName, time: number): boolean {
    return this.#all().get(groupPath(group))?.has(time) === true;
  }

  /** A snapshot is about to be forgotten; durable when it resolves. @throws {CairnError} */
  async add(group: GroupName, time: number): Promise<void> {
    const path = groupPath(group);
    const times = this.#all().get(path) ?? new Set();
    this.#all().set(path, times.add(time));
    const save = (): Promise<void> =>
      writeJson(this.#path, Object.fromEntries([...this.#all()].map(([of, some]) => [of, [...some]])));
    this.#saving = this.#saving.then(save, save);
    await this.#saving;
  }

  #all(): Map<string, Set<number>> {
    this.#times ??= new Map(
      Object.entries(stored.parse(readJson(this.#path) ?? {})).map(([group, times]) => [group, new Set(times)]),
    );
    return this.#times;
  }
}
