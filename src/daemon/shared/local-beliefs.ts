import { hasBytes } from '../../backend/cache/placeholder.js';
import { openCatalogReader } from '../../catalog/open-reader.js';
import { processGuards, withLock } from '../../chunkstore/guards.js';
import { chunkName, chunkOfName } from '../../chunkstore/layout.js';
import type { LiveStore } from '../../content/open-live-store.js';
import { DIGEST_BYTES, type Digest } from '../../core/digest.js';
import type { Log } from '../../core/log.js';
import type { WritableDatastore } from '../../datastore/open.js';
import type { LocalBeliefs } from '../../datastore/shared/membership.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import { UNCERTAIN } from '../../maintenance/upload/upload-parts.js';
import { groupOfFile } from '../../maintenance/upload/written-groups.js';

const ROWS_AT_ONCE = 500;
const LISTED_AT_ONCE = 65_536;

/** What beliefs are looked up and corrected in. */
export interface BeliefParts {
  readonly datastore: Pick<WritableDatastore, 'catalog' | 'config' | 'paths'>;
  readonly live: Pick<LiveStore, 'durability' | 'parts'>;
  readonly log: Log;
}

/** What this machine has, and takes to be in the object store, by its catalog. */
export function localBeliefs(parts: BeliefParts, isOurs: (group: string) => boolean): LocalBeliefs {
  return {
    wanted: (digests) => wanted(parts, digests),
    correct: (isThere, revoked) => correct(parts, isThere, revoked, isOurs),
  };
}

/** Whatever the catalog does not know as gone; what it does is so durably when this resolves. */
async function wanted({ datastore, live }: BeliefParts, digests: readonly Digest[]): Promise<Digest[]> {
  const { chunks } = datastore.catalog;
  const kept: Digest[] = [];
  for (let done = 0; done < digests.length; done += ROWS_AT_ONCE) {
    await live.parts.log.backgroundTurn();
    for (const digest of digests.slice(done, done + ROWS_AT_ONCE)) {
      if ((chunks.find(digest)?.state ?? 'absent') !== 'absent') kept.push(digest);
    }
  }
  if (kept.length < digests.length && live.parts.log.failure === undefined) await live.durability.commitDurably();
  return kept;
}

/** What is missing there comes into the queue again where it is here; of what is nowhere nothing is believed any more. */
async function correct(
  { datastore, live, log }: BeliefParts,
  isThere: (digest: Digest) => boolean,
  revoked: ReadonlySet<string>,
  isOurs: (group: string) => boolean,
): Promise<void> {
  if (live.parts.log.failure !== undefined) return;
  const { catalog, paths, config } = datastore;
  await live.durability.commitDurably();
  const reader = openCatalogReader(paths.catalog);
  let again = 0;
  let lost = 0;
  try {
    for (let after = 0; ; ) {
      await live.parts.log.backgroundTurn();
      const rows = reader.uploads.listUploaded(after, ROWS_AT_ONCE);
      const gone = rows.filter(({ digest }) => !isThere(digest));
      for (const { digest, chunk } of gone) {
        await withLock(processGuards(), digest, async () => {
          if (await hasBytes(`${paths.root}/${chunkName(digest, config.prefixDigits)}`)) {
            catalog.uploads.addAgain([chunk]);
            again += 1;
          } else if (catalog.chunks.setState(digest, 'bad')) lost += 1;
        });
      }
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.chunk;
    }
  } finally {
    reader.close();
  }
  const units = [...revoked].filter((unit) => {
    const group = groupOfFile(unit);
    return group !== undefined && isOurs(group);
  });
  for (let done = 0; done < units.length; done += ROWS_AT_ONCE) {
    await live.parts.log.backgroundTurn();
    catalog.uploads.noteFiles(
      units.slice(done, done + ROWS_AT_ONCE).map((path) => ({ path, identity: UNCERTAIN })),
      [],
    );
  }
  await live.durability.commitDurably();
  if (again > 0) log.info({ chunks: again }, 'Chunks that are not in the object store any more are uploaded again');
  if (lost > 0) log.warn({ chunks: lost }, 'Chunks were collected while other machines took this one for dead');
}

/** The chunks in the object store. @returns whether it has one */
export async function listChunksThere(objects: Pick<SharedObjects, 'list'>): Promise<(digest: Digest) => boolean> {
  const there = new SortedDigests();
  for await (const name of objects.list('.chunks')) {
    const digest = chunkOfName(name);
    if (digest !== undefined) there.add(digest);
  }
  there.sort();
  return (digest) => there.has(digest);
}

/** Many digests in little room. */
class SortedDigests {
  #bytes = Buffer.alloc(LISTED_AT_ONCE * DIGEST_BYTES);
  #count = 0;
  #isSorted = true;

  add(digest: Digest): void {
    const at = this.#count * DIGEST_BYTES;
    if (at === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(at)]);
    this.#bytes.set(digest, at);
    this.#isSorted &&= this.#count === 0 || this.#at(this.#count - 1).compare(digest) < 0;
    this.#count += 1;
  }

  /** Servers list in order as a rule. */
  sort(): void {
    if (this.#isSorted) return;
    const all = Array.from({ length: this.#count }, (_, index) => this.#at(index));
    this.#bytes = Buffer.concat(all.sort((a, b) => a.compare(b)));
    this.#isSorted = true;
  }

  has(digest: Digest): boolean {
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#at(middle).compare(digest);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }

  #at(index: number): Buffer {
    return this.#bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }
}
