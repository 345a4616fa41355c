import { STORAGE_LARGE, type Storage } from '../catalog/inode.js';
import { PACKED_LIMIT_BYTES } from '../chunk/limits.js';

/**
 * How a file of so many bytes counts after its content changed: a small one is packed only once the packer has made it
 * so; before, its pieces have no payload header.
 */
export function storageOf(sizeBytes: number): Storage {
  return sizeBytes < PACKED_LIMIT_BYTES ? 0 : STORAGE_LARGE;
}
