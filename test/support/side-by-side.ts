import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './commands.js';
import { python } from './python.js';

/** Numbers that look random and depend on the seed alone. */
export class Random {
  /** The paths drawn since it was last emptied, to be told when something differs. */
  readonly paths: string[] = [];
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** A path with few possible values, so that operations meet. */
  path(): string {
    const depth = 1 + this.below(3);
    const path = Array.from({ length: depth }, () => this.pick(['a', 'b', 'c', 'd', 'e'])).join('/');
    this.paths.push(path);
    return path;
  }

  /** A position or length in a file: mostly small, now and then on either side of where storage changes. */
  bytes(): number {
    return this.below(10) < 7
      ? this.below(20_000)
      : this.pick([4096, 131_072, 1_048_576, 3_000_000]) + this.below(3) - 1;
  }

  content(): Buffer {
    return Buffer.alloc(this.bytes(), `${this.below(1000)};`);
  }
}

/** An operation on one of the two trees; it returns or throws what is compared. */
type Operation = (root: string) => unknown;

/** Draws an operation's arguments; the operation is then done on both sides. */
type Kind = (random: Random) => Operation;

const isRoot = process.geteuid?.() === 0;

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function factsOf(path: string): unknown {
  const { mode, nlink, uid, gid, size } = lstatSync(path);
  const isFolder = (mode & constants.S_IFMT) === constants.S_IFDIR;
  return { mode, nlink, uid, gid, size: isFolder ? 0 : size };
}

/** Kinds of operation on names and content. No pipes: to open one would wait for ever. */
const KINDS: Readonly<Record<string, Kind>> = {
  create: (random) => on(random.path(), random.content(), (path, content) => writeFileSync(path, content)),
  append: (random) =>
    on(random.path(), random.content(), (path, content) => writeFileSync(path, content, { flag: 'a' })),
  overwrite: (random) => {
    const offset = random.bytes();
    return on(random.path(), random.content(), (path, content) => {
      const open = openSync(path, 'r+');
      try {
        return writeSync(open, content, 0, content.length, offset);
      } finally {
        closeSync(open);
      }
    });
  },
  exclusive: (random) =>
    on(random.path(), random.content(), (path, content) => writeFileSync(path, content, { flag: 'wx' })),
  truncate: (random) => on(random.path(), random.bytes(), (path, size) => truncateSync(path, size)),
  read: (random) => on(random.path(), 0, (path) => hash(readFileSync(path))),
  stat: (random) => on(random.path(), 0, factsOf),
  list: (random) => on(random.path(), 0, (path) => readdirSync(path).sort()),
  unlink: (random) => on(random.path(), 0, (path) => unlinkSync(path)),
  mkdir: (random) => on(random.path(), random.pick([0o755, 0o700, 0o2775]), (path, mode) => mkdirSync(path, { mode })),
  mkdirAgain: (random) => on(random.path(), 0, (path) => mkdirSync(path)),
  rmdir: (random) => on(random.path(), 0, (path) => rmdirSync(path)),
  rename: (random) => onTwo(random, renameSync),
  renameAgain: (random) => onTwo(random, renameSync),
  link: (random) => onTwo(random, linkSync),
  copy: (random) => onTwo(random, copyIfNoFolder),
  symlink: (random) => on(random.path(), random.path(), (path, target) => symlinkSync(target, path)),
  readlink: (random) => on(random.path(), 0, (path) => readlinkSync(path)),
  chmod: (random) => on(random.path(), random.pick([0o644, 0o600, 0o755, 0o4755, 0o777]), chmodIfNoLink),
  chown: (random) =>
    on(random.path(), random.below(5), (path, id) => (isRoot ? lchownSync(path, id, id + 1) : undefined)),
  setXattr: (random) =>
    onRarely(random, ['setfattr', '-h', '-n', `user.${random.below(3)}`, '-v', `v${random.below(9)}`]),
  removeXattr: (random) => onRarely(random, ['setfattr', '-h', '-x', `user.${random.below(3)}`]),
  acl: (random) => onRarely(random, ['setfacl', '-P', '-m', `u:${1000 + random.below(3)}:r`]),
  punch: (random) =>
    onRarely(random, ['fallocate', '--punch-hole', '-o', String(random.bytes()), '-l', String(1 + random.bytes())]),
  grow: (random) => onRarely(random, ['fallocate', '-o', String(random.bytes()), '-l', String(1 + random.bytes())]),
};

function on<T>(path: string, value: T, action: (path: string, value: T) => unknown): Operation {
  return (root) => action(join(root, path), value);
}

function onTwo(random: Random, action: (from: string, to: string) => unknown): Operation {
  const [from, to] = [random.path(), random.path()];
  return (root) => action(join(root, from), join(root, to));
}

