import type { LiveStore } from '../content/open-live-store.js';
import { CairnError } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { systemClock } from '../core/time.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { Transport } from '../fuse/transport.js';
import { loadIndex } from '../index/index-file.js';
import { unnamedTrees } from '../snapshot/clone/unnamed-trees.js';
import type { FileSystemFigures, Vfs } from '../vfs/api.js';
import { countReferences } from '../vfs/count-references.js';
import { guardForeignGroups } from '../vfs/groups/foreign-groups.js';
import { LATEST_NAME } from '../vfs/groups/group-entries.js';
import { openGroupVfs } from '../vfs/groups/group-vfs.js';
import { KernelReferences } from '../vfs/live/kernel-references.js';
import { MAX_FILE_BYTES } from '../vfs/live/live-files.js';
import { liveNode } from '../vfs/live/live-nodes.js';
import type { Barrier, LiveParts } from '../vfs/live/live-parts.js';
import { OpenFiles } from '../vfs/live/open-files.js';
import { Orphans } from '../vfs/live/orphans.js';
import { fileNameOfObject } from '../vfs/objects/object-names.js';
import { OBJECTS_FOLDER_NODE, ObjectNodes } from '../vfs/objects/object-nodes.js';
import { openObjectsVfs } from '../vfs/objects/objects-vfs.js';
import { openVfs } from '../vfs/open-vfs.js';
import { ArchiveNodes } from '../vfs/snapshots/archive-nodes.js';
import type { SpaceSource } from '../vfs/space-xattrs.js';
import { isInGroup } from './caller-groups.js';
import { DatastoreGroups } from './group-services.js';
import { foreignGroups, type WritersOfGroups } from './shared/writers-of-groups.js';
import type { SnapshotService } from './snapshot-service.js';
import { SpaceService } from './space-service.js';

/** Orphans read in one step when a mount drops those an earlier one left. */
const ORPHANS_AT_ONCE = 1000;

/** The tree a mount shows. */
export interface OpenTree {
  readonly vfs: Vfs;
  readonly parts: LiveParts;
  readonly space: SpaceService;
  /** From now on the kernel hears of snapshots that come and go by themselves, and of files that are not as it believes. */
  tellKernel(transport: Pick<Transport, 'invalidateEntry' | 'invalidateNode'>): void;
}

/**
 * Opens the tree of a datastore, or of one group alone.
 * @param durability what fsync waits for
 * @param writers who writes to which group, where other machines use the same object store
 * @throws {CairnError} `not-found` where there is no such group
 */
export async function openTree(
  datastore: WritableDatastore,
  live: LiveStore,
  snapshots: SnapshotService,
  group: GroupName | undefined,
  durability: Barrier = live.durability,
  writers?: WritersOfGroups,
): Promise<OpenTree> {
  const { catalog, chunks, paths } = datastore;
  const references = new KernelReferences();
  let transport: Pick<Transport, 'invalidateEntry' | 'invalidateNode'> | undefined;
  const changedUnasked = (ino: number) => transport?.invalidateNode(liveNode(ino));
  live.contents.onLost((ino) => transport?.invalidateNode(liveNode(ino), { start: 0, end: MAX_FILE_BYTES }));
  const parts = { ...livePartsOf(datastore, live, references, durability), changedUnasked };
  const groups = new DatastoreGroups(paths.root, catalog, snapshots);
  await groups.load();
  const nodes = new ArchiveNodes(chunks, (archive) => snapshots.indexesOf(archive));
  const space = new SpaceService(paths.root);
  const spaceSource: SpaceSource = {
    storedBytes: (digest) => catalog.chunks.find(digest)?.stored || undefined,
    folder: (kind, groupId, archive) => space.folder(kind, groupId, archive),
  };
  const figures = () => figuresOf(datastore);
  const all = openVfs({ live: parts, groups, snapshots: nodes, space: spaceSource, figures });
  const trees = writers === undefined ? all : guardForeignGroups(all, parts, foreignGroups(catalog, writers));
  const vfs = group === undefined ? withObjects(datastore, trees) : groupAlone(datastore, trees, group);
  snapshots.onChange((groupId, change) => {
    groups.snapshotsChanged(groupId);
    space.changed();
    if ('forgotten' in change) nodes.forget(change.forgotten);
    const folder = groups.groupFolder(groupId);
    if (folder === undefined) return;
    const time = 'made' in change ? change.made.time : change.time;
    transport?.invalidateEntry(liveNode(folder), Buffer.from(formatSnapshotTime(time)));
    transport?.invalidateEntry(liveNode(folder), LATEST_NAME);
  });
  return {
    vfs: countReferences(vfs, references),
    parts,
    space,
    tellKernel(listener) {
      transport = listener;
    },
  };
}

function withObjects({ catalog, chunks, paths }: WritableDatastore, trees: Vfs): Vfs {
  const objects = new ObjectNodes({
    ...{ objects: catalog.objects, chunks },
    loadIndex: async (path) => (await loadIndex(`${paths.root}/${path}`)).index,
    root: () => trees.attributes.get(trees.root),
  });
  return openObjectsVfs(trees, objects);
}

/** Tells the kernel of objects that appear by themselves. */
export function showing(transport: Pick<Transport, 'invalidateEntry' | 'invalidateNode'>): (id: string) => void {
  return (id) => {
    const name = fileNameOfObject(id);
    if (name !== undefined) transport.invalidateEntry(OBJECTS_FOLDER_NODE, name);
    transport.invalidateNode(OBJECTS_FOLDER_NODE);
  };
}

function groupAlone({ catalog, paths }: WritableDatastore, whole: Vfs, group: GroupName): Vfs {
  const row = catalog.groups.findByName(group);
  if (row === undefined) {
    throw new CairnError('not-found', `There is no group ${groupPath(group)} in the datastore ${paths.root}`);
  }
  return openGroupVfs(whole, { group: liveNode(row.groupIno), current: liveNode(row.currentIno) });
}

function livePartsOf(
  datastore: WritableDatastore,
  live: LiveStore,
  references: KernelReferences,
  durability: Barrier,
): Omit<LiveParts, 'changedUnasked'> {
  const { catalog } = datastore;
  const openFiles = new OpenFiles();
  const known: number[] = [];
  for (let more = catalog.orphans.list(0, ORPHANS_AT_ONCE); more.length > 0; ) {
    known.push(...more);
    more = catalog.orphans.list(more.at(-1) as number, ORPHANS_AT_ONCE);
  }
  // Trees that were never placed, or replaced, are emptied first (clone-service.ts).
  const trees = new Set(unnamedTrees(catalog));
  const orphans = known.filter((ino) => !trees.has(ino));
  return {
    tree: catalog,
    log: live.parts.log,
    contents: live.contents,
    reader: live.reader,
    cloner: live.cloner,
    openFiles,
    orphans: new Orphans(live.parts.log, openFiles, references, orphans),
    durability,
    clock: systemClock,
    isInGroup,
  };
}

async function figuresOf({ backend, catalog, reserve }: WritableDatastore): Promise<FileSystemFigures> {
  const room = await backend.figures();
  const { inodes } = catalog.figures();
  const unlimited = { totalBytes: 2 ** 50, freeBytes: 2 ** 50, availableBytes: 2 ** 50, freeFiles: 2 ** 32 };
  const { freeFiles, totalBytes, freeBytes, availableBytes } = room ?? unlimited;
  const without = (bytes: number) => Math.max(0, bytes - reserve.missingBytes);
  return {
    ...{ totalBytes, freeFiles, files: inodes + freeFiles },
    freeBytes: without(freeBytes),
    availableBytes: without(availableBytes),
  };
}
