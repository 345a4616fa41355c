import type {
  Change,
  CloneChange,
  ContentChange,
  CreateChange,
  CreateGroupChange,
  LinkChange,
  RenameChange,
  UnlinkChange,
} from '../../src/catalog/change.js';
import type { Inode } from '../../src/catalog/inode.js';

/** One byte of a file: where it is kept, as text; undefined in a hole. */
export type ByteSource = string | undefined;

export interface ModelFile {
  inode: Inode;
  data: ByteSource[];
  xattrs: Map<string, string>;
}

interface ChangeTime {
  readonly timeSec: number;
  readonly timeNsec: number;
}

/**
 * What the catalog is meant to do, in the plainest way: maps in memory, a file as an array with one entry per
 * byte. Changes are taken to be legal; `apply` returns false for a swap whose version does not fit.
 */
export class TreeModel {
  readonly files = new Map<number, ModelFile>();
  /** Folder to name (Latin-1) to inode. */
  readonly folders = new Map<number, Map<string, number>>();
  readonly chunks = new Set<string>();
  readonly pieces = new Map<string, string>();
  readonly groups = new Map<number, string>();

  apply(change: Change): boolean {
    switch (change.kind) {
      case 'create':
        this.#create(change);
        return true;
      case 'link':
        this.#link(change);
        return true;
      case 'unlink':
        this.#unlink(change);
        return true;
      case 'rename':
        this.#rename(change);
        return true;
      case 'attributes':
        Object.assign(this.inode(change.ino), change.fields);
        return true;
      case 'content':
        return this.#content(change);
      case 'clone':
        this.#clone(change);
        return true;
      case 'set-xattr':
        this.files.get(change.ino)?.xattrs.set(text(change.name), text(change.value));
        this.#changed(change.ino, change);
        return true;
      case 'remove-xattr':
        this.files.get(change.ino)?.xattrs.delete(text(change.name));
        this.#changed(change.ino, change);
        return true;
      case 'drop-orphan':
        this.#forget(change.ino);
        return true;
      case 'create-group':
        this.#createGroup(change);
        return true;
      case 'place-tree':
        this.folders.get(change.parent)?.set(text(change.name), change.ino);
        this.#touch(change.parent, change);
        return true;
      case 'remove-group': {
        const path = this.groups.get(change.id)?.split('/') ?? [];
        const parent = this.#walk(path.slice(0, -1));
        const group = this.#walk(path);
        this.#forget(this.#walk([...path, 'current']));
        this.#forget(group);
        this.folders.get(parent)?.delete(path.at(-1)!);
        this.#touch(parent, change);
        this.groups.delete(change.id);
        return true;
      }
    }
  }

  inode(ino: number): Inode {
    return this.files.get(ino)!.inode;
  }

  isFolder(ino: number): boolean {
    return this.folders.has(ino);
  }

  orphans(): number[] {
    const named = new Set([1, ...[...this.folders.values()].flatMap((names) => [...names.values()])]);
    return [...this.files.keys()].filter((ino) => !named.has(ino)).sort((a, b) => a - b);
  }

  /** A copy that later changes do not touch. */
  copy(): TreeModel {
    const copy = new TreeModel();
    for (const [ino, { inode, data, xattrs }] of this.files) {
      copy.files.set(ino, { inode: { ...inode }, data: [...data], xattrs: new Map(xattrs) });
    }
    for (const [ino, names] of this.folders) copy.folders.set(ino, new Map(names));
    for (const chunk of this.chunks) copy.chunks.add(chunk);
    for (const [content, piece] of this.pieces) copy.pieces.set(content, piece);
    for (const [id, path] of this.groups) copy.groups.set(id, path);
    return copy;
  }

