import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { LiveStore } from '../../content/open-live-store.js';
import type { Problem } from '../../control/commands.js';
import type { SharedStatus } from '../../control/upload-commands.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import { machineOf } from '../../datastore/machine.js';
import type { WritableDatastore } from '../../datastore/open.js';
import type { MachineIdentity, MachineLease } from '../../datastore/shared/machine-lease.js';
import { Membership, type Session } from '../../datastore/shared/membership.js';
import { RoundLease, type RoundLeaseParts } from '../../datastore/shared/round-lease.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import { Watch } from '../../datastore/shared/watch.js';
import { listChunksThere, localBeliefs } from './local-beliefs.js';
import { Peers } from './peers.js';
import { PATIENCE_MS, within } from './within.js';
import { WritersOfGroups } from './writers-of-groups.js';

const DEFAULT_LEASE_SECONDS = 60;
/** src/datastore/shared/README.md says why. */
const DEFAULT_SETTLE_SECONDS = 45 * 60;
/** Heartbeats in a lease time. */
const BEATS_PER_LEASE = 6;
const LOOK_AGAIN_MS = 500;

/** What a machine's part in a shared object store consists of, besides itself. */
interface Joined {
  readonly identity: MachineIdentity;
  readonly membership: Membership;
  readonly writers: WritersOfGroups;
}

/**
 * This machine's part in an object store that several share (datastore/shared), on the thread of its catalog's writer: it
 * joins when the mount begins, shows that it lives, answers collections, and joins again where it was taken for dead.
 */
export class SharedStore {
  readonly leaseSeconds: number;
  readonly settleSeconds: number;
  readonly #objects: SharedObjects;
  readonly #datastore: WritableDatastore;
  readonly #live: LiveStore;
  readonly #log: Log;
  readonly #watch: Watch;
  readonly #peers: Peers;
  readonly #joined: Joined;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #error: unknown;
  readonly #ending = new AbortController();
  /** A collection of the object store runs here, which ends other machines' itself. */
  #isCollecting = false;
  /** One failed, and may not have been able to say so: others wait for it as long as this machine lives. */
  #mayHaveLeftRound = false;
  #since: number | undefined;
  #onRejoin: () => void = () => undefined;
  #onSession: () => void = () => undefined;

  private constructor(
    datastore: WritableDatastore,
    objects: SharedObjects,
    live: LiveStore,
    log: Log,
    machine: string,
  ) {
    this.#datastore = datastore;
    this.#objects = objects;
    this.#live = live;
    this.#log = log;
    const { leaseSeconds, settleSeconds } = datastore.config.s3 ?? {};
    this.leaseSeconds = leaseSeconds ?? DEFAULT_LEASE_SECONDS;
    this.settleSeconds = settleSeconds ?? DEFAULT_SETTLE_SECONDS;
    this.#watch = new Watch(objects, monotonicSeconds, this.leaseSeconds);
    this.#joined = this.#joinedAs({ id: machine, host: hostname() });
    this.#peers = new Peers(objects, this.#watch, machine);
  }

  /** Undefined where the datastore's object store is not one that machines can share, or there is none. */
  static async of(datastore: WritableDatastore, live: LiveStore, log: Log): Promise<SharedStore | undefined> {
    const shared = datastore.objects?.shared;
    if (shared === undefined) return undefined;
    const store = new SharedStore(datastore, shared, live, log, await machineOf(datastore.paths));
    await store.writers.load();
    return store;
  }

  /** Told when this machine was taken for dead, and knows again what is in the object store. */
  onRejoin(listener: () => void): void {
    this.#onRejoin = listener;
  }

  /** Told when it is known what is in the object store, so that it can be written to; also after each time it was not. */
  onSession(listener: () => void): void {
    this.#onSession = listener;
  }

  get machine(): string {
    return this.#joined.identity.id;
  }

  /** Who writes to which group. */
  get writers(): WritersOfGroups {
    return this.#joined.writers;
  }

  /** Whether no other machine has used the object store, as far as was looked. */
  get isAlone(): boolean {
    return this.#peers.isAlone;
  }

  /** Whether other machines use the object store, as far as was looked. */
  get hasPeers(): boolean {
    return this.#peers.list().length > 0;
  }

  /** Shows that the machine lives, from now on. */
  start(): void {
    const beat = (): void => {
      this.beat().catch(() => undefined);
    };
    this.#timer = setInterval(beat, (this.leaseSeconds / BEATS_PER_LEASE) * 1000);
    this.#timer.unref();
    beat();
  }

  /** Ends this machine's lease: no other one waits for it. What cannot be told now others find out. */
  async leave(): Promise<void> {
    await this.end();
    await this.#joined.membership.leave();
  }

  /** No sign of life is given any more. */
  async end(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#timer);
    await this.#beating?.catch(() => undefined);
    await this.#preparing;
  }

  /** The session; undefined while it is not known what is in the object store. */
  get session(): Session | undefined {
    const { session } = this.#joined.membership;
    return session?.isCurrent === true ? session : undefined;
  }

