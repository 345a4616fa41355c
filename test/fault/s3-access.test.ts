import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import { CairnError } from '../../src/core/errors.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { NO_S3, type S3Server, s3Server } from '../support/s3-server.js';

const server = await s3Server();

function access(name: string, body: (server: S3Server, folder: string) => Promise<void>): void {
  if (server === undefined) {
    test(`s3 access: ${name}`, { skip: NO_S3 }, () => undefined);
    return;
  }
  test(`s3 access: ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-s3-'));
    try {
      await body(server, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

/** Puts and gets an object with these settings. */
async function use(settings: S3Settings): Promise<void> {
  const backend = new S3Backend(settings);
  try {
    await backend.put('name', Buffer.from('abc'));
    assert.equal((await backend.get('name')).toString(), 'abc');
    assert.equal(await backend.size('other'), undefined);
  } finally {
    backend.close();
  }
}

async function refuses(settings: S3Settings, text: RegExp): Promise<void> {
  const isRefusal = (error: unknown) =>
    error instanceof CairnError && error.kind === 'credentials-refused' && text.test(error.message);
  const backend = new S3Backend(settings);
  try {
    await assert.rejects(backend.put('name', Buffer.from('abc')), isRefusal);
    await assert.rejects(backend.get('name'), isRefusal);
    await assert.rejects(backend.size('name'), (error) => (error as CairnError).kind === 'credentials-refused');
    await assert.rejects(listing(backend), isRefusal);
  } finally {
    backend.close();
  }
}

async function listing(backend: S3Backend): Promise<void> {
  for await (const name of backend.list('')) assert.fail(`listed ${name}`);
}

access('credentials come from a file, and say what is wrong with them', async ({ newStore }, folder) => {
  const credentialsFile = join(folder, 'credentials.json');
  const settings = { ...newStore(), credentialsFile };
  await refuses(settings, /ENOENT|no such file/);
  writeFileSync(credentialsFile, '{ "accessKeyId": "test" }');
  await refuses(settings, /lacks accessKeyId or secretAccessKey/);
  writeFileSync(credentialsFile, '{ "accessKeyId": "test", "secretAccessKey": "wrong" }');
  await refuses(settings, /the secret key is wrong/);
  writeFileSync(credentialsFile, '{ "accessKeyId": "nobody", "secretAccessKey": "wrong" }');
  await refuses(settings, /does not know the access key/);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  writeFileSync(credentialsFile, JSON.stringify({ accessKeyId, secretAccessKey }));
  await use(settings);
});

access('credentials come from a profile', async ({ newStore }, folder) => {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = process.env;
  const file = join(folder, 'credentials');
  writeFileSync(file, `[cairn]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`);
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  process.env.AWS_SHARED_CREDENTIALS_FILE = file;
  try {
    await use({ ...newStore(), profile: 'cairn' });
  } finally {
    delete process.env.AWS_SHARED_CREDENTIALS_FILE;
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret });
  }
});

access('a certificate counts if the CA file vouches for it', async ({ endpoint, newStore }, folder) => {
  const [keyFile, caFile] = [join(folder, 'key.pem'), join(folder, 'ca.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const files = ['-keyout', keyFile, '-out', caFile];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], { stdio: 'ignore' });
  const proxy = await S3Proxy.open(endpoint, {
    key: readFileSync(keyFile, 'utf8'),
    cert: readFileSync(caFile, 'utf8'),
  });
  try {
    const settings = { ...newStore(), endpoint: proxy.endpoint };
    await use({ ...settings, caFile });
    const distrusting = new S3Backend(settings);
    await assert.rejects(distrusting.size('name'), /certificate is not trusted/);
    distrusting.close();
    const misled = { ...settings, caFile: join(folder, 'none.pem') };
    assert.throws(() => new S3Backend(misled), /read the certificates in .*none\.pem/);
  } finally {
    await proxy.down();
  }
});
