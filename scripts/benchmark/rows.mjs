// What the table of scripts/bench says, row by row, and the bars it is held against.
//
// A row names the figures of `family/what`. A bar is about the ratio of Cairn's figure to that of another system in the
// same round, or about Cairn's figure itself where `against` is absent. `as` names the figure of the other system where it
// has another name, `times` is what the ratio is multiplied with.

const SECONDS = 's';
const AGAINST_PASSING = { against: 'passthrough_ll', atMost: 1.18, note: '0.85 of its rate' };

/** Mounts: what Cairn's mount is held against. */
export const MOUNT_ROWS = [
  ...smallRows('small', '20,000 small files'),
  ...smallRows('some', '8,000 small files'),
  row('fewer/in', 'rsync of 15,000 of them, durable', SECONDS, [AGAINST_PASSING]),
  row('fewer/unchanged, --delete', 'rsync of them again with `--delete`, nothing changed', SECONDS, [
    { against: 'ext4', atMost: 3 },
  ]),
  row('shuffled/stored more', 'stored more for a second copy in shuffled order, as a share', '', [{ atMost: 0.02 }]),
  row('large/in', 'rsync of a 1 GiB file, half compressible, durable', SECONDS, [{ against: 'ext4', atMost: 2.5 }]),
  row('large/in: CPU seconds per GB', 'the same: CPU seconds of the daemon per GB', SECONDS, [
    { against: 'alone', as: 'parts/CPU seconds per GB', atMost: 1.2, note: 'FastCDC + SHA-256 + zstd-1 + write alone' },
  ]),
  row('large/duplicate: MB/s', 'rsync of the same under another name, durable', 'MB/s', [
    { against: 'alone', as: 'parts/openssl: MB/s', atLeast: 0.7, note: '`openssl dgst -sha256`' },
  ]),
  row('large/read, cold', 'reading it from the snapshot, nothing cached', SECONDS, [
    { against: 'ext4', atMost: 1.43, note: '0.7 of its rate' },
  ]),
  row('large/read, hot', 'reading it again', SECONDS, [{ against: 'ext4', atMost: 1.25, note: 'page cache' }]),
  row('large/stored', 'stored', 'MiB'),
  row('share/in', 'rsync of /usr/share, durable', SECONDS),
  row('share/unchanged', 'rsync again, nothing changed', SECONDS),
  row('share/read, cold', 'reading it from the snapshot, nothing cached', SECONDS, [
    { against: 'ext4', atMost: 1.43, note: '0.7 of its rate' },
  ]),
  row('share/stored', 'stored', 'MiB'),
  row('image/changed', 'rsync of a 100 MB image of which 1 % of the blocks changed', SECONDS),
  row('image/changed: stored more', 'stored for it', 'MiB'),
  row('vm/changed', 'rsync of a VM’s disk after some files changed in it', SECONDS),
  row('vm/changed: stored more', 'stored for it', 'MiB'),
  row('listing/find, first', '`find -printf` over 100,000 entries of a snapshot, nothing cached', SECONDS, [
    { against: 'ext4', atMost: 2 },
  ]),
  row('listing/find, second', 'the same again', SECONDS, [{ against: 'ext4', atMost: 2 }]),
  row('listing/ls, first', '`ls -lR` of them, nothing cached', SECONDS, [{ against: 'bindfs', atMost: 0.5 }]),
  row('listing/ls, second', 'the same again', SECONDS, [{ against: 'ext4', atMost: 1.5 }]),
  row('listing/mount', 'mount of the store with them, nothing cached', SECONDS, [{ atMost: 1 }]),
  row('random/reads, cold: IOPS', 'random 4 KiB reads of a 1 GiB image, nothing cached', '/s'),
  row('random/writes with fsync, 1 job: IOPS', 'random 4 KiB writes to it, each with fsync, one job', '/s', [
    { against: 'ext4', atLeast: 0.3 },
  ]),
  row('random/writes with fsync, 8 jobs: IOPS', 'the same, eight jobs', '/s', [{ against: 'ext4', atLeast: 0.6 }]),
  row('random/writes: IOPS', 'random 4 KiB writes without fsync', '/s'),
  row('random/writes: stored more, share of the image', 'stored for them, as a share of the image', '', [
    { atMost: 1.05, note: 'the chunks changed once' },
  ]),
  row('random/snapshot', 'snapshot behind them, which cuts what was written in places', SECONDS),
  row('random/create beside writes, p99: ms', 'another client’s create meanwhile, 99th percentile', 'ms'),
  ...[1, 2, 4].flatMap(namesRows),
  row('syncing/sqlite: commits/s', 'SQLite, a transaction a row', '/s'),
  row('syncing/git', '`git add` and `commit` of /usr/include/linux with fsync', SECONDS),
  row('million/mount', 'mount of a store with 1,000,000 files', SECONDS, [{ atMost: 1 }]),
  row('slow disk/in', 'on a disk with 10 ms fsync: rsync of the small files, durable', SECONDS),
  row('slow disk/sqlite: commits/s', 'on it: SQLite, a transaction a row', '/s'),
  row('slow disk/git', 'on it: `git add` and `commit`', SECONDS),
  row('small/peak memory', 'peak memory: small files', 'MiB', [{ atMost: 500 }]),
  row('some/peak memory', 'peak memory: small files', 'MiB', [{ atMost: 500 }]),
  row('large/peak memory', 'peak memory: a large file', 'MiB', [{ atMost: 500 }]),
  row('listing/peak memory', 'peak memory: listing', 'MiB', [{ atMost: 500 }]),
  row('random/peak memory', 'peak memory: random reads and writes', 'MiB', [{ atMost: 500 }]),
  row('share/peak memory', 'peak memory: /usr/share', 'MiB', [{ atMost: 500 }]),
];

