import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BackupCase } from '../support/backup-case.js';
import { chunkPath } from '../support/gc.js';
import { Random, seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const ROUNDS = 8;
const CHANGES_PER_ROUND = 25;
/** Their names and attributes are more than is read of a snapshot's metadata at once. */
const MANY = 12_000;
/** Those of so many are read in three goes. */
const MORE = 20_000;
const FIRST_READ_BYTES = 1024 * 1024;

/** A tree that changes at random. */
class ChangingTree {
  readonly #root: string;
  readonly #random: Random;
  readonly #many: number;
  #made = 0;

  constructor(root: string, random: Random, many: number) {
    this.#root = root;
    this.#random = random;
    this.#many = many;
    mkdirSync(join(root, 'many'), { recursive: true });
    for (let i = 0; i < many; i += 1) writeFileSync(join(root, 'many', `${i}`), i % 16 === 0 ? `${i}` : '');
    for (let i = 0; i < 60; i += 1) this.#add();
  }

  change(): void {
    for (let i = 0; i < CHANGES_PER_ROUND; i += 1) this.#changeOne();
    for (let i = this.#random.below(this.#many), left = this.#random.below(300); left > 0; left -= 1, i += 1) {
      rmSync(join(this.#root, 'many', `${i % this.#many}`), { force: true });
    }
  }

  #changeOne(): void {
    const random = this.#random;
    const path = this.#any();
    const dice = random.below(12);
    if (path === undefined || dice < 3) this.#add();
    else if (dice === 3) rmSync(path, { recursive: true });
    else if (dice === 4) this.#rename(path);
    else if (dice === 5) utimesSync(path, random.below(1e9), random.below(1e9));
    else if (dice === 6) chmodSync(path, random.pick([0o600, 0o644, 0o755]));
    else if (dice === 7) execFileSync('setfattr', ['-n', 'trusted.x', '-v', String(random.below(9)), path]);
    else this.#changeFile(path, dice);
  }

  #rename(path: string): void {
    const target = this.#fresh();
    if (!target.startsWith(`${path}/`)) renameSync(path, target);
  }

  #changeFile(path: string, dice: number): void {
    const random = this.#random;
    const isFile = execFileSync('stat', ['-c', '%F', path]).toString().startsWith('regular');
    if (!isFile) this.#add();
    else if (dice === 8) linkSync(path, this.#fresh());
    else if (dice === 9) appendFileSync(path, random.bytes(random.below(500)));
    else if (dice === 10) {
      rmSync(path);
      mkdirSync(path);
    } else writeFileSync(path, random.bytes(random.pick([0, 10, 4000, 70_000])));
  }

  #add(): void {
    const random = this.#random;
    const path = this.#fresh();
    const dice = random.below(10);
    if (dice < 3) mkdirSync(path);
    else if (dice === 3) symlinkSync(`to-${random.below(100)}`, path);
    else if (dice === 4) execFileSync('mkfifo', [path]);
    else if (dice === 5) execFileSync('mknod', [path, 'c', '1', String(random.below(9))]);
    else writeFileSync(path, random.bytes(random.pick([0, 1, 900, 20_000, 65_536, 400_000])));
  }

  /** A new name in some folder but that of the many. */
  #fresh(): string {
    const folders = this.#paths('d');
    this.#made += 1;
    return join(this.#random.pick(folders), `${this.#random.pick(['', 'a', 'm', 'z', '\u00e9'])}${this.#made}`);
  }

  /** Anything but the many, and what is not to be followed. */
  #any(): string | undefined {
    const found = this.#paths('dfpc').filter((path) => path !== this.#root && existsSync(path));
    return found.length === 0 ? undefined : this.#random.pick(found);
  }

  #paths(types: string): string[] {
    const wanted = [...types].flatMap((type) => ['-o', '-type', type]).slice(1);
    const found = execFileSync('find', [
      this.#root,
      '-path',
      `${this.#root}/many`,
      '-prune',
      '-o',
      '(',
      ...wanted,
      ')',
      '-print',
    ]);
    return found
      .toString()
      .split('\n')
      .filter((path) => path !== '')
      .sort();
  }
}

const whyNot = process.getuid?.() === 0 ? false : 'needs root, for devices';

test('a backup beside the newest snapshot says to the byte what one says that knows of none', {
  skip: whyNot,
}, async (t) => {
  const random = new Random(seedOfRun(t));
  const made = await BackupCase.in(temporaryFolder(t));
  const tree = new ChangingTree(made.source, random, MANY);
  await made.backup();
  for (let round = 0; round < ROUNDS; round += 1) {
    tree.change();
    const again = await made.backup();
    const fresh = await made.backup({ group: `host/fresh-${round}` });
    assert.deepEqual(made.streams(), made.streams(`host/fresh-${round}`), `round ${round}`);
    const { files, folders, others, links, contentBytes } = fresh.figures;
    assert.deepEqual({ ...again.figures, files, folders, others, links, contentBytes }, again.figures);
    assert.ok(again.figures.unchangedFiles > again.figures.files / 2, 'most is taken over');
  }
});

test('where the newest snapshot cannot be read any further, the rest is read instead', { skip: whyNot }, async (t) => {
  const made = await BackupCase.in(temporaryFolder(t));
  const tree = new ChangingTree(made.source, new Random(seedOfRun(t)), MORE);
  await made.backup();
  const [metadata] = made.indexes();
  const behind = metadata.chunkAt(FIRST_READ_BYTES) + 1;
  rmSync(chunkPath(made.store, metadata.digest(behind)));
  tree.change();
  const again = await made.backup();
  assert.deepEqual(again.problems, []);
  const { files, newFiles, unchangedFiles } = again.figures;
  assert.ok(unchangedFiles > 0 && newFiles > files / 10, JSON.stringify(again.figures));
  await made.backup({ group: 'host/fresh' });
  assert.deepEqual(made.streams(), made.streams('host/fresh'));
});
