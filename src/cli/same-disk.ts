import { stat } from 'node:fs/promises';
import { complain } from './output.js';

/** A backend in a folder of this machine. */
export interface FolderBackend {
  readonly id: string;
  readonly path: string;
}

/**
 * Says on stderr, once, which backends lie on one file system: no redundancy helps against the loss of its disk.
 * @param about only where this one is among them
 */
export async function warnOfSameDisk(backends: readonly FolderBackend[], about?: string): Promise<void> {
  const byDevice = new Map<number, string[]>();
  for (const { id, path } of backends) {
    // A disk that is away now is on no other.
    const device = await stat(path).then(
      ({ dev }) => dev,
      () => undefined,
    );
    if (device !== undefined) byDevice.set(device, [...(byDevice.get(device) ?? []), id]);
  }
  const shared = [...byDevice.values()].filter((ids) => ids.length > 1 && (about === undefined || ids.includes(about)));
  for (const ids of shared) {
    const [last, ...others] = [ids.at(-1), ...ids.slice(0, -1)];
    const names = `${others.join(', ')} and ${last}`;
    const what = ids.length === 2 ? 'both' : 'all of them';
    complain(`The backends ${names} are on one file system: whoever loses its disk loses ${what}`);
  }
}
