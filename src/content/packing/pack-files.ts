import type { ContentChange } from '../../catalog/change.js';
import type { ChunkExtent } from '../../catalog/extent.js';
import { type Inode, STORAGE_PACKED } from '../../catalog/inode.js';
import type { Piece } from '../../catalog/pieces.js';
import { PACK_TARGET_BYTES } from '../../chunk/limits.js';
import { payloadHeader } from '../../chunk/payload-header.js';
import { type Digest, digestHex, sameDigest } from '../../core/digest.js';
import { Draft } from '../../native/draft.js';
import { loadRange } from './load.js';
import type { PackingParts } from './packing-parts.js';

/** Piece of content seen before, or undefined. */
export type FindPiece = (contentDigest: Digest) => Piece | undefined;

/** A small file to be packed, as it was when the work began. */
interface Candidate {
  readonly inode: Readonly<Inode>;
  /** Where in the stage its content starts. */
  readonly staged: number;
  digest: Digest;
}

/**
 * Packs small files whose bytes are in the journal: content seen before takes its old piece, the rest goes into
 * chunks of about 256 KiB cut at file borders, in the order given (sorted by path). Each file is swapped only if it
 * has not changed meanwhile.
 * @throws what reading the first unreadable file failed with, when all others are packed; what storing failed with
 * @param inodes small regular files, none empty; together at most a few MiB
 */
export async function packFiles(
  parts: PackingParts,
  inodes: readonly Readonly<Inode>[],
  findPiece: FindPiece,
): Promise<void> {
  const stage = new Draft();
  const known = new KnownChunks(parts);
  try {
    const { candidates, unreadable } = await stageFiles(parts, inodes, stage);
    const fresh: Candidate[] = [];
    for (const candidate of candidates) {
      const piece = findPiece(candidate.digest);
      const find = () => findPiece(candidate.digest);
      const usable = piece?.length === candidate.inode.size && (await known.present(piece, find));
      if (piece !== undefined && usable) swap(parts, candidate, piece);
      else fresh.push(candidate);
    }
    await packFresh(parts, fresh, stage);
    if (unreadable !== undefined) throw unreadable.reason;
  } finally {
    known.named();
    stage.dispose();
  }
}

async function stageFiles(
  parts: PackingParts,
  inodes: readonly Readonly<Inode>[],
  stage: Draft,
): Promise<{ candidates: Candidate[]; unreadable: PromiseRejectedResult | undefined }> {
  let at = 0;
  const places = inodes.map((inode) => {
    const staged = at;
    at += inode.size;
    return { inode: { ...inode }, staged };
  });
  const results = await Promise.allSettled(
    places.map(async ({ inode, staged }): Promise<Candidate> => {
      await loadRange(parts, inode.ino, 0, inode.size, { draft: stage, shift: staged });
      return { inode, staged, digest: await stage.digest(staged, staged + inode.size) };
    }),
  );
  return {
    candidates: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    unreadable: results.find((result) => result.status === 'rejected'),
  };
}

/** Chunks that pieces are in, held, and looked at once for all the pieces in them. */
class KnownChunks {
  readonly #parts: PackingParts;
  readonly #chunks = new Map<string, { readonly digest: Digest; readonly present: Promise<boolean> }>();

  constructor(parts: PackingParts) {
    this.#parts = parts;
  }

  /** Whether the piece's chunk proves present; touched then. @param find looks the piece up again */
  present({ digest, storedLength }: Piece, find: () => Piece | undefined): Promise<boolean> {
    const key = digestHex(digest);
    const known = this.#chunks.get(key);
    if (known !== undefined) return known.present;
    this.#parts.chunks.hold(digest);
    const stillKnown = () => {
      const piece = find();
      return piece !== undefined && sameDigest(piece.digest, digest) ? storedLength : undefined;
    };
    const present = this.#parts.chunks
      .reuse(digest, stillKnown)
      .then((stored) => stored !== undefined)
      .catch(() => false);
    this.#chunks.set(key, { digest, present });
    return present;
  }

  /** Changes name the chunks now: the holds end with their commit. */
  named(): void {
    for (const { digest } of this.#chunks.values()) this.#parts.sink.named(digest);
    this.#chunks.clear();
  }
}

/** Packs content that no piece has yet; equal contents among the files share one. */
async function packFresh(parts: PackingParts, candidates: readonly Candidate[], stage: Draft): Promise<void> {
  const sharers = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const key = digestHex(candidate.digest);
    const list = sharers.get(key);
    if (list === undefined) sharers.set(key, [candidate]);
    else list.push(candidate);
  }
  let pack: Candidate[][] = [];
  let bytes = 0;
  const packs: Promise<void>[] = [];
  for (const sharing of sharers.values()) {
    pack.push(sharing);
    bytes += (sharing[0] as Candidate).inode.size;
    if (bytes < PACK_TARGET_BYTES) continue;
    packs.push(storePack(parts, pack, stage));
    pack = [];
    bytes = 0;
  }
  if (pack.length > 0) packs.push(storePack(parts, pack, stage));
  // All of them end before the stage goes.
  const failed = (await Promise.allSettled(packs)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function storePack(parts: PackingParts, members: readonly Candidate[][], stage: Draft): Promise<void> {
  const draft = new Draft();
  try {
    const places: { sharing: readonly Candidate[]; at: number }[] = [];
    let length = 0;
    for (const sharing of members) {
      const { inode, staged } = sharing[0] as Candidate;
      const header = payloadHeader(inode.size);
      draft.write(length, header);
      length += header.length;
      draft.write(length, stage.read(staged, inode.size));
      places.push({ sharing, at: length });
      length += inode.size;
    }
    const chunk = await parts.sink.store(draft, 0, length, await draft.digest(0, length));
    useChunk(parts, chunk, places);
  } finally {
    draft.dispose();
  }
}

function useChunk(
  parts: PackingParts,
  chunk: ChunkExtent,
  places: readonly { sharing: readonly Candidate[]; at: number }[],
): void {
  try {
    for (const { sharing, at } of places) {
      for (const candidate of sharing) swap(parts, candidate, { ...chunk, at, length: candidate.inode.size });
    }
  } finally {
    parts.sink.named(chunk.digest);
  }
}

/** Points the file at the piece unless it has changed; whether it was done. */
function swap(parts: PackingParts, { inode, digest }: Candidate, piece: Piece): boolean {
  const extent: ChunkExtent = {
    kind: 'chunk',
    offset: 0,
    length: inode.size,
    digest: piece.digest,
    at: piece.at,
    chunkLength: piece.chunkLength,
    storedLength: piece.storedLength,
  };
  return parts.log.make({ ...swapOf(inode, 0, inode.size, [extent]), storage: STORAGE_PACKED, contentDigest: digest });
}

/** A change that gives the bytes [start, end) of the file other places and leaves all else as it is. */
export function swapOf(
  inode: Readonly<Inode>,
  start: number,
  end: number,
  extents: readonly ChunkExtent[],
): ContentChange & { ifVersion: number } {
  return {
    kind: 'content',
    ino: inode.ino,
    start,
    end,
    extents,
    size: inode.size,
    storage: inode.storage,
    chunker: inode.chunker,
    mtimeSec: inode.mtimeSec,
    mtimeNsec: inode.mtimeNsec,
    ctimeSec: inode.ctimeSec,
    ctimeNsec: inode.ctimeNsec,
    ifVersion: inode.version,
  };
}
