import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { MOUNT_TYPE, unmountFuse } from '../native/fuse-mount.js';
import type { Vfs } from '../vfs/api.js';
import { OpenHandles } from './fuse-native/open-handles.js';
import { attributeOperations } from './fuse-native/operations/attributes.js';
import { fileOperations } from './fuse-native/operations/files.js';
import { folderOperations } from './fuse-native/operations/folders.js';
import type { MountParts } from './fuse-native/operations/mount-parts.js';
import { nameOperations } from './fuse-native/operations/names.js';
import { xattrOperations } from './fuse-native/operations/xattrs.js';
import { type FuseNativeMount, type FuseNativeOperations, loadFuseNative } from './fuse-native/package.js';
import { PathNodes } from './fuse-native/path-nodes.js';
import { type PathCaller, Requests } from './fuse-native/requests.js';
import type { Transport, TransportCounters, TransportEnd } from './transport.js';

export interface FuseNativeOptions {
  /** Real path of the folder to mount on. */
  readonly mountpoint: string;
  /** What `mount` and `df` show as the device: the datastore's path or address. */
  readonly source: string;
  readonly readOnly: boolean;
  readonly vfs: Vfs;
  readonly log: Log;
}

/** The largest that libfuse 2.9 takes. */
const MAX_WRITE_BYTES = 131_072;
/** What the package keeps its options in. */
const MOST_OPTION_BYTES = 1000;

/**
 * Mounts through the package fuse-native: libfuse's paths onto the same vfs (README.md). To be called on the process's main
 * thread; the vfs is used there.
 * @throws {CairnError} `unsupported` where the package is missing or not patched, `not-ready` where it cannot mount,
 *   `invalid` for paths that are too long
 */
export async function mountFuseNative(options: FuseNativeOptions): Promise<Transport> {
  const transport = new FuseNativeTransport(options);
  await transport.mount();
  return transport;
}

class FuseNativeTransport implements Transport {
  readonly ended: Promise<TransportEnd>;
  readonly #fuse: FuseNativeMount;
  readonly #mountpoint: string;
  readonly #nodes: PathNodes;
  readonly #requests: Requests;
  #stopped = false;

  constructor({ mountpoint, source, readOnly, vfs, log }: FuseNativeOptions) {
    const FuseNative = loadFuseNative();
    this.#mountpoint = mountpoint;
    this.#nodes = new PathNodes(vfs);
    this.#requests = new Requests(() => callerIn(this.#fuse.caller), log);
    const parts = { vfs, nodes: this.#nodes, handles: new OpenHandles(), requests: this.#requests };
    const raw = mountSettings(mountpoint, source, readOnly);
    this.#fuse = new FuseNative(mountpoint, operationsOf(parts), { timeout: false, raw });
    this.ended = new Promise((resolve) => {
      this.#fuse.onended = () => {
        this.#nodes.clear();
        resolve({ reason: this.#stopped ? 'stopped' : 'unmounted', counters: this.counters() });
      };
    });
  }

  async mount(): Promise<void> {
    const failure = await new Promise<Error | null>((resolve) => this.#fuse.mount(resolve));
    if (failure === null) return;
    throw new CairnError(
      'not-ready',
      `fuse-native cannot mount at ${this.#mountpoint} (${failure.message}); "cairn doctor" says what is missing`,
      { cause: failure },
    );
  }

  start(): void {
    this.#requests.resume();
  }

  pause(): void {
    this.#requests.pause();
  }

  resume(): void {
    this.#requests.resume();
  }

  async stop(): Promise<TransportEnd> {
    this.#stopped = true;
    this.#requests.close();
    await unmountFuse(this.#mountpoint, { lazy: true, force: true }).catch(() => undefined);
    return this.ended;
  }

  /** The kernel cannot be told: it keeps a name for a second at most. Only what this side knows is given up. */
  invalidateEntry(): void {
    this.#nodes.allChanged();
  }

  /** The kernel keeps no attributes here, and gives pages up with each open. */
  invalidateNode(): void {}

  counters(): TransportCounters {
    return this.#requests.counters();
  }
}

function operationsOf(parts: MountParts): FuseNativeOperations {
  return {
    ...attributeOperations(parts),
    ...folderOperations(parts),
    ...nameOperations(parts),
    ...fileOperations(parts),
    ...xattrOperations(parts),
  };
}

function callerIn(caller: Buffer): PathCaller {
  const word = (index: number) => caller.readUInt32LE(index * 4);
  return { uid: word(0), gid: word(1), pid: word(2), umask: word(3) };
}

/**
 * The kernel keeps next to nothing, names for a second: it cannot be told of changes through libfuse's paths, and each hard
 * link is an inode of its own to it, with what it has cached.
 */
function mountSettings(mountpoint: string, source: string, readOnly: boolean): string[] {
  const root = process.geteuid?.() === 0;
  const settings = [
    ...['default_permissions', 'use_ino', 'big_writes', `max_write=${MAX_WRITE_BYTES}`],
    ...['entry_timeout=1', 'attr_timeout=0', 'ac_attr_timeout=0', 'negative_timeout=0'],
    ...[`subtype=${MOUNT_TYPE.replace('fuse.', '')}`, `fsname=${source.replace(/[\\,]/g, '\\$&')}`],
    ...(root ? ['allow_other', 'nonempty'] : []),
    ...(readOnly ? ['ro'] : []),
  ];
  if (Math.max(Buffer.byteLength(settings.join(',')), Buffer.byteLength(mountpoint)) > MOST_OPTION_BYTES) {
    throw new CairnError('invalid', 'The path of the datastore or of the mountpoint is too long for fuse-native');
  }
  return settings;
}
