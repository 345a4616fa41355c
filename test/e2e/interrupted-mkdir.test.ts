import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/commands.js';
import { withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

/** Names in a group's folder that are snapshots' times. */
const times = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('Z'));

test('mkdir of a snapshot that is killed leaves nothing, and the next one is made', async () => {
  await withStore(
    async (store) => {
      const group = join(store.mountpoint, 'host/web1');
      for (let n = 0; n < 1500; n += 1) writeFileSync(join(group, 'current', `file-${n}`), noise(`${n}`, 20_000));
      const name = `${new Date(Date.now() - 1000).toISOString().slice(0, 19)}Z`;
      const child = spawn('mkdir', [join(group, name)], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await until(
        'mkdir waits',
        () => readFileSync(`/proc/${child.pid}/wchan`, 'latin1').includes('request_wait'),
        20_000,
      );
      child.kill('SIGTERM');
      assert.deepEqual(await ended, [null, 'SIGTERM']);
      assert.deepEqual(times(group), []);
      assert.deepEqual(times(join(store.store, 'host/web1')), []);
      mkdirSync(join(group, name));
      assert.deepEqual(times(group), [name]);
      assert.equal(readdirSync(join(group, name)).length, 1500);
    },
    { groups: ['host/web1'] },
  );
});
