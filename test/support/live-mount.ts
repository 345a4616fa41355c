import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Upkeep } from '../../src/content/upkeep.js';
import { type Log, silentLog } from '../../src/core/log.js';
import { isDying } from '../../src/daemon/dying-caller.js';
import { createNativeTransport, MAX_READ_BYTES } from '../../src/fuse/native-transport.js';
import type { Transport, TransportCounters } from '../../src/fuse/transport.js';
import { mountFuse, unmountFuse } from '../../src/native/fuse-mount.js';
import { mountedOn, outputLater } from './commands.js';
import type { LiveStoreOptions } from './live-store.js';
import { TestVfs } from './live-vfs.js';
import { temporaryFolder } from './temporary-folder.js';

/** Goes into a folder before it becomes a program: whoever starts a program elsewhere waits until it is there. */
const INSIDE = 'cd "$0" && exec "$@"';

/**
 * A live tree that is mounted and served by the thread of the test itself, which can therefore look into it and hold it
 * up. Only other processes may use the mount, and nobody may wait for them without letting the loop run.
 */
export class LiveMount {
  readonly tree: TestVfs;
  readonly mountpoint: string;
  readonly #transport: Transport;
  readonly #errors: string[];
  readonly #children: ChildProcess[] = [];

  private constructor(tree: TestVfs, mountpoint: string, transport: Transport, errors: string[]) {
    this.tree = tree;
    this.mountpoint = mountpoint;
    this.#transport = transport;
    this.#errors = errors;
  }

  /** Mounted until the test ends, if `end` does not come first. */
  static async make(t: TestContext, options: LiveStoreOptions = {}): Promise<LiveMount> {
    let mount: LiveMount | undefined;
    // First, for it must be unmounted before anything looks into the folder it is in.
    t.after(() => mount?.abandon());
    const tree = await TestVfs.make(t, options);
    const mountpoint = join(temporaryFolder(t), 'mnt');
    mkdirSync(mountpoint);
    const errors: string[] = [];
    const log: Log = { ...silentLog, error: (_, message) => errors.push(message) };
    const descriptor = await mountFuse(mountpoint, { source: 'live', maxReadBytes: MAX_READ_BYTES });
    const vfs = { ...tree.vfs, root: tree.current };
    const transport = createNativeTransport({ descriptor, vfs, log, isDying });
    const upkeep = new Upkeep(tree.store.live, tree.store.datastore.catalog, log);
    transport.start();
    upkeep.start();
    void transport.ended.finally(() => upkeep.stop());
    mount = new LiveMount(tree, mountpoint, transport, errors);
    return mount;
  }

  path(name: string): string {
    return join(this.mountpoint, name);
  }

  counters(): TransportCounters {
    return this.#transport.counters();
  }

  /** Starts a program in the mount; its standard input is a pipe. */
  spawn(command: string, args: readonly string[], cwd = this.mountpoint): ChildProcess {
    const child = spawn('sh', ['-c', INSIDE, cwd, command, ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    this.#children.push(child);
    return child;
  }

  /** Runs a program in the mount, which must succeed, and returns what it printed. */
  output(command: string, ...args: readonly string[]): Promise<string> {
    return outputLater('sh', ['-c', INSIDE, this.mountpoint, command, ...args]);
  }

  /** The same with a shell script. */
  sh(script: string): Promise<string> {
    return this.output('sh', '-ec', script);
  }

  /** Unmounts and checks that each request was answered once and nothing failed. */
  async end(): Promise<void> {
    await unmountFuse(this.mountpoint);
    const { reason, counters } = await this.#transport.ended;
    assert.equal(reason, 'unmounted');
    assert.equal(counters.unanswered, 0);
    assert.equal(counters.requests, counters.replies, 'each request is answered once');
    assert.deepEqual(this.#errors, []);
    await this.tree.store.live.contents.flushAll();
  }

  /** Ends what was started in the mount and takes it away, whatever state it is in. */
  async abandon(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    if (mountedOn(this.mountpoint).length === 0) return;
    spawnSync('umount', ['-l', this.mountpoint]);
    await this.#transport.stop();
  }
}
