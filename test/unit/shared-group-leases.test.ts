import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupOwner, takeGroup } from '../../src/datastore/shared/group-leases.js';
import { MachineLease } from '../../src/datastore/shared/machine-lease.js';
import type { SharedObjects } from '../../src/datastore/shared/shared-objects.js';
import { Watch } from '../../src/datastore/shared/watch.js';
import { isKind } from '../support/kinds.js';
import { MemoryObjects } from '../support/many-machines/memory-objects.js';

const GROUP = 'host/web1';
const identityOf = (id: string) => ({ id, host: id });

function take(objects: SharedObjects, lease: MachineLease): Promise<void> {
  const watch = new Watch(objects, () => 0, 60);
  return takeGroup({ objects, identity: identityOf(lease.machine), watch }, lease, GROUP);
}

/** A bucket with a group whose writer has left, and another machine that would write to it. */
async function leftGroup() {
  const bucket = new MemoryObjects();
  const first = await MachineLease.join(bucket, identityOf('a'));
  await take(bucket, first);
  await first.leave();
  return { bucket, other: await MachineLease.join(bucket, identityOf('b')) };
}

/** The same bucket, but that something happens before the first record of the group's writer is put. */
function putsRecordAfter(bucket: MemoryObjects, happens: () => Promise<unknown>): SharedObjects {
  let first: Promise<unknown> | undefined;
  const putNew = async (name: string, bytes: Uint8Array): Promise<boolean> => {
    if (name.includes('/owners/')) {
      first ??= happens();
      await first;
    }
    return bucket.putNew(name, bytes);
  };
  return new Proxy<SharedObjects>(bucket, {
    get: (_, name) => (name === 'putNew' ? putNew : Reflect.get(bucket, name).bind(bucket)),
  });
}

test('a group whose writer comes back while another machine takes it has one writer: who came back', async () => {
  const { bucket, other } = await leftGroup();
  const slow = putsRecordAfter(bucket, async () => take(bucket, await MachineLease.join(bucket, identityOf('a'))));
  await assert.rejects(take(slow, other), isKind('busy', /written by a/));
  assert.equal((await groupOwner(bucket, GROUP))?.machine, 'a');
});

test('a group whose writer comes back while another machine takes it has one writer: the other', async () => {
  const { bucket, other } = await leftGroup();
  let back: Promise<void> | undefined;
  const slow = putsRecordAfter(bucket, async () => {
    const lease = await MachineLease.join(bucket, identityOf('a'));
    await new Promise<void>((resolve) => {
      // It has read that it was the last writer when the other one's record comes there.
      const late = putsRecordAfter(bucket, () => {
        resolve();
        return taken;
      });
      back = take(late, lease);
      back.then(resolve, resolve);
    });
  });
  const taken: Promise<void> = take(slow, other);
  await taken;
  await assert.rejects(back as unknown as Promise<void>, isKind('busy', /written by b/));
  assert.equal((await groupOwner(bucket, GROUP))?.machine, 'b');
});

test('the writer of a group says once an epoch that it is', async () => {
  const { bucket, other } = await leftGroup();
  await take(bucket, other);
  const said = await groupOwner(bucket, GROUP);
  await take(bucket, other);
  assert.deepEqual(await groupOwner(bucket, GROUP), said);
  assert.equal(said?.epoch, other.epoch);
});
