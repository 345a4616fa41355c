import { LRUCache } from 'lru-cache';
import { CairnError } from '../../core/errors.js';
import type { Attributes, Awaitable, NodeId, Vfs } from '../../vfs/api.js';
import { isFolder } from '../../vfs/file-mode.js';

/** Folders whose nodes are kept. */
const FOLDERS_KEPT = 4096;

/** The name libfuse gives a file that is removed while it is open: it knows files by their paths alone. */
const HIDDEN = /^\.fuse_hidden[0-9a-f]{16}$/;

/** Where a path ends: the folder and the name in it. Paths are absolute, a byte per character. */
function split(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { folder: path.slice(0, slash), name: path.slice(slash + 1) };
}

/**
 * From paths, which are all libfuse says, to nodes. Folders on the way are kept, with a reference to each; what a path
 * itself names is looked up each time, and its reference given back when the operation is over. libfuse sees to it that a
 * path does not change its meaning while an operation on it runs. One thread.
 */
export class PathNodes {
  readonly #vfs: Vfs;
  readonly #folders: LRUCache<string, NodeId>;
  /** Files without a name that libfuse still speaks of, by the name it gave them; one reference each. */
  readonly #hidden = new Map<string, NodeId>();
  #changes = 0;

  constructor(vfs: Vfs) {
    this.#vfs = vfs;
    this.#folders = new LRUCache({ max: FOLDERS_KEPT, dispose: (node) => vfs.names.forget(node, 1) });
  }

  /** Does something with what the path names. @throws {CairnError} `not-found` */
  async at<T>(path: string, action: (attributes: Attributes) => Awaitable<T>): Promise<T> {
    const { folder, name } = split(path);
    if (path === '/') return action(await this.#vfs.attributes.get(this.#vfs.root));
    const hidden = this.#hidden.get(name);
    if (hidden !== undefined) return action(await this.#vfs.attributes.get(hidden));
    const found = await this.#vfs.names.lookup(await this.#folder(folder), Buffer.from(name, 'latin1'));
    if (found === undefined) throw new CairnError('not-found', 'There is no such file');
    try {
      return await action(found);
    } finally {
      this.#vfs.names.forget(found.node, 1);
    }
  }

  /** Does something with the name a path ends with, in its folder. */
  async name<T>(path: string, action: (parent: NodeId, name: Buffer) => Awaitable<T>): Promise<T> {
    const { folder, name } = split(path);
    return action(await this.#folder(folder), Buffer.from(name, 'latin1'));
  }

  /** What is at the path, and below it, is no longer what it was. */
  changed(path: string): void {
    this.#changes++;
    for (const known of [...this.#folders.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.#folders.delete(known);
    }
  }

  /** Anything may have changed its path. */
  allChanged(): void {
    this.#changes++;
    this.#folders.clear();
  }

  /**
   * Whether libfuse renames this file because it is removed while open. It is then removed indeed, and found by its new
   * path, though in no folder, until libfuse removes that.
   * @param isOpen whether an open file is of that node: nothing else is renamed so by libfuse
   */
  async hide(path: string, newPath: string, isOpen: (node: NodeId) => boolean): Promise<boolean> {
    const { name } = split(newPath);
    if (!HIDDEN.test(name)) return false;
    return this.at(path, async ({ node }) => {
      if (!isOpen(node)) return false;
      await this.name(path, (parent, old) => this.#vfs.names.unlink(parent, old));
      this.#vfs.folders.reference(node);
      this.#hidden.set(name, node);
      return true;
    });
  }

  /** Ends what `hide` began. @returns false where the path is of no hidden file */
  reveal(path: string): boolean {
    const { name } = split(path);
    const node = this.#hidden.get(name);
    if (node === undefined) return false;
    this.#hidden.delete(name);
    this.#vfs.names.forget(node, 1);
    return true;
  }

  /** Gives all references back: the mount has gone. */
  clear(): void {
    this.#folders.clear();
    for (const name of [...this.#hidden.keys()]) this.reveal(`/${name}`);
  }

  async #folder(path: string): Promise<NodeId> {
    if (path === '') return this.#vfs.root;
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const { folder, name } = split(path);
    const parent = await this.#folder(folder);
    const changes = this.#changes;
    const found = await this.#vfs.names.lookup(parent, Buffer.from(name, 'latin1'));
    if (found === undefined) throw new CairnError('not-found', 'There is no such folder');
    if (changes === this.#changes && isFolder(found.mode)) this.#folders.set(path, found.node);
    else this.#vfs.names.forget(found.node, 1);
    if (!isFolder(found.mode)) throw new CairnError('not-a-directory', 'A name on the way is no folder');
    return found.node;
  }
}
