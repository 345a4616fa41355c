import { listIfThere } from '../../datastore/list-if-there.js';
import type { Spread } from '../../datastore/object-store.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { type FolderName, removeFile } from '../../native/files.js';

/** A file's length and when it was last written. */
export interface LookedAt {
  readonly bytes: number;
  /** Seconds since 1970. */
  readonly modifiedSeconds: number;
}

/** Looks at a file by its absolute path; undefined where there is none. */
export type FileLook = (path: string) => Promise<LookedAt | undefined>;

/** A file nobody needs: a corrupt chunk that was set aside, or a put that was not finished. */
export interface Leftover {
  readonly kind: 'bad' | 'unfinished';
  readonly path: string;
  readonly bytes: number;
}

/** The files chunks are in, and what else lies beside them. Names and paths are relative to the datastore. */
export interface ChunkFiles {
  /**
   * What is in a folder of chunks. What is missing in it is never a reason to remove anything, so a folder that is not there
   * has none.
   * @throws {CairnError} where it cannot be listed
   */
  list(folder: string): Promise<readonly FolderName[]>;
  /** What is stored under a chunk's name, present or quarantined, in bytes; undefined where nothing is found. */
  bytes(name: string): Promise<number | undefined>;
  /** Looks at a leftover. */
  lookAt(path: string): Promise<LookedAt | undefined>;
  /** Deletes it. */
  remove(leftover: Leftover): Promise<void>;
}

/** Those in the datastore's own folder. */
export function filesInFolder(
  store: string,
  backend: Pick<WritableDatastore['backend'], 'size'>,
  look: FileLook,
): ChunkFiles {
  return {
    list: (folder) => listIfThere(`${store}/${folder}`),
    bytes: (name) => backend.size(name),
    lookAt: (path) => look(`${store}/${path}`),
    remove: async ({ path }) => {
      await removeFile(`${store}/${path}`);
    },
  };
}

/**
 * Those on several backends, each name once, `bytes` of all its pieces: also of too few to be an object. A backend that does not
 * answer has nothing as far as this is concerned; where too many do not, all fail.
 */
export function filesOnMembers(spread: Spread, look: FileLook): ChunkFiles {
  const { members } = spread;
  return {
    list: async (folder) => {
      const lists = await members.askAll(`list ${folder}`, (backend) => entriesOf(backend, folder), 'proven');
      const entries = lists.flatMap(({ answer }) => answer);
      return [...new Map(entries.map((entry) => [entry.name.toString('latin1'), entry])).values()];
    },
    bytes: async (name) => {
      const answers = await members.askAll(`look at ${name}`, (backend) => backend.size(name));
      const sizes = answers.flatMap(({ answer }) => answer ?? []);
      return sizes.length === 0 ? undefined : sizes.reduce((sum, bytes) => sum + bytes, 0);
    },
    lookAt: async (path) => {
      const answers = await members.askAll(`look at ${path}`, (backend) => lookOn(backend, path, look));
      const found = answers.flatMap(({ answer }) => answer ?? []);
      if (found.length === 0) return undefined;
      const bytes = found.reduce((sum, one) => sum + one.bytes, 0);
      return { bytes, modifiedSeconds: Math.max(...found.map(({ modifiedSeconds }) => modifiedSeconds)) };
    },
    remove: async ({ kind, path }) => {
      if (kind === 'bad') await spread.removeAll([path]);
      else await members.askAll(`remove ${path}`, (backend) => removeUnfinished(backend, path));
    },
  };
}

type MemberBackend = WritableDatastore['backend'];

async function entriesOf(backend: MemberBackend, folder: string): Promise<FolderName[]> {
  if (backend.localFiles !== undefined) return listIfThere(backend.localFiles.pathOf(folder));
  const entries: FolderName[] = [];
  for await (const name of backend.list(folder)) {
    entries.push({ name: Buffer.from(name.slice(folder.length + 1)), type: 'file' });
  }
  return entries;
}

async function lookOn(backend: MemberBackend, path: string, look: FileLook): Promise<LookedAt | undefined> {
  const local = localPath(backend, path);
  if (local !== undefined) return look(local);
  const bytes = await backend.size(path);
  // Puts there leave nothing unfinished, which is all that times are asked of.
  return bytes === undefined ? undefined : { bytes, modifiedSeconds: 0 };
}

/** It has no object's name, so that a backend does not know it by that. */
async function removeUnfinished(backend: MemberBackend, path: string): Promise<void> {
  const local = localPath(backend, path);
  if (local !== undefined) await removeFile(local);
}

/** Also of what is no object's name, as an unfinished put; undefined where files are not local. */
function localPath({ localFiles }: MemberBackend, path: string): string | undefined {
  const end = path.lastIndexOf('/');
  return localFiles && `${localFiles.pathOf(path.slice(0, end))}${path.slice(end)}`;
}
