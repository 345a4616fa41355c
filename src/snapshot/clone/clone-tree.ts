import { isFolder, ROLE_CURRENT, ROLE_ORDINARY } from '../../catalog/inode.js';
import type { Durability } from '../../content/durability.js';
import { CairnError } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import type { FoundSnapshot } from '../find-snapshot.js';
import { missingFolders, tellOfFolders } from '../make-group.js';
import { componentsOf, requireEntryAt, type TreeView } from '../tree-view.js';
import { type BuilderParts, TreeBuilder } from './tree-builder.js';
import { removeHiddenTree, removeTree } from './unnamed-trees.js';

/** What cloning works on; the mount worker's own. */
export interface CloneParts extends BuilderParts {
  readonly durability: Pick<Durability, 'commitDurably'>;
  openView(found: FoundSnapshot): Promise<TreeView>;
  /** Makes the group's folder in the datastore; it may exist. */
  makeGroupFolder(group: GroupName): Promise<void>;
  /** Ends an inode that lost its last name. */
  dropOrphan(ino: number): void;
  /** Told what appeared or was replaced, so that the kernel hears of it. */
  onPlaced(parentIno: number, name: Uint8Array): void;
}

/** What to clone, and where it is to appear. */
export interface CloneRequest {
  readonly source: FoundSnapshot;
  /** Path in the snapshot; empty for all of it. */
  readonly path: string;
  readonly group: GroupName;
  /** Path in the group's live tree; empty for the live tree itself. */
  readonly targetPath: string;
  /** Whether what is there is replaced, where it is not empty. */
  readonly replace: boolean;
  readonly signal: AbortSignal;
  onEntry(entries: number): void;
}

export interface CloneFigures {
  readonly entries: number;
}

/** Where a tree is to be placed. */
interface Place {
  readonly parent: number;
  readonly name: Buffer;
  /** What is there. */
  readonly there: number | undefined;
}

const CURRENT = Buffer.from('current');

/**
 * Makes a live tree, or a path in one, of a snapshot or a path in one without copying data: the inodes are made out of
 * sight, in steps, and appear at once when all are there. Interrupted, it leaves nothing: what a crash leaves behind is
 * removed by the next mount.
 * @throws {CairnError} `not-found`, `not-empty` where something is there and not to be replaced, `stale` where the snapshot is
 *   forgotten meanwhile, `interrupted`, `corrupt` where a chunk is known to be lost, and what making changes gives
 */
export async function cloneTree(parts: CloneParts, request: CloneRequest): Promise<CloneFigures> {
  const { catalog } = parts;
  const view = await parts.openView(request.source);
  const entry = await requireEntryAt(view, request.path);
  const isRoot = request.targetPath === '';
  if (isRoot && entry.kind !== 'folder') throw new CairnError('not-a-directory', 'A live tree is made of a folder');
  const known = catalog.groups.findByName(request.group);
  if (known === undefined && !isRoot) throw notThere(`group ${groupPath(request.group)}`);
  if (known !== undefined) placeOf(parts, request, entry.kind === 'folder');
  const group = known?.id ?? catalog.groups.allocateId();
  const requireSource = (): void => requireGoing(parts, request);
  const builder = new TreeBuilder(parts, view, { group, requireSource, onEntry: request.onEntry });
  const name = isRoot ? CURRENT : (componentsOf(request.targetPath).at(-1) ?? CURRENT);
  const ino = await builder.root(entry, isRoot ? ROLE_CURRENT : ROLE_ORDINARY, name);
  let replaced: number | undefined;
  try {
    await builder.fill(entry, ino);
    if (known === undefined) await parts.makeGroupFolder(request.group);
    requireSource();
    // Both look again and place in one step.
    if (known === undefined) placeGroup(parts, request.group, group, ino);
    else replaced = place(parts, placeOf(parts, request, entry.kind === 'folder'), ino, entry.kind === 'folder');
  } catch (error) {
    await undo(parts, ino);
    throw error;
  }
  await parts.durability.commitDurably();
  // The next mount removes what is left of it.
  if (replaced !== undefined) await removeTree(parts, replaced, () => !request.signal.aborted);
  return { entries: builder.entries + 1 };
}

