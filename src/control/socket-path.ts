import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Whose socket it is, and where such a user keeps run-time files. */
export interface SocketOwner {
  readonly uid: number;
  /** `$XDG_RUNTIME_DIR`, where set. */
  readonly runtimeFolder: string | undefined;
  /** The system's folder for temporary files. */
  readonly temporaryFolder: string;
}

/** Room for a path in sockaddr_un, without the NUL: 103 bytes on macOS, 107 on Linux. */
const MAX_PATH_BYTES = 103;

/**
 * Where the daemon of a datastore listens: the same for every program of that user, short enough for any
 * path of a datastore. The folder is to be private.
 * @param storePath the datastore's real path
 */
export function controlSocketPath(storePath: string, owner: SocketOwner): string {
  const name = `${createHash('sha256').update(storePath).digest('hex').slice(0, 16)}.sock`;
  const path = join(controlFolder(owner), name);
  return Buffer.byteLength(path) <= MAX_PATH_BYTES ? path : join('/tmp', `cairn-${owner.uid}`, name);
}

function controlFolder(owner: SocketOwner): string {
  if (owner.uid === 0) return '/run/cairn';
  if (owner.runtimeFolder !== undefined) return join(owner.runtimeFolder, 'cairn');
  return join(owner.temporaryFolder, `cairn-${owner.uid}`);
}
