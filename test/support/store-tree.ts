import type { WriteBody } from '../../src/content/transfer.js';
import { CairnError } from '../../src/core/errors.js';
import type { Attributes, Caller, FolderEntry, NodeId, Vfs } from '../../src/vfs/api.js';
import { joinPieces } from './read-pieces.js';

/** Who asks in tests. */
export const ROOT: Caller = { uid: 0, gid: 0, pid: 1 };
const O_RDWR = 2;
const WRITE_BYTES = 1024 * 1024;

/** A vfs used by paths from its root; names are latin1, so that each character is a byte. */
export abstract class StoreTree {
  abstract get vfs(): Vfs;

  /** What a path from the root is. @throws where it is not there */
  async find(path: string): Promise<Attributes> {
    let found = await this.vfs.attributes.get(this.vfs.root);
    for (const name of parts(path)) {
      const next = await this.vfs.names.lookup(found.node, Buffer.from(name, 'latin1'));
      if (next === undefined) throw new CairnError('not-found', `${path}: no ${name}`);
      found = next;
    }
    return found;
  }

  /** The folder of a path, and the name in it. */
  async at(path: string): Promise<[parent: NodeId, name: Buffer]> {
    const names = parts(path);
    const parent = await this.find(names.slice(0, -1).join('/'));
    return [parent.node, Buffer.from(names.at(-1) ?? '', 'latin1')];
  }

  async mkdir(path: string, mode = 0o755): Promise<Attributes> {
    const [parent, name] = await this.at(path);
    return this.vfs.names.makeFolder(ROOT, parent, name, 0o040000 | mode, 0);
  }

  async rmdir(path: string): Promise<void> {
    const [parent, name] = await this.at(path);
    await this.vfs.names.removeFolder(parent, name);
  }

  /** Makes a file of these bytes; from offset 0 on they replace what it held. */
  async write(path: string, bytes: Uint8Array | string, offset = 0): Promise<NodeId> {
    const [parent, name] = await this.at(path);
    const found = await this.vfs.names.lookup(parent, name);
    const made = found ? undefined : await this.vfs.names.create(ROOT, parent, name, 0o644, 0, O_RDWR);
    const node = (found ?? made?.attributes)?.node as NodeId;
    const handle = made?.open.handle ?? (await this.vfs.files.open(ROOT, node, O_RDWR)).handle;
    if (offset === 0) await this.vfs.attributes.set(ROOT, node, handle, { size: 0 });
    await this.writeOpen(handle, Buffer.from(bytes), offset);
    await this.vfs.files.flush(handle);
    await this.vfs.files.release(handle);
    return node;
  }

  async writeOpen(handle: number, bytes: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
      await this.vfs.files.write(ROOT, handle, offset + at, bodyOf(bytes.subarray(at, at + WRITE_BYTES)), false);
    }
  }

  /** Opens for writing; give the handle to `writeOpen`, then to `vfs.files.release`. */
  async openFile(path: string): Promise<number> {
    const [parent, name] = await this.at(path);
    const found = await this.vfs.names.lookup(parent, name);
    if (found === undefined) return (await this.vfs.names.create(ROOT, parent, name, 0o644, 0, O_RDWR)).open.handle;
    return (await this.vfs.files.open(ROOT, found.node, O_RDWR)).handle;
  }

  /** A file's bytes, read in steps of `step`. */
  async read(path: string, step = 100_000): Promise<Buffer> {
    const { node, size } = await this.find(path);
    const { handle } = await this.vfs.files.open(ROOT, node, 0);
    const got: Buffer[] = [];
    for (let at = 0; at < size; at += step) got.push(await this.readOpen(handle, at, Math.min(step, size - at)));
    await this.vfs.files.release(handle);
    return Buffer.concat(got);
  }

  async readOpen(handle: number, offset: number, length: number): Promise<Buffer> {
    return joinPieces(await this.vfs.files.read(handle, offset, length));
  }

  async list(path: string, limit = 1000): Promise<FolderEntry[]> {
    const { node } = await this.find(path);
    const handle = await this.vfs.folders.open(node);
    const all: FolderEntry[] = [];
    for (let cookie = 0; ; cookie = all.at(-1)?.cookie ?? 0) {
      const entries = await this.vfs.folders.read(handle, cookie, limit);
      if (entries.length === 0) break;
      all.push(...entries);
    }
    this.vfs.folders.release(handle);
    return all;
  }

  /** Names of a folder but `.` and `..`, sorted. */
  async names(path: string): Promise<string[]> {
    const names = (await this.list(path)).map(({ name }) => Buffer.from(name).toString('latin1'));
    return names.filter((name) => name !== '.' && name !== '..').sort();
  }
}

function parts(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function bodyOf(bytes: Uint8Array): WriteBody {
  const copy = Uint8Array.from(bytes);
  return {
    length: copy.length,
    copyInto: (draft, offset) => draft.write(offset, copy),
    keep: () => undefined,
    discard: () => undefined,
  };
}
