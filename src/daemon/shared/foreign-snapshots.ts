import type { GroupName } from '../../core/group.js';
import { adoptSnapshot, type DiscoverParts } from '../../snapshot/discover.js';
import { removeSnapshotFolder } from '../../snapshot/forget.js';
import { dropIndexFiles } from '../../snapshot/index-rows.js';
import type { SnapshotsChanged } from '../snapshots-changed.js';

/** Snapshots that come from other machines and go with them. */
export class ForeignSnapshots {
  readonly #parts: DiscoverParts;
  readonly #changed: SnapshotsChanged;

  constructor(parts: DiscoverParts, changed: SnapshotsChanged) {
    this.#parts = parts;
    this.#changed = changed;
  }

  /** Shows a snapshot whose files are here. */
  async adopt(group: GroupName, time: number): Promise<void> {
    const { groups, snapshots } = this.#parts.catalog;
    const known = groups.findByName(group);
    if (known === undefined || snapshots.findByTime(known.id, time) === undefined) {
      await adoptSnapshot(this.#parts, group, time);
    }
    const row = groups.findByName(group);
    if (row !== undefined) this.#changed(row.id, { made: { time } });
  }

  /** Takes a snapshot away, protected or not: its machine has removed it. */
  async drop(group: GroupName, time: number): Promise<void> {
    const { catalog, store } = this.#parts;
    const row = catalog.groups.findByName(group);
    const snapshot = row && catalog.snapshots.findByTime(row.id, time);
    await removeSnapshotFolder(store, group, time);
    dropIndexFiles(catalog, group, time, snapshot?.files.map(({ name }) => name) ?? []);
    if (row === undefined || snapshot === undefined) return;
    catalog.snapshots.remove(snapshot.archive);
    this.#changed(row.id, { forgotten: snapshot.archive, time });
  }
}
