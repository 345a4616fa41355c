import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MAX_READ_BYTES } from '../../src/fuse/native-transport.js';
import type { TransportCounters, TransportEnd } from '../../src/fuse/transport.js';
import { type MountOptions, mountFuse, unmountFuse } from '../../src/native/fuse-mount.js';
import { mountedOn } from './commands.js';

/** Why real mounts cannot be tested here, or false where they can. */
export const skipMounts: string | false =
  process.getuid?.() !== 0 ? 'needs root' : existsSync('/dev/fuse') ? false : 'needs /dev/fuse';

export interface MountWorkerData {
  readonly descriptor: number;
  readonly delayed: boolean;
  readonly folder: string;
  readonly stuckFiles: number;
}

/** Bytes of each of the files `stuck-0` …, which nobody gets before 'release'. */
export const STUCK_BYTES = 100_000;

/** What is asked of the worker; each question is answered with the state afterwards. */
export interface MountQuestion {
  readonly id: number;
  readonly ask: 'state' | 'rename' | 'overwrite' | 'refresh' | 'unknown' | 'pause' | 'resume' | 'release' | 'stop';
  readonly name?: string;
  readonly newName?: string;
}

export interface MountState {
  readonly counters: TransportCounters;
  /** References the kernel holds (those to the root and to special files apart), open files and folders, inodes. */
  readonly references: number;
  readonly handles: number;
  readonly nodes: number;
  /** Wake-ups with requests. */
  readonly batches: number;
  /** What was logged as an error. */
  readonly errors: readonly string[];
}

/** What the worker says when its transport has ended. */
export interface MountEnd {
  readonly end: TransportEnd;
  readonly state: MountState;
}

/** A file system in memory, mounted in a temporary folder and served by a worker thread. Made by `withMemoryMount`. */
export class MemoryMount {
  readonly mountpoint: string;
  readonly worker: Worker;
  /** Settles when the transport has ended by itself. */
  readonly ended: Promise<MountEnd>;
  readonly exited: Promise<number>;
  readonly #answers = new Map<number, (state: MountState) => void>();
  #nextId = 1;

  constructor(mountpoint: string, data: MountWorkerData) {
    this.mountpoint = mountpoint;
    this.worker = new Worker(new URL('./memory-mount-worker.js', import.meta.url), { workerData: data });
    this.exited = new Promise((resolve) => this.worker.once('exit', resolve));
    this.ended = new Promise((resolve) => {
      this.worker.on('message', (message: { id: number; state: MountState } | MountEnd) => {
        if ('id' in message) this.#answers.get(message.id)?.(message.state);
        else resolve(message);
      });
    });
  }

  ask(ask: MountQuestion['ask'], name?: string, newName?: string): Promise<MountState> {
    const id = this.#nextId++;
    const question: MountQuestion = {
      id,
      ask,
      ...(name !== undefined && { name }),
      ...(newName !== undefined && { newName }),
    };
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.worker.postMessage(question);
    });
  }

  state(): Promise<MountState> {
    return this.ask('state');
  }

  /** Unmounts and returns what the worker says at its end. */
  async unmount(options: { lazy?: boolean } = {}): Promise<MountEnd> {
    await unmountFuse(this.mountpoint, options);
    return this.ended;
  }
}

export interface MemoryMountOptions {
  /** Answers come a turn of the worker's event loop later. */
  readonly delayed?: boolean;
  readonly mount?: Partial<MountOptions>;
  /** How many files `stuck-0` … there are. */
  readonly stuckFiles?: number;
}

/** Runs `body` on a mount and leaves nothing behind, whatever happens. */
export async function withMemoryMount(
  body: (mount: MemoryMount) => Promise<void>,
  options: MemoryMountOptions = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-fuse-'));
  const mountpoint = join(folder, 'mnt');
  mkdirSync(mountpoint);
  let mount: MemoryMount | undefined;
  try {
    const descriptor = await mountFuse(mountpoint, {
      source: 'memory',
      maxReadBytes: MAX_READ_BYTES,
      ...options.mount,
    });
    mount = new MemoryMount(mountpoint, {
      descriptor,
      delayed: options.delayed === true,
      folder,
      stuckFiles: options.stuckFiles ?? 0,
    });
    await body(mount);
  } finally {
    for (let tries = 0; tries < 8 && mountedOn(mountpoint).length > 0; tries++) spawnSync('umount', ['-l', mountpoint]);
    await mount?.worker.terminate();
    rmSync(folder, { recursive: true, force: true });
  }
  assert.deepEqual(mountedOn(mountpoint), []);
}
