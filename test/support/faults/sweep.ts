import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type IoAction, type IoOperation, type IoOrder, IoShim, type PathClass } from '../io-shim.js';
import { withStore } from '../mounted-store.js';
import type { Random } from '../random.js';
import { type FaultCounts, FaultyStore } from './faulty-store.js';
import { GROUP } from './files.js';
import { FAULT_OPERATIONS } from './operations.js';

/** What may be done to a call: e.g. a write that was not done, that was done by half, that was done and told as failed. */
type Fault = Pick<IoOrder, 'action' | 'error'>;

const fail = (error: string): Fault => ({ action: 'fail', error });
const SHORT: Fault = { action: 'short', error: 'ENOSPC' };
const TORN: Fault = { action: 'done-and-fail' as IoAction, error: 'EIO' };

const FAULTS_OF: Partial<Record<IoOperation, readonly Fault[]>> = {
  write: [fail('EIO'), fail('ENOSPC'), SHORT, TORN],
  create: [fail('ENOSPC'), fail('EACCES')],
  sync: [fail('EIO'), fail('EDQUOT'), TORN],
  rename: [fail('EIO'), fail('EROFS'), TORN],
  link: [fail('EIO'), TORN],
  mkdir: [fail('ENOSPC'), TORN],
  truncate: [fail('EIO'), TORN],
  allocate: [fail('ENOSPC')],
  unlink: [fail('EIO'), TORN],
};
const OTHER_FAULTS: readonly Fault[] = [fail('EIO')];
/** Calls of one kind that are failed each; of more, ever fewer are (folders are listed entry by entry). */
const EACH_UP_TO = 12;

/** A kind of call that an operation makes, and what is to be done to one of them. */
export interface FaultKind {
  readonly operation: string;
  readonly pathClass: PathClass;
  readonly call: IoOperation;
  readonly fault: Fault;
  /** How many such calls it makes when nothing fails. */
  readonly calls: number;
}

/** Makes a store whose disk can fail. */
export async function withFaultyStore(
  random: Random,
  body: (store: FaultyStore) => Promise<void>,
): Promise<FaultCounts> {
  let counts: FaultCounts | undefined;
  await withStore(
    async (store) => {
      const shim = new IoShim(join(store.folder, 'order'), store.store);
      try {
        store.environment = shim.environment;
        await store.mount();
        mkdirSync(join(store.mountpoint, GROUP), { recursive: true });
        const faulty = new FaultyStore(store, shim, random);
        await faulty.snapshots.make();
        await body(faulty);
        await faulty.judge();
        counts = faulty.counts;
      } finally {
        shim.disarm();
        shim.close();
      }
    },
    { mount: false },
  );
  return counts as FaultCounts;
}

/** Everything that can go wrong once in an operation, as far as it makes such calls when nothing fails. */
export async function faultKindsOf(store: FaultyStore, operation: string): Promise<FaultKind[]> {
  const counts = await store.count(FAULT_OPERATIONS[operation]!);
  return [...counts].flatMap(([key, calls]) => {
    const [call, pathClass] = key.split(' ') as [IoOperation, PathClass];
    return (FAULTS_OF[call] ?? OTHER_FAULTS).map((fault) => ({ operation, pathClass, call, fault, calls }));
  });
}

/**
 * Fails the first, second … call of a kind until there is none.
 * @returns how many calls were failed
 */
export async function sweep(store: FaultyStore, kind: FaultKind): Promise<number> {
  let failed = 0;
  for (let nth = 1; await tryFault(store, kind, nth); nth += nth < EACH_UP_TO ? 1 : Math.ceil(nth / 4)) failed += 1;
  return failed;
}

/** One trial. @param nth which call of the kind, from 1. @returns whether there was such a call */
export function tryFault(store: FaultyStore, kind: FaultKind, nth: number, fromThen = false): Promise<boolean> {
  const order = { ...kind.fault, classes: [kind.pathClass], operations: [kind.call], nth, fromThen };
  return store.try(FAULT_OPERATIONS[kind.operation]!, order);
}
