import type { Change } from './change.js';
import { applyClone } from './clone-change.js';
import { applyContent } from './content-change.js';
import { applyCreateGroup, applyRemoveGroup } from './group-changes.js';
import {
  applyAttributes,
  applyCreate,
  applyDropOrphan,
  applyLink,
  applyRemoveXattr,
  applyRename,
  applySetXattr,
  applyUnlink,
} from './name-changes.js';
import type { Tables } from './tables.js';
import { applyPlaceTree } from './tree-changes.js';

/**
 * Applies one change to the tables, the same at run time and at replay.
 * @returns false only for a content change whose `ifVersion` does not fit
 * @throws {CairnError} where the change contradicts the tables: nothing was changed
 */
export function applyChange(tables: Tables, change: Change): boolean {
  switch (change.kind) {
    case 'content':
      return applyContent(tables, change);
    case 'clone':
      applyClone(tables, change);
      return true;
    case 'create':
      applyCreate(tables, change);
      return true;
    case 'link':
      applyLink(tables, change);
      return true;
    case 'unlink':
      applyUnlink(tables, change);
      return true;
    case 'rename':
      applyRename(tables, change);
      return true;
    case 'attributes':
      applyAttributes(tables, change);
      return true;
    case 'set-xattr':
      applySetXattr(tables, change);
      return true;
    case 'remove-xattr':
      applyRemoveXattr(tables, change);
      return true;
    case 'drop-orphan':
      applyDropOrphan(tables, change);
      return true;
    case 'create-group':
      applyCreateGroup(tables, change);
      return true;
    case 'place-tree':
      applyPlaceTree(tables, change);
      return true;
    case 'remove-group':
      applyRemoveGroup(tables, change);
      return true;
  }
}
