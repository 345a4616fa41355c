import * as z from 'zod';
import type { Change } from '../catalog/change.js';
import type { Catalog } from '../catalog/open.js';
import type { ChangeLog } from '../content/change-log.js';
import { readJson, writeJson } from '../datastore/json-file.js';

const made = z.object({ archive: z.number(), sequence: z.number() });

const stored = z.object({
  /** Of the last change when this was written: it says something only while no other has come. */
  lastSequence: z.number(),
  changed: z.array(z.tuple([z.number(), z.number()])),
  snapshots: z.array(z.tuple([z.number(), made])),
});

/**
 * Which groups' live trees changed since their last snapshot, by the sequence of changes. After a daemon was killed, or
 * where nothing is known, a group counts as changed.
 */
export class GroupChanges {
  readonly #tree: Pick<Catalog, 'inodes'>;
  readonly #log: ChangeLog;
  readonly #path: string;
  /** By row of `groups`: sequence of the last change. */
  readonly #changed: Map<number, number>;
  readonly #snapshots: Map<number, z.output<typeof made>>;

  /** Watches the log from now on. @param path the file that keeps it over restarts */
  constructor(tree: Pick<Catalog, 'inodes'>, log: ChangeLog, path: string) {
    this.#tree = tree;
    this.#log = log;
    this.#path = path;
    const kept = readKept(path);
    const fits = kept?.lastSequence === log.lastSequence;
    this.#changed = new Map(fits ? kept.changed : []);
    this.#snapshots = new Map(fits ? kept.snapshots : []);
    log.observe((change) => this.#note(change));
  }

  /** Sequence of the last change: to be taken before a snapshot is begun. */
  get sequence(): number {
    return this.#log.lastSequence;
  }

  /** A snapshot holds all changes up to a sequence. */
  snapshotMade(group: number, archive: number, sequence: number): void {
    this.#snapshots.set(group, { archive, sequence });
  }

  /** The group has a newest snapshot the live tree has no part in: what is to be saved is what was before. */
  otherSnapshotMade(group: number, archive: number): void {
    const before = this.#snapshots.get(group);
    if (before !== undefined) this.#snapshots.set(group, { archive, sequence: before.sequence });
  }

  /** A group was made for such snapshots: its live tree is empty, and nothing of it is to be saved. */
  groupMadeForOthers(group: number): void {
    this.#snapshots.set(group, { archive: 0, sequence: this.#log.lastSequence });
  }

  /** Whether the live tree is proved to be as in the group's newest snapshot. */
  isUnchangedSince(group: number, newestArchive: number): boolean {
    const snapshot = this.#snapshots.get(group);
    return snapshot?.archive === newestArchive && (this.#changed.get(group) ?? 0) <= snapshot.sequence;
  }

  /** Keeps what is known for the next mount. To be called when no more changes come. */
  async save(): Promise<void> {
    await writeJson(this.#path, {
      lastSequence: this.#log.lastSequence,
      changed: [...this.#changed],
      snapshots: [...this.#snapshots],
    });
  }

  #note(change: Change): void {
    const group = this.#groupOf(change);
    if (group !== undefined) this.#changed.set(group, this.#log.lastSequence);
  }

  /** The group whose tree the change shows in; undefined where nobody sees it. */
  #groupOf(change: Change): number | undefined {
    switch (change.kind) {
      case 'create':
        return change.inode.group;
      case 'unlink':
      case 'rename':
      case 'place-tree':
        return this.#tree.inodes.find(change.parent)?.group;
      case 'attributes':
        return Object.keys(change.fields).every((field) => field.startsWith('atime'))
          ? undefined
          : this.#tree.inodes.find(change.ino)?.group;
      case 'content':
        // With a version it swaps pieces for others of the same bytes.
        return change.ifVersion === undefined ? this.#tree.inodes.find(change.ino)?.group : undefined;
      case 'link':
      case 'clone':
      case 'set-xattr':
      case 'remove-xattr':
        return this.#tree.inodes.find(change.ino)?.group;
      case 'drop-orphan':
      case 'create-group':
      case 'remove-group':
        return undefined;
    }
  }
}

/** What was kept; undefined where there is nothing of use. */
function readKept(path: string): z.output<typeof stored> | undefined {
  try {
    return stored.safeParse(readJson(path)).data;
  } catch {
    return undefined;
  }
}
