// A datastore of Cairn, mounted, with the verbs of mounts.mjs.
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CairnDaemon } from './cairn-daemon.mjs';
import { diskBytes, dropCaches } from './processes.mjs';

export class Cairn extends CairnDaemon {
  name = 'cairn';

  target(name) {
    mkdirSync(join(this.mountpoint, 'host', name), { recursive: true });
    return join(this.mountpoint, 'host', name, 'current');
  }

  durable() {
    this.command('sync');
  }

  /** Takes a snapshot and returns its folder; with a slash, as `latest` is a link. */
  keep(name) {
    this.command('snapshot', 'create', `host/${name}`);
    return join(this.mountpoint, 'host', name, 'latest/.');
  }

  /** Makes a snapshot of a folder directly. @returns where it can be read */
  async prefill(name, folder) {
    await this.remount(() => this.command('backup', folder, `host/${name}`));
    return join(this.mountpoint, 'host', name, 'latest/.');
  }

  /** Resolves to the seconds mounting took. */
  async remount(between = () => undefined) {
    await this.umount();
    between();
    return this.mount();
  }

  /** Nothing is cached any more, by nobody. */
  cold() {
    return this.remount(dropCaches);
  }

  /** What chunk files and snapshots take on disk. */
  storedBytes() {
    return diskBytes(join(this.store, '.chunks')) + (this.#hasSnapshots() ? diskBytes(join(this.store, 'host')) : 0);
  }

  #hasSnapshots() {
    return statSync(join(this.store, 'host'), { throwIfNoEntry: false }) !== undefined;
  }
}
