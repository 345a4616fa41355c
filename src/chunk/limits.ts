import { BLOB_HEADER_BYTES } from '../native/blob.js';
import type { Cutter } from '../native/chunker.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The largest plain length of a chunk in bytes (pbs-format §2.1); decoders bound their output by it. */
export const MAX_CHUNK_BYTES = 16 * MIB;

/** The longest blob an unencrypted chunk can become: stored plain. */
export const MAX_BLOB_BYTES = MAX_CHUNK_BYTES + BLOB_HEADER_BYTES;

/** A regular file of fewer bytes than this is packed: one piece of a chunk shared with others (design §2). */
export const PACKED_LIMIT_BYTES = 128 * KIB;

/** A pack is closed at the first file border at or behind this many bytes. */
export const PACK_TARGET_BYTES = 256 * KIB;

/** zstd level of what we write (pbs-format §2.1), unless the load allows for a better one (`chunkstore/compression-level`). */
export const COMPRESSION_LEVEL = 1;

/** File data whose content decides where it is cut. */
export const DYNAMIC_CUTTER: Cutter = {
  kind: 'dynamic',
  minBytes: 256 * KIB,
  averageBytes: MIB,
  maxBytes: 4 * MIB,
};

/** The metadata stream of an archive: smaller chunks, since one changed folder renews a whole one. */
export const METADATA_CUTTER: Cutter = {
  kind: 'dynamic',
  minBytes: 32 * KIB,
  averageBytes: 128 * KIB,
  maxBytes: 512 * KIB,
};

/** Disk images, which are rewritten in place. */
export const FIXED_CUTTER: Cutter = { kind: 'fixed', chunkBytes: 4 * MIB };
