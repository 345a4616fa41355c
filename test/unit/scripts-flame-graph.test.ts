import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/temporary-folder.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/flame-graph.mjs', import.meta.url));

/** What `perf script -F comm,tid,ip,sym` prints: each stack from the innermost frame on. */
const SAMPLES = `cairn-pool  12
\t    7f00aa ZSTD_compress<int>
\t    7f00bb cairn::encode

node    11
\t    7f00cc JS:*write file:///work/dist/src/content/change-log.js:50:19

cairn-pool  13
\t    7f00aa ZSTD_compress<int>
\t    7f00bb cairn::encode
`;

test('scripts/flame-graph.mjs counts equal stacks of a thread and draws them', (t) => {
  const folder = temporaryFolder(t);
  const run = spawnSync(process.execPath, [SCRIPT, folder], { input: SAMPLES, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(
    readFileSync(join(folder, 'stacks.txt'), 'utf8'),
    'cairn-pool;cairn::encode;ZSTD_compress<int> 2\nnode;write src/content/change-log.js:50:19 1\n',
  );
  const picture = readFileSync(join(folder, 'flame-graph.svg'), 'utf8');
  assert.match(picture, /<title>ZSTD_compress&#60;int&#62;: 66\.67 %, 2 samples<\/title>/);
  assert.match(run.stdout, /66\.67 % {2}cairn-pool +ZSTD_compress<int>/);
  assert.equal(spawnSync(process.execPath, [SCRIPT, folder], { input: '' }).status, 1);
});
