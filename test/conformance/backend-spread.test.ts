import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spreadOverFolders } from '../support/spread.js';
import { testBackend } from './backend-suite.js';

for (const [redundancy, members] of [
  ['single', 3],
  ['mirror:2', 3],
  ['ec:2+1', 3],
  ['ec:4+2', 6],
] as const) {
  testBackend(`${redundancy} over ${members} folders`, async (body) => {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-backend-'));
    try {
      await body((await spreadOverFolders(folder, members, redundancy)).backend);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
