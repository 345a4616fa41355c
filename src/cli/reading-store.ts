import { digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { openDatastoreReader, type ReadableDatastore } from '../datastore/open.js';
import { complain } from './output.js';

/** More chunks that could not be had are left to the next verification. */
const MOST_NOTED = 10_000;

/**
 * Opens a datastore for a command that reads chunks, whoever else has it open. Chunks the command could not have are verified
 * when it has ended, so that everybody knows from then on what is damaged; where that cannot be noted, a line on stderr says so.
 * @throws {CairnError} as `openDatastoreReader`, and what the work gives
 */
export async function withReader<T>(store: string, work: (datastore: ReadableDatastore) => Promise<T>): Promise<T> {
  const datastore = await openDatastoreReader(store);
  const missed = new Set<string>();
  datastore.chunks.onDamage(({ digest }) => {
    if (missed.size < MOST_NOTED) missed.add(digestHex(digest));
  });
  try {
    return await work(datastore);
  } finally {
    datastore.close();
    if (missed.size > 0) await note(store, [...missed]);
  }
}

async function note(store: string, digests: string[]): Promise<void> {
  try {
    const { askCare } = await import('./care-asking.js');
    const { damaged } = await askCare(store, 'verify-suspects', { digests });
    if (damaged.length > 0) complain(`${damaged.length} chunks are damaged: "cairn repair" names the files concerned`);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const reason = `that cannot be noted now (${error.message})`;
    complain(`${digests.length} chunks cannot be read, and ${reason}: run "cairn verify" on ${store}`);
  }
}
