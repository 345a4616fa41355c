import type { BucketRoots } from '../../../src/datastore/shared/bucket-collection.js';
import { groupOwner } from '../../../src/datastore/shared/group-leases.js';
import type { MachineLease } from '../../../src/datastore/shared/machine-lease.js';
import type { LocalBeliefs, Session } from '../../../src/datastore/shared/membership.js';
import type { SharedObjects } from '../../../src/datastore/shared/shared-objects.js';
import { ModelClient } from './model-bucket.js';
import { Machine } from './model-machine.js';
import type { Mixture } from './run.js';

// Machines that break one rule of the protocol each (src/datastore/shared/README.md), by one part that does not do what
// it should.

const objectsWith = (machine: Machine, Client: typeof ModelClient): SharedObjects => {
  const { bucket, random, wallClock } = machine.parts;
  return new Client(bucket, machine.turns, random, wallClock);
};

/** The server does not honour the condition of a put. */
class WithoutConditions extends Machine {
  override makeClient(): SharedObjects {
    return objectsWith(
      this,
      class extends ModelClient {
        protected override honoursConditions(): boolean {
          return false;
        }
      },
    );
  }
}

/** Machines keep nothing that is condemned. */
class WithoutKeeping extends Machine {
  override beliefs(): LocalBeliefs {
    return { ...super.beliefs(), wanted: async () => [] };
  }
}

/** What is condemned and not kept is put, and believed, all the same. */
class WithoutAvoiding extends Machine {
  override mayUse(): boolean {
    return true;
  }
}

/** A machine that was taken for dead believes what it knew before. */
class WithoutCorrection extends Machine {
  override beliefs(): LocalBeliefs {
    return { ...super.beliefs(), correct: async () => undefined };
  }
}

/** Machines that hear late of chunks they put, and put late what they said they would, or whose group it is: a lot happens in between. */
class SlowClient extends ModelClient {
  override async put(name: string, bytes: Uint8Array): Promise<void> {
    if (name.startsWith('host/')) await this.dawdle();
    await super.put(name, bytes);
    if (name.startsWith('.chunks/')) await this.dawdle();
  }

  override async putNew(name: string, bytes: Uint8Array): Promise<boolean> {
    if (name.includes('/owners/')) await this.dawdle();
    return super.putNew(name, bytes);
  }
}

/** Keeps every rule. */
export class SlowMachine extends Machine {
  override makeClient(): SharedObjects {
    return objectsWith(this, SlowClient);
  }
}

/** A machine publishes without saying so first, and without asking whether its epoch has ended. */
class WithoutIntents extends SlowMachine {
  override publish(_session: Session, _unit: string, put: () => Promise<void>): Promise<void> {
    return put();
  }
}

/** What a machine was about to publish when its epoch was ended is not revoked. */
class WithoutRevoking extends Machine {
  override makeClient(): SharedObjects {
    return objectsWith(
      this,
      class extends SlowClient {
        override async put(name: string, bytes: Uint8Array): Promise<void> {
          if (!name.startsWith('.cairn/shared/revoked/')) await super.put(name, bytes);
        }
      },
    );
  }
}

/** A collector takes no second look at what is published. */
class WithoutSecondMark extends SlowMachine {
  override roots(): BucketRoots {
    const { mark, has } = super.roots();
    let marked: Promise<void> | undefined;
    return {
      has,
      mark: () => {
        marked ??= mark();
        return marked;
      },
    };
  }
}

/** Nobody waits until deletions without an answer are too old. */
class WithoutSettling extends Machine {
  override makeClient(): SharedObjects {
    return objectsWith(
      this,
      class extends ModelClient {
        override unanswered(): number {
          return 0;
        }
      },
    );
  }
}

/** Marks of what is withdrawn go at once. */
class WithoutMarks extends Machine {
  #leaps = 0;

  override readonly markTime = (): number => {
    this.#leaps += 1;
    return this.#leaps * this.settleSeconds();
  };
}

