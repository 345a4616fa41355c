import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type CommandOptions,
  type CommandResult,
  isRunning,
  mountedOn,
  outputOf,
  runCommand,
  until,
} from './commands.js';
import { DaemonLog, type LogPlace } from './daemon-log.js';

/** The compiled command line program. */
export const MAIN = fileURLToPath(new URL('../../program/main.js', import.meta.url));

/** Type of a Cairn mount in /proc/self/mountinfo. */
const MOUNT_TYPE = 'fuse.cairn';

/** How long a daemon may take to mount or to end. */
const LIMIT_MILLISECONDS = 60_000;

/** The part of `cairn status --json` that tests rely on. */
export interface StatusReport {
  readonly pid: number;
  readonly dirtyBytes: number;
  readonly problems: readonly unknown[];
  readonly [field: string]: unknown;
}

/** Whose processes they are, where not ours. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * A datastore in a temporary folder and, while mounted, its daemon: a child process in the foreground whose log is
 * captured. Made by `withStore`, which also takes it down and checks that nothing is left.
 */
export class TestStore {
  readonly folder: string;
  readonly store: string;
  readonly mountpoint: string;
  readonly log: DaemonLog;
  /** What our processes have in their environment besides ours. */
  environment: Readonly<Record<string, string>> = {};
  readonly #program: string;
  readonly #user: User;
  #daemon: ChildProcess | undefined;
  #logAtStart: LogPlace = [0, 0];

  /**
   * @param folder an empty folder to work in
   * @param user whose processes they are; default: ours
   * @param program the command line program, where not the usual one
   */
  constructor(folder: string, user: User = {}, program: string = MAIN) {
    this.folder = folder;
    this.#program = program;
    this.#user = user;
    this.store = join(folder, 'store');
    this.mountpoint = join(folder, 'mnt');
    this.log = new DaemonLog(join(folder, 'daemon.out'), join(folder, 'daemon.err'));
    mkdirSync(this.mountpoint);
  }

  /** The daemon's process id. */
  get pid(): number {
    const pid = this.#daemon?.pid;
    assert.ok(pid !== undefined, 'the store is not mounted');
    return pid;
  }

