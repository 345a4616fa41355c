import { join } from 'node:path';
import { IoShim } from '../io-shim.js';
import { type TestStore, withStore } from '../mounted-store.js';
import { errnoOf } from './files.js';

/** Name of the errno that work fails with, undefined where it does not fail. */
export function errorOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

/** A mounted store with a group, host/x, whose processes have the shim; `current` is its live tree. */
export async function withShim(
  body: (store: TestStore, shim: IoShim, current: string) => Promise<void>,
): Promise<void> {
  const outer = async (store: TestStore): Promise<void> => {
    const shim = new IoShim(join(store.folder, 'order'), store.store);
    try {
      await store.umount();
      store.environment = shim.environment;
      await store.mount();
      await body(store, shim, join(store.mountpoint, 'host/x/current'));
    } finally {
      shim.disarm();
      shim.close();
    }
  };
  await withStore(outer, { groups: ['host/x'] });
}