/** A program on a path; starting one takes longer than all else, so nine times of ten nothing is done. */
function onRarely(random: Random, command: readonly string[]): Operation {
  const [path, skip] = [random.path(), random.below(10) > 0];
  const [program, ...args] = command as [string, ...string[]];
  return (root) => (skip ? undefined : runCommand(program, [...args, join(root, path)]).status === 0);
}

/** chmod follows links; where they lead to may be outside of the tree. */
function chmodIfNoLink(path: string, mode: number): void {
  if (!lstatSync(path).isSymbolicLink()) chmodSync(path, mode);
}

/** Copying a folder fails only where its st_size, which is the file system's own, is not 0. */
function copyIfNoFolder(from: string, to: string): void {
  if (!statSync(from).isDirectory()) copyFileSync(from, to);
}

/** A file opened on both sides, by name or not any more. */
type OpenPair = readonly [model: number, mounted: number];

/** Kinds of operation on open files. */
const HANDLE_KINDS: Readonly<Record<string, (random: Random) => (descriptor: number) => unknown>> = {
  write: (random) => {
    const [content, offset] = [random.content(), random.bytes()];
    return (descriptor) => writeSync(descriptor, content, 0, content.length, offset);
  },
  read: (random) => {
    const [bytes, offset] = [Buffer.alloc(random.bytes()), random.bytes()];
    return (descriptor) => hash(bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, offset)));
  },
  truncate: (random) => {
    const size = random.bytes();
    return (descriptor) => ftruncateSync(descriptor, size);
  },
  size: () => (descriptor) => [fstatSync(descriptor).size, fstatSync(descriptor).nlink],
  sync: () => fsyncSync,
  dataSync: () => fdatasyncSync,
};

/** What an operation came to, in a form that can be compared. */
function outcome(action: () => unknown): unknown {
  try {
    return { value: action() };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { error: code === 'EEXIST' ? 'ENOTEMPTY' : code };
  }
}

const MAX_OPEN = 6;

/** Does the same random operations to a plain folder and to a mounted one, and fails where they behave differently. */
export class SideBySide {
  readonly #random: Random;
  readonly #roots: readonly [model: string, mounted: string];
  #open: OpenPair[] = [];
  #last = '';

  constructor(seed: number, model: string, mounted: string) {
    this.#random = new Random(seed);
    this.#roots = [model, mounted];
  }

  /** Does one operation on both sides. */
  step(): void {
    this.#random.paths.length = 0;
    const choice = this.#random.below(100);
    if (choice < 75) this.#onNames();
    else if (choice < 82) this.#openOne();
    else if (choice < 97) this.#onHandle();
    else this.#closeOne();
  }

  /** Closes what is open and gives each name the same times on both sides, so that the trees can be compared. */
  settle(): void {
    while (this.#open.length > 0) this.#closeOne();
    const program = `
roots = [os.fsencode(a) for a in args]; n = 0
for parent, subs, files in os.walk(roots[0], topdown=False):
    for name in sorted(files) + sorted(subs):
        n += 1; path = os.path.relpath(os.path.join(parent, name), roots[0])
        for root in roots:
            os.utime(os.path.join(root, path), ns=(10**18 + n, 10**18 + n * 1001), follow_symlinks=False)
for root in roots: os.utime(root, ns=(10**18, 10**18))`;
    python(program, ...this.#roots);
  }

  #onNames(): void {
    const name = this.#random.pick(Object.keys(KINDS));
    const operation = (KINDS[name] as Kind)(this.#random);
    this.#compare(name, (side) => operation(this.#roots[side]));
  }

  #openOne(): void {
    const [path, flags] = [this.#random.path(), this.#random.pick(['r+', 'w+', 'a+', 'wx+'])];
    if (this.#open.length >= MAX_OPEN) this.#closeOne();
    const pair: number[] = [];
    this.#compare(`open ${path} ${flags}`, (side) => {
      pair[side] = openSync(join(this.#roots[side], path), flags);
    });
    if (pair.length === 2) this.#open.push(pair as unknown as OpenPair);
  }

  #onHandle(): void {
    const name = this.#random.pick(Object.keys(HANDLE_KINDS));
    const operation = (HANDLE_KINDS[name] as (random: Random) => (descriptor: number) => unknown)(this.#random);
    if (this.#open.length === 0) return;
    const pair = this.#random.pick(this.#open);
    this.#compare(`${name} on a handle`, (side) => operation(pair[side]));
  }

  #closeOne(): void {
    if (this.#open.length === 0) return;
    const pair = this.#random.pick(this.#open);
    this.#open = this.#open.filter((other) => other !== pair);
    this.#compare('close', (side) => closeSync(pair[side]));
  }

  #compare(what: string, action: (side: 0 | 1) => unknown): void {
    const [wanted, found] = [outcome(() => action(0)), outcome(() => action(1))];
    assert.deepEqual(found, wanted, `${what} ${this.#random.paths.join(' ')} (after ${this.#last})`);
    this.#last = `${what} ${this.#random.paths.join(' ')}`;
  }
}
