import { CairnError } from './errors.js';
import { type GroupName, groupPath, parseGroupPath } from './group.js';
import { formatSnapshotTime, snapshotTimeOf } from './snapshot-time.js';

/** Which tree of a group: a snapshot by its time in epoch seconds, the newest finished one, or the live tree. */
export type TreeChoice = number | 'latest' | 'current';

/** What names one tree of a datastore. */
export interface TreeName {
  readonly group: GroupName;
  readonly which: TreeChoice;
}

const WANTED = 'wanted is a snapshot such as host/web1/2026-11-20T10:00:00Z or host/web1/latest';

/**
 * Reads a tree's path, e.g. `host/web1/2026-11-20T10:00:00Z`, `host/web1/latest`, `ns/a/vm/100/current`.
 * @throws {CairnError} `invalid`, saying what is wanted
 */
export function parseTreeName(path: string): TreeName {
  const parts = path.split('/').filter((part) => part !== '');
  const last = parts.pop() ?? '';
  const which = last === 'latest' || last === 'current' ? last : snapshotTimeOf(last);
  if (which === undefined) throw new CairnError('invalid', `Not a snapshot: ${JSON.stringify(path)}; ${WANTED}`);
  return { group: parseGroupPath(parts.join('/')), which };
}

/** The tree's path, as `parseTreeName` reads it. */
export function formatTreeName({ group, which }: TreeName): string {
  return `${groupPath(group)}/${typeof which === 'number' ? formatSnapshotTime(which) : which}`;
}
