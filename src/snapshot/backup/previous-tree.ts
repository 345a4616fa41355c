import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import type { FileContent, SameLeaves } from '../create/tree-source.js';
import { isZeroChunk, piecesOf } from '../payload-bytes.js';
import type { RecordedTree } from '../tree-view.js';
import type { KnownChunks } from './known-chunks.js';
import { PreviousCursor } from './previous-cursor.js';
import type { SourceNode } from './source-node.js';

/** The group's newest snapshot, as what tells which files need not be read again. */
export class PreviousTree {
  readonly #view: RecordedTree;

  constructor(view: RecordedTree) {
    this.#view = view;
  }

  /** Bytes of data its payload stream lists: about that of its files without holes. */
  dataBytes(): number {
    const { payload } = this.#view;
    let bytes = 0;
    for (let i = 0; i < payload.count; i += 1) {
      const length = payload.end(i) - payload.start(i);
      if (!isZeroChunk(payload.digest(i), length)) bytes += length;
    }
    return bytes;
  }

  /** Goes through it beside the source. @param known, emit as `PreviousCursor` */
  beside(known: KnownChunks | undefined, emit: (same: SameLeaves) => void): PreviousCursor {
    return new PreviousCursor(this.#view, known, emit);
  }

  /**
   * The entry at a position, or what a name in a folder means that has no entry of its own (a hard link); undefined where that
   * cannot be read: it proves nothing then.
   */
  async entry(position: number | undefined, folder: number, name: Uint8Array): Promise<ArchiveEntry | undefined> {
    const { archive } = this.#view;
    try {
      return await (position === undefined ? archive.lookup(folder, name) : archive.entry(position));
    } catch {
      return undefined;
    }
  }

  /**
   * Whether the file is proved to have the same bytes: size, modification and change time are the same. Nothing a user
   * does to a file leaves its change time; a snapshot of a live tree, or of another source, has other ones.
   */
  isUnchanged(node: SourceNode, entry: ArchiveEntry): boolean | Promise<boolean> {
    if (entry.payload === undefined || entry.size !== node.size) return false;
    if (entry.mtimeSec !== node.mtimeSec || entry.mtimeNsec !== node.mtimeNsec) return false;
    const record = this.#view.record(entry.position);
    if (record instanceof Promise) return record.then((known) => hasChangeTime(node, known?.ctime));
    return hasChangeTime(node, record?.ctime);
  }

  /** Where the file's bytes are; its chunks are to be proved present. Undefined where no index can list them so. */
  contentOf({ payload, size, position }: ArchiveEntry): FileContent | Promise<FileContent> | undefined {
    if (payload === undefined || payload.inline) return undefined;
    if (size === 0) return { kind: 'large', extents: [], holes: [] };
    const index = this.#view.payload;
    const header = index.chunkAt(payload.offset);
    const start = index.start(header);
    if (start !== payload.offset || index.end(header) !== start + PAYLOAD_HEADER_BYTES) {
      const at = payload.offset + PAYLOAD_HEADER_BYTES - start;
      const chunkLength = index.end(header) - start;
      if (at + size > chunkLength) return undefined;
      return { kind: 'packed', digest: Uint8Array.from(index.digest(header)), chunkLength, at };
    }
    const extents = [...piecesOf(index, payload)]
      .filter(({ isZeros }) => !isZeros)
      .map(({ offset, length, digest, chunkLength, at }) => ({
        ...{ offset, length, chunkLength, at },
        digest: Uint8Array.from(digest),
      }));
    const record = this.#view.record(position);
    if (record instanceof Promise)
      return record.then((known) => ({ kind: 'large', extents, holes: known?.holes ?? [] }));
    return { kind: 'large', extents, holes: record?.holes ?? [] };
  }
}

function hasChangeTime(node: SourceNode, ctime: { seconds: number; nanoseconds: number } | undefined): boolean {
  return ctime !== undefined && ctime.seconds === node.ctimeSec && ctime.nanoseconds === node.ctimeNsec;
}
