import { objectLayout } from '../backend/spread/object-layout.js';
import type { ChunkState } from '../catalog/counters.js';
import { chunkName } from '../chunkstore/layout.js';
import { digestFromHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { formatRedundancy } from '../core/redundancy.js';
import type { Spread } from '../datastore/object-store.js';
import { openDatastoreReader, type ReadableDatastore } from '../datastore/open.js';

/** What is known of one chunk, as of the last commit, and whether its file is there. */
export interface ChunkLookUp {
  readonly id: string;
  readonly state: ChunkState;
  /** Plain bytes, and bytes of its file as recorded; 0: not known. */
  readonly size: number;
  readonly storedSize: number;
  /** When its content was last verified, epoch seconds; null: never. */
  readonly verifiedAt: number | null;
  /** The name its file has in the datastore's backend. */
  readonly name: string;
  /** Bytes of that file now; null: there is none. */
  readonly fileBytes: number | null;
  /** Where its pieces are; null where the datastore has one backend, or nothing of it. */
  readonly pieces: ChunkPieces | null;
}

/** In which pieces a chunk is on which backends. */
export interface ChunkPieces {
  /** `single`, `mirror:N` or `ec:K+M`. */
  readonly scheme: string;
  readonly pieces: readonly { readonly index: number; readonly backend: string }[];
  /** Backends that have it as it was before there were several. */
  readonly copies: readonly string[];
  /** Backends whose piece cannot be read, and those that did not answer. */
  readonly damaged: readonly string[];
  readonly silent: readonly string[];
  /** Whether what was found gives the chunk back. */
  readonly canRecover: boolean;
}

/** How many chunks, their plain bytes, and the bytes of their files. */
export interface ChunkAmount {
  readonly chunks: number;
  readonly bytes: number;
  readonly storedBytes: number;
}

/** What the index of a datastore has, as of the last commit: at hand, nothing is counted. */
export interface IndexLookUp {
  readonly kind: 'sqlite';
  readonly chunks: Readonly<Record<ChunkState, ChunkAmount>>;
  /** Plain bytes to stored bytes of what is present; null where nothing is. */
  readonly compressionRatio: number | null;
  readonly objects: number;
  readonly objectBytes: number;
  readonly liveInodes: number;
  readonly liveBytes: number;
}

/**
 * Looks a chunk up in a datastore, whoever has it open.
 * @param id 64 lowercase hex digits
 * @throws {CairnError} `invalid`, `not-found` where nothing ever named it
 */
export function lookUpChunk(store: string, id: string): Promise<ChunkLookUp> {
  const digest = digestFromHex(id);
  return withReader(store, async ({ catalog, backend, config, spread }) => {
    const known = catalog.chunks.find(digest);
    if (known === undefined) throw new CairnError('not-found', `There is no chunk ${id}`);
    const name = chunkName(digest, config.prefixDigits);
    const { state, length, stored, verifiedAt } = known;
    const fileBytes = (await backend.size(name)) ?? null;
    const pieces = spread === undefined ? null : await piecesOf(spread.spread, name);
    return { id, state, size: length, storedSize: stored, verifiedAt: verifiedAt || null, name, fileBytes, pieces };
  });
}

/**
 * Looks up in which pieces a chunk is.
 * @param id 64 lowercase hex digits
 * @throws {CairnError} `invalid`, `not-found` where it is in none
 */
export async function lookUpPieces(store: string, id: string): Promise<ChunkPieces> {
  const { pieces } = await lookUpChunk(store, id);
  if (pieces === null) throw new CairnError('not-found', `The chunk ${id} is in no pieces`);
  return pieces;
}

async function piecesOf(spread: Spread, name: string): Promise<ChunkPieces | null> {
  const layout = await objectLayout(spread.members, name);
  if (layout === undefined) return null;
  const { redundancy, pieces, copies, damaged, silent } = layout;
  return {
    scheme: formatRedundancy(redundancy),
    pieces: pieces.map(({ index, member }) => ({ index, backend: member })),
    ...{ copies, damaged, silent },
    canRecover: copies.length > 0 || pieces.length >= redundancy.data,
  };
}

/** Looks at the figures of a datastore's index, whoever has it open. */
export function lookUpIndex(store: string): Promise<IndexLookUp> {
  return withReader(store, async ({ catalog }) => {
    const { chunks, inodes, allocatedBytes } = catalog.figures();
    const { objects, bytes: objectBytes } = catalog.objects.totals();
    const amount = (state: ChunkState): ChunkAmount => {
      const { chunks: count, plainBytes, storedBytes } = chunks[state];
      return { chunks: count, bytes: plainBytes, storedBytes };
    };
    const { plainBytes, storedBytes } = chunks.present;
    return {
      kind: 'sqlite',
      chunks: {
        ...{ present: amount('present'), absent: amount('absent') },
        ...{ bad: amount('bad'), quarantined: amount('quarantined') },
      },
      compressionRatio: storedBytes === 0 ? null : plainBytes / storedBytes,
      ...{ objects, objectBytes, liveInodes: inodes, liveBytes: allocatedBytes },
    };
  });
}

async function withReader<T>(store: string, look: (datastore: ReadableDatastore) => Promise<T>): Promise<T> {
  const datastore = await openDatastoreReader(store);
  try {
    return await look(datastore);
  } finally {
    datastore.close();
  }
}
