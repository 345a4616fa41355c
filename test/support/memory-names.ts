import { CairnError } from '../../src/core/errors.js';
import type { RequestCaller } from '../../src/fuse/wire/request.js';
import type { Attributes, Caller, NameOperations, NodeId, OpenResult } from '../../src/vfs/api.js';
import { keyOf, type MemoryNode, type MemoryTree, S_IFDIR, S_IFLNK, S_IFREG } from './memory-tree.js';

const NOREPLACE = 1;
const EXCHANGE = 2;

/** Operations on names of a MemoryVfs. */
export class MemoryNames implements NameOperations {
  readonly #tree: MemoryTree;
  readonly #open: (node: MemoryNode, flags: number) => OpenResult;

  constructor(tree: MemoryTree, open: (node: MemoryNode, flags: number) => OpenResult) {
    this.#tree = tree;
    this.#open = open;
  }

  lookup(parent: NodeId, name: Uint8Array): Attributes | undefined {
    const node = this.#tree.folder(parent).children.get(keyOf(name));
    if (node === undefined) return undefined;
    node.references++;
    return node.attributes();
  }

  create(caller: Caller, parent: NodeId, name: Uint8Array, mode: number, umask: number, flags: number) {
    const node = this.#tree.add(caller, this.#tree.folder(parent), keyOf(name), S_IFREG | (mode & 0o7777 & ~umask));
    return { attributes: node.attributes(), open: this.#open(node, flags) };
  }

  temporary(caller: Caller, parent: NodeId, mode: number, umask: number, flags: number) {
    this.#tree.folder(parent);
    const node = this.#tree.make(S_IFREG | (mode & 0o7777 & ~umask));
    node.uid = caller.uid;
    node.gid = caller.gid;
    node.references++;
    return { attributes: node.attributes(), open: this.#open(node, flags) };
  }

  makeNode(caller: Caller, parent: NodeId, name: Uint8Array, mode: number, umask: number, rdev: number): Attributes {
    const node = this.#tree.add(caller, this.#tree.folder(parent), keyOf(name), mode & ~(umask & 0o777));
    node.rdev = rdev;
    return node.attributes();
  }

  /** The name `endless` takes until the caller is interrupted. */
  makeFolder(
    caller: Caller,
    parent: NodeId,
    name: Uint8Array,
    mode: number,
    umask: number,
  ): Attributes | Promise<Attributes> {
    if (keyOf(name) === 'endless') return untilInterrupted(caller);
    const folder = this.#tree.folder(parent);
    return this.#tree.add(caller, folder, keyOf(name), S_IFDIR | (mode & 0o7777 & ~umask)).attributes();
  }

  symlink(caller: Caller, parent: NodeId, name: Uint8Array, target: Uint8Array): Attributes {
    const node = this.#tree.add(caller, this.#tree.folder(parent), keyOf(name), S_IFLNK | 0o777);
    node.target = Buffer.from(target);
    node.size = target.length;
    return node.attributes();
  }

  link(id: NodeId, newParent: NodeId, newName: Uint8Array): Attributes {
    const node = this.#tree.get(id);
    const parent = this.#tree.folder(newParent);
    if (node.isFolder) throw new CairnError('not-permitted', 'Folders have one name');
    if (parent.children.has(keyOf(newName))) throw new CairnError('exists', 'The name exists');
    this.#tree.attach(parent, keyOf(newName), node);
    node.references++;
    return node.attributes();
  }

  unlink(parent: NodeId, name: Uint8Array): void {
    const folder = this.#tree.folder(parent);
    if (this.#tree.child(folder, keyOf(name)).isFolder) throw new CairnError('is-a-directory', 'A folder');
    this.#tree.settle(this.#tree.detach(folder, keyOf(name)));
  }

  removeFolder(parent: NodeId, name: Uint8Array): void {
    const folder = this.#tree.folder(parent);
    const node = this.#tree.child(folder, keyOf(name));
    if (!node.isFolder) throw new CairnError('not-a-directory', 'Not a folder');
    if (node.children.size > 0) throw new CairnError('not-empty', 'Not empty');
    this.#removeNode(folder, keyOf(name));
  }

  rename(
    _caller: Caller,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): void {
    const [from, to] = [this.#tree.folder(parent), this.#tree.folder(newParent)];
    const node = this.#tree.child(from, keyOf(name));
    const old = to.children.get(keyOf(newName));
    if (flags & EXCHANGE) {
      this.#exchange(from, keyOf(name), to, keyOf(newName));
      return;
    }
    if (flags & ~NOREPLACE) throw new CairnError('invalid', 'Unknown flags');
    if (old !== undefined && flags & NOREPLACE) throw new CairnError('exists', 'The name exists');
    if (old === node) return;
    this.#checkReplaceable(node, old);
    if (old !== undefined) this.#removeNode(to, keyOf(newName));
    this.#tree.detach(from, keyOf(name));
    this.#tree.attach(to, keyOf(newName), node);
  }

  forget(id: NodeId, count: number): void {
    const node = this.#tree.get(id);
    node.references -= count;
    if (node.references < 0) throw new Error(`The kernel forgot ${node.id.position} more often than it was told of it`);
    this.#tree.settle(node);
  }

  #checkReplaceable(node: MemoryNode, old: MemoryNode | undefined): void {
    if (old === undefined) return;
    if (node.isFolder && !old.isFolder) throw new CairnError('not-a-directory', 'Not a folder');
    if (!node.isFolder && old.isFolder) throw new CairnError('is-a-directory', 'A folder');
    if (old.children.size > 0) throw new CairnError('not-empty', 'Not empty');
  }

  #exchange(from: MemoryNode, key: string, to: MemoryNode, newKey: string): void {
    const [a, b] = [this.#tree.child(from, key), this.#tree.child(to, newKey)];
    this.#tree.detach(from, key);
    this.#tree.detach(to, newKey);
    this.#tree.attach(to, newKey, a);
    this.#tree.attach(from, key, b);
  }

  #removeNode(parent: MemoryNode, key: string): void {
    const node = this.#tree.detach(parent, key);
    if (node.isFolder) node.nlink = 0;
    this.#tree.settle(node);
  }
}

function untilInterrupted(caller: Caller): Promise<never> {
  const { interrupted } = caller as RequestCaller;
  return new Promise((_, reject) => {
    interrupted.addEventListener('abort', () => reject(interrupted.reason));
  });
}
