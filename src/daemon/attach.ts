import type { Log } from '../core/log.js';
import { mountFuseNative } from '../fuse/fuse-native-transport.js';
import { createNativeTransport, MAX_READ_BYTES } from '../fuse/native-transport.js';
import type { Transport } from '../fuse/transport.js';
import { mountFuse, setReadAhead } from '../native/fuse-mount.js';
import type { Vfs } from '../vfs/api.js';
import { isDying } from './dying-caller.js';
import type { MountWorkerOptions } from './worker-protocol.js';

/** What a sequential reader has under way: four of the largest READs. */
const READ_AHEAD_BYTES = 4 * MAX_READ_BYTES;

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

/**
 * Has the kernel read further ahead than by itself, so that a reader of a large file waits for fewer requests. Only root
 * may; for others the mount reads as it did. To be called when requests are delivered.
 */
export async function readAhead({ mountpoint }: MountWorkerOptions, log: Log): Promise<void> {
  if (!(await setReadAhead(mountpoint, READ_AHEAD_BYTES)))
    log.debug({ mountpoint }, 'The kernel reads ahead as far as by itself');
}
