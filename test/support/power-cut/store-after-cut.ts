import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestStore } from '../mounted-store.js';

/** Mounts the store at `path` that a power cut left, calls `body` with it, and fails where it has any defect. */
export async function withStoreAfterCut(path: string, body: (store: TestStore) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-after-cut-'));
  const store = new TestStore(folder);
  store.log.expect(/journal/i);
  symlinkSync(path, store.store);
  try {
    await store.mount();
    await body(store);
    assert.deepEqual(store.status().problems, []);
    store.cairn('check', '--deep');
    await store.umount();
  } catch (error) {
    console.error(store.report());
    throw error;
  } finally {
    await store.abandon();
    rmSync(folder, { recursive: true });
  }
}
