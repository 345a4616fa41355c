import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../support/commands.js';
import { skipMounts } from '../support/memory-mount.js';
import { withStore } from '../support/mounted-store.js';

/** Writes a file and becomes another program, by which the file is closed. */
const WRITE_AND_EXEC = `
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
os.write(file, os.urandom(3_000_000))
os.execv('/bin/true', ['true'])
`;

test('a program closes files while it becomes another one', { skip: skipMounts }, async () => {
  await withStore(
    (store) => {
      for (const name of ['first', 'second', 'third']) {
        const path = join(store.mountpoint, 'host/x/current', name);
        // The kernel holds a lock of the process meanwhile, which whoever looks at it through /proc may have to wait for.
        const { status } = runCommand('timeout', ['--signal=KILL', '10', 'python3', '-c', WRITE_AND_EXEC, path]);
        assert.equal(status, 0);
      }
    },
    { groups: ['host/x'] },
  );
});
