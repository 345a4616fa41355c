import { loadFuseNative } from '../../src/fuse/fuse-native/package.js';
import { skipMounts } from './memory-mount.js';

/** Why mounts through the optional package cannot be tested here, or false where they can. */
export function skipFuseNative(): string | false {
  if (skipMounts !== false) return skipMounts;
  try {
    loadFuseNative();
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
