import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { controlSocketPath } from '../control/socket-path.js';
import { CairnError, fromSystemError } from '../core/errors.js';
import { socketPeer } from '../native/peer.js';

/** Bits of st_mode that tell what it is and what others than the owner may do, and what they are to be. */
const FORMAT_AND_OTHERS = 0o170077;
const FOLDER_OF_OWNER = 0o040000;

/** Where a daemon of this process's user listens for a datastore. @param store its real path */
export function ownSocketPath(store: string): string {
  return controlSocketPath(store, {
    uid: ownUid(),
    runtimeFolder: process.env.XDG_RUNTIME_DIR,
    temporaryFolder: tmpdir(),
  });
}

/**
 * Makes the folder of control sockets, which nobody else may enter.
 * @throws {CairnError} `access-denied` where the folder is not private to us
 */
export function preparePrivateFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { mode, uid } = lstatSync(folder);
    if (uid !== ownUid() || (mode & FORMAT_AND_OTHERS) !== FOLDER_OF_OWNER) {
      throw new CairnError('access-denied', `The folder ${folder} for control sockets is not yours alone (mode 0700)`);
    }
  } catch (error) {
    throw fromSystemError(error, `prepare the folder ${folder} for control sockets`);
  }
}

/**
 * Makes the place for a socket: its folder is there and private, and what a killed daemon left is removed.
 * The caller holds the datastore's claim, so no living daemon listens there.
 */
export function prepareSocket(socketPath: string): void {
  preparePrivateFolder(dirname(socketPath));
  rmSync(socketPath, { force: true });
}

/** Lets only the owner connect; the folder does so already. */
export function restrictSocket(socketPath: string): void {
  chmodSync(socketPath, 0o600);
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

/**
 * Whether the process that connected is the owner's or root's; the modes of socket and folder say the same, unless somebody
 * changed them. One that cannot be told is nobody's.
 */
export function isOwnersOrRoots(socket: Socket): boolean {
  const descriptor = (socket as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  if (descriptor === undefined || descriptor < 0) return false;
  try {
    const { uid } = socketPeer(descriptor);
    return uid === 0 || uid === ownUid();
  } catch {
    return false;
  }
}
