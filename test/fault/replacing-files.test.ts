import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../support/commands.js';
import { IoShim } from '../support/io-shim.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const FILES = JSON.stringify(new URL('../../src/native/files.js', import.meta.url).href);

test('a file is replaced only by what is durable; where nothing stands nothing is synced', (t) => {
  const folder = temporaryFolder(t);
  const shim = new IoShim(join(folder, 'order'), folder);
  t.after(() => shim.close());
  const path = join(folder, 'chunk');
  const put = (text: string): string => {
    const [at, temporary, bytes] = [path, `${path}.tmp`, text].map((value) => JSON.stringify(value));
    const script = `import { putFile } from ${FILES};
      const options = { mode: 0o600, sync: 'where-it-replaces' };
      await putFile(${at}, ${temporary}, Buffer.from(${bytes}), options).catch((error) => console.log(error.code));`;
    const env = { ...process.env, ...shim.environment };
    const { stdout, stderr } = runCommand(process.execPath, ['--input-type=module', '-e', script], { env });
    return `${stdout.trim()}${stderr}`;
  };
  shim.arm({ operations: ['sync'], action: 'fail', fromThen: true });
  assert.equal(put('old'), '');
  assert.equal(put('new'), 'EIO');
  assert.equal(readFileSync(path, 'utf8'), 'old');
  shim.disarm();
  assert.equal(put('new'), '');
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.deepEqual(readdirSync(folder).sort(), ['chunk', 'order']);
});
