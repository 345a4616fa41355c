import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { CairnError } from '../../core/errors.js';
import { readConfig } from '../../datastore/config.js';
import { openObjects } from '../../datastore/object-store.js';
import { datastorePaths } from '../../datastore/paths.js';
import { JobPort } from '../../maintenance/job/job-port.js';
import type { ChangeAsks } from '../../maintenance/upload/shared-changes.js';
import { listCatalogCopies } from '../catalog-copies/copy-files.js';
import { publishPoint } from './publish-point.js';

/** What the thread is started with. */
export interface PublishOptions {
  /** The datastore's folder. */
  readonly store: string;
  readonly machine: string;
  /** File name of the catalog's copy. */
  readonly copy: string;
  /** Whether other machines may use the object store too. */
  readonly isShared: boolean;
}

// The program of the thread that puts one recovery point into the object store.
if (parentPort === null) throw new Error('A recovery point is published on a worker thread');
const owner = new JobPort<ChangeAsks>(parentPort);
void owner.serve(async () => {
  const { store, machine, copy: name, isShared } = workerData as PublishOptions;
  const paths = datastorePaths(store);
  const config = readConfig(paths);
  const places = await openObjects(store, config);
  try {
    const copy = (await listCatalogCopies(paths.catalogCopies)).find((found) => found.name === name);
    if (copy === undefined) throw new CairnError('not-found', `The copy ${name} of the catalog is gone`);
    if (places.objects === undefined) throw new CairnError('invalid', 'The datastore has no object store');
    const { remote } = places.objects;
    return await publishPoint({
      ...{ paths, config, remote, machine, host: hostname(), copy },
      changes: isShared ? owner : undefined,
      progress: (progress) => owner.progress(progress),
      goOn: () => owner.goOn(),
    });
  } finally {
    places.close();
  }
});
