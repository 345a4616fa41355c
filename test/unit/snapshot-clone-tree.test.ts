import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { CloneService } from '../../src/daemon/clone-service.js';
import { loadIndex } from '../../src/index/index-file.js';
import { ofKind } from '../support/catalog.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

test('a file one of whose chunks is lost is not cloned, and leaves no inode without a name', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/large`, noise('large', 3_000_000));
  const snapshot = await store.snapshot();
  const { catalog } = store.datastore;
  const { index } = await loadIndex(`${store.folder}/${GROUP}/${snapshot}/root.ppxar.didx`);
  const sizes = Array.from({ length: index.count }, (_, at) => index.end(at) - index.start(at));
  const digest = Uint8Array.from(index.digest(sizes.indexOf(Math.max(...sizes))));
  assert.ok(catalog.chunks.setState(digest, 'bad'));
  const clones = new CloneService(store.datastore, store.live, store.snapshots, silentLog, {
    mountedGroup: undefined,
    dropOrphan: (ino) => store.live.parts.log.make({ kind: 'drop-orphan', ino }),
    onPlaced: () => undefined,
  });
  const group = parseGroupPath(GROUP);
  const clone = clones.clone({
    ...{ source: { group, which: 'latest' }, path: 'large', group, targetPath: 'copy', replace: false },
    signal: new AbortController().signal,
    onEntry: () => undefined,
  });
  await assert.rejects(clone, ofKind('corrupt'));
  assert.deepEqual(catalog.orphans.list(0, 10), []);
});
