import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import { probeS3 } from '../../src/backend/s3/s3-probe.js';
import { DEFAULT_S3_LIMITS } from '../../src/backend/s3/s3-settings.js';
import { NO_S3, s3Server } from '../support/s3-server.js';
import { testBackend } from './backend-suite.js';

const server = await s3Server();

if (server === undefined) {
  test('s3', { skip: NO_S3 }, () => undefined);
} else {
  testBackend('s3', async (body) => {
    const backend = new S3Backend(server.newStore());
    try {
      await body(backend);
    } finally {
      backend.close();
    }
  });

  test('s3: a name is put once, whoever tries at the same time', async () => {
    const settings = server.newStore();
    const { conditionalPuts } = await probeS3(settings);
    assert.equal(conditionalPuts, true);
    const backends = Array.from({ length: 4 }, () => new S3Backend({ ...settings, conditionalPuts }));
    try {
      const puts = Array.from({ length: 16 }, (_, index) =>
        backends[index % backends.length]?.conditional?.putNew('lease', Buffer.from(String(index))),
      );
      const won = (await Promise.all(puts)).flatMap((mine, index) => (mine === true ? [index] : []));
      assert.equal(won.length, 1);
      assert.equal((await backends[0]?.get('lease'))?.toString(), String(won[0]));
    } finally {
      for (const backend of backends) backend.close();
    }
  });

  test('s3: a probe leaves nothing', async () => {
    const settings = server.newStore();
    await probeS3(settings);
    const backend = new S3Backend(settings);
    const names: string[] = [];
    for await (const name of backend.list('')) names.push(name);
    backend.close();
    assert.deepEqual(names, []);
  });

  test('s3: a listing of many pages has every name once', async () => {
    const backend = new S3Backend(server.newStore(), { ...DEFAULT_S3_LIMITS, listedAtOnce: 7 });
    try {
      const names = Array.from({ length: 56 }, (_, index) => `${index % 2 === 0 ? '.chunks' : 'host'}/${index}`);
      await Promise.all(names.map((name) => backend.put(name, Buffer.from('x'))));
      const listed: string[] = [];
      for await (const name of backend.list('')) listed.push(name);
      assert.deepEqual(listed.sort(), names.sort());
      assert.ok((await backend.removeAll(names)).every(Boolean));
    } finally {
      backend.close();
    }
  });
}