  #create({ parent, name, inode, xattrs }: CreateChange): void {
    const pairs = xattrs.map((xattr) => [text(xattr.name), text(xattr.value)] as const);
    this.files.set(inode.ino, { inode: { ...inode, allocated: 0 }, data: [], xattrs: new Map(pairs) });
    if ((inode.mode & 0o170000) === 0o040000) this.folders.set(inode.ino, new Map());
    if (parent === 0) return;
    this.folders.get(parent)!.set(text(name), inode.ino);
    this.#touch(parent, { timeSec: inode.ctimeSec, timeNsec: inode.ctimeNsec });
  }

  #link(change: LinkChange): void {
    this.folders.get(change.parent)!.set(text(change.name), change.ino);
    this.#changed(change.ino, change);
    this.#touch(change.parent, change);
  }

  #unlink(change: UnlinkChange): void {
    const names = this.folders.get(change.parent)!;
    const ino = names.get(text(change.name))!;
    names.delete(text(change.name));
    this.#changed(ino, change);
    this.#touch(change.parent, change);
  }

  #rename(change: RenameChange): void {
    const from = this.folders.get(change.parent)!;
    const to = this.folders.get(change.newParent)!;
    const [name, newName] = [text(change.name), text(change.newName)];
    const moving = from.get(name)!;
    const there = to.get(newName);
    if (moving === there) return;
    from.delete(name);
    to.set(newName, moving);
    if (change.exchange) from.set(name, there!);
    for (const ino of [moving, there]) if (ino !== undefined) this.#changed(ino, change);
    for (const ino of [change.parent, change.newParent]) this.#touch(ino, change);
    if (change.whiteout === undefined) return;
    from.set(name, change.whiteout.ino);
    this.files.set(change.whiteout.ino, { inode: { ...change.whiteout }, data: [], xattrs: new Map() });
  }

  #clone({ ino, start, from, fromStart, length, storage, chunker, ...change }: CloneChange): void {
    const { inode, data } = this.files.get(ino)!;
    const copied = Array.from({ length }, (_, n) => this.files.get(from)!.data[fromStart + n]);
    copied.forEach((byte, n) => {
      data[start + n] = byte;
    });
    const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = change;
    const times = { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
    data.length = Math.max(inode.size, start + length);
    Object.assign(inode, { storage, chunker, size: data.length, version: inode.version + 1, ...times });
    inode.allocated = [...data].filter((byte) => byte !== undefined).length;
  }

  #content(change: ContentChange): boolean {
    const file = this.files.get(change.ino);
    const isSwap = change.ifVersion !== undefined;
    if (isSwap && file?.inode.version !== change.ifVersion) return false;
    const { inode, data } = file!;
    const size = isSwap ? inode.size : change.size;
    for (let at = change.start; at < change.end; at++) data[at] = undefined;
    for (const extent of change.extents) {
      const source = extent.kind === 'chunk' ? text(extent.digest) : `segment ${extent.segment}`;
      for (let n = 0; n < extent.length; n++) data[extent.offset + n] = `${source}@${extent.at + n}`;
      const isShown = extent.offset < size;
      if (extent.kind === 'chunk' && isShown) this.chunks.add(source);
      const isPiece = extent.offset === 0 && Math.min(extent.length, size) === size;
      if (extent.kind === 'chunk' && isPiece && change.contentDigest && isShown) {
        this.pieces.set(text(change.contentDigest), `${source}@${extent.at}+${size}`);
      }
    }
    data.length = size;
    const { storage, chunker, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = change;
    Object.assign(inode, { storage, chunker, size, version: inode.version + 1 });
    if (!isSwap) Object.assign(inode, { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec });
    inode.allocated = [...data].filter((byte) => byte !== undefined).length;
    return true;
  }

  #createGroup(change: CreateGroupChange): void {
    const { group, uid, gid, timeSec, timeNsec } = change;
    const above = [...group.namespace.flatMap((part) => ['ns', part]), group.type];
    const numbers = [...change.folderInos];
    const folder = (parent: number, name: string, ino: number, role: Inode['role'], id: number): number => {
      const times = { atimeSec: timeSec, mtimeSec: timeSec, ctimeSec: timeSec, btimeSec: timeSec };
      const nsecs = { atimeNsec: timeNsec, mtimeNsec: timeNsec, ctimeNsec: timeNsec, btimeNsec: timeNsec };
      const bare = { rdev: 0, size: 0, allocated: 0, storage: 0, chunker: 0, version: 0, target: null } as const;
      const inode = { ino, mode: 0o040755, nlink: 2, uid, gid, ...times, ...nsecs, ...bare, role, group: id };
      this.#create({ kind: 'create', parent, name: Buffer.from(name), inode, xattrs: [] });
      return ino;
    };
    let parent = 1;
    above.forEach((name, index) => {
      const role = index === above.length - 1 ? 2 : index % 2 === 0 ? 4 : 5;
      parent = this.folders.get(parent)!.get(name) ?? folder(parent, name, numbers.shift()!, role, 0);
    });
    folder(parent, group.id, change.groupIno, 3, change.id);
    folder(change.groupIno, 'current', change.currentIno, 6, change.id);
    this.groups.set(change.id, [...above, group.id].join('/'));
  }

  #walk(path: readonly string[]): number {
    return path.reduce((ino, name) => this.folders.get(ino)!.get(name)!, 1);
  }

  #forget(ino: number): void {
    this.files.delete(ino);
    this.folders.delete(ino);
  }

  #changed(ino: number, time: ChangeTime): void {
    Object.assign(this.inode(ino), { ctimeSec: time.timeSec, ctimeNsec: time.timeNsec });
  }

  #touch(folder: number, time: ChangeTime): void {
    this.#changed(folder, time);
    Object.assign(this.inode(folder), { mtimeSec: time.timeSec, mtimeNsec: time.timeNsec });
  }

  /** Links as they follow from the names, which is how the model knows them. */
  links(): Map<number, number> {
    const links = new Map<number, number>([...this.files.keys()].map((ino) => [ino, 0]));
    for (const [folder, names] of this.folders) {
      for (const ino of names.values()) {
        if (this.isFolder(ino)) {
          links.set(ino, links.get(ino)! + 2);
          links.set(folder, links.get(folder)! + 1);
        } else links.set(ino, links.get(ino)! + 1);
      }
    }
    links.set(1, links.get(1)! + 2);
    return links;
  }
}

/** Bytes as text, one character each. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
