import { type Digest, digestHex } from '../../../src/core/digest.js';
import type { BucketRoots } from '../../../src/datastore/shared/bucket-collection.js';
import { takeGroup } from '../../../src/datastore/shared/group-leases.js';
import type { KnownElsewhere } from '../../../src/datastore/shared/known-elsewhere.js';
import type { MachineLease } from '../../../src/datastore/shared/machine-lease.js';
import { type LocalBeliefs, Membership, type Session } from '../../../src/datastore/shared/membership.js';
import { RoundLease, type RoundLeaseParts } from '../../../src/datastore/shared/round-lease.js';
import { namesBelow, type SharedObjects } from '../../../src/datastore/shared/shared-objects.js';
import { Watch } from '../../../src/datastore/shared/watch.js';
import { Turns } from '../chunk-life/turns.js';
import type { Random } from '../random.js';
import { type ModelBucket, ModelClient, REQUEST_LIFETIME, type WallClock } from './model-bucket.js';

export const LEASE = 60;
/** By clocks that are wrong by a tenth, with a sixth from the look at the lease to the signing. */
export const SETTLE = Math.ceil(REQUEST_LIFETIME * 1.6);

const CHUNKS = 6;
export const DIGESTS: readonly Digest[] = Array.from({ length: CHUNKS }, (_, n) => Buffer.alloc(32, n + 1));
const BY_KEY = new Map(DIGESTS.map((digest) => [digestHex(digest), digest]));
export const KEYS: readonly string[] = [...BY_KEY.keys()];
export const CHUNKS_FOLDER = '.chunks';
export const UNIT = /^host\/[^/]+\/\d+\/index\.json\.blob$/;

export function digestOf(key: string): Digest {
  return BY_KEY.get(key) as Digest;
}

export function chunkName(key: string): string {
  return `${CHUNKS_FOLDER}/${key}`;
}

interface Chunk {
  uploaded: boolean;
}

interface Snapshot {
  readonly keys: readonly string[];
  published: boolean;
}

/** What a machine has on its own disk: it outlives the process. */
export class LocalDisk {
  readonly chunks = new Map<string, Chunk>();
  readonly files = new Map<number, string>();
  readonly snapshots = new Map<string, Snapshot>();
  /** Units that were published, perhaps, and have been removed. */
  readonly withdrawn = new Set<string>();
  next = 0;

  named(): Set<string> {
    return new Set([...this.files.values(), ...[...this.snapshots.values()].flatMap(({ keys }) => keys)]);
  }
}

/** What all machines of a run have in common. */
export interface MachineParts {
  readonly id: string;
  readonly random: Random;
  readonly bucket: ModelBucket;
  readonly disk: LocalDisk;
  /** The machine's own clock. */
  readonly now: () => number;
  readonly wallClock: WallClock;
  readonly did: (what: string, times?: number) => void;
}

/**
 * One life of a machine: the protocol of src/ over a model of everything else. What a rule is about is a method of its
 * own, so that a test can put a faulty one in its place.
 */
export class Machine {
  readonly parts: MachineParts;
  readonly turns: Turns;
  readonly objects: SharedObjects;
  readonly membership: Membership;
  readonly watch: Watch;
  /** Chunks being uploaded, and by how many. */
  readonly held = new Map<string, number>();
  /** What is being done, one at a time of each: `collecting`, or the name of a unit that is published or withdrawn. */
  readonly doing = new Set<string>();
  /** Told what others had when that was looked at. */
  readonly sawElsewhere: (keys: ReadonlySet<string>) => void = () => undefined;
  /** By which it is told how long ago something was withdrawn. */
  readonly markTime: () => number = () => this.parts.now();
  /** What other machines have, as found in a session. */
  known: { readonly of: Session; readonly elsewhere: KnownElsewhere } | undefined;
  /** The epoch under which it was last told to be the writer of the group that all want. */
  wroteIn: number | undefined;

  constructor(parts: MachineParts) {
    this.parts = parts;
    this.turns = new Turns(parts.random);
    this.objects = this.makeClient();
    const { id } = parts;
    this.membership = new Membership({
      objects: this.objects,
      identity: { id, host: id },
      beliefs: this.beliefs(),
      listChunks: async () => {
        const names = new Set(await namesBelow(this.objects, CHUNKS_FOLDER));
        return (digest) => names.has(chunkName(digestHex(digest)));
      },
      recover: (lease) => new RoundLease(this.roundParts(lease)).recover(),
      now: () => this.markTime(),
      isOver: (unit) => unit.startsWith(`host/${id}/`) && !parts.disk.snapshots.has(unit),
    });
    this.watch = new Watch(this.objects, parts.now, this.leaseSeconds());
  }

  makeClient(): SharedObjects {
    const { bucket, random, wallClock } = this.parts;
    return new ModelClient(bucket, this.turns, random, wallClock);
  }

  leaseSeconds(): number {
    return LEASE;
  }

  settleSeconds(): number {
    return SETTLE;
  }

  beliefs(): LocalBeliefs {
    const { disk } = this.parts;
    return {
      wanted: async (digests) => {
        await this.turns.point();
        return digests.filter((digest) => disk.chunks.has(digestHex(digest)));
      },
      correct: async (isThere, revoked) => {
        for (const [key, chunk] of disk.chunks) {
          if (!isThere(digestOf(key))) chunk.uploaded = false;
        }
        for (const [unit, snapshot] of disk.snapshots) if (revoked.has(unit)) snapshot.published = false;
      },
    };
  }

  mayUse(session: Session, digest: Digest): boolean {
    return session.answers.mayUse(digest);
  }

  mayNote(session: Session): boolean {
    return session.isCurrent;
  }

  knowsElsewhere(session: Session, digest: Digest): boolean {
    return this.known?.of === session && this.known.elsewhere.has(digest);
  }

  takeGroup(lease: MachineLease, group: string): Promise<void> {
    const { id } = this.parts;
    return takeGroup({ objects: this.objects, identity: { id, host: id }, watch: this.watch }, lease, group);
  }

  publish(session: Session, unit: string, put: () => Promise<void>): Promise<void> {
    return session.lease.publish([unit], put);
  }

  roundParts(lease: MachineLease): RoundLeaseParts {
    const { id, now } = this.parts;
    return {
      ...{ objects: this.objects, lease, identity: { id, host: id }, watch: this.watch, now },
      settleSeconds: this.settleSeconds(),
      rest: () => this.turns.point(),
    };
  }

  roots(): BucketRoots {
    const marked = new Set<string>();
    const mark = async () => {
      for (const name of await namesBelow(this.objects, 'host')) {
        for (const key of await keysOf(this.objects, name)) marked.add(key);
      }
    };
    return { mark, has: (digest) => marked.has(digestHex(digest)) };
  }

  /** Nothing of this life goes on; requests that were sent may still be carried out. */
  die(): void {
    this.turns.end();
  }
}

/** What a unit names; nothing where it is not there. */
export async function keysOf(objects: SharedObjects, unit: string): Promise<string[]> {
  return unitKeys(await objects.get(unit).catch(() => undefined));
}

export function unitKeys(bytes: Buffer | undefined): string[] {
  return bytes === undefined ? [] : (JSON.parse(bytes.toString()) as string[]);
}
