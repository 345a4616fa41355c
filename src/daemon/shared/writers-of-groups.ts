import * as z from 'zod';
import type { Catalog } from '../../catalog/open.js';
import type { OtherWriter } from '../../control/upload-commands.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { groupPath } from '../../core/group.js';
import { readJson, writeJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { type GroupLeaseParts, groupOwner, takeGroup } from '../../datastore/shared/group-leases.js';
import type { Session } from '../../datastore/shared/membership.js';
import type { ForeignGroups } from '../../vfs/groups/foreign-groups.js';
import type { GroupWriters } from '../group-guard.js';
import { PATIENCE_MS, within } from './within.js';

const NOBODY_KNOWN = 'another machine';

const stored = z.object({
  others: z.array(z.string()),
  /** Those of them that were this machine's once: their live trees here are still shown. */
  lost: z.array(z.string()).default([]),
});

/** What it takes to know who writes to groups. */
export interface WriterParts extends GroupLeaseParts {
  readonly paths: DatastorePaths;
  /** Undefined while the object store cannot be written to. */
  session(): Session | undefined | Promise<Session | undefined>;
}

/**
 * Who writes to which group: in a shared object store each has one writer. A group is this machine's unless it came from
 * another one, or another one was found to write to it; whether that is so is asked when something is about to be written
 * there, for each session anew.
 */
export class WritersOfGroups {
  readonly #parts: WriterParts;
  /** Groups that other machines made or took over; kept over restarts. */
  readonly #others = new Map<string, { readonly writer: string; readonly wasOurs: boolean }>();
  /** Groups that are ours for sure, and since which session. */
  readonly #taken = new Map<string, Session>();
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Reads which groups were other machines' last. */
  async load(): Promise<void> {
    const kept = stored.safeParse(readJson(this.#parts.paths.groupsOfOthers));
    const lost = new Set(kept.data?.lost);
    for (const group of kept.data?.others ?? []) {
      this.#others.set(group, { writer: NOBODY_KNOWN, wasOurs: lost.has(group) });
    }
  }

  /** Whether the group is not known to be another machine's. */
  isOurs(group: string): boolean {
    return !this.#others.has(group);
  }

  get hasOthers(): boolean {
    return this.#others.size > 0;
  }

  /** Groups that are not ours, and who writes to them as far as is known. */
  others(): OtherWriter[] {
    return [...this.#others].map(([group, other]) => ({ group, ...other }));
  }

  /** @throws {CairnError} `read-only` saying who writes to the group */
  requireOurs(group: string): void {
    const other = this.#others.get(group);
    if (other === undefined) return;
    throw new CairnError('read-only', `The group ${group} is written by ${other.writer}: it can only be read here`);
  }

  /** Finds out who writes to groups of which that is not known. @throws {CairnError} */
  async nameWriters(): Promise<void> {
    for (const [group, { writer, wasOurs }] of this.#others) {
      if (writer !== NOBODY_KNOWN) continue;
      const named = await this.#writerOf(group);
      if (this.#others.has(group)) this.#others.set(group, { writer: named, wasOurs });
    }
  }

  /** Who writes to a group as far as the object store knows, for people. @throws {CairnError} */
  async #writerOf(group: string): Promise<string> {
    const owner = await groupOwner(this.#parts.objects, group);
    return owner === undefined ? NOBODY_KNOWN : `${owner.host} (machine ${owner.machine}) since ${owner.since}`;
  }

  /** Whether the live tree here was written by this machine. */
  wasOurs(group: string): boolean {
    return this.#others.get(group)?.wasOurs ?? true;
  }

  /** @param wasOurs whether this machine wrote to it before; else nothing of it is here */
  async noteOther(group: string, wasOurs: boolean, writer = NOBODY_KNOWN): Promise<void> {
    const before = this.#others.get(group);
    if (before?.writer === writer) return;
    this.#others.set(group, { writer, wasOurs: before?.wasOurs ?? wasOurs });
    this.#taken.delete(group);
    await this.#save();
  }

  /**
   * Whether this machine is the group's writer, which it becomes where nobody else is and it was not another one's.
   * @throws {CairnError} what the object store failed with
   */
  async mayWrite(session: Session, group: string): Promise<boolean> {
    if (!this.isOurs(group)) return false;
    if (this.#taken.get(group) === session) return true;
    try {
      await takeGroup(this.#parts, session.lease, group);
    } catch (error) {
      if (kindOf(error) !== 'busy') throw error;
      await this.noteOther(group, true, await this.#writerOf(group));
      return false;
    }
    this.#taken.set(group, session);
    return true;
  }

  /**
   * Becomes the writer of a group, whoever was, unless that machine lives. While the object store cannot be had nothing is
   * asked: should another one be the writer, what is written here is not uploaded.
   * @throws {CairnError} `busy` saying who is the writer
   */
  async takeOver(group: string): Promise<void> {
    const session = await this.#parts.session();
    if (session === undefined && this.isOurs(group)) return;
    if (session === undefined) throw new CairnError('not-ready', 'The object store cannot be asked who writes there');
    if (this.#taken.get(group) === session) return;
    if (this.isOurs(group)) return this.#claim(session, group);
    await takeGroup(this.#parts, session.lease, group);
    this.#taken.set(group, session);
    this.#others.delete(group);
    await this.#save();
  }

  /** Nobody who makes a group waits long for an object store that does not answer. */
  async #claim(session: Session, group: string): Promise<void> {
    const taking = takeGroup(this.#parts, session.lease, group).then(() => this.#taken.set(group, session));
    try {
      await within(taking, PATIENCE_MS);
    } catch (error) {
      if (kindOf(error) === 'busy') throw error;
    }
  }

  #save(): Promise<void> {
    const save = (): Promise<void> => {
      const others = [...this.#others.keys()];
      const value = { others, lost: others.filter((group) => this.#others.get(group)?.wasOurs) };
      return writeJson(this.#parts.paths.groupsOfOthers, value);
    };
    this.#saving = this.#saving.then(save, save);
    return this.#saving;
  }
}

/** Says for a new folder which groups are other machines'. */
export function noteGroupsOfOthers(paths: DatastorePaths, others: readonly string[]): Promise<void> {
  return writeJson(paths.groupsOfOthers, { others, lost: [] });
}

/** Whether a group was another machine's, by its path, when that was last noted. */
export function groupsLastOfOthers(paths: DatastorePaths): (group: string) => boolean {
  const others = new Set(stored.safeParse(readJson(paths.groupsOfOthers)).data?.others);
  return (group) => others.has(group);
}

/**
 * As far as a store that is not mounted can know: groups are other machines' that were so last, and nobody is asked.
 */
export function writersWithoutMount(paths: DatastorePaths): GroupWriters {
  const wereOthers = groupsLastOfOthers(paths);
  return {
    requireOurs(group) {
      if (wereOthers(group)) throw new CairnError('read-only', `The group ${group} is written by another machine`);
    },
    takeOver: () => Promise.resolve(),
  };
}

/** The same by rows of `groups`, as the mount asks. */
export function foreignGroups({ groups }: Pick<Catalog, 'groups'>, writers: WritersOfGroups): ForeignGroups {
  const pathOf = (id: number): string | undefined => {
    const group = groups.find(id);
    return group && groupPath(group.name);
  };
  return {
    get isAny() {
      return writers.hasOthers;
    },
    has(id) {
      const path = pathOf(id);
      return path !== undefined && !writers.isOurs(path);
    },
    showsLiveTree(id) {
      const path = pathOf(id);
      return path === undefined || writers.wasOurs(path);
    },
    async takeOver(id) {
      const path = pathOf(id);
      if (path !== undefined) await writers.takeOver(path);
    },
  };
}
