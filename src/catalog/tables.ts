import { ChunkTable } from './chunks.js';
import type { Connection } from './connection.js';
import type { Counters } from './counters.js';
import { ExtentEdits } from './extent-edits.js';
import { GroupTable } from './groups.js';
import { InodeTable } from './inodes.js';
import { ListCopies } from './list-copies.js';
import { NameEdits, Names } from './names.js';
import { OrphanEdits } from './orphans.js';
import { PieceEdits } from './pieces.js';
import { SnapshotTable } from './snapshots.js';
import type { WriteFrame } from './transactions.js';
import type { UploadQueue } from './uploads.js';
import { XattrEdits } from './xattrs.js';

/** What changes write to; stays inside this room. */
export interface Tables {
  readonly inodes: InodeTable;
  readonly listing: Names;
  readonly names: NameEdits;
  readonly xattrs: XattrEdits;
  readonly orphans: OrphanEdits;
  readonly extents: ExtentEdits;
  readonly listCopies: ListCopies;
  readonly chunks: ChunkTable;
  readonly pieces: PieceEdits;
  readonly groups: GroupTable;
  readonly snapshots: SnapshotTable;
}

/** Prepares the statements of all tables that changes write to. */
export function makeTables(
  connection: Connection,
  counters: Counters,
  frame: WriteFrame,
  uploads?: UploadQueue,
): Tables {
  const inodes = new InodeTable(connection, counters);
  const listCopies = new ListCopies(connection, counters, inodes, frame);
  return {
    inodes,
    listing: new Names(connection),
    names: new NameEdits(connection, counters),
    xattrs: new XattrEdits(connection),
    orphans: new OrphanEdits(connection),
    extents: new ExtentEdits(connection, counters, listCopies),
    listCopies,
    chunks: new ChunkTable(connection, counters, frame, uploads),
    pieces: new PieceEdits(connection),
    groups: new GroupTable(connection, counters),
    snapshots: new SnapshotTable(connection, counters, frame),
  };
}