/** Whose record is the last of a group goes on under every epoch. */
class WithoutSayingAgain extends SlowMachine {
  override async takeGroup(lease: MachineLease, group: string): Promise<void> {
    if ((await groupOwner(this.objects, group))?.machine !== lease.machine) await super.takeGroup(lease, group);
  }
}

/** What other machines have is believed for ever. */
class WithoutGenerations extends Machine {
  readonly #ever = new Set<string>();

  override readonly sawElsewhere = (keys: ReadonlySet<string>): void => {
    for (const key of keys) this.#ever.add(key);
  };

  override knowsElsewhere(session: Session, digest: Uint8Array): boolean {
    return this.mayUse(session, digest) && this.#ever.has(Buffer.from(digest).toString('hex'));
  }
}

/** A rule, broken: by which machine, and in which mixture that soon loses data. */
export interface BrokenRule {
  readonly rule: string;
  readonly machine: typeof Machine;
  readonly mixture?: Partial<Mixture>;
  /** It takes hundreds of runs, which is for test/torture. */
  readonly isRare?: true;
}

const BUSY = { writer: 3, deleter: 3, sweeper: 2, uploader: 3, snapshotter: 2, publisher: 4, forgetter: 2 };
export const PAUSES: Partial<Mixture> = {
  shares: { ...BUSY, refresher: 0, collector: 3, preparer: 2, ticker: 6 },
  ...{ steps: 1500, pauseEvery: 80, crashEvery: 2000, faultEvery: 100, machines: 2, tasks: 8 },
};
const SHARING: Partial<Mixture> = {
  shares: { ...BUSY, refresher: 4, collector: 3, preparer: 2, ticker: 6 },
  ...{ steps: 1500, pauseEvery: 2000, crashEvery: 2000, machines: 3 },
};
const FAULTS: Partial<Mixture> = {
  shares: { ...BUSY, refresher: 0, collector: 4, preparer: 2, ticker: 6 },
  ...{ steps: 1500, pauseEvery: 1000, crashEvery: 300, faultEvery: 8, machines: 2 },
};
const MARKS: Partial<Mixture> = { ...FAULTS, shares: { ...FAULTS.shares, publisher: 6, forgetter: 6, unmarker: 8 } };
const CLAIMS: Partial<Mixture> = {
  shares: { claimer: 6, leaver: 1, preparer: 1, ticker: 4 },
  ...{ steps: 1500, pauseEvery: 2000, crashEvery: 2000, faultEvery: 100, machines: 2, tasks: 3 },
};
/** One machine alone: what comes late are its own deletions. */
const LATE: Partial<Mixture> = {
  shares: { writer: 3, deleter: 12, sweeper: 8, uploader: 4, collector: 6, preparer: 1, ticker: 8 },
  ...{ steps: 2500, pauseEvery: 5000, crashEvery: 5000, faultEvery: 10, machines: 1, tasks: 6 },
};

export const BROKEN_RULES: readonly BrokenRule[] = [
  { rule: 'one of several conditional puts succeeds', machine: WithoutConditions, mixture: FAULTS },
  { rule: 'machines keep what they have', machine: WithoutKeeping },
  { rule: 'what is condemned is left alone until it is gone', machine: WithoutAvoiding, mixture: SHARING },
  { rule: 'who was taken for dead looks what is left', machine: WithoutCorrection, mixture: PAUSES },
  { rule: 'intents come before what is published', machine: WithoutIntents, mixture: PAUSES },
  { rule: 'intents of an ended epoch are revoked', machine: WithoutRevoking, mixture: PAUSES, isRare: true },
  { rule: 'the mark is completed after the answers', machine: WithoutSecondMark, mixture: PAUSES, isRare: true },
  { rule: 'deletions without an answer are waited out', machine: WithoutSettling, mixture: LATE },
  { rule: 'marks stay until nothing comes late', machine: WithoutMarks, mixture: MARKS },
  { rule: 'each epoch says which groups it writes to', machine: WithoutSayingAgain, mixture: CLAIMS },
  {
    rule: 'what others had before a collection proves nothing',
    machine: WithoutGenerations,
    mixture: SHARING,
    isRare: true,
  },
];
