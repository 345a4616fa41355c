import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let version: string | undefined;

/** The program's version, as its package.json says. */
export function programVersion(): string {
  version ??= readVersion(dirname(fileURLToPath(import.meta.url)));
  return version;
}

function readVersion(folder: string): string {
  try {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const found: unknown = (JSON.parse(text) as { version?: unknown }).version;
    if (typeof found === 'string') return found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const parent = dirname(folder);
  return parent === folder ? 'unknown' : readVersion(parent);
}