function smallRows(family, files) {
  return [
    row(`${family}/in`, `rsync of ${files}, durable`, SECONDS, [{ against: 'bindfs', atMost: 0.55 }, AGAINST_PASSING]),
    row(`${family}/in: requests a file`, 'the same: requests of the kernel for each file', '', [{ atMost: 12 }]),
    row(`${family}/in: CPU seconds per 1,000 files`, 'the same: CPU seconds of the daemon per 1,000 files', SECONDS),
    row(`${family}/unchanged`, 'rsync again, nothing changed', SECONDS, [{ against: 'ext4', atMost: 3 }]),
    row(`${family}/unchanged, once more`, 'and once more: the kernel has all attributes by then', SECONDS, [
      { against: 'ext4', atMost: 3 },
    ]),
    row(`${family}/unchanged, remounted`, 'rsync again, nothing changed, after a remount', SECONDS, [
      { against: 'bindfs', atMost: 0.6 },
    ]),
    row(`${family}/1 % changed`, 'rsync again, 1 % of the files changed, durable', SECONDS),
    row(`${family}/snapshot`, 'snapshot of them', SECONDS),
    row(`${family}/read, cold`, 'reading them all from the snapshot, nothing cached', SECONDS),
    row(`${family}/read, hot`, 'reading them again', SECONDS),
    row(`${family}/out`, 'rsync of them to ext4, durable', SECONDS),
    row(`${family}/stored`, 'stored', 'MiB'),
  ];
}

function namesRows(clients) {
  const who = clients === 1 ? '1 client' : `${clients} clients`;
  return ['create', 'stat', 'unlink'].map((what) => row(`names/${what}, ${who}`, `${what}, ${who}`, '/s'));
}

const TREES = {
  small: '20,000 small files',
  big: 'a 1 GiB file, half compressible',
  share: '/usr/share',
  image: 'a 100 MB image',
  vm: 'a VM’s disk',
};
const CHANGED = {
  small: '1 % of the files changed',
  share: '1 % of the files changed',
  image: '1 % of the blocks changed',
  vm: 'some files changed in it',
};

/** `cairn backup` and `cairn restore` against programs of their kind. */
export const DIRECT_ROWS = Object.entries(TREES).flatMap(([tree, name]) => directRows(tree, name));

function directRows(tree, name) {
  const key = (what) => `direct ${tree}/${what}`;
  const both = (atMost) => ['restic', 'borg'].map((against) => ({ against, atMost }));
  const rows = [
    row(key('first'), `backup of ${name}`, SECONDS, both(0.6)),
    row(key('first: CPU seconds per GB'), 'the same: CPU seconds per GB', SECONDS),
    row(key('first: peak memory'), 'the same: peak memory', 'MiB', [{ atMost: 500 }]),
    row(key('stored'), 'stored', 'MiB', [{ against: 'best of restic and borg', atMost: 1.03 }]),
    row(key('unchanged'), 'again, nothing changed', SECONDS, tree === 'small' ? both(0.5) : []),
  ];
  if (CHANGED[tree] !== undefined) {
    rows.push(
      row(key('changed'), `again, ${CHANGED[tree]}`, SECONDS, both(0.5)),
      row(key('changed: stored more'), 'stored for it', 'MiB'),
    );
  }
  rows.push(row(key('restore'), 'restore, durable', SECONDS, restoreBars(tree)));
  return rows;
}

function restoreBars(tree) {
  if (tree === 'small') return [{ against: 'restic', atMost: 0.6 }];
  if (tree !== 'big') return [];
  return [
    { against: 'restic', atMost: 0.9 },
    { against: 'ext4 (cp -a)', atMost: 1.3 },
  ];
}

function row(key, title, unit, bars = []) {
  return { key, title, unit, bars };
}
