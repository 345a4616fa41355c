import { createRequire } from 'node:module';
import type { SingleBar } from 'cli-progress';
import prettyBytes from 'pretty-bytes';
import type { Progress } from '../control/messages.js';
import { shownSeconds } from './output.js';

/** What is done sooner than this is not shown. */
const SHOWN_AFTER_MS = 1000;

/** Shows on a terminal how far a command is, once it takes longer than a second; elsewhere nothing. */
export class ProgressDisplay {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;
  #step = '';
  #from: number | undefined;
  /** When the step was first shown, and how far it was. */
  #stepFrom = { time: 0, done: 0 };

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Takes the newest figures; may be called as often as one likes. */
  update(progress: Progress): void {
    if (!this.#stream.isTTY) return;
    const now = performance.now();
    this.#from ??= now;
    if (now - this.#from < SHOWN_AFTER_MS) return;
    if (progress.step !== this.#step) this.#begin(progress, now);
    this.#bar?.setTotal(Math.max(progress.total ?? progress.done, 1));
    this.#bar?.update(progress.done, { shown: shownFigures(progress) + this.#shownTimeLeft(progress, now) });
  }

  /** By the speed since the step was first shown; nothing until there is one. */
  #shownTimeLeft({ done, total }: Progress, now: number): string {
    const speed = (done - this.#stepFrom.done) / (now - this.#stepFrom.time);
    if (total === undefined || !(speed > 0) || !Number.isFinite(speed)) return '';
    return `, ${shownSeconds((total - done) / speed / 1000)} left`;
  }

  /** Leaves the terminal as it was. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#step = '';
  }

  #begin(progress: Progress, now: number): void {
    this.stop();
    this.#stepFrom = { time: now, done: progress.done };
    this.#step = progress.step;
    const format = progress.total === undefined ? `${progress.step}: {shown}` : `${progress.step} {bar} {shown}`;
    const { Presets, SingleBar: Bar } = loadBars();
    this.#bar = new Bar(
      { format, stream: this.#stream, clearOnComplete: true, hideCursor: true, barsize: 30 },
      Presets.shades_classic,
    );
    this.#bar.start(1, 0, { shown: '' });
  }
}

/** Runs a task with a display that is gone when it settles. */
export async function withProgress<T>(task: (update: (progress: Progress) => void) => Promise<T>): Promise<T> {
  const display = new ProgressDisplay();
  try {
    return await task((progress) => display.update(progress));
  } finally {
    display.stop();
  }
}

/** Loaded where something is shown: most commands are done before. */
function loadBars(): typeof import('cli-progress') {
  return createRequire(import.meta.url)('cli-progress') as typeof import('cli-progress');
}

function shownFigures({ done, total, unit }: Progress): string {
  const figure = (value: number): string => (unit === 'bytes' ? prettyBytes(value, { binary: true }) : String(value));
  return total === undefined ? figure(done) : `${figure(done)} of ${figure(total)}`;
}
