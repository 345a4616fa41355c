// A disk on which making anything durable takes 10 ms: ext4 on a loop device on a file in a FUSE file system whose
// fsync takes so long. Neither dm-delay nor NBD is in every kernel; both libfuse and loop devices are.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPassthrough, buildSlowSync } from './build.mjs';
import { run, typeMountedOn, umountIfMounted } from './processes.mjs';

const DISK_BYTES = 8 * 2 ** 30;
const WAIT_MILLISECONDS = 10_000;

export class SlowDisk {
  #passing;
  #backing;
  #programs;
  #daemon;

  constructor(place) {
    this.#backing = join(place, 'slow-backing');
    this.#passing = join(place, 'slow-passing');
    this.#programs = join(place, 'slow-programs');
    /** Where the disk is mounted. */
    this.root = join(place, 'slow-disk');
  }

  async open() {
    for (const folder of [this.#backing, this.#passing, this.#programs, this.root]) mkdirSync(folder);
    const program = buildPassthrough(this.#programs);
    if (program === undefined) throw new Error('no slow disk without libfuse3-dev and pkg-config');
    const options = { stdio: 'ignore', env: { ...process.env, LD_PRELOAD: buildSlowSync(this.#programs) } };
    this.#daemon = spawn(program, ['-f', '-o', `source=${this.#backing},cache=always`, this.#passing], options);
    const start = performance.now();
    while (typeMountedOn(this.#passing) === undefined) {
      if (performance.now() - start > WAIT_MILLISECONDS) throw new Error('passthrough_ll does not start');
      await delay(5);
    }
    const image = join(this.#passing, 'disk');
    writeFileSync(image, '');
    truncateSync(image, DISK_BYTES);
    run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    run('mount', ['-o', 'loop', image, this.root]);
  }

  close() {
    if (typeMountedOn(this.root) !== undefined) run('umount', [this.root]);
    umountIfMounted(this.#passing);
    this.#daemon?.kill('SIGKILL');
    for (const folder of [this.#backing, this.#passing, this.#programs, this.root]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
