import { statSync } from 'node:fs';
import { packDevice } from '../../archive/device.js';
import { fromSystemError } from '../../core/errors.js';
import { MOUNT_TYPE, mountTable } from '../../native/fuse-mount.js';
import type { SourceStatus } from '../../native/source.js';

type FolderId = Pick<SourceStatus, 'device' | 'inodeHigh' | 'inodeLow'>;

/** Where a datastore is: its folder and its mounts. A backup leaves them alone, or it would back up itself. */
export class StorePlaces {
  readonly #folder: FolderId;
  readonly #devices: ReadonlySet<number>;

  private constructor(folder: FolderId, devices: ReadonlySet<number>) {
    this.#folder = folder;
    this.#devices = devices;
  }

  /** @param store real path of the datastore @throws {CairnError} where it cannot be looked at */
  static async of(store: string): Promise<StorePlaces> {
    const mounts = (await mountTable()).filter(({ type, source }) => type === MOUNT_TYPE && source === store);
    const devices = mounts.map(({ device }) => {
      const [major = 0, minor = 0] = device.split(':').map(Number);
      return packDevice({ major, minor }) ?? -1;
    });
    try {
      const { dev, ino } = statSync(store, { bigint: true });
      const folder = { device: Number(dev), inodeHigh: Number(ino >> 32n), inodeLow: Number(ino & 0xffff_ffffn) };
      return new StorePlaces(folder, new Set(devices));
    } catch (error) {
      throw fromSystemError(error, `look at ${store}`);
    }
  }

  has({ device, inodeHigh, inodeLow }: FolderId): boolean {
    const { device: own, inodeHigh: high, inodeLow: low } = this.#folder;
    return this.#devices.has(device) || (device === own && inodeLow === low && inodeHigh === high);
  }
}
