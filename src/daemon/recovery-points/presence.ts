import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Backend } from '../../backend/backend.js';
import type { Log } from '../../core/log.js';
import type { Clock } from '../../core/time.js';
import { machineOf } from '../../datastore/machine.js';
import { NOTED_EVERY_SECONDS, putMachineNote, removeMachineNote } from '../../datastore/machine-note.js';
import type { DatastorePaths } from '../../datastore/paths.js';

/** Nobody waits longer for the note to go: without it being put anew it ceases to count. */
const LEAVE_WITHIN_MS = 5_000;

/** Says in the object store that this machine has the datastore mounted, so that nobody attaches to it by mistake. */
export class Presence {
  readonly #remote: Backend;
  readonly #paths: DatastorePaths;
  readonly #clock: Clock;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> = Promise.resolve();
  #isTold = false;

  constructor(remote: Backend, paths: DatastorePaths, clock: Clock, log: Log) {
    this.#remote = remote;
    this.#paths = paths;
    this.#clock = clock;
    this.#log = log;
  }

  /** Says so from now on. */
  start(): void {
    const tell = (): void => {
      this.#telling = this.#telling
        .then(() => this.#tell())
        .catch((error: unknown) => this.#log.debug({ error }, 'The object store could not be told of this mount'));
    };
    tell();
    this.#timer = setInterval(tell, NOTED_EVERY_SECONDS * 1000);
    this.#timer.unref();
  }

  /** Takes it back, where the object store answers soon. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    const ended = new AbortController();
    const late = pause(LEAVE_WITHIN_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    await Promise.race([this.#leave(), late]);
    ended.abort();
  }

  async #tell(): Promise<void> {
    const machine = await machineOf(this.#paths);
    await putMachineNote(this.#remote, { machine, host: hostname(), seenAt: this.#clock.now().seconds });
    this.#isTold = true;
  }

  async #leave(): Promise<void> {
    await this.#telling;
    if (!this.#isTold) return;
    await removeMachineNote(this.#remote, await machineOf(this.#paths)).catch((error: unknown) =>
      this.#log.debug({ error }, 'The object store could not be told of the end of this mount'),
    );
  }
}
