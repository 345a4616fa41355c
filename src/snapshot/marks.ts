import type { Catalog } from '../catalog/open.js';
import type { SnapshotFacts } from '../catalog/snapshots.js';
import type { ChangeLog } from '../content/change-log.js';
import type { Durability } from '../content/durability.js';
import { CairnError, kindOf } from '../core/errors.js';
import type { GroupName } from '../core/group.js';
import { formatTreeName, type TreeName } from '../core/tree-name.js';
import type { JsonObject } from '../index/canonical-json.js';
import { type Manifest, withUnprotected } from '../index/manifest.js';
import { loadManifest, putManifest } from '../index/publish.js';
import { isMarkedProtected, markProtected, snapshotPath, unmarkProtected } from '../index/snapshot-folder.js';
import { type VerifyOutcome, verifyOutcomeOf, withVerifyOutcome } from '../index/verify-state.js';
import { type FoundSnapshot, requireSnapshot } from './find-snapshot.js';

/** What marking snapshots needs of a datastore. */
export interface MarkParts {
  readonly catalog: Catalog;
  readonly log: Pick<ChangeLog, 'requireWorking'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
  /** The datastore's folder. */
  readonly store: string;
}

/** Marks of a snapshot as others have set them. */
export interface SnapshotMarking {
  /** What its manifest's signature does not cover: notes and what verifying found; null: as it is here. */
  readonly unprotected: JsonObject | null;
  readonly isProtected: boolean;
}

/** Longest notes, bytes of UTF-8: they are part of the manifest, which is read whole. */
const MAX_NOTES_BYTES = 32 * 1024;

