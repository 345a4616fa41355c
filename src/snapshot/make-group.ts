import { ROOT_INO } from '../catalog/inode.js';
import type { Catalog } from '../catalog/open.js';
import type { ChangeLog } from '../content/change-log.js';
import { type GroupName, groupPath } from '../core/group.js';
import type { Clock } from '../core/time.js';

/** What groups are made with. */
export interface GroupParts {
  readonly catalog: Catalog;
  readonly log: Pick<ChangeLog, 'make'>;
  readonly clock: Clock;
}

/** Makes a group in the catalog, with an empty live tree. @returns its row */
export function makeGroup(
  { catalog, log, clock }: GroupParts,
  group: GroupName,
  onPlaced: (parentIno: number, name: Uint8Array) => void = () => undefined,
): number {
  const id = catalog.groups.allocateId();
  const { seconds, nanoseconds } = clock.now();
  const groupIno = catalog.inodes.allocate();
  log.make({
    kind: 'create-group',
    group,
    id,
    groupIno,
    currentIno: catalog.inodes.allocate(),
    folderInos: missingFolders(catalog, group),
    // As what a new catalog has: the user of this process.
    ...{ uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, timeSec: seconds, timeNsec: nanoseconds },
  });
  tellOfFolders(catalog, groupIno, onPlaced);
  return id;
}

/** Numbers for the folders on the way to the group that the catalog does not have. */
export function missingFolders(catalog: Catalog, group: GroupName): number[] {
  const inos: number[] = [];
  let parent: number | undefined = ROOT_INO;
  for (const name of groupPath(group).split('/').slice(0, -1)) {
    parent = parent === undefined ? undefined : catalog.names.lookup(parent, Buffer.from(name));
    if (parent === undefined) inos.push(catalog.inodes.allocate());
  }
  return inos;
}

/** Tells of a new group's folder and of those it is in, since each may be new. */
export function tellOfFolders(
  { names }: Pick<Catalog, 'names'>,
  groupIno: number,
  onPlaced: (parentIno: number, name: Uint8Array) => void,
): void {
  for (let at = groupIno; ; ) {
    const parent = names.parentOf(at);
    const name = parent === undefined ? undefined : names.entryName(parent, at);
    if (parent === undefined || name === undefined) return;
    onPlaced(parent, name);
    at = parent;
  }
}
