import type { MadeSnapshot } from '../snapshot/create/snapshot-maker.js';

/** Told when the snapshots of a group are others than before. */
export type SnapshotsChanged = (
  groupId: number,
  change: { made: Pick<MadeSnapshot, 'time'> } | { forgotten: number; time: number },
) => void;