/** Forbids to forget snapshots or allows it, and writes notes to them; one manifest is rewritten at a time. */
export class SnapshotMarks {
  readonly #parts: MarkParts;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: MarkParts) {
    this.#parts = parts;
  }

  /**
   * Puts PBS's marker into the snapshot's folder, or takes it away, and notes it in the catalog. Durable when it resolves.
   * @throws {CairnError} `not-found`, `read-only`, and what writing gives
   */
  async protect(name: TreeName, isProtected: boolean): Promise<void> {
    const { catalog, durability, log, store } = this.#parts;
    log.requireWorking();
    const { group, snapshot } = requireSnapshot(catalog, name);
    const folder = snapshotPath(store, group.name, snapshot.time);
    if (isProtected) {
      // The row comes first: from here on nobody begins to forget it.
      catalog.snapshots.update(snapshot.archive, { isProtected });
      try {
        await markProtected(folder);
      } catch (error) {
        catalog.snapshots.update(snapshot.archive, { isProtected: snapshot.isProtected });
        throw error;
      }
    } else {
      await unmarkProtected(folder);
      requireSnapshot(catalog, { group: group.name, which: snapshot.time });
      catalog.snapshots.update(snapshot.archive, { isProtected });
    }
    await durability.commitDurably();
  }

  /**
   * Sets the notes in the manifest's unsigned part, as PBS does, and in the catalog; empty ones are removed.
   * @throws {CairnError} `not-found`, `too-large`, `read-only`, `corrupt` manifest, and what writing gives
   */
  note(name: TreeName, text: string): Promise<void> {
    const noting = this.#last.then(() => this.#note(name, text));
    this.#last = noting.catch(() => undefined);
    return noting;
  }

  /**
   * Notes in manifest and catalog what verifying the snapshot found; not durable before the next commit.
   * @returns false where the snapshot has gone, or has no manifest that could be written to
   */
  verified(name: TreeName, outcome: VerifyOutcome): Promise<boolean> {
    const noting = this.#last.then(() => this.#verified(name, outcome));
    this.#last = noting.then(
      () => undefined,
      () => undefined,
    );
    return noting;
  }

  /**
   * Gives a snapshot the marks that whoever writes to its group has set; not durable before the next commit.
   * @returns whether it had others; false where it has gone, or its manifest here is damaged
   */
  takeOver(group: GroupName, time: number, marking: SnapshotMarking): Promise<boolean> {
    const marked = this.#last.then(() => this.#takeOver(group, time, marking));
    this.#last = marked.then(
      () => undefined,
      () => undefined,
    );
    return marked;
  }

  async #takeOver(group: GroupName, time: number, marking: SnapshotMarking): Promise<boolean> {
    const { catalog, store } = this.#parts;
    const row = catalog.groups.findByName(group);
    const snapshot = row && catalog.snapshots.findByTime(row.id, time);
    if (snapshot?.state !== 'finished') return false;
    const folder = snapshotPath(store, group, time);
    try {
      const { isProtected, unprotected } = marking;
      const isTurned = (await isMarkedProtected(folder)) !== isProtected;
      if (isTurned) await (isProtected ? markProtected(folder) : unmarkProtected(folder));
      const manifest = unprotected && withUnprotected(await loadManifest(folder), unprotected);
      if (manifest !== null) await putManifest(folder, manifest);
      const marks = manifest === null ? {} : marksIn(manifest);
      if (catalog.snapshots.find(snapshot.archive) !== undefined) {
        catalog.snapshots.update(snapshot.archive, { isProtected, ...marks });
      }
      return isTurned || manifest !== null;
    } catch (error) {
      if (kindOf(error) === 'corrupt' || kindOf(error) === 'not-found') return false;
      throw error;
    }
  }

  async #verified({ group, which }: TreeName, outcome: VerifyOutcome): Promise<boolean> {
    const { catalog, log, store } = this.#parts;
    log.requireWorking();
    const row = catalog.groups.findByName(group);
    const snapshot = row && typeof which === 'number' ? catalog.snapshots.findByTime(row.id, which) : undefined;
    if (snapshot?.state === 'finished') {
      catalog.snapshots.update(snapshot.archive, { verifyState: outcome.state, verifiedAt: outcome.startedAt });
    }
    const folder = snapshotPath(store, group, which as number);
    try {
      await putManifest(folder, withVerifyOutcome(await loadManifest(folder), outcome, snapshot?.archive ?? 0));
      return true;
    } catch (error) {
      // A damaged manifest is part of what was found.
      if (kindOf(error) === 'corrupt' || kindOf(error) === 'not-found') return false;
      throw error;
    }
  }

  async #note(name: TreeName, text: string): Promise<void> {
    const { catalog, durability, log, store } = this.#parts;
    log.requireWorking();
    if (Buffer.byteLength(text) > MAX_NOTES_BYTES) {
      throw new CairnError('too-large', `The notes are longer than ${MAX_NOTES_BYTES} bytes`);
    }
    const { group, snapshot } = requireSnapshot(catalog, name);
    const folder = snapshotPath(store, group.name, snapshot.time);
    const manifest = await loadManifest(folder);
    const { notes: _before, ...rest } = manifest.unprotected;
    await putManifest(folder, withUnprotected(manifest, text === '' ? rest : { ...rest, notes: text }));
    if (catalog.snapshots.find(snapshot.archive) === undefined) {
      throw new CairnError('not-found', `Snapshot ${formatTreeName(name)} was forgotten meanwhile`);
    }
    catalog.snapshots.update(snapshot.archive, { notes: text });
    await durability.commitDurably();
  }
}

/** What the catalog has of a manifest's unprotected part. */
export function marksIn(manifest: Manifest): Pick<SnapshotFacts, 'notes' | 'verifyState' | 'verifiedAt'> {
  const { notes } = manifest.unprotected;
  const verified = verifyOutcomeOf(manifest);
  return {
    notes: typeof notes === 'string' ? notes : '',
    verifyState: verified?.state ?? 'none',
    verifiedAt: verified?.startedAt ?? 0,
  };
}

/**
 * The notes of a snapshot as its manifest has them; empty where it has none.
 * @param store the datastore's folder
 * @throws {CairnError} `corrupt`, and what reading gives
 */
export async function readNotes(store: string, { group, snapshot }: FoundSnapshot): Promise<string> {
  const { notes } = (await loadManifest(snapshotPath(store, group.name, snapshot.time))).unprotected;
  return typeof notes === 'string' ? notes : '';
}
