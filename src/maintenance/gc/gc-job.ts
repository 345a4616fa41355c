import type { MessagePort } from 'node:worker_threads';
import type { ChunkStates } from '../../chunkstore/chunk-states.js';
import { chunkName } from '../../chunkstore/layout.js';
import { Quarantine } from '../../chunkstore/quarantine.js';
import { beginSweep } from '../../chunkstore/removal.js';
import { systemClock } from '../../core/time.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { JobPort } from '../job/job-port.js';
import { ClockWatch } from './clock-watch.js';
import { collect } from './collect.js';
import type { FileLook, GcParts } from './gc-parts.js';
import type { GcAsks, GcJobOptions } from './gc-protocol.js';
import { packDigests } from './packed-digests.js';

/** The job's side of a collection. @param look looks at a file by its absolute path */
export async function serveGcJob(options: GcJobOptions, port: MessagePort, look: FileLook): Promise<void> {
  const owner = new JobPort<GcAsks>(port);
  await owner.serve(async () => {
    const datastore = await openDatastoreReader(options.store);
    try {
      const { backend, config, catalog } = datastore;
      const { prefixDigits } = config;
      const states = statesOf(owner);
      const parts: GcParts = {
        options,
        reader: catalog,
        clock: new ClockWatch(),
        quarantine: new Quarantine({ backend, prefixDigits, states }),
        beginSweep: () => beginSweep({ backend, prefixDigits, states, clock: systemClock }),
        chunkBytes: (digest) => backend.size(chunkName(digest, prefixDigits)),
        lookAt: (path) => look(`${options.store}/${path}`),
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
  return {
    async forget(digests, as) {
      await owner.ask('forget', { digests: packDigests(digests), as });
    },
    async expire(digests) {
      await owner.ask('expire', packDigests(digests));
    },
    async restore(digests) {
      await owner.ask('restore', packDigests(digests));
    },
  };
}
