import type { SpaceMeasured } from '../control/space-commands.js';
import type { SpaceEntry, SpaceReport } from '../snapshot/space/measure-space.js';
import { querySpace } from './query-thread.js';

/** For how long measured figures are good enough for whoever asks in passing. */
const FRESH_SECONDS = 60;

/** Who takes how much of one datastore: measured on a thread of its own, one measuring at a time. */
export class SpaceService {
  readonly #store: string;
  #running: Promise<SpaceReport> | undefined;
  #last: SpaceReport | undefined;

  /** @param store the datastore's folder */
  constructor(store: string) {
    this.#store = store;
  }

  /** Measures anew; who asks during a measuring shares the next one, which sees all that was committed before. */
  async measure(): Promise<SpaceMeasured> {
    await this.#running?.catch(() => undefined);
    const report = await this.#measured();
    return { ...report, entries: [...report.entries], unreadable: [...report.unreadable] };
  }

  /** As last measured, where that was not long ago; else measured anew. */
  recent(): Promise<SpaceReport> {
    const last = this.#last;
    const fresh = last !== undefined && Date.now() / 1000 - last.measuredAt < FRESH_SECONDS;
    return fresh ? Promise.resolve(last) : this.#measured();
  }

  /** Recent figures of the store, a group, its live tree or a snapshot; undefined where there is no such thing. */
  async folder(kind: SpaceEntry['kind'], group: number, archive: number): Promise<SpaceEntry | undefined> {
    const { entries } = await this.recent();
    if (kind === 'snapshot') return entries.find((entry) => entry.archive === archive);
    return entries.find((entry) => entry.kind === kind && entry.groupId === group);
  }

  /** Figures measured so far are not good enough any more. */
  changed(): void {
    this.#last = undefined;
  }

  #measured(): Promise<SpaceReport> {
    this.#running ??= querySpace(this.#store)
      .then((report) => {
        this.#last = report;
        return report;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }
}
