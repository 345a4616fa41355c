import { CairnError } from '../../core/errors.js';
import type { Session } from '../../datastore/shared/membership.js';
import type { AskHandlers } from '../../maintenance/job/job-owner.js';
import type { ChangeAsks, UnitChange } from '../../maintenance/upload/shared-changes.js';

/** Says for a job on another thread what it publishes and withdraws, under one session. One change at a time. */
export class UnitChanges {
  readonly handlers: AskHandlers<ChangeAsks>;
  readonly #session: Session;
  #end: ((done: boolean) => void) | undefined;
  #changed: Promise<unknown> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
    this.handlers = {
      'begin-change': (change) => this.#begin(change),
      'end-change': ({ done }) => this.#finish(done),
    };
  }

  /** The job has ended, wherever it was. */
  close(): void {
    this.#end?.(false);
  }

  /** Resolves when the job may do it. */
  #begin({ units, kind }: UnitChange): Promise<null> {
    return new Promise((resolve, reject) => {
      const work = (): Promise<void> =>
        new Promise((done, failed) => {
          this.#end = (isDone) => {
            this.#end = undefined;
            if (isDone) done();
            else failed(new CairnError('interrupted', 'Given up'));
          };
          resolve(null);
        });
      const { lease } = this.#session;
      this.#changed = kind === 'publish' ? lease.publish(units, work) : lease.withdraw(units, work);
      this.#changed.catch(reject);
    });
  }

  async #finish(done: boolean): Promise<null> {
    this.#end?.(done);
    if (done) await this.#changed;
    return null;
  }
}

/** Nobody else is there to whom anything would have to be said. */
export const unsharedChanges: AskHandlers<ChangeAsks> = { 'begin-change': () => null, 'end-change': () => null };
