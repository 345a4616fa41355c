import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { outputOf } from './commands.js';
import { MAIN, type TestStore } from './mounted-store.js';
import { noise } from './noise.js';
import type { Random } from './random.js';

const GROUP = 'host/x';
const SMALL_FILES = 400;
/** A plain end, problems found, interrupted; a signal that nobody caught (a client of a daemon) has no code. */
const EXITS: ReadonlySet<number | null> = new Set([0, 6, 130, null]);

/** How the commands that were interrupted ended. */
export interface Interruptions {
  ended: number;
  interrupted: number;
}

/** A store on which long commands are broken off by Ctrl-C, and which must be whole and clean after each. */
export class InterruptedStore {
  readonly #store: TestStore;
  readonly #random: Random;
  readonly #source: string;
  readonly #scratch: string;
  readonly counts: Interruptions = { ended: 0, interrupted: 0 };
  #clones = 0;
  /** How long a command takes here and now: on a busy machine mostly its start, which is not what is to be broken off. */
  #commandMs = 0;

  constructor(store: TestStore, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#source = join(store.folder, 'source');
    this.#scratch = join(store.folder, 'tmp');
  }

  /** Fills a mounted store that has no groups yet: a tree, three snapshots, garbage. */
  fill(): void {
    const { mountpoint } = this.#store;
    const current = join(mountpoint, GROUP, 'current');
    mkdirSync(join(mountpoint, GROUP), { recursive: true });
    for (const folder of [this.#source, this.#scratch, join(this.#source, 'sub')]) mkdirSync(folder);
    for (let n = 0; n < SMALL_FILES; n++) writeFileSync(join(this.#source, 'sub', `${n}`), noise(`${n}`, 3000 + n));
    for (const name of ['a', 'b']) writeFileSync(join(this.#source, name), noise(name, 9_000_000));
    outputOf('rsync', ['-a', `${this.#source}/`, `${current}/`]);
    for (const name of ['garbage-1', 'garbage-2']) {
      writeFileSync(join(current, name), noise(name, 6_000_000));
      this.#store.cairn('snapshot', 'create', GROUP);
      rmSync(join(current, name));
    }
    // The folder's own time, too.
    outputOf('rsync', ['-a', `${this.#source}/`, `${current}/`]);
    const from = performance.now();
    this.#store.cairn('snapshot', 'create', GROUP);
    this.#commandMs = Math.ceil(performance.now() - from);
  }

  /** Runs one command, chosen at random, and breaks it off after a random time. */
  async interruptOne(): Promise<void> {
    const { args, judge } = this.#choose();
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, CAIRN_STORE: this.#store.store, TMPDIR: this.#scratch },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
    const timer = delay(this.#random.between(Math.floor(this.#commandMs / 4), 2 * this.#commandMs), undefined, {
      ref: false,
    });
    await Promise.race([ended, timer]);
    child.kill('SIGINT');
    const code = await ended;
    const line = `cairn ${args.join(' ')}: ${code} ${told}`;
    assert.ok(EXITS.has(code), line);
    assert.match(told, /^(cairn: [^\n]+\n)*$/, line);
    if (code === 0 || code === 6) this.counts.ended += 1;
    else this.counts.interrupted += 1;
    judge?.();
  }

  /** Nothing is lost, nothing is left: what remains to be done is done by running the same commands to their end. */
  assertWhole(): void {
    const store = this.#store;
    store.cairn('gc', '--grace', '0');
    assert.equal(store.cairn('check', '--deep'), 'No damage found\n');
    store.cairn('verify', '--all');
    const plan = JSON.parse(store.cairn('gc', '--dry-run', '--full', '--json')) as { plan: Record<string, unknown> };
    for (const kind of ['unreferenced', 'stray', 'unfinished']) {
      assert.deepEqual(plan.plan[kind], { chunks: 0, bytes: 0 }, kind);
    }
    if (store.isMounted) {
      for (const tree of ['current', 'latest']) {
        assert.equal(
          outputOf('rsync', ['-anci', '--delete', `${this.#source}/`, join(store.mountpoint, GROUP, tree, '/')]),
          '',
        );
      }
    }
    assert.deepEqual(readdirSync(this.#scratch), [], 'left in the temporary folder');
  }

  #choose(): { args: string[]; judge?: () => void } {
    const target = join(this.#store.folder, 'restored');
    const commands: { args: string[]; judge?: () => void }[] = [
      { args: ['gc', '--grace', '0'] },
      { args: ['gc', '--full'] },
      { args: ['gc', 'undelete', '--all'] },
      { args: ['verify', '--all'] },
      { args: ['verify', GROUP] },
      { args: ['verify', '--restore', '50'] },
      { args: ['check', '--deep'] },
      { args: ['repair', '--from', this.#source] },
      { args: ['snapshot', 'restore', `${GROUP}/latest`, target], judge: () => this.#judgeRestored(target) },
      { args: ['snapshot', 'diff', `${GROUP}/latest`, `${GROUP}/current`] },
      { args: ['snapshot', 'find', '--group', GROUP, 'a'] },
      { args: ['snapshot', 'create', GROUP] },
      { args: ['prune', GROUP, '--keep-last', '3'] },
      { args: ['clone', GROUP, `host/clone${this.#clones++}`] },
      { args: ['df'] },
    ];
    return this.#random.pick(commands);
  }

  /** Under its name a file is whole, or not there. */
  #judgeRestored(target: string): void {
    if (!existsSync(target)) return;
    for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
      const [restored, wanted] = [join(target, name), join(this.#source, name)];
      if (!existsSync(wanted) || !statSync(restored).isFile()) continue;
      assert.ok(readFileSync(restored).equals(readFileSync(wanted)), `${name} is restored in part`);
    }
    rmSync(target, { recursive: true });
  }
}
