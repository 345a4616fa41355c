import type { Log } from '../core/log.js';
import { mountFuseNative } from '../fuse/fuse-native-transport.js';
import { createNativeTransport, MAX_READ_BYTES } from '../fuse/native-transport.js';
import type { Transport } from '../fuse/transport.js';
import { mountFuse } from '../native/fuse-mount.js';
import type { Vfs } from '../vfs/api.js';
import { isDying } from './dying-caller.js';
import type { MountWorkerOptions } from './worker-protocol.js';

/**
 * Mounts the tree by the transport that was asked for; no request is delivered before its `start`.
 * @throws {CairnError} why it cannot be mounted
 */
export async function attach(options: MountWorkerOptions, vfs: Vfs, log: Log): Promise<Transport> {
  const { mountpoint, store: source, readOnly } = options;
  if (options.transport === 'fuse-native') return mountFuseNative({ mountpoint, source, readOnly, vfs, log });
  const descriptor = await mountFuse(mountpoint, { source, maxReadBytes: MAX_READ_BYTES, readOnly });
  return createNativeTransport({ descriptor, vfs, log, isDying });
}
