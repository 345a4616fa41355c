import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LiveStore, openLiveStore } from '../../src/content/open-live-store.js';
import type { WriteBody } from '../../src/content/transfer.js';
import { type GroupName, parseGroupPath } from '../../src/core/group.js';
import { type Log, silentLog } from '../../src/core/log.js';
import { systemClock } from '../../src/core/time.js';
import { type OpenTree, openTree } from '../../src/daemon/open-tree.js';
import { SnapshotService } from '../../src/daemon/snapshot-service.js';
import { createDatastore } from '../../src/datastore/create.js';
import { openDatastore, type WritableDatastore } from '../../src/datastore/open.js';
import { setCacheLimit } from '../../src/native/chunk-cache.js';
import type { SnapshotJobOptions } from '../../src/snapshot/create/job-protocol.js';
import type { JobThread } from '../../src/snapshot/create/job-thread.js';
import { SnapshotMaker } from '../../src/snapshot/create/snapshot-maker.js';
import { removeSnapshotFolder } from '../../src/snapshot/forget.js';
import type { Attributes, Caller, FolderEntry, NodeId, Vfs } from '../../src/vfs/api.js';
import { joinPieces } from './read-pieces.js';

export const ROOT: Caller = { uid: 0, gid: 0, pid: 1 };
export const GROUP = 'host/x';
const O_RDWR = 2;
const O_TRUNC = 0o1000;
const WRITE_BYTES = 1024 * 1024;

/** How a store is opened. */
export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Mounts one group alone. */
  readonly group?: string;
  readonly log?: Log;
}

/** A datastore that is open as a mount worker has it, without a mount: tests call its vfs. */
export class OpenStore {
  readonly folder: string;
  datastore!: WritableDatastore;
  live!: LiveStore;
  snapshots!: SnapshotService;
  tree!: OpenTree;
  #isOpen = false;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** A new datastore with the group host/x, open until the test ends. */
  static async make(t: TestContext, options: OpenOptions = {}): Promise<OpenStore> {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-store-'));
    const store = new OpenStore(folder);
    t.after(async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    });
    await createDatastore(folder, { reserveBytes: 4096 });
    await store.open();
    await store.mkdir(GROUP);
    if (Object.keys(options).length > 0) {
      await store.close();
      await store.open(options);
    }
    return store;
  }

  get vfs(): Vfs {
    return this.tree.vfs;
  }

  async open(options: OpenOptions = {}): Promise<void> {
    setCacheLimit(64 * 1024 * 1024);
    const log = options.log ?? silentLog;
    this.datastore = await openDatastore(this.folder);
    this.live = await openLiveStore({
      catalog: this.datastore.catalog,
      catalogPath: this.datastore.paths.catalog,
      chunks: this.datastore.chunks,
      journalFolder: this.datastore.paths.journal,
      gate: { pause: () => undefined, resume: () => undefined },
      checkpoints: { betweenTransactions: () => undefined, committed: () => undefined },
      readOnly: options.readOnly === true,
      clock: systemClock,
      log,
    });
    this.#isOpen = true;
    this.snapshots = new SnapshotService(this.datastore, this.live, log);
    if (options.readOnly) this.live.parts.log.fail('it is mounted read-only', undefined);
    else await this.snapshots.completeInterrupted();
    const group = options.group === undefined ? undefined : parseGroupPath(options.group);
    this.tree = await openTree(this.datastore, this.live, this.snapshots, group);
    if (!options.readOnly) this.tree.parts.orphans.dropAll();
  }

  /** Stores and closes all, as an unmount does. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.snapshots.end();
    if (this.live.parts.log.failure === undefined) {
      await this.live.contents.flushAll();
      await this.live.durability.commitDurably();
    }
    this.live.close();
    this.datastore.close();
  }

  /** Closes without storing anything more, as the end of the process does. */
  async abandon(): Promise<void> {
    this.#isOpen = false;
    await this.snapshots.end();
    this.live.close();
    this.datastore.close();
  }

  async reopen(options: OpenOptions = {}): Promise<void> {
    await this.close();
    await this.open(options);
  }

  /** What a path from the root is. @throws where it is not there */
  async find(path: string): Promise<Attributes> {
    let found = await this.vfs.attributes.get(this.vfs.root);
    for (const name of parts(path)) {
      const next = await this.vfs.names.lookup(found.node, Buffer.from(name, 'latin1'));
      if (next === undefined) throw new Error(`${path}: no ${name}`);
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
    const handle =
      made?.open.handle ?? (await this.vfs.files.open(ROOT, node, offset > 0 ? O_RDWR : O_RDWR | O_TRUNC)).handle;
    await this.writeOpen(handle, Buffer.from(bytes), offset);
    await this.vfs.files.flush(handle);
    await this.vfs.files.release(handle);
    return node;
  }

  async writeOpen(handle: number, bytes: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
      await this.vfs.files.write(handle, offset + at, bodyOf(bytes.subarray(at, at + WRITE_BYTES)), false);
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

  /** A maker of its own whose jobs `start` starts. @param isTaken default: as the service does it */
  makerWith(
    start: (script: URL, options: SnapshotJobOptions) => JobThread,
    isTaken: (group: GroupName, time: number) => Promise<boolean> = async () => false,
  ): SnapshotMaker {
    const { catalog, config, paths } = this.datastore;
    const { contents, durability, packer, parts } = this.live;
    return new SnapshotMaker({
      ...{ catalog, log: parts.log, contents, packer, durability, clock: systemClock, messages: silentLog, isTaken },
      places: { store: paths.root, catalog: paths.catalog, journal: paths.journal, prefixDigits: config.prefixDigits },
      startJob: (options) => start(new URL('../../src/daemon/snapshot-worker.js', import.meta.url), options),
      removeFolder: (group, time) => removeSnapshotFolder(paths.root, group, time),
    });
  }

  async snapshot(group = GROUP): Promise<string> {
    return (await this.snapshots.create(parseGroupPath(group))).time;
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
