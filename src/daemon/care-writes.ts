import type { Catalog } from '../catalog/open.js';
import { CatalogChunkStates } from '../content/catalog-chunk-states.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { Digest } from '../core/digest.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { CareWrites, VerifiedChunk, VerifiedSnapshot } from '../maintenance/job/care-writes.js';
import { inTurns } from '../snapshot/create/turns.js';
import type { SnapshotMarks } from '../snapshot/marks.js';

/** What jobs that verify and repair write, done by the one thread that may. */
export class CatalogCareWrites implements CareWrites {
  readonly #datastore: WritableDatastore;
  readonly #live: LiveStore;
  readonly #marks: SnapshotMarks;
  readonly #states: CatalogChunkStates;

  constructor(datastore: WritableDatastore, live: LiveStore, marks: SnapshotMarks) {
    this.#datastore = datastore;
    this.#live = live;
    this.#marks = marks;
    const { catalog, chunks } = datastore;
    this.#states = new CatalogChunkStates({ catalog, chunks, durability: live.durability, log: live.parts.log });
  }

  async verified(chunks: readonly VerifiedChunk[], atSeconds: number): Promise<void> {
    const { catalog, chunks: store } = this.#datastore;
    const isBad = ({ digest }: VerifiedChunk) => catalog.chunks.find(digest)?.state === 'bad';
    const back = chunks.filter(isBad);
    // Present means durable: what was bad until now may have been put back a moment ago.
    if (back.length > 0) await store.sync();
    await this.#live.parts.log.backgroundTurn();
    for (const chunk of back) {
      await store.whileStanding(chunk.digest, chunk.storedLength, () => noteVerified(catalog, chunk, atSeconds));
    }
    await inTurns(chunks, (chunk) => {
      if (!isBad(chunk)) noteVerified(catalog, chunk, atSeconds);
    });
  }

  async markBad(digest: Digest, length: number): Promise<boolean> {
    await this.#live.parts.log.backgroundTurn();
    const { chunks } = this.#datastore.catalog;
    const known = chunks.find(digest);
    // An index file of another program's snapshot may be the first to name it.
    if (known === undefined) chunks.setPresent(digest, length, 0);
    else if (known.state === 'absent' || known.state === 'quarantined') return false;
    await this.#states.forget([digest], 'bad');
    return true;
  }

  snapshotVerified({ group, time, state, startedAt }: VerifiedSnapshot): Promise<boolean> {
    return this.#marks.verified({ group, which: time }, { state, startedAt });
  }

  async commit(): Promise<void> {
    if (this.#live.parts.log.failure === undefined) await this.#live.durability.commitDurably();
  }

  async settle(): Promise<void> {
    // What cannot be packed, since it is damaged itself, stays in the journal.
    if (this.#live.parts.log.failure === undefined) await this.#live.packer.run().catch(() => undefined);
    await this.commit();
  }
}

function noteVerified({ chunks }: Pick<Catalog, 'chunks'>, chunk: VerifiedChunk, atSeconds: number): void {
  const { digest, length, storedLength } = chunk;
  const known = chunks.find(digest);
  if (known === undefined || known.state === 'absent' || known.state === 'quarantined') return;
  const differs = known.state === 'bad' || known.length !== length || known.stored !== storedLength;
  if (differs) chunks.setPresent(digest, length, storedLength);
  chunks.setVerified(digest, atSeconds);
}
