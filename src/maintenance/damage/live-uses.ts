import { ChunkSet } from '../../catalog/chunk-set.js';
import type { ExtentPosition } from '../../catalog/chunk-sets.js';
import type { FoundExtent } from '../../catalog/chunk-users.js';
import type { Inode } from '../../catalog/inode.js';
import { STORAGE_PACKED } from '../../catalog/inode.js';
import { payloadHeader } from '../../chunk/payload-header.js';
import { groupPath } from '../../core/group.js';
import { breathe, type CareContext, requireWanted } from '../job/care-context.js';
import type { ChunkUse, WantedChunks } from './chunk-use.js';

/** Rows looked at between two looks at messages. */
const ROWS_PER_STEP = 50_000;
/** Names looked at of one file. */
const MAX_NAMES = 500;

/** What live files need of the chunks, as the last commit has them. Looks at all extents: seconds for ten million. */
export async function* liveUses(context: CareContext, wanted: WantedChunks): AsyncGenerator<ChunkUse> {
  const extents = await extentsIn(context, wanted);
  if (extents.size === 0) return;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const step = context.catalog.chunkUsers.inodes(extents, after, ROWS_PER_STEP);
    for (const { ino, list } of step.found) yield* usesOf(context, ino, extents.get(list) ?? []);
    after = step.lastIno;
    await breathe();
    requireWanted(context.signal);
  }
}

async function extentsIn(context: CareContext, wanted: WantedChunks): Promise<Map<number, FoundExtent[]>> {
  const { catalog, signal } = context;
  const set = new ChunkSet();
  catalog.sets.addKnown(set, wanted.digests);
  const byList = new Map<number, FoundExtent[]>();
  try {
    for (let from: ExtentPosition | undefined; from?.done !== true; ) {
      const step = catalog.chunkUsers.extents(set, from, ROWS_PER_STEP);
      for (const extent of step.found) {
        const listed = byList.get(extent.list);
        if (listed === undefined) byList.set(extent.list, [extent]);
        else listed.push(extent);
      }
      from = step.position;
      await breathe();
      requireWanted(signal);
    }
  } finally {
    set.dispose();
  }
  return byList;
}

function* usesOf({ catalog }: CareContext, ino: number, extents: readonly FoundExtent[]): Generator<ChunkUse> {
  const inode = catalog.inodes.find(ino);
  const group = inode && catalog.groups.find(inode.group);
  if (inode === undefined || group === undefined) return;
  const current = `${groupPath(group.name)}/current/`;
  for (const path of catalog.names.pathsOf(ino, MAX_NAMES)) {
    const below = Buffer.from(path).subarray(Buffer.byteLength(current));
    const shown = Buffer.from(path).toString();
    for (const { digest, at, length, offset } of extents) {
      yield { digest, at, length, shown, file: { group: groupPath(group.name), path: below, offset } };
      if (inode.storage === STORAGE_PACKED) yield headerUse(digest, at, inode, shown);
    }
  }
}

/** A packed file's content stands behind its payload header. */
function headerUse(digest: Uint8Array, contentAt: number, { size }: Readonly<Inode>, shown: string): ChunkUse {
  const bytes = payloadHeader(size);
  return { digest, at: contentAt - bytes.length, length: bytes.length, shown, bytes };
}
