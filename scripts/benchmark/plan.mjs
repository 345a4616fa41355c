// Which trials a run consists of.
import { ARCHIVERS } from './archivers.mjs';
import { MOUNTS } from './mounts.mjs';

/** passthrough_ll keeps a descriptor open for each file: of the other trees that may be more than a process is allowed. */
const FEWER = ['cairn', 'ext4', 'passthrough_ll'];

/** Families of workloads and the systems they are tried on. */
const EVERY_CHANGE = {
  some: FEWER,
  large: ['cairn', 'ext4'],
  parts: ['alone'],
  listing: ['cairn', 'ext4'],
  random: ['cairn', 'ext4'],
  names: ['cairn', 'ext4', 'passthrough_ll'],
};

const MOUNT_PEERS = ['cairn', 'ext4', 'passthrough_ll', 'bindfs', 'btrfs', 'zfs-fuse'];
const DIRECT_PEERS = ['cairn', 'ext4 (cp -a)', 'restic', 'borg', 'bup'];

const PEERS = {
  'direct small': DIRECT_PEERS,
  'direct big': DIRECT_PEERS,
  'direct share': DIRECT_PEERS,
  'direct image': DIRECT_PEERS,
  'direct vm': DIRECT_PEERS,
  small: ['cairn', 'cairn --low-latency', 'ext4', 'bindfs', 'btrfs', 'zfs-fuse'],
  fewer: FEWER,
  large: MOUNT_PEERS,
  parts: ['alone'],
  listing: ['cairn', 'ext4', 'bindfs', 'btrfs'],
  random: ['cairn', 'ext4', 'btrfs'],
  names: ['cairn', 'cairn --low-latency', ...MOUNT_PEERS.slice(1)],
  syncing: ['cairn', 'ext4', 'btrfs'],
  share: ['cairn', 'ext4', 'bindfs', 'btrfs'],
  image: ['cairn', 'btrfs', 'zfs-fuse'],
  vm: ['cairn', 'btrfs', 'zfs-fuse'],
};

/** What is tried once, after all rounds with all systems. */
const ONCE_WITH_PEERS = { million: ['cairn'], shuffled: ['cairn'], 'slow disk': ['cairn', 'ext4', 'bindfs'] };

/** Which systems cannot be tried here, and why. */
export function lackingSystems(systems) {
  const lacks = new Map();
  for (const system of systems) {
    const why = (MOUNTS[system] ?? ARCHIVERS[system])?.lacks();
    if (why !== undefined) lacks.set(system, why);
  }
  return lacks;
}

/** Names of the families a run may have. */
export function families(withPeers) {
  return withPeers ? [...Object.keys(PEERS), ...Object.keys(ONCE_WITH_PEERS)] : Object.keys(EVERY_CHANGE);
}

/**
 * All trials in the order they are made: family by family, so that what is compared is close together, and in each
 * round another system first.
 * @param withPeers whether all systems take part
 * @param only families; undefined: all
 */
export function trials(withPeers, rounds, only) {
  const families = Object.entries(withPeers ? PEERS : EVERY_CHANGE).filter(([family]) => only?.has(family) ?? true);
  const planned = [];
  for (let round = 0; round < rounds; round++) {
    for (const [family, systems] of families) {
      const first = round % systems.length;
      const turned = [...systems.slice(first), ...systems.slice(0, first)];
      for (const system of turned) planned.push({ family, system, round });
    }
  }
  const once = Object.entries(withPeers ? ONCE_WITH_PEERS : {}).filter(([family]) => only?.has(family) ?? true);
  for (const [family, systems] of once) for (const system of systems) planned.push({ family, system, round: 0 });
  return planned;
}
