// The S3 server of a test run: one for all files that need it, since it takes seconds to start.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RGW = fileURLToPath(new URL('rgw', import.meta.url));

/** Whether a test file asks for the run's server: its name says so, as in `backend-s3.test.ts`, or what it imports. */
export function wantsS3(file) {
  return /(^|-)s3[-.]/.test(basename(file)) || readFileSync(file, 'utf8').includes('support/s3-server.js');
}

/**
 * Starts the server unless there is one already (CAIRN_TEST_S3_ENDPOINT). What it prints are the variables tests find it
 * by; without them they are skipped. It does not carry the run's mark: it is no leftover of the tier that started it.
 */
export function startS3Server() {
  if (process.env.CAIRN_TEST_S3_ENDPOINT !== undefined) return { env: {}, stop() {} };
  const folder = mkdtempSync(join(tmpdir(), 'cairn-rgw-'));
  const stop = () => {
    execFileSync(RGW, ['stop', folder], { stdio: 'inherit' });
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const start = performance.now();
    const printed = execFileSync(RGW, ['start', folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    console.log(`S3 server: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    const lines = printed.trim().split('\n');
    return { env: Object.fromEntries(lines.map((line) => line.split(/=(.*)/).slice(0, 2))), stop };
  } catch (error) {
    console.log(`S3 server: not started: ${error.message.split('\n')[0]}`);
    stop();
    return { env: {}, stop() {} };
  }
}
