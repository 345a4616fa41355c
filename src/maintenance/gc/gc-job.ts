import type { MessagePort } from 'node:worker_threads';
import { ROWS_PER_REQUEST, slices } from '../../chunkstore/batches.js';
import type { ChunkStates, StateChange } from '../../chunkstore/chunk-states.js';
import { chunkName } from '../../chunkstore/layout.js';
import { Quarantine } from '../../chunkstore/quarantine.js';
import { beginSweep } from '../../chunkstore/removal.js';
import { setAside } from '../../chunkstore/set-aside.js';
import type { Digest } from '../../core/digest.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { JobPort } from '../job/job-port.js';
import { type FileLook, filesInFolder, filesOnMembers } from './chunk-files.js';
import { ClockWatch } from './clock-watch.js';
import { collect } from './collect.js';
import type { GcParts } from './gc-parts.js';
import type { GcAsks, GcJobOptions } from './gc-protocol.js';
import { packDigests } from './packed-digests.js';

/** The job's side of a collection. @param look looks at a file by its absolute path */
export async function serveGcJob(options: GcJobOptions, port: MessagePort, look: FileLook): Promise<void> {
  const owner = new JobPort<GcAsks>(port);
  await owner.serve(async () => {
    const datastore = await openDatastoreReader(options.store);
    try {
      const { backend, config, catalog, chunks, spread } = datastore;
      const { prefixDigits } = config;
      const states = statesOf(owner);
      const files = spread ? filesOnMembers(spread.spread, look) : filesInFolder(options.store, backend, look);
      const parts: GcParts = {
        options,
        reader: catalog,
        clock: new ClockWatch(),
        quarantine: new Quarantine({ backend, prefixDigits, states, bytes: files.bytes }),
        beginSweep: (since) => beginSweep({ backend, prefixDigits, states, since }),
        setAside: (digest) => setAside({ backend, prefixDigits, chunks, states }, digest),
        chunkBytes: (digest) => backend.size(chunkName(digest, prefixDigits)),
        files,
        ask: (name, payload) => owner.ask(name, payload),
        progress: (progress) => owner.progress(progress),
        goOn: () => owner.goOn(),
      };
      return await collect(parts);
    } finally {
      datastore.close();
    }
  });
}

/** The catalog's writer, at the other end of the line. */
function statesOf(owner: JobPort<GcAsks>): ChunkStates {
  const change = async (digests: readonly Digest[], to: StateChange): Promise<void> => {
    for (const slice of slices(digests, ROWS_PER_REQUEST)) {
      await owner.ask('write-states', { digests: packDigests(slice), to });
    }
    await owner.ask('commit-states', null);
  };
  return {
    forget: change,
    expire: (digests) => change(digests, 'expired'),
    restore: (digests) => change(digests, 'present'),
  };
}
