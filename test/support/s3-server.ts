import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';

/** The S3 server of the test run (scripts/rgw), if there is one; its keys are in the environment. */
export interface S3Server {
  readonly endpoint: string;
  /** Settings for a new datastore's keys in the file's own bucket. */
  newStore(): S3Settings;
}

/** Why tests that need S3 do not run. */
export const NO_S3 = 'no S3 server: the packages ceph-mon ceph-osd radosgw ceph-common are missing (scripts/rgw)';

/** Makes a bucket for a test file on the run's server; undefined where there is none. */
export async function s3Server(): Promise<S3Server | undefined> {
  const endpoint = process.env.CAIRN_TEST_S3_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  let stores = 0;
  const newStore = () => {
    stores += 1;
    return { bucket, store: `store${stores}`, endpoint };
  };
  return { endpoint, newStore };
}

/** How many chunks a datastore has in its bucket. */
export async function chunksIn(settings: S3Settings): Promise<number> {
  return (await namesIn(settings, '.chunks')).length;
}

/** Names of all that a datastore has in its bucket below a folder. */
export async function namesIn(settings: S3Settings, folder: string): Promise<string[]> {
  const backend = new S3Backend(settings);
  try {
    const names: string[] = [];
    for await (const name of backend.list(folder)) names.push(name);
    return names;
  } finally {
    backend.close();
  }
}
