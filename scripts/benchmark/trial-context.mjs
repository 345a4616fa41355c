// What a workload is given: the trees, a folder of its own, and somewhere to put figures.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dropCaches, run, timed, umountBelow } from './processes.mjs';
import { readAll, Trees } from './trees.mjs';

const WARM_MIB = { full: 2048, tiny: 16 };

export class TrialContext {
  /** What was measured: by `family/what`. */
  figures = {};

  /** @param place has the trees @param size `full` or `tiny` */
  constructor(family, place, size) {
    this.family = family;
    this.size = size;
    this.place = join(place, 'work');
    this.trees = new Trees(place, size);
    // What a trial that was killed left.
    umountBelow(this.place);
    rmSync(this.place, { recursive: true, force: true });
    mkdirSync(this.place);
    // ext4 passes over inodes freed in the last minute as long as it remembers them: a trial that makes many files behind
    // one that removed many took up to four times as long (by hand).
    dropCaches();
  }

  get isTiny() {
    return this.size === 'tiny';
  }

  /** A tree that is in memory, as far as it fits. */
  tree(name) {
    const folder = this.trees.folder(name);
    readAll(folder);
    return folder;
  }

  /**
   * Touches memory: a page that a virtual machine touches for the first time, or after it was given back to the host,
   * takes many times as long.
   */
  warmMemory() {
    const file = '/dev/shm/cairn-bench-warm';
    try {
      run('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${WARM_MIB[this.size]}`, 'status=none']);
    } finally {
      rmSync(file, { force: true });
    }
  }

  add(what, value) {
    this.figures[`${this.family}/${what}`] = value;
  }

  /** Adds how many seconds `work` takes, and yields them. */
  async time(what, work) {
    const seconds = await timed(work);
    this.add(what, seconds);
    return seconds;
  }

  close() {
    rmSync(this.place, { recursive: true, force: true });
  }
}

/** Files below a folder. */
export function countFiles(folder) {
  return Number(run('sh', ['-c', 'find "$0" -type f | wc -l', folder]));
}