  /**
   * The session, as soon as there is one.
   * @throws {CairnError} what the object store failed with; `not-ready` where a collection has to end before; `interrupted`
   */
  async ensure(signal: AbortSignal): Promise<Session> {
    const until = monotonicSeconds() + this.leaseSeconds;
    for (;;) {
      const before = this.session;
      if (before !== undefined) return before;
      if (signal.aborted || this.#ending.signal.aborted) throw new CairnError('interrupted', 'Given up');
      await this.beat();
      await this.#preparing;
      const { session } = this;
      if (session !== undefined) return session;
      if (this.#error !== undefined) throw this.#error;
      if (monotonicSeconds() > until) {
        throw new CairnError('not-ready', 'A collection of the object store has to end first; it is waited for');
      }
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** Shows that the machine lives and looks where collections are, now. @throws {CairnError} */
  beat(): Promise<void> {
    if (this.#ending.signal.aborted) return Promise.resolve();
    this.#beating ??= this.#tick().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  /**
   * Runs a collection of the object store, while this machine ends no others.
   * @throws {CairnError} `not-ready` where one that was interrupted is being ended
   */
  async collecting<T>(work: () => Promise<T>): Promise<T> {
    await within(this.#preparing ?? Promise.resolve(), PATIENCE_MS);
    if (this.#preparing !== undefined) {
      throw new CairnError('not-ready', 'A collection of the object store that was interrupted is being ended');
    }
    this.#isCollecting = true;
    try {
      return await work();
    } catch (error) {
      this.#mayHaveLeftRound = true;
      throw error;
    } finally {
      this.#isCollecting = false;
    }
  }

  status(): SharedStatus {
    const { identity, membership } = this.#joined;
    return {
      ...{ machine: identity.id, host: identity.host, epoch: membership.lease?.epoch ?? null },
      ...{ since: this.#since ?? null, ready: this.session !== undefined },
      peers: this.#peers.list(),
      others: this.writers.others(),
    };
  }

  /** Undefined where the object store does not answer soon. */
  async #sessionSoon(): Promise<Session | undefined> {
    const session = this.ensure(this.#ending.signal).catch(() => undefined);
    return (await within(session, PATIENCE_MS)) ?? this.session;
  }

  /** What an operator should know. */
  problems(): Problem[] {
    const lost = this.writers.others().filter(({ wasOurs }) => wasOurs);
    return lost.map(({ group, writer }) => ({
      kind: 'group-writer',
      message: `The group ${group} is written by ${writer}: its live tree here can only be read`,
    }));
  }

  #joinedAs(identity: MachineIdentity): Joined {
    const beliefParts = { datastore: this.#datastore, live: this.#live, log: this.#log };
    const writers = new WritersOfGroups({
      ...{ objects: this.#objects, identity, watch: this.#watch, paths: this.#datastore.paths },
      session: () => this.session ?? this.#sessionSoon(),
    });
    const membership = new Membership({
      ...{ objects: this.#objects, identity },
      beliefs: localBeliefs(beliefParts, (group) => writers.isOurs(group)),
      listChunks: () => listChunksThere(this.#objects),
      now: monotonicSeconds,
      // Each has a name of its own. To whom a snapshot's group belonged is not to be seen.
      isOver: (unit) => unit.startsWith(`pins/${identity.id}/`),
      recover: (lease) => this.#endRound(lease, identity),
    });
    return { identity, membership, writers };
  }

  /** Ends a collection whose collector has gone, and one of this machine's that has failed. */
  async #endRound(lease: MachineLease, identity: MachineIdentity): Promise<void> {
    if (this.#isCollecting) return;
    await new RoundLease(this.#roundParts(lease, identity)).recover();
    this.#mayHaveLeftRound = false;
  }

  async #endLeftRound(): Promise<void> {
    const { membership, identity } = this.#joined;
    const { lease } = membership;
    if (this.#mayHaveLeftRound && lease !== undefined) await this.#endRound(lease, identity);
  }

  async #tick(): Promise<void> {
    const { membership } = this.#joined;
    const epoch = membership.lease?.epoch;
    try {
      await membership.tick();
      this.#error = undefined;
      await this.#peers.look();
    } catch (error) {
      if (kindOf(error) === 'stale' && membership.lease === undefined) {
        this.#log.warn({}, 'Other machines took this one for dead; it joins again');
        this.#onRejoin();
      } else this.#error = error;
    }
    if (membership.lease !== undefined && membership.lease.epoch !== epoch) this.#since = Date.now() / 1000;
    this.#prepare();
  }

  #prepare(): void {
    if (this.#ending.signal.aborted || this.#preparing !== undefined) return;
    const { membership } = this.#joined;
    const was = this.session;
    const preparing = membership
      .prepare()
      .then(() => this.#endLeftRound())
      .catch((error: unknown) => {
        this.#error = error;
      })
      .finally(() => {
        this.#preparing = undefined;
        if (this.session !== undefined && this.session !== was) this.#onSession();
      });
    this.#preparing = preparing;
  }

  #roundParts(lease: MachineLease, identity: MachineIdentity): RoundLeaseParts {
    return {
      ...{ objects: this.#objects, lease, identity, watch: this.#watch, now: monotonicSeconds },
      settleSeconds: this.settleSeconds,
      rest: async () => {
        if (this.#ending.signal.aborted) throw new CairnError('interrupted', 'Given up');
        await pause(LOOK_AGAIN_MS);
      },
    };
  }
}

/** Seconds of a clock that is never set. */
export function monotonicSeconds(): number {
  return performance.now() / 1000;
}
