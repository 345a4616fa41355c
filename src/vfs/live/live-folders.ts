import { CairnError } from '../../core/errors.js';
import type { FolderEntry, HandleId, NodeId } from '../api.js';
import { attributesOf, folderOf } from './live-nodes.js';
import type { LiveParts } from './live-parts.js';

const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');
const COOKIE_OF_DOT = 1;
const COOKIE_OF_DOT_DOT = 2;
/** Cookies of the catalog's entries start behind those of `.` and `..`. */
const COOKIE_SHIFT = 2;

/** The entries of a live folder behind `cookie`, with `.` and `..` first. */
export function listFolder(parts: LiveParts, node: NodeId, cookie: number, limit: number): FolderEntry[] {
  const folder = folderOf(parts, node);
  const entries: FolderEntry[] = [];
  if (cookie < COOKIE_OF_DOT) {
    entries.push({ cookie: COOKIE_OF_DOT, name: DOT, attributes: attributesOf(parts, folder) });
  }
  if (cookie < COOKIE_OF_DOT_DOT) {
    const parent = parts.tree.inodes.find(parts.tree.names.parentOf(folder.ino) ?? folder.ino) ?? folder;
    entries.push({ cookie: COOKIE_OF_DOT_DOT, name: DOT_DOT, attributes: attributesOf(parts, parent) });
  }
  if (entries.length >= limit) return entries.slice(0, limit);
  const after = Math.max(0, cookie - COOKIE_SHIFT);
  for (const entry of parts.tree.names.entries(folder.ino, after, limit - entries.length)) {
    const attributes = attributesOf(parts, entry.inode);
    entries.push({ cookie: entry.cookie + COOKIE_SHIFT, name: entry.name, attributes });
  }
  return entries;
}

/** Open folders by handle. */
export class OpenFolders {
  readonly #nodes = new Map<HandleId, NodeId>();
  #last: HandleId = 0;

  open(node: NodeId): HandleId {
    this.#last += 1;
    this.#nodes.set(this.#last, node);
    return this.#last;
  }

  /** @throws {CairnError} `stale` for a handle that is not open */
  node(handle: HandleId): NodeId {
    const node = this.#nodes.get(handle);
    if (node === undefined) throw new CairnError('stale', `Folder handle ${handle} is not open`);
    return node;
  }

  close(handle: HandleId): void {
    this.#nodes.delete(handle);
  }
}
