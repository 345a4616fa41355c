import type { ChunkGuards } from '../../../src/chunkstore/guards.js';
import type { SweepGuards } from '../../../src/chunkstore/removal.js';
import { CatalogChunkStates } from '../../../src/content/catalog-chunk-states.js';
import type { SinkCatalog } from '../../../src/content/chunk-sink.js';
import type { SyncedStore } from '../../../src/content/durability.js';
import { writersKnowledge } from '../../../src/content/open-live-store.js';
import { type Digest, digestHex } from '../../../src/core/digest.js';
import type { HoldScope } from '../../../src/native/holds.js';
import { collector, committer, deleter, forgetter, snapshotJob, writer } from './actors.js';
import { DiskBackend } from './disk.js';
import type { Tables } from './model-catalog.js';
import type { Mixture } from './run.js';
import { chunkOf, lengthsOf, rowsOf, stateTurns, World } from './world.js';

// Lives of a daemon that break one rule of the protocol each, by one part that does not do what it should. The first
// eight are the clauses of the reference model.

/** Writers do not hold what they use. */
class WithoutHold extends World {
  override guards(holds: HoldScope): ChunkGuards {
    return { ...super.guards(holds), hold: () => undefined, release: () => undefined };
  }
}

/** Holds end when they are ended, sweep or no sweep. */
class WithoutHoldThroughSweep extends World {
  override sweepGuards(): SweepGuards {
    let running = false;
    const begin = () => {
      const free = !running;
      running = true;
      return free;
    };
    return { ...super.sweepGuards(), begin, end: () => undefined };
  }
}

/** Nobody waits for anybody else's work on a chunk. */
class WithoutDigestLock extends World {
  override guards(holds: HoldScope): ChunkGuards {
    return { ...super.guards(holds), lock: () => undefined, tryLock: () => true, unlock: () => undefined };
  }
}

/** The collector reads the live tree as it goes along instead of one picture of it. */
class WithoutOneRootPicture extends World {
  override async mark(open: (work: () => Tables) => Promise<Tables>): Promise<Set<string>> {
    const { files } = (await open(() => this.catalog.committed)).copy();
    const marked = new Set<string>();
    for (const file of files.keys()) {
      await this.turns.point();
      const only = this.catalog.committed.copy();
      const id = only.files.get(file);
      only.files.clear();
      if (id !== undefined) only.files.set(file, id);
      for (const key of only.named()) marked.add(key);
    }
    return marked;
  }
}

/** What stands on the disk is believed, whoever left it there. */
class WithoutKnownMeansDurable extends World {
  override knowledge(): SinkCatalog {
    const findPresent = (digest: Digest) =>
      this.disk.at(chunkOf(digestHex(digest)).name) && {
        ...lengthsOf(digest),
        state: 'present' as const,
        verifiedAt: 0,
      };
    return { ...super.knowledge(), findPresent };
  }
}

/** A barrier syncs the journal alone. */
class WithoutSyncBeforeCommit extends World {
  override synced(): SyncedStore {
    return { sync: async () => undefined, counters: this.chunks.counters };
  }
}

/** Files go before it is durable that nothing refers to them. */
class WithoutForgetFirst extends World {
  override makeStates(): CatalogChunkStates {
    const { chunks, log } = this;
    const durability = { commitDurably: async () => undefined };
    return new CatalogChunkStates(
      { catalog: { chunks: rowsOf(this.catalog) }, chunks, durability, log },
      stateTurns(this),
    );
  }
}

/** A put takes away what stands there before its own bytes are durable. */
class WithoutRecheckOnInsert extends World {
  override makeBackend(): DiskBackend {
    return new (class extends DiskBackend {
      protected override replaces(): boolean {
        return false;
      }
    })(this.disk, this.turns);
  }
}

/** Jobs do not say that they have a picture open. */
class WithoutPictures extends World {
  override async openPicture(): Promise<() => void> {
    return () => undefined;
  }
}

/** A collector takes away files that the writer's next barrier asks for. */
class WithoutSyncWhenForgetting extends World {
  override makeStates(): CatalogChunkStates {
    const { durability, log } = this;
    const chunks = { sync: async () => undefined };
    return new CatalogChunkStates(
      { catalog: { chunks: rowsOf(this.catalog) }, chunks, durability, log },
      stateTurns(this),
    );
  }
}

/** What a killed process left is committed without being synced. */
class WithoutSyncAfterReplay extends World {
  override async recover(): Promise<void> {}
}

/** A bad chunk that is stored anew gets another id, which old sets do not hold. */
class WithoutLastingIds extends World {
  override knowledge(): SinkCatalog {
    const real = rowsOf(this.catalog);
    const setPresent = (digest: Digest) => {
      if (this.catalog.open.find(digest)?.state === 'bad') this.catalog.open.forgetRow(digest);
      real.setPresent(digest);
    };
    return writersKnowledge({ ...real, setPresent }, this.chunks);
  }
}

/** A rule, broken: by which world, and in which mixture of actors that soon loses data. */
export interface BrokenRule {
  readonly rule: string;
  readonly world: typeof World;
  readonly mixture?: Partial<Mixture>;
}

const DELETING: Partial<Mixture> = {
  actors: [writer, deleter, deleter, committer, collector],
  chunks: 2,
  crashEvery: 25,
};
const SNAPSHOTS: Partial<Mixture> = {
  actors: [writer, writer, deleter, deleter, committer, collector, snapshotJob, forgetter],
  tasks: 5,
  chunks: 6,
  crashEvery: 400,
};
export const BROKEN_RULES: readonly BrokenRule[] = [
  { rule: 'hold', world: WithoutHold },
  { rule: 'holdThroughSweep', world: WithoutHoldThroughSweep },
  { rule: 'digestLock', world: WithoutDigestLock },
  { rule: 'oneRootPicture', world: WithoutOneRootPicture },
  { rule: 'knownMeansDurable', world: WithoutKnownMeansDurable },
  { rule: 'syncBeforeCommit', world: WithoutSyncBeforeCommit },
  { rule: 'forgetFirst', world: WithoutForgetFirst, mixture: DELETING },
  { rule: 'recheckOnInsert', world: WithoutRecheckOnInsert },
  { rule: 'pictures', world: WithoutPictures, mixture: SNAPSHOTS },
  { rule: 'syncWhenForgetting', world: WithoutSyncWhenForgetting },
  { rule: 'syncAfterReplay', world: WithoutSyncAfterReplay },
  { rule: 'lastingIds', world: WithoutLastingIds },
];
