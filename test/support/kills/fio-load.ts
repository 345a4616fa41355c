import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { outputLater } from '../commands.js';

const FILES = 2;

/** What writing and verifying have in common, for each file. */
const JOB = ['--rw=randwrite', '--bs=16k', '--size=1m', '--verify=crc32c', '--verify_state_save=0'];

/** One fio after the other writes blocks that carry their checksums, and verifies them after a crash. */
export class FioLoad {
  readonly #folder: string;
  /** Seed by file of which fio wrote all. */
  readonly #whole = new Map<number, number>();
  #turn = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Writes one file to its end; rejects where that fails. */
  async run(): Promise<void> {
    const turn = ++this.#turn;
    this.#whole.delete(turn % FILES);
    await outputLater('fio', [...this.#job(turn % FILES, turn), '--do_verify=0']);
    this.#whole.set(turn % FILES, turn);
  }

  /** Verifies what was written to its end. @returns how many files */
  async judge(): Promise<number> {
    const jobs = [...this.#whole].flatMap(([file, turn]) => [...this.#job(file, turn), '--stonewall']);
    if (jobs.length > 0) await outputLater('fio', ['--verify_only=1', '--verify_fatal=1', ...jobs]);
    return this.#whole.size;
  }

  #job(file: number, turn: number): string[] {
    return [
      `--name=blocks-${file}`,
      `--filename=${join(this.#folder, `blocks-${file}`)}`,
      `--randseed=${turn}`,
      ...JOB,
    ];
  }
}
