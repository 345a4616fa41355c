import { type Digest, sameDigest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import {
  PAYLOAD_HEADER_BYTES,
  type PayloadPlace,
  payloadHeader,
  payloadStartMarker,
  payloadTailMarker,
} from './payload-items.js';

/** Where the payload stream may start afresh (design §2): at multiples of so many bytes. What grows by less is made up for there. */
export const NEAR_ALIGNMENT_BYTES = 4 * 1024 * 1024;
export const FAR_ALIGNMENT_BYTES = 64 * 1024 * 1024;

/** How many files, and how much payload, one fresh start at a far alignment is to stand for. */
const FILES_PER_FAR = 65_536;
const BYTES_PER_FAR = 1024 * 1024 * 1024;
const FILES_PER_NEAR = 4096;
const HASHES = 2 ** 32;

/** A piece of a large file that lies in a chunk: `length` bytes from `at` on. */
export interface PayloadExtent {
  /** Where in the file it starts, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly digest: Digest;
  /** Where in the chunk it starts, bytes. */
  readonly at: number;
  /** Plain length of the whole chunk in bytes. */
  readonly chunkLength: number;
}

/** A packed file: one piece of a shared chunk, its payload header and then its content. */
export interface PackedPiece {
  readonly digest: Digest;
  readonly chunkLength: number;
  /** Where in the chunk the content starts, bytes; the payload header is the 16 bytes before. */
  readonly contentAt: number;
}

/** Takes the chunks a payload stream consists of, in order. */
export interface PayloadListing {
  /** A chunk that exists. */
  chunk(digest: Digest, length: number): void;
  /** The chunk that holds exactly these 16 bytes; the taker sees to it that it exists. */
  item(bytes: Uint8Array): void;
  /** Zero chunks, together `length` bytes. */
  zeros(length: number): void;
}

/**
 * Lays out the payload stream of a snapshot: which chunks it lists, and where each file's PAYLOAD header is. Files
 * are given in archive order; their offsets strictly rise (pbs-format §6.5). Nothing is read or written here.
 */
export class PayloadPlanner {
  readonly #listing: PayloadListing;
  #position = 0;
  #lastOffset = -1;
  /** The packed chunk listed last and where it starts; what was placed behind it is behind all of its files. */
  #pack: { readonly digest: Digest; readonly start: number } | undefined;
  #finished = false;

  /** Begins the stream with its start marker. */
  constructor(listing: PayloadListing) {
    this.#listing = listing;
    this.#item(payloadStartMarker());
  }

  /** Length of the stream so far, bytes. */
  get position(): number {
    return this.#position;
  }

  /**
   * Places a packed file. Its chunk is listed unless it was the last one listed and the piece lies behind the
   * last file.
   * @throws {CairnError} `invalid` for a piece that is not within its chunk
   */
  packed(size: number, piece: PackedPiece): PayloadPlace {
    const { digest, chunkLength, contentAt } = piece;
    const at = contentAt - PAYLOAD_HEADER_BYTES;
    if (at < 0 || size < 0 || contentAt + size > chunkLength) {
      throw new CairnError(
        'invalid',
        `Piece of ${size} bytes at ${contentAt} is not within its chunk of ${chunkLength}`,
      );
    }
    const listed = this.#pack;
    if (listed !== undefined && sameDigest(listed.digest, digest) && listed.start + at > this.#lastOffset) {
      return this.#place(listed.start + at, size);
    }
    const start = this.#position;
    this.#chunk(digest, chunkLength);
    this.#pack = { digest, start };
    return this.#place(start + at, size);
  }

  /**
   * Places a large file, or an empty one (no extents): its header as a chunk of its own, then its chunks; what no
   * extent covers is a hole.
   * @param extents sorted, not overlapping, within the file; none of them ragged (`raggedExtents`)
   * @throws {CairnError} `invalid` for other extents; the stream is then worth nothing
   */
  large(size: number, extents: Iterable<PayloadExtent>): PayloadPlace {
    const place = this.#place(this.#position, size);
    this.#item(payloadHeader(size));
    let offset = 0;
    for (const extent of extents) {
      if (extent.offset < offset || extent.length < 1 || isRagged(extent, size)) {
        throw new CairnError('invalid', `Cannot list ${extent.length} bytes at ${extent.offset} of a file of ${size}`);
      }
      this.#zeros(extent.offset - offset);
      this.#chunk(extent.digest, extent.chunkLength);
      offset = extent.offset + extent.length;
    }
    if (offset < size) this.#zeros(size - offset);
    return place;
  }

  /**
   * Pads the stream to the next multiple of so many bytes, so that what follows does not depend on what was before; 0: does
   * nothing.
   */
  realign(alignmentBytes: number): void {
    if (alignmentBytes === 0) return;
    this.#zeros((alignmentBytes - (this.#position % alignmentBytes)) % alignmentBytes);
    this.#pack = undefined;
  }

  /**
   * Ends the stream with its tail marker.
   * @returns its length in bytes
   */
  finish(): number {
    this.#item(payloadTailMarker());
    this.#finished = true;
    return this.#position;
  }

  #place(offset: number, size: number): PayloadPlace {
    this.#lastOffset = offset;
    return { offset, size };
  }

  #chunk(digest: Digest, length: number): void {
    this.#advance(length);
    this.#listing.chunk(digest, length);
  }

  #item(bytes: Uint8Array): void {
    this.#advance(bytes.length);
    this.#listing.item(bytes);
  }

  #zeros(length: number): void {
    if (length === 0) return;
    this.#advance(length);
    this.#listing.zeros(length);
  }

  #advance(length: number): void {
    if (this.#finished) throw new Error('The payload stream is finished');
    if (!Number.isSafeInteger(this.#position + length)) {
      throw new CairnError('too-large', 'The payload stream of a snapshot cannot have 2^53 bytes');
    }
    this.#position += length;
  }
}

/**
 * The extents of a large file no index can list as they are (design §2): those that neither cover their chunk nor
 * start at 0 of it and end the file.
 */
export function raggedExtents<T extends PayloadExtent>(size: number, extents: readonly T[]): T[] {
  return extents.filter((extent) => isRagged(extent, size));
}

function isRagged({ offset, length, at, chunkLength }: PayloadExtent, size: number): boolean {
  const covers = length === chunkLength;
  const endsFile = offset + length === size && length < chunkLength;
  return at !== 0 || offset + length > size || !(covers || endsFile);
}

/**
 * Where the payload is to start afresh behind a file, by that file alone: a change of the tree moves no point but its own.
 * It is at a far alignment once in 65,536 files and once in a GiB, at a near one once in 4,096 files.
 * @param pathHash of the file's path, 32 bits, evenly spread @param size of the file, bytes
 * @returns the alignment in bytes; 0: nowhere
 */
export function alignmentBehind(pathHash: number, size: number): number {
  const share = pathHash / HASHES;
  if (share < 1 / FILES_PER_FAR + size / BYTES_PER_FAR) return FAR_ALIGNMENT_BYTES;
  // Taken from the other end: a file that grows a little is not to lose its point.
  return 1 - share <= 1 / FILES_PER_NEAR ? NEAR_ALIGNMENT_BYTES : 0;
}
