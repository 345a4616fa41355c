// The trees that are copied, and the changes made to them. A tree is made once, below the folder `trees` of the place;
// changes are taken back, so that every system sees the same.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';

const MAKE_TREES = fileURLToPath(new URL('make-trees.py', import.meta.url));
const MIB = 1 << 20;
const BLOCK_BYTES = 4096;

/** How large the trees are: as the bars mean them, and so small that the benchmark itself can be tried. */
const SIZES = {
  full: {
    smallFolders: 200,
    fewerFolders: 150,
    someFolders: 80,
    bigMib: 1024,
    imageMib: 100,
    vmMib: 1024,
    vmParts: ['doc', 'man', 'perl'],
    manyFolders: 1000,
    share: '/usr/share',
  },
  tiny: {
    smallFolders: 4,
    fewerFolders: 3,
    someFolders: 2,
    bigMib: 24,
    imageMib: 8,
    vmMib: 64,
    vmParts: ['perl5'],
    manyFolders: 20,
    share: '/usr/share/perl5',
  },
};

/** One of so many files or blocks is changed. */
const CHANGED_ONE_IN = 100;

/** A tree by its name; made where it is not there yet. */
export class Trees {
  #root;
  #size;

  /** @param size `full` or `tiny` */
  constructor(place, size) {
    this.#size = SIZES[size];
    this.#root = join(place, 'trees');
    mkdirSync(this.#root, { recursive: true });
  }

  /** @returns the folder of a tree: small, fewer, some, big, noise, image, share, vm, many */
  folder(name) {
    const path = join(this.#root, name);
    if (existsSync(path)) return path;
    const made = `${path}.making`;
    rmSync(made, { recursive: true, force: true });
    mkdirSync(made);
    MAKERS[name](made, this.#size);
    run('mv', [join(made, MADE_BELOW[name] ?? ''), path]);
    rmSync(made, { recursive: true, force: true });
    return path;
  }
}

/** Where in the folder it is given a tree is made, if not there. */
const MADE_BELOW = { small: 'small', fewer: 'small', some: 'small', big: 'big' };

const MAKERS = {
  small: (folder, { smallFolders }) => makeSmall(folder, smallFolders),
  fewer: (folder, { fewerFolders }) => makeSmall(folder, fewerFolders),
  some: (folder, { someFolders }) => makeSmall(folder, someFolders),
  noise: (folder, { bigMib }) => {
    run('dd', ['if=/dev/urandom', `of=${join(folder, 'disk.raw')}`, 'bs=1M', `count=${bigMib}`, 'status=none']);
  },
  big: (folder, { bigMib }) => run(MAKE_TREES, [folder, 'big', `${bigMib}`]),
  share: (folder, { share }) => run('cp', ['-a', '--no-target-directory', share, folder]),
  image: makeImage,
  vm: makeMachine,
  many: makeMany,
};

/** Folders of a hundred small files. */
function makeSmall(folder, folders) {
  run(MAKE_TREES, [folder, 'small', `${folders}`]);
}

/** One file, half of it words. */
function makeImage(folder, { imageMib }) {
  const text = readFileSync(fileURLToPath(import.meta.url));
  const file = openSync(join(folder, 'image'), 'w');
  for (let done = 0; done < imageMib; done++) {
    writeSync(file, Buffer.alloc(MIB / 2, text));
    writeSync(file, randomBytes(MIB / 2));
  }
  closeSync(file);
}

/** The disk of a virtual machine: a file system with part of /usr in it, and free space. */
function makeMachine(folder, { vmMib, vmParts }) {
  const image = join(folder, 'disk.raw');
  const content = join(folder, 'content');
  mkdirSync(content);
  for (const part of vmParts) {
    if (existsSync(join('/usr/share', part))) run('cp', ['-a', join('/usr/share', part), content]);
  }
  writeFileSync(image, '');
  truncateSync(image, vmMib * MIB);
  run('mke2fs', ['-q', '-t', 'ext4', '-d', content, image]);
  rmSync(content, { recursive: true });
}

/** 100,000 entries to list. */
function makeMany(folder, { manyFolders }) {
  for (let d = 0; d < manyFolders; d++) {
    const parent = join(folder, `d${d}`);
    mkdirSync(parent);
    for (let f = 0; f < 99; f++) writeFileSync(join(parent, `file-${f}.txt`), `${d} ${f}\n`);
  }
}

/** Reads every byte below a folder; a program in between, as tar does not read for /dev/null. */
export function readAll(folder) {
  run('sh', ['-c', 'tar -C "$0" -cf - . | cat >/dev/null', folder]);
}

/** Runs `work` while a tree has changes; takes them back. @param how `touched` or one of `CHANGES` */
export async function whileChanged(folder, how, work) {
  const kept = `${folder}.kept`;
  const changed = CHANGED_FILES[how](folder);
  rmSync(kept, { recursive: true, force: true });
  for (const file of changed)
    cpSync(join(folder, file), join(kept, file), { recursive: true, preserveTimestamps: true });
  try {
    for (const file of changed) CHANGES[how](join(folder, file));
    return await work();
  } finally {
    run('cp', ['-a', `${kept}/.`, folder]);
    rmSync(kept, { recursive: true, force: true });
  }
}

/** Which files a kind of change is made to, relative to the folder. */
const CHANGED_FILES = {
  files: (folder) => everyFile(folder).filter((_, n) => n % CHANGED_ONE_IN === 0),
  blocks: (folder) => everyFile(folder),
  machine: (folder) => everyFile(folder),
};

const CHANGES = {
  files: changeFile,
  blocks: changeBlocks,
  machine: changeMachine,
};

/** Files below a folder that have content, in the order of their names. */
function everyFile(folder) {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const full = files.filter((file) => statSync(file).size > 0);
  return full.map((file) => file.slice(folder.length + 1)).sort();
}

/** Other bytes in the middle of a file. */
function changeFile(file) {
  const { size } = statSync(file);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, randomBytes(Math.min(64, size)), 0, Math.min(64, size), size >> 1);
  closeSync(descriptor);
}

/** 1 % of a file's blocks, all over it. */
function changeBlocks(file) {
  const blocks = Math.floor(statSync(file).size / BLOCK_BYTES);
  const descriptor = openSync(file, 'r+');
  for (let n = 0; n < blocks / CHANGED_ONE_IN; n++) {
    const block = (n * 2_654_435_761) % blocks;
    writeSync(descriptor, randomBytes(BLOCK_BYTES), 0, BLOCK_BYTES, block * BLOCK_BYTES);
  }
  closeSync(descriptor);
}

/** What a machine does to its disk in a day: some files more, some fewer. */
function changeMachine(file) {
  const mounted = `${file}.mnt`;
  mkdirSync(mounted);
  try {
    run('mount', ['-o', 'loop', file, mounted]);
    try {
      run('sh', ['-c', 'rm -rf "$0"/man/man1; cp -a /usr/include/linux "$0"/added', mounted]);
    } finally {
      run('umount', [mounted]);
    }
  } finally {
    rmSync(mounted, { recursive: true, force: true });
  }
}
