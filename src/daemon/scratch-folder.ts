import { mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromSystemError } from '../core/errors.js';
import type { Scratch } from '../maintenance/job/care-context.js';

/** A folder for files that are restored only to be looked at; made when the first is written. */
export class ScratchFolder implements Scratch {
  #folder: Promise<string> | undefined;

  async write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#attempt('write', name, async (path) => {
      const file = await open(path, offset === 0 ? 'w' : 'r+', 0o600).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return open(path, 'w', 0o600);
      });
      try {
        await file.write(bytes, 0, bytes.length, offset);
      } finally {
        await file.close();
      }
    });
  }

  async setLength(name: string, length: number): Promise<void> {
    await this.#attempt('write', name, async (path) => {
      await (await open(path, 'a', 0o600)).close();
      await truncate(path, length);
    });
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#attempt('read', name, async (path) => {
      const file = await open(path, 'r');
      try {
        const bytes = Buffer.allocUnsafeSlow(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    });
  }

  async remove(name: string): Promise<void> {
    await this.#attempt('remove', name, (path) => rm(path, { force: true }));
  }

  /** Takes the folder away with all that is in it. */
  async close(): Promise<void> {
    const folder = await this.#folder;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  async #attempt<T>(verb: string, name: string, work: (path: string) => Promise<T>): Promise<T> {
    this.#folder ??= mkdtemp(join(tmpdir(), 'cairn-restore-'));
    try {
      return await work(join(await this.#folder, name));
    } catch (error) {
      throw fromSystemError(error, `${verb} a restored file in the temporary folder`);
    }
  }
}
