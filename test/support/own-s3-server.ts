import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';

/** From dist/test/support. */
const RGW = fileURLToPath(new URL('../../../scripts/rgw', import.meta.url));

/** An S3 server of one test's own, which may end as a crash would and come back. */
export class OwnS3Server {
  readonly settings: S3Settings;
  readonly #folder: string;

  private constructor(folder: string, settings: S3Settings) {
    this.#folder = folder;
    this.settings = settings;
  }

  /** Its keys are in the environment afterwards, as those of the run's server are: they are the same. */
  static async start(): Promise<OwnS3Server> {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-rgw-'));
    const printed = execFileSync(RGW, ['start', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const endpoint = /^CAIRN_TEST_S3_ENDPOINT=(.*)$/m.exec(printed)?.[1] ?? '';
    for (const [, name = '', value] of printed.matchAll(/^(AWS_\w+)=(.*)$/gm)) process.env[name] = value;
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: 'shared' }));
    client.destroy();
    return new OwnS3Server(folder, { bucket: 'shared', store: 'store', endpoint });
  }

  down(): void {
    execFileSync(RGW, ['down', this.#folder], { stdio: 'inherit' });
  }

  up(): void {
    execFileSync(RGW, ['up', this.#folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  end(): void {
    execFileSync(RGW, ['stop', this.#folder], { stdio: 'inherit' });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
