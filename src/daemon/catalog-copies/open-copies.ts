import type { LiveStore } from '../../content/open-live-store.js';
import type { Log } from '../../core/log.js';
import { systemClock } from '../../core/time.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { CatalogCopies } from './copy-service.js';

/** The copies of an open datastore's catalog; they are made when asked for, and on time once started. */
export function openCatalogCopies(
  datastore: WritableDatastore,
  { packer, durability }: Pick<LiveStore, 'packer' | 'durability'>,
  log: Log,
): Promise<CatalogCopies> {
  const emptyJournal = async (): Promise<void> => {
    await packer.run();
    await durability.commitDurably();
  };
  return CatalogCopies.open(datastore, emptyJournal, systemClock, log);
}
