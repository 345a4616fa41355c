import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDatastore } from '../../src/datastore/create.js';
import { ofKind } from '../support/catalog.js';
import { NO_S3, namesIn, s3Server } from '../support/s3-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const server = await s3Server();

test('a datastore that could not be made leaves its name in the bucket free', {
  ...(server === undefined && { skip: NO_S3 }),
}, async (t) => {
  assert.ok(server);
  const s3 = server.newStore();
  const root = join(temporaryFolder(t), 'store');
  const inTheWay = join(root, '.cairn/config.json.tmp');
  const options = { s3, reserveBytes: 4096 };
  const fail = (): void => {
    mkdirSync(inTheWay, { recursive: true });
  };
  await assert.rejects(createDatastore(root, { ...options, onProgress: fail }), ofKind('is-a-directory'));
  assert.ok(!existsSync(root));
  assert.deepEqual(await namesIn(s3, '.cairn'), []);
  await createDatastore(root, options);
  // Who is refused takes nothing from who was not.
  await assert.rejects(createDatastore(`${root}2`, options), ofKind('exists'));
  assert.deepEqual(await namesIn(s3, '.cairn'), ['.cairn/datastore.json']);
});
