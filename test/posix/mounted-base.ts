import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { TestStore } from '../support/mounted-store.js';
import { openFolder } from './run-families.js';

/**
 * A store with the groups host/web1 and host/web2 that is mounted for all tests of the file.
 * @param options further arguments of `cairn mount`
 * @returns a folder in the first one's live tree, once the tests run; they leave it empty
 */
export function mountedBase(...options: readonly string[]): { readonly store: TestStore; base(): string } {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-posix-'));
  chmodSync(folder, 0o755);
  const store = new TestStore(folder);
  let base = '';

  before(async () => {
    store.cairn('init', store.store);
    await store.mount(...options);
    mkdirSync(join(store.mountpoint, 'host/web1'), { recursive: true });
    mkdirSync(join(store.mountpoint, 'host/web2'), { recursive: true });
    base = openFolder(join(store.mountpoint, 'host/web1/current'));
  });

  after(async () => {
    try {
      assert.deepEqual(readdirSync(base), []);
      await store.umount();
    } catch (error) {
      console.error(store.report());
      throw error;
    } finally {
      await store.abandon();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  return { store, base: () => base };
}