  /** Runs `cairn ARGS…` with this store as the one meant. */
  run(args: readonly string[], options: CommandOptions = {}): CommandResult {
    const env = { ...process.env, ...this.environment, CAIRN_STORE: this.store, ...options.env };
    return runCommand(process.execPath, [this.#program, ...args], { ...this.#user, ...options, env });
  }

  /** Runs a `cairn` command that must succeed and returns what it printed. */
  cairn(...args: string[]): string {
    const { status, stdout, stderr } = this.run(args);
    assert.equal(status, 0, `cairn ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return stdout;
  }

  status(): StatusReport {
    return JSON.parse(this.cairn('status', '--json')) as StatusReport;
  }

  /** Starts the daemon and waits until the mount stands. */
  async mount(...options: string[]): Promise<void> {
    const daemon = this.#start(options);
    assert.ok(await this.#standsOrEnded(daemon), `the daemon ended:\n${this.log.text()}`);
  }

  /**
   * Starts a daemon that may not come as far as its mount.
   * @param end what may keep it from that: it is `killed` by SIGKILL, or it finds its store unusable, says why in one
   *   line, and ends (`refused`)
   * @returns whether the mount stands; any other end fails
   */
  async mountUnless(end: 'killed' | 'refused'): Promise<boolean> {
    const daemon = this.#start([]);
    if (await this.#standsOrEnded(daemon)) return true;
    this.#daemon = undefined;
    if (end === 'killed') {
      assert.equal(daemon.signalCode, 'SIGKILL', `the daemon ended by itself:\n${this.log.text()}`);
      this.log.assertClean();
    } else {
      assert.ok((daemon.exitCode ?? 0) > 0, `the daemon ended with ${daemon.exitCode}, ${daemon.signalCode}`);
      assert.match(this.log.lastWords(), /^cairn: ./);
    }
    return false;
  }

  #start(options: readonly string[]): ChildProcess {
    assert.equal(this.#daemon, undefined, 'the store is mounted already');
    this.#logAtStart = this.log.end();
    const [out, err] = this.log.paths.map((path) => openSync(path, 'a')) as [number, number];
    const daemon = spawn(process.execPath, [this.#program, 'mount', ...options, this.store, this.mountpoint], {
      ...this.#user,
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', out, err],
    });
    closeSync(out);
    closeSync(err);
    this.#daemon = daemon;
    return daemon;
  }

  async #standsOrEnded(daemon: ChildProcess): Promise<boolean> {
    const outcome = await until(
      `mount of ${this.store}`,
      () => {
        if ((daemon.exitCode ?? daemon.signalCode) !== null) return 'ended';
        // A killed daemon's mount looks the same until this daemon has taken it away.
        return (
          this.log.says('mounted', daemon.pid, { behind: this.#logAtStart }) &&
          mountedOn(this.mountpoint).at(-1) === MOUNT_TYPE &&
          'stands'
        );
      },
      LIMIT_MILLISECONDS,
    );
    return outcome === 'stands';
  }

  /**
   * Unmounts, by command or as a service manager would, and checks that the daemon ends well, its mount is gone and
   * nothing unexpected is in its log.
   */
  async umount(by: 'command' | 'signal' = 'command'): Promise<void> {
    const { pid } = this;
    if (by === 'command') this.cairn('umount', this.mountpoint);
    else process.kill(pid, 'SIGTERM');
    await this.#endedWell(pid);
  }

  /**
   * Unmounts where the disk may fail meanwhile.
   * @returns what the command or the daemon said went wrong; undefined: nothing did. The daemon has ended, or its mount
   *   stands as before.
   */
  async umountUnlessRefused(): Promise<string | undefined> {
    const daemon = this.#daemon;
    const { status, stderr } = this.run(['umount', this.mountpoint]);
    if (mountedOn(this.mountpoint).length > 0) return stderr;
    await this.#ended();
    if (status === 0 && daemon?.exitCode === 0) return undefined;
    return `${status} ${stderr}; the daemon ended with ${daemon?.exitCode}: ${this.log.lastWords()}`;
  }

  async remount(...options: string[]): Promise<void> {
    await this.umount();
    await this.mount(...options);
  }

  /** Ends the daemon as a crash would, where nothing else has; its mount stays behind, dead. */
  async kill9(): Promise<void> {
    const daemon = this.#daemon;
    daemon?.kill('SIGKILL');
    await this.#ended();
    assert.equal(daemon?.signalCode, 'SIGKILL', `the daemon ended with ${daemon?.exitCode}:\n${this.log.text()}`);
    this.log.assertClean();
  }

  /** The folder of a group's newest snapshot. */
  latest(group: string): string {
    const folder = join(this.mountpoint, group);
    return join(folder, readlinkSync(join(folder, 'latest')));
  }

  /** What is to be known of the daemon when a test has failed. */
  report(): string {
    const daemon = this.#daemon;
    const end = daemon === undefined ? null : (daemon.signalCode ?? daemon.exitCode);
    return `${end === null ? '' : `The daemon ended by itself with ${end}\n`}Log of the daemon:\n${this.log.text().slice(-8000)}`;
  }

  /** Ends whatever still runs, without checks: for the way out of a failed test. */
  async abandon(): Promise<void> {
    if (this.#daemon !== undefined) {
      this.#daemon.kill('SIGKILL');
      await this.#ended();
    }
    for (const _ of mountedOn(this.mountpoint)) outputOf(...unmountCommand(this.mountpoint));
  }

  get isMounted(): boolean {
    return this.#daemon !== undefined;
  }

  async #endedWell(pid: number): Promise<void> {
    const daemon = this.#daemon;
    await this.#ended();
    assert.equal(daemon?.exitCode, 0, `the daemon ended with ${daemon?.exitCode}:\n${this.log.text()}`);
    assert.deepEqual(mountedOn(this.mountpoint), [], 'still mounted');
    assert.ok(!isRunning(pid), `process ${pid} is still there`);
    this.log.assertClean();
  }

  async #ended(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    await until('end of the daemon', () => (daemon.exitCode ?? daemon.signalCode) !== null, LIMIT_MILLISECONDS);
    this.#daemon = undefined;
  }
}

/** What a process has open now, as /proc shows it. */
export function openFilesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((descriptor) => {
    try {
      return [readlinkSync(join(folder, descriptor))];
    } catch {
      return [];
    }
  });
}

function unmountCommand(point: string): [string, string[]] {
  return process.getuid?.() === 0 ? ['umount', ['--lazy', point]] : ['fusermount3', ['-uz', point]];
}

/** What `withStore` does before the test. */
export interface StoreOptions {
  /** Further arguments of `cairn init`. */
  readonly init?: readonly string[];
  /** Further arguments of `cairn mount`; `false`: do not mount. */
  readonly mount?: readonly string[] | false;
  /** Groups to make once mounted. */
  readonly groups?: readonly string[];
  /** Where the store is to lie; default a temporary folder of its own. */
  readonly inside?: string;
}

/** Makes and mounts a datastore, runs `body`, unmounts, and fails where anything is left behind. */
export async function withStore(
  body: (store: TestStore) => Promise<void> | void,
  options: StoreOptions = {},
): Promise<void> {
  const folder = mkdtempSync(join(options.inside ?? tmpdir(), 'cairn-store-'));
  const store = new TestStore(folder);
  try {
    store.cairn('init', ...(options.init ?? []), store.store);
    if (options.mount !== false) await store.mount(...(options.mount ?? []));
    for (const group of options.groups ?? []) mkdirSync(join(store.mountpoint, group), { recursive: true });
    await body(store);
    if (store.isMounted) await store.umount();
    assert.deepEqual(mountedOn(store.mountpoint), [], 'a mount was left behind');
  } catch (error) {
    console.error(store.report());
    throw error;
  } finally {
    await store.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
}