/** @throws {CairnError} `stale` where the snapshot was forgotten, `interrupted` */
function requireGoing({ catalog }: CloneParts, { source, signal }: CloneRequest): void {
  if (signal.aborted) throw new CairnError('interrupted', 'The clone was given up: nothing was changed');
  if (catalog.snapshots.find(source.snapshot.archive)?.state === 'finished') return;
  throw new CairnError('stale', 'The snapshot was forgotten while it was cloned: nothing was changed');
}

/** @throws {CairnError} `not-found`, `not-empty`, `not-permitted` where a folder and something else would replace each other */
function placeOf(parts: CloneParts, { group, targetPath, replace }: CloneRequest, isTree: boolean): Place {
  const { catalog } = parts;
  const row = catalog.groups.findByName(group);
  if (row === undefined) throw notThere(`group ${groupPath(group)}`);
  const names = targetPath === '' ? [CURRENT] : componentsOf(targetPath);
  let parent = targetPath === '' ? row.groupIno : row.currentIno;
  for (const name of names.slice(0, -1)) {
    const next = catalog.names.lookup(parent, name);
    if (next === undefined || !isFolder(catalog.inodes.find(next)?.mode ?? 0))
      throw notThere(`folder ${targetPath}/..`);
    parent = next;
  }
  const name = names.at(-1) ?? CURRENT;
  const there = catalog.names.lookup(parent, name);
  const mode = there === undefined ? undefined : catalog.inodes.find(there)?.mode;
  if (there !== undefined && isFolder(mode ?? 0) !== isTree) {
    throw new CairnError('not-permitted', `${targetPath}: a folder and something else cannot replace each other`);
  }
  const isEmpty = there === undefined || (isTree && !catalog.names.hasEntries(there));
  if (isEmpty || replace) return { parent, name, there };
  const shown = `${groupPath(group)}/current${targetPath === '' ? '' : `/${targetPath}`}`;
  throw new CairnError('not-empty', `${shown} is there and not empty`);
}

/** @returns the tree that was replaced */
function place(parts: CloneParts, { parent, name, there }: Place, ino: number, isTree: boolean): number | undefined {
  const { log, clock } = parts;
  const { seconds: timeSec, nanoseconds: timeNsec } = clock.now();
  if (isTree) log.make({ kind: 'place-tree', ino, parent, name, timeSec, timeNsec });
  else {
    if (there !== undefined) {
      log.make({ kind: 'unlink', parent, name, timeSec, timeNsec });
      if (parts.catalog.inodes.find(there)?.nlink === 0) parts.dropOrphan(there);
    }
    log.make({ kind: 'link', ino, parent, name, timeSec, timeNsec });
  }
  parts.onPlaced(parent, name);
  return isTree ? there : undefined;
}

function placeGroup({ catalog, log, clock, onPlaced }: CloneParts, group: GroupName, id: number, ino: number): void {
  if (catalog.groups.findByName(group) !== undefined) {
    throw new CairnError('exists', `The group ${groupPath(group)} was made meanwhile`);
  }
  const { seconds: timeSec, nanoseconds: timeNsec } = clock.now();
  const root = catalog.inodes.find(ino);
  const folders = { groupIno: catalog.inodes.allocate(), currentIno: ino, folderInos: missingFolders(catalog, group) };
  log.make({
    ...{ kind: 'create-group', group, id, ...folders, uid: root?.uid ?? 0, gid: root?.gid ?? 0, timeSec, timeNsec },
  });
  tellOfFolders(catalog, folders.groupIno, onPlaced);
}

/** What cannot be removed now is removed by the next mount. */
async function undo(parts: CloneParts, ino: number): Promise<void> {
  try {
    const inode = parts.catalog.inodes.find(ino);
    if (inode === undefined) return;
    if (!isFolder(inode.mode)) parts.log.make({ kind: 'drop-orphan', ino });
    else await removeHiddenTree(parts, ino, () => true);
  } catch {
    // The error that led here is the one to tell.
  }
}

function notThere(what: string): CairnError {
  return new CairnError('not-found', `There is no ${what}`);
}
