import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { testBackend } from './backend-suite.js';

testBackend('fs', async (body) => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-backend-'));
  try {
    await body(new FsBackend(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
