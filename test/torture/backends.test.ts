import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { SoakDisks, soakBackends } from '../support/spread-soak.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

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
    { init, groups: ['host/x'] },
  );
});
