import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../support/commands.js';
import { type IoOrder, IoShim } from '../support/io-shim.js';
import { temporaryFolder } from '../support/temporary-folder.js';

interface Place {
  readonly shim: IoShim;
  readonly root: string;
  /** Runs statements of Node with `fs` and `root`; returns the errno they ended with, or what they wrote. */
  node(script: string): string;
}

function place(t: TestContext): Place {
  const folder = temporaryFolder(t);
  const root = join(folder, 'store');
  mkdirSync(join(root, '.cairn/journal'), { recursive: true });
  const shim = new IoShim(join(folder, 'order'), root);
  t.after(() => shim.close());
  const around = (script: string) =>
    `const fs = require('fs'), root = ${JSON.stringify(root)}; try { ${script} } catch (e) { console.log(e.code) }`;
  const node = (script: string): string => {
    const { stdout, status, stderr } = runCommand(process.execPath, ['-e', around(script)], {
      env: { ...process.env, ...shim.environment },
    });
    return status === null ? 'killed' : `${stdout.trim()}${stderr}`;
  };
  return { shim, root, node };
}

const WRITE_THREE = `for (const n of [1, 2, 3]) fs.writeFileSync(root + '/.cairn/journal/' + n, 'abcd');`;

function outcome({ shim, node }: Place, order: IoOrder, script: string): string {
  shim.arm(order);
  return node(script);
}

test('the nth call of a kind fails, once or from then on, and calls are counted', (t) => {
  const here = place(t);
  const { shim, root } = here;
  const writes = { classes: ['journal'], operations: ['write'] } as const;
  assert.equal(outcome(here, { ...writes, action: 'count' }, WRITE_THREE), '');
  assert.equal(shim.tally.seen, 3);
  assert.equal(shim.tally.counts.get('create journal'), 3);
  assert.equal(outcome(here, { ...writes, action: 'fail', nth: 2, error: 'EROFS' }, WRITE_THREE), 'EROFS');
  assert.deepEqual([shim.tally.hit, shim.tally.first], [1, 'write journal .cairn/journal/2']);
  assert.equal(outcome(here, { ...writes, action: 'fail', nth: 4 }, WRITE_THREE), '');
  assert.equal(shim.tally.hit, 0);
  const both = `for (const n of [1, 2]) try { fs.writeFileSync(root + '/' + n, 'x'); console.log('fine') } catch (e) { console.log(e.code) }`;
  assert.equal(outcome(here, { operations: ['write'], action: 'fail', error: 'EROFS' }, both), 'EROFS\nfine');
  const sticky = { operations: ['write'], action: 'fail', error: 'EROFS', fromThen: true } as const;
  assert.equal(outcome(here, sticky, both), 'EROFS\nEROFS');
  shim.disarm();
  assert.equal(here.node(both), 'fine\nfine');
  assert.equal(outcome(here, { action: 'fail' }, `fs.writeFileSync(root + '-beside', 'x')`), '');
  assert.equal(readFileSync(`${root}-beside`, 'utf8'), 'x');
});

test('bytes go short, renames are torn, processes die before or after a call', (t) => {
  const here = place(t);
  const { root } = here;
  const half = outcome(
    here,
    { action: 'short', error: 'ENOSPC', operations: ['write'], fromThen: true },
    `const f = fs.openSync(root + '/f', 'w'); console.log(fs.writeSync(f, 'abcdef')); fs.writeSync(f, 'x')`,
  );
  assert.equal(half, '3\nENOSPC');
  assert.equal(readFileSync(join(root, 'f'), 'utf8'), 'abc');
  const rename = `fs.renameSync(root + '/f', root + '/g')`;
  assert.equal(outcome(here, { action: 'done-and-fail', operations: ['rename'] }, rename), 'EIO');
  assert.equal(readFileSync(join(root, 'g'), 'utf8'), 'abc');
  writeFileSync(join(root, 'f'), 'new');
  assert.equal(outcome(here, { action: 'kill-before', operations: ['rename'] }, rename), 'killed');
  assert.equal(readFileSync(join(root, 'g'), 'utf8'), 'abc');
  assert.equal(outcome(here, { action: 'kill-after', operations: ['rename'] }, rename), 'killed');
  assert.equal(readFileSync(join(root, 'g'), 'utf8'), 'new');
  assert.equal(outcome(here, { action: 'fail', operations: ['list'] }, 'fs.readdirSync(root)'), 'EIO');
});
