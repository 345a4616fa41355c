import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, runCommand } from './commands.js';
import type { TestStore } from './mounted-store.js';
import type { Random } from './random.js';

const GROUP = 'host/x';
const FILES = 40;

/** What a soak did. */
export interface SoakCounts {
  rounds: number;
  vanished: number;
  spoilt: number;
  replaced: number;
  refusedCopies: number;
  mended: number;
}

/** Places of a datastore's backends, as they come and go. Each is the folder `c` of a folder of its own. */
export class SoakDisks {
  readonly #folder: string;
  readonly ids: string[] = [];
  #made = 0;

  constructor(folder: string, count: number) {
    this.#folder = folder;
    for (let n = 0; n < count; n += 1) this.add();
  }

  /** Arguments of `init`. */
  get arguments(): string[] {
    return this.ids.map((id) => `${id}=${this.place(id)}`);
  }

  place(id: string): string {
    return join(this.#folder, id, 'c');
  }

  add(): string {
    const id = `d${this.#made}`;
    this.#made += 1;
    mkdirSync(join(this.#folder, id), { recursive: true });
    this.ids.push(id);
    return id;
  }

  /** The disk is gone; with `mountpoint` an empty folder is in its place. */
  vanish(id: string, mountpoint: boolean): void {
    renameSync(this.place(id), `${this.place(id)}-away`);
    if (mountpoint) mkdirSync(this.place(id));
  }

  comeBack(id: string): void {
    rmSync(this.place(id), { recursive: true, force: true });
    renameSync(`${this.place(id)}-away`, this.place(id));
  }

  forget(id: string): void {
    this.ids.splice(this.ids.indexOf(id), 1);
    rmSync(join(this.#folder, id), { recursive: true, force: true });
  }

  /** Spoils what an away disk has: bytes are flipped, files cut off or gone. */
  spoil(id: string, random: Random): void {
    const chunks = `${this.place(id)}-away/.chunks`;
    for (const entry of readdirSync(chunks, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const bytes = readFileSync(path);
      const how = random.below(4);
      if (how === 0) rmSync(path);
      else if (how === 1) writeFileSync(path, bytes.subarray(0, random.below(bytes.length)));
      else if (how === 2) {
        const at = random.below(bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
        writeFileSync(path, bytes);
      }
    }
  }
}

/**
 * Keeps copying, snapshotting, collecting and comparing while backends of an `ec:4+2` over six vanish two at a time, return
 * spoilt and are replaced; after each round everything compares equal, and `check` and a second `repair` find nothing.
 * @param goOn asked before each round
 */
export async function soakBackends(
  store: TestStore,
  disks: SoakDisks,
  random: Random,
  goOn: (rounds: number) => boolean,
): Promise<SoakCounts> {
  const soak = new BackendsSoak(store, disks, random);
  store.log.expect(/./);
  soak.change();
  soak.copy();
  soak.snapshot();
  while (goOn(soak.counts.rounds)) await soak.round();
  return soak.counts;
}

class BackendsSoak {
  readonly counts: SoakCounts = { rounds: 0, vanished: 0, spoilt: 0, replaced: 0, refusedCopies: 0, mended: 0 };
  readonly #store: TestStore;
  readonly #disks: SoakDisks;
  readonly #random: Random;
  readonly #source: string;
  readonly #taken: string;

  constructor(store: TestStore, disks: SoakDisks, random: Random) {
    this.#store = store;
    this.#disks = disks;
    this.#random = random;
    this.#source = join(store.folder, 'source');
    this.#taken = join(store.folder, 'taken');
    mkdirSync(this.#source);
  }

  change(): void {
    for (let n = 0; n < FILES; n += 1) {
      if (this.#random.below(3) > 0) continue;
      const length = this.#random.below(5) === 0 ? this.#random.below(2_000_000) : this.#random.below(20_000);
      writeFileSync(join(this.#source, `${n}`), this.#random.bytes(length));
    }
  }

  /** @returns whether it was taken: with two disks missing nothing new is */
  copy(): boolean {
    const to = join(this.#store.mountpoint, GROUP, 'current/');
    const { status, stderr } = runCommand('rsync', ['-a', '--delete', `${this.#source}/`, to]);
    const synced = status === 0 && this.#store.run(['sync']).status === 0;
    if (!synced) assert.match(stderr, /Input\/output error|failed|^$/);
    return synced;
  }

  snapshot(): void {
    this.#store.cairn('snapshot', 'create', GROUP);
    rmSync(this.#taken, { recursive: true, force: true });
    outputOf('cp', ['-a', this.#source, this.#taken]);
  }

  async round(): Promise<void> {
    const { counts } = this;
    counts.rounds += 1;
    const [first, second] = this.#twoDisks();
    this.#disks.vanish(first, this.#random.below(2) === 0);
    counts.vanished += 1;
    this.change();
    assert.ok(this.copy(), 'with one backend missing everything goes on');
    if (this.#random.below(2) === 0) this.snapshot();
    this.#disks.vanish(second, this.#random.below(2) === 0);
    counts.vanished += 1;
    if (this.#random.below(2) === 0) await this.#store.remount();
    this.#compare('latest', this.#taken);
    this.change();
    if (!this.copy()) counts.refusedCopies += 1;
    this.#return(first, second);
    await this.#store.remount();
    assert.ok(this.copy(), 'once they are back everything goes on');
    this.#mend();
    if (this.#random.below(2) === 0) this.snapshot();
    this.#compare('current', this.#source);
    this.#compare('latest', this.#taken);
  }

  /** One comes back, spoilt or not; the other too, or another one in its place. */
  #return(first: string, second: string): void {
    const { counts } = this;
    if (this.#random.below(3) > 0) {
      this.#disks.spoil(first, this.#random);
      counts.spoilt += 1;
    }
    this.#disks.comeBack(first);
    if (this.#random.below(2) === 0) {
      this.#disks.comeBack(second);
      return;
    }
    this.#store.cairn('backend', 'remove', '--lost', second);
    this.#disks.forget(second);
    const id = this.#disks.add();
    this.#store.cairn('backend', 'add', id, this.#disks.place(id));
    counts.replaced += 1;
  }

  #mend(): void {
    const { status, stdout, stderr } = this.#store.run(['repair', '--json']);
    assert.equal(status, 0, stdout + stderr);
    this.counts.mended += (JSON.parse(stdout) as { backends: { mended: number } }).backends.mended;
    this.#store.cairn('gc', '--grace', '0');
    this.#store.cairn('check', '--deep');
    assert.match(this.#store.cairn('repair', '--dry-run'), /: \d+ whole, 0 lack pieces, 0 lost, 0 missing/);
  }

  #compare(tree: string, folder: string): void {
    const path = join(this.#store.mountpoint, GROUP, tree);
    assert.equal(outputOf('rsync', ['-anci', '--delete', `${folder}/`, `${path}/`]), '', tree);
  }

  #twoDisks(): [string, string] {
    const first = this.#random.pick(this.#disks.ids);
    return [first, this.#random.pick(this.#disks.ids.filter((id) => id !== first))];
  }
}
