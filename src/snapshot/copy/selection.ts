import { groupPath } from '../../core/group.js';
import { checkObjectId, OBJECTS_FOLDER } from '../../index/object-files.js';
import { parseCopyName } from './choose-snapshots.js';

/** What stands for all snapshots, or all objects. */
const ALL_SNAPSHOTS = 'snapshots';
const ALL_OBJECTS = OBJECTS_FOLDER;
const ONE_OBJECT = `${OBJECTS_FOLDER}/`;

/** What names mean, told apart: `all`, or those that are named. */
export interface CopySelection {
  /** Groups and snapshots. */
  readonly snapshots: 'all' | readonly string[];
  /** Ids. */
  readonly objects: 'all' | readonly string[];
}

/**
 * Tells names of objects (`objects/ID`, the id as it is) from those of groups and snapshots; `objects` and `snapshots` are all
 * of them.
 * @param names empty: all of both
 * @throws {CairnError} `invalid` for an id that none can have
 */
export function parseSelection(names: readonly string[]): CopySelection {
  if (names.length === 0) return { snapshots: 'all', objects: 'all' };
  const ids = names.filter((name) => name.startsWith(ONE_OBJECT)).map((name) => name.slice(ONE_OBJECT.length));
  ids.forEach(checkObjectId);
  const groups = names.filter((name) => ![ALL_SNAPSHOTS, ALL_OBJECTS].includes(name) && !name.startsWith(ONE_OBJECT));
  return {
    snapshots: names.includes(ALL_SNAPSHOTS) ? 'all' : groups,
    objects: names.includes(ALL_OBJECTS) ? 'all' : [...new Set(ids)],
  };
}

/** Whether it may mean any object. */
export function meansObjects({ objects }: CopySelection): boolean {
  return objects === 'all' || objects.length > 0;
}

/** Paths of the groups that names of groups and snapshots are in. @throws {CairnError} `invalid` for a name that is none */
export function groupsOfSelection(names: readonly string[]): string[] {
  return names.map((name) => groupPath(parseCopyName(name).group));
}
