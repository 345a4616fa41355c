import type { GcReport, GcRequest } from '../control/gc-commands.js';
import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { openCatalogCopies } from './catalog-copies/open-copies.js';
import { relieveFullDisk } from './full-disk.js';
import type { GcContext, GcService } from './gc-service.js';
import { ObjectServices } from './object-services.js';
import { SharedStore } from './shared/shared-store.js';
import type { UnmountedStore } from './unmounted-store.js';

/**
 * Collections of a datastore that is not mounted. For as long as one runs, the object store behind it is served as by a mount:
 * this machine joins the others that use it, uploads, takes part in what they collect, and leaves.
 */
export class UnmountedCollection {
  readonly #opened: Pick<UnmountedStore, 'datastore' | 'live'>;
  readonly #gc: GcService;
  readonly #log: Log;
  #isRunning = false;

  constructor(opened: Pick<UnmountedStore, 'datastore' | 'live'>, gc: GcService, log: Log) {
    this.#opened = opened;
    this.#gc = gc;
    this.#log = log;
  }

  /** @throws {CairnError} as `GcService.run` */
  async run(request: GcRequest, context: GcContext): Promise<GcReport> {
    // One machine joins once.
    if (this.#isRunning) throw new CairnError('busy', 'A collection is running already in this process');
    this.#isRunning = true;
    try {
      return await (request.dryRun ? this.#gc.run(request, context) : this.#collect(request, context));
    } finally {
      this.#isRunning = false;
    }
  }

  async #collect(request: GcRequest, context: GcContext): Promise<GcReport> {
    const { datastore, live } = this.#opened;
    const [gc, log] = [this.#gc, this.#log];
    if (datastore.objects === undefined) return gc.run(request, context);
    const shared = await SharedStore.of(datastore, live, log);
    const copies = await openCatalogCopies(datastore, live, log);
    const objects = ObjectServices.of({ datastore, live, copies, gc, log }, shared);
    objects?.start();
    try {
      return await gc.run(request, context);
    } finally {
      await copies.stop();
      await objects?.end();
      // What ended can evict nothing any more.
      relieveFullDisk(datastore, live, log);
    }
  }
}
