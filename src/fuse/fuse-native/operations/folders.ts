import type { FolderEntry, NodeId, Vfs } from '../../../vfs/api.js';
import type { FuseNativeOperations } from '../package.js';
import { statArray } from '../stat-arrays.js';
import type { MountParts } from './mount-parts.js';

type FolderOperations = Pick<FuseNativeOperations, 'readdir' | 'fsyncdir'>;

/** Entries asked for in one step. */
const ENTRIES_AT_ONCE = 500;

/** Open folders have no handles here: libfuse asks for the whole list at once and keeps it. */
export function folderOperations({ vfs, nodes, requests }: MountParts): FolderOperations {
  return {
    readdir(path, done) {
      const both = (result: number, entries: readonly FolderEntry[] = []) =>
        done(
          result,
          entries.map((entry) => Buffer.from(entry.name).toString('latin1')),
          entries.map((entry) => statArray(entry.attributes)),
        );
      requests.answer(
        'READDIR',
        (result, entries) => both(result, entries as FolderEntry[] | undefined),
        () => nodes.at(path, ({ node }) => listed(vfs, node)),
      );
    },
    fsyncdir(path, _dataOnly, _handle, done) {
      requests.answer('FSYNCDIR', done, () => nodes.at(path, ({ node }) => synced(vfs, node)));
    },
  };
}

async function listed(vfs: Vfs, node: NodeId): Promise<FolderEntry[]> {
  const handle = await vfs.folders.open(node);
  try {
    const entries: FolderEntry[] = [];
    for (let cookie = 0; ; ) {
      const more = await vfs.folders.read(handle, cookie, ENTRIES_AT_ONCE);
      const last = more.at(-1);
      if (last === undefined) return entries;
      entries.push(...more);
      cookie = last.cookie;
    }
  } finally {
    vfs.folders.release(handle);
  }
}

async function synced(vfs: Vfs, node: NodeId): Promise<void> {
  const handle = await vfs.folders.open(node);
  try {
    await vfs.folders.sync(handle);
  } finally {
    vfs.folders.release(handle);
  }
}
