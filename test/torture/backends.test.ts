import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../support/commands.js';
import { withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { Random, seedOfRun } from '../support/random.js';
import { NO_S3, type S3Server, s3Server } from '../support/s3-server.js';
import { NEEDS_ROOT, onExt4 } from '../support/small-disk.js';
import { SoakDisks, soakBackends } from '../support/spread-soak.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const GROUP = 'host/x';
const server = await s3Server();

test('six backends, ec:4+2: two vanish, return spoilt, are replaced, and nothing is lost', async (t) => {
  const seed = seedOfRun(t);
  const disks = new SoakDisks(temporaryFolder(t), 6);
  const until = Date.now() + tortureSeconds(60) * 1000;
  const init = ['--redundancy', 'ec:4+2', '--backend', ...disks.arguments, '--'];
  await withStore(
    async (store) => {
      const counts = await soakBackends(store, disks, new Random(seed), () => Date.now() < until);
      recordFigures('backends', seed, { ...counts });
    },
    { init, groups: [GROUP] },
  );
});

const FILE_BYTES = 3_000_000;

/** Runs `body` with so many small file systems of their own. */
async function onDisks(count: number, body: (disks: readonly string[]) => Promise<void>): Promise<void> {
  const nest = (disks: readonly string[]): Promise<void> =>
    disks.length === count ? body(disks) : onExt4(24, (disk) => nest([...disks, disk]));
  await nest([]);
}

test('six small disks fill up: one clear error, reads go on, and there is room again', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const seed = seedOfRun(t);
  await onDisks(6, async (disks) => {
    const places = disks.map((disk, at) => `d${at}=${join(disk, 'c')}`);
    const init = ['--redundancy', 'ec:4+2', '--backend', ...places, '--'];
    await withStore(
      async (store) => {
        store.log.expect(/./);
        const current = join(store.mountpoint, GROUP, 'current');
        const contentOf = (n: number): Buffer => noise(`${seed} ${n}`, FILE_BYTES);
        const written: number[] = [];
        let refusal = '';
        for (let n = 0; refusal === '' && n < 100; n += 1) {
          const from = join(store.folder, 'one');
          writeFileSync(from, contentOf(n));
          const { status, stderr } = runCommand('cp', [from, join(current, `${n}`)]);
          if (status === 0 && store.run(['sync']).status === 0) written.push(n);
          else refusal = stderr;
        }
        assert.match(refusal, /No space left on device/);
        // Each of the disks has room for a quarter of what they hold together.
        assert.ok(written.length >= 15, `only ${written.length} files`);
        await store.remount();
        for (const n of written) assert.ok(readFileSync(join(current, `${n}`)).equals(contentOf(n)));
        for (const n of written.slice(0, 10)) rmSync(join(current, `${n}`));
        rmSync(join(current, `${written.length}`), { force: true });
        store.cairn('gc', '--grace', '0');
        writeFileSync(join(current, 'later'), contentOf(1000));
        store.cairn('sync');
        assert.equal(store.run(['repair']).status, 0);
        store.cairn('check', '--deep');
        for (const n of written.slice(10)) assert.ok(readFileSync(join(current, `${n}`)).equals(contentOf(n)));
        recordFigures('backends-full', seed, { files: written.length, bytes: written.length * FILE_BYTES });
      },
      { init, groups: [GROUP] },
    );
  });
});

test('a folder and a bucket have a copy each: either of them will do', {
  skip: server === undefined ? NO_S3 : false,
}, async (t) => {
  const { bucket, store: name, endpoint = '' } = (server as S3Server).newStore();
  const folder = join(temporaryFolder(t), 'c');
  const places = [`disk=${folder}`, `cloud=s3://${bucket}/${name}`];
  const init = ['--redundancy', 'mirror:2', '--endpoint', endpoint, '--backend', ...places, '--'];
  await withStore(
    async (store) => {
      store.log.expect(/./);
      const file = join(store.mountpoint, GROUP, 'current', 'file');
      const content = noise('both', FILE_BYTES);
      writeFileSync(file, content);
      store.cairn('snapshot', 'create', GROUP);
      await store.umount();
      renameSync(folder, `${folder}-away`);
      await store.mount();
      assert.ok(readFileSync(file).equals(content), 'from the bucket');
      await store.umount();
      renameSync(`${folder}-away`, folder);
      rmSync(join(folder, '.chunks'), { recursive: true });
      mkdirSync(join(folder, '.chunks'));
      await store.mount();
      const repaired = JSON.parse(store.cairn('repair', '--json')) as { backends: { mended: number } };
      assert.ok(repaired.backends.mended > 3, `${repaired.backends.mended} mended`);
      store.cairn('backend', 'set', 'cloud', '--weight', '0.5');
      store.cairn('gc', '--grace', '0');
      store.cairn('check', '--deep');
      assert.match(store.cairn('repair', '--dry-run'), /: \d+ whole, 0 lack pieces, 0 lost, 0 missing/);
    },
    { init, groups: [GROUP] },
  );
});
