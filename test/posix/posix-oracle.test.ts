import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { testFamilies } from './run-families.js';

// The expectations themselves, on the file system of the temporary folder (CAIRN_ORACLE names another one).
const folder = mkdtempSync(join(process.env.CAIRN_ORACLE ?? tmpdir(), 'cairn-oracle-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

testFamilies(() => folder);
