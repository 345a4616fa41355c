import type { Change, ContentChange } from '../../src/catalog/change.js';
import type { Extent } from '../../src/catalog/extent.js';
import type { ChunkerKind, Inode, Storage } from '../../src/catalog/inode.js';
import { digestOf, newInode } from './catalog.js';
import { type TreeModel, text } from './catalog-model.js';

/** A number below `limit`, the same sequence for the same seed. */
export type Random = (limit: number) => number;

export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const MODES = [0o100644, 0o100644, 0o100644, 0o040755, 0o040755, 0o120777, 0o010644];
const MAX_FILE_BYTES = 400;

/** Makes changes that are legal for the tree as the model has it. */
export class RandomChanges {
  readonly #random: Random;
  readonly #model: TreeModel;
  readonly #allocate: () => number;
  #clock = 10_000;
  #groups = 0;

  /** @param allocate gives a new inode number */
  constructor(random: Random, model: TreeModel, allocate: () => number) {
    this.#random = random;
    this.#model = model;
    this.#allocate = allocate;
  }

  next(): Change {
    for (;;) {
      const change = this.#make(this.#random(100));
      if (change !== undefined) return change;
    }
  }

  #make(dice: number): Change | undefined {
    if (dice < 2 || this.#model.groups.size === 0) return this.#createGroup();
    if (dice < 3) return this.#removeGroup();
    if (dice < 22) return this.#create();
    if (dice < 27) return this.#link();
    if (dice < 37) return this.#unlink();
    if (dice < 52) return this.#rename();
    if (dice < 58) return this.#attributes();
    if (dice < 80) return this.#content();
    if (dice < 88) return this.#clone();
    if (dice < 94) return this.#xattr();
    const orphans = this.#model.orphans();
    return orphans.length === 0 ? undefined : { kind: 'drop-orphan', ino: this.#pick(orphans) };
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)]!;
  }

  #time(): { timeSec: number; timeNsec: number } {
    this.#clock += 1;
    return { timeSec: this.#clock - 2 * this.#random(2) * this.#clock, timeNsec: this.#random(1_000_000_000) };
  }

  #name(): Buffer {
    return Buffer.from([97 + this.#random(12), ...(this.#random(4) === 0 ? [0xff, this.#random(4) + 1] : [])]);
  }

  /** Folders that names may be made in: live trees and what is in them. */
  #folders(): number[] {
    const inodes = [...this.#model.folders.keys()].map((ino) => this.#model.inode(ino));
    const orphans = new Set(this.#model.orphans());
    const inTree = inodes.filter(({ role, ino }) => (role === 6 || role === 0) && !orphans.has(ino));
    return inTree.map(({ ino }) => ino);
  }

  /** A name in a live tree. */
  #entry(): { parent: number; name: Buffer; ino: number } | undefined {
    const folders = this.#folders().filter((ino) => this.#model.folders.get(ino)!.size > 0);
    if (folders.length === 0) return undefined;
    const parent = this.#pick(folders);
    const [name, ino] = this.#pick([...this.#model.folders.get(parent)!]);
    return { parent, name: Buffer.from(name, 'latin1'), ino };
  }

  #files(isWanted: (inode: Inode) => boolean): Inode[] {
    return [...this.#model.files.values()].map(({ inode }) => inode).filter(isWanted);
  }

  #createGroup(): Change {
    this.#groups += 1;
    const namespace = this.#pick([[], ['a'], ['a', 'b'], ['c']]);
    const type = this.#pick(['host', 'vm', 'ct'] as const);
    const group = { namespace, type, id: `g${this.#groups}` };
    const numbers = [this.#allocate(), this.#allocate()] as const;
    let parent: number | undefined = 1;
    const folderInos: number[] = [];
    for (const part of [...namespace.flatMap((name) => ['ns', name]), type]) {
      parent = parent && this.#model.folders.get(parent)?.get(part);
      if (parent === undefined) folderInos.push(this.#allocate());
    }
    const owner = { uid: this.#random(10), gid: this.#random(10), ...this.#time() };
    const [groupIno, currentIno] = numbers;
    return { kind: 'create-group', group, id: this.#groups, groupIno, currentIno, folderInos, ...owner };
  }

  #removeGroup(): Change | undefined {
    const isEmpty = (id: number) => {
      const current = this.#files(({ role, group }) => role === 6 && group === id)[0]!;
      return this.#model.folders.get(current.ino)!.size === 0;
    };
    const empty = [...this.#model.groups.keys()].filter(isEmpty);
    return empty.length < 2 ? undefined : { kind: 'remove-group', id: this.#pick(empty), ...this.#time() };
  }

  #create(): Change | undefined {
    const isTemporary = this.#random(15) === 0;
    const parent = this.#pick(this.#folders());
    const name = this.#name();
    if (this.#model.folders.get(parent)!.has(text(name))) return undefined;
    const mode = isTemporary ? 0o100600 : this.#pick(MODES);
    const { timeSec, timeNsec } = this.#time();
    const isLink = mode === 0o120777;
    const inode: Inode = {
      ...newInode(this.#allocate(), mode, timeSec),
      ...{ ctimeNsec: timeNsec, group: this.#model.inode(parent).group },
      ...(isLink ? { size: 3, target: Buffer.from('abc') } : {}),
    };
    const xattrs = this.#random(5) === 0 ? [{ name: Buffer.from('user.born'), value: this.#name() }] : [];
    return { kind: 'create', parent: isTemporary ? 0 : parent, name, inode, xattrs };
  }

  #link(): Change | undefined {
    const parent = this.#pick(this.#folders());
    const name = this.#name();
    const group = this.#model.inode(parent).group;
    const files = this.#files((inode) => inode.group === group && !this.#model.isFolder(inode.ino));
    if (files.length === 0 || this.#model.folders.get(parent)!.has(text(name))) return undefined;
    return { kind: 'link', ino: this.#pick(files).ino, parent, name, ...this.#time() };
  }

  #unlink(): Change | undefined {
    const entry = this.#entry();
    if (entry === undefined || (this.#model.folders.get(entry.ino)?.size ?? 0) > 0) return undefined;
    return { kind: 'unlink', parent: entry.parent, name: entry.name, ...this.#time() };
  }

  #rename(): Change | undefined {
    const from = this.#entry();
    if (from === undefined) return undefined;
    const { group } = this.#model.inode(from.ino);
    const newParent = this.#pick(this.#folders().filter((ino) => this.#model.inode(ino).group === group));
    const known = [...this.#model.folders.get(newParent)!.keys()];
    const newName = known.length > 0 && this.#random(2) === 0 ? Buffer.from(this.#pick(known), 'latin1') : this.#name();
    const there = this.#model.folders.get(newParent)!.get(text(newName));
    const exchange = there !== undefined && this.#random(2) === 0;
    if (this.#isInside(newParent, from.ino)) return undefined;
    if (there !== undefined && exchange && this.#isInside(from.parent, there)) return undefined;
    if (there !== undefined && !exchange) {
      if (this.#model.isFolder(there) !== this.#model.isFolder(from.ino)) return undefined;
      if ((this.#model.folders.get(there)?.size ?? 0) > 0) return undefined;
    }
    const time = this.#time();
    const left = { ...newInode(this.#allocate(), 0o020000, time.timeSec), group };
    const whiteout = !exchange && this.#random(8) === 0 ? { whiteout: left } : {};
    const names = { parent: from.parent, name: from.name, newParent, newName };
    return { kind: 'rename', ...names, exchange, ...whiteout, ...time };
  }

  /** Whether a folder is `above` or below it. */
  #isInside(folder: number, above: number): boolean {
    if (folder === above) return true;
    return [...(this.#model.folders.get(above)?.values() ?? [])].some((ino) => this.#isInside(folder, ino));
  }

  #attributes(): Change {
    const { ino } = this.#pick(this.#files(({ role }) => role === 0 || role === 6));
    const { timeSec, timeNsec } = this.#time();
    const all = { uid: this.#random(100), gid: 5, mtimeSec: timeSec, mtimeNsec: timeNsec, atimeSec: 1, atimeNsec: 2 };
    const fields = Object.fromEntries(Object.entries(all).filter(() => this.#random(2) === 0));
    return { kind: 'attributes', ino, fields: { ...fields, ctimeSec: timeSec } };
  }

  #xattr(): Change | undefined {
    const files = this.#files(({ role }) => role === 0);
    if (files.length === 0) return undefined;
    const { ino } = this.#pick(files);
    const name = Buffer.from(`user.${this.#random(4)}`);
    if (this.#random(3) === 0) return { kind: 'remove-xattr', ino, name, ...this.#time() };
    const value = Buffer.alloc(this.#random(3) * 50, this.#random(256));
    return { kind: 'set-xattr', ino, name, value, ...this.#time() };
  }

  #content(): ContentChange | undefined {
    const files = this.#files(({ mode }) => (mode & 0o170000) === 0o100000);
    if (files.length === 0) return undefined;
    const { ino, size: old, version } = this.#pick(files);
    const isSwap = this.#random(4) === 0;
    const [a, b] = [this.#random(MAX_FILE_BYTES), this.#random(MAX_FILE_BYTES)];
    const isWhole = this.#random(3) === 0;
    const isTruncation = this.#random(6) === 0;
    const start = isWhole || isTruncation ? 0 : Math.min(a, b);
    const end = isTruncation ? 0 : Math.max(a, b, isWhole && isSwap ? old : 0);
    const size = isTruncation || this.#random(5) === 0 ? this.#random(MAX_FILE_BYTES) : Math.max(old, end);
    const { timeSec, timeNsec } = this.#time();
    return {
      ...{ kind: 'content', ino, start, end, size, extents: this.#extents(start, end, isSwap) },
      ...{ storage: this.#random(3) as Storage, chunker: this.#random(2) as ChunkerKind },
      ...{ mtimeSec: timeSec, mtimeNsec: timeNsec, ctimeSec: timeSec + 1, ctimeNsec: 1 },
      ...(isSwap ? { ifVersion: version - (this.#random(4) === 0 ? 1 : 0) } : {}),
      ...(this.#random(2) === 0 ? { contentDigest: digestOf(`content ${this.#random(20)}`) } : {}),
    };
  }

  #clone(): Change | undefined {
    const files = this.#files(({ mode }) => (mode & 0o170000) === 0o100000);
    const sources = files.filter(({ size }) => size > 0);
    if (sources.length === 0) return undefined;
    const [source, { ino }] = [this.#pick(sources), this.#pick(files)];
    const isWhole = this.#random(2) === 0;
    const fromStart = isWhole ? 0 : this.#random(source.size);
    const length = isWhole ? source.size : 1 + this.#random(source.size - fromStart);
    const start = isWhole && this.#random(4) > 0 ? 0 : this.#random(MAX_FILE_BYTES);
    if (ino === source.ino && start < fromStart + length && fromStart < start + length) return undefined;
    const { timeSec, timeNsec } = this.#time();
    return {
      ...{ kind: 'clone', ino, start, from: source.ino, fromStart, length },
      ...{ storage: this.#random(3) as Storage, chunker: this.#random(2) as ChunkerKind },
      ...{ mtimeSec: timeSec, mtimeNsec: timeNsec, ctimeSec: timeSec + 1, ctimeNsec: 1 },
    };
  }

  /** @param dense without holes: a swap must not make one of data */
  #extents(start: number, end: number, dense: boolean): Extent[] {
    const extents: Extent[] = [];
    const gap = () => (dense ? 0 : this.#random(3) * this.#random(30));
    for (let offset = start + gap(); offset < end; ) {
      const length = Math.min(end - offset, 1 + this.#random(this.#random(3) === 0 ? 400 : 40));
      const at = this.#random(600);
      const lengths = { chunkLength: 1000, storedLength: 400 };
      if (this.#random(2) === 0) extents.push({ kind: 'journal', offset, length, segment: this.#random(5), at });
      else extents.push({ kind: 'chunk', offset, length, digest: digestOf(`${this.#random(30)}`), at, ...lengths });
      offset += length + gap();
    }
    return extents;
  }
}
