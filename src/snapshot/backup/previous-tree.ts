import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import type { FileContent } from '../create/tree-source.js';
import { isZeroChunk, piecesOf } from '../payload-bytes.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import type { SourceNode } from './source-node.js';

/** Children of a folder of the group's newest snapshot, by the bytes of their names as latin1. */
export type PreviousFolder = ReadonlyMap<string, ArchiveEntry>;

const NOTHING: PreviousFolder = new Map();

/** The group's newest snapshot, as what tells which files need not be read again. */
export class PreviousTree {
  readonly #view: TreeView;

  constructor(view: TreeView) {
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

  async root(): Promise<ArchiveEntry> {
    return this.#view.archive.entry(this.#view.archive.root);
  }

  /** @param entry undefined, or no folder: there is nothing in it */
  async children(entry: ArchiveEntry | undefined): Promise<PreviousFolder> {
    if (entry?.kind !== 'folder') return NOTHING;
    const children = new Map<string, ArchiveEntry>();
    for await (const child of childrenOf(this.#view, entry.position)) children.set(keyOf(child.name), child.entry);
    return children;
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

export function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}

function hasChangeTime(node: SourceNode, ctime: { seconds: number; nanoseconds: number } | undefined): boolean {
  return ctime !== undefined && ctime.seconds === node.ctimeSec && ctime.nanoseconds === node.ctimeNsec;
}
