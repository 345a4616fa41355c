import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import { type CommandResult, outputLater } from './commands.js';
import { MAIN, TestStore } from './mounted-store.js';

/** Short, so that others hear soon of a machine that was killed. */
const LEASE_SECONDS = 6;
/** Whoever was killed or stopped here sends nothing afterwards. */
const SETTLE_SECONDS = 2;

/** Several machines, each with a folder of its own, on one bucket: daemons on this one. */
export class Machines {
  readonly folder: string;
  readonly stores: TestStore[] = [];
  readonly #settings: S3Settings;

  constructor(settings: S3Settings) {
    this.#settings = settings;
    this.folder = mkdtempSync(join(tmpdir(), 'cairn-machines-'));
  }

  /** The first one makes the datastore, all others attach to it. */
  add(): TestStore {
    const { bucket, store, endpoint = '' } = this.#settings;
    const folder = join(this.folder, `m${this.stores.length}`);
    mkdirSync(folder);
    const machine = new TestStore(folder);
    if (this.stores.length === 0) {
      machine.cairn('init', '--s3', bucket, '--s3-store', store, '--endpoint', endpoint, machine.store);
    } else machine.cairn('attach', `s3://${bucket}/${store}`, machine.store, '--join', '--endpoint', endpoint);
    const path = join(machine.store, '.cairn/config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as { s3: object };
    config.s3 = { ...config.s3, leaseSeconds: LEASE_SECONDS, settleSeconds: SETTLE_SECONDS, giveUpSeconds: 20 };
    writeFileSync(path, JSON.stringify(config));
    // Servers go away; chunks do not.
    machine.log.expect(/^(?!.*are neither in).*(Uploading failed; it is tried|No recovery point could be made)/);
    machine.log.expect(/took this one for dead/);
    this.stores.push(machine);
    return machine;
  }

  /** Ends whatever still runs. */
  async end(): Promise<void> {
    for (const store of this.stores) await store.abandon();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs `cairn ARGS…` beside everything else; it must succeed. */
export async function cairn(store: TestStore, ...args: string[]): Promise<string> {
  return outputLater(process.execPath, [MAIN, ...args, '--store', store.store], { limitMilliseconds: 120_000 });
}

/** Runs a command until it succeeds: what it needs comes back. */
export async function untilDone(what: string, attempt: () => CommandResult | Promise<unknown>): Promise<void> {
  const until = performance.now() + 120_000;
  for (;;) {
    try {
      const outcome = await attempt();
      const status = (outcome as CommandResult | undefined)?.status ?? 0;
      if (status === 0) return;
      throw new Error((outcome as CommandResult).stderr);
    } catch (error) {
      if (performance.now() > until) throw error;
      assert.ok(error instanceof Error, what);
    }
  }
}
