import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PLACE = join('native', 'build', 'Release', 'cairn.node');

/**
 * The addon's exports, loaded once per thread. Each door casts them to the interface of its own functions; nothing
 * above `src/native` uses them.
 */
export const addon: unknown = createRequire(import.meta.url)(addonPath());

/** `CAIRN_ADDON` where set, else the built addon of the first folder above this file that has one. */
function addonPath(): string {
  const given = process.env.CAIRN_ADDON;
  if (given !== undefined && given !== '') return given;
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const path = join(folder, PLACE);
    if (existsSync(path)) return path;
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`Native addon not found (${PLACE}); build it with "npm run build:native"`);
    folder = parent;
  }
}
