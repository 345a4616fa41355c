import type { Digest } from '../core/digest.js';

/** What becomes of chunks that are taken out of sight. */
export type GoneState = 'quarantined' | 'absent' | 'bad';

/** What is written of chunks: `expired` ones are absent where they were quarantined, others are left as they are. */
export type StateChange = GoneState | 'present' | 'expired';

/**
 * Where it is written down which chunks there are: the catalog, as its one writer has it. Each call takes at most
 * `MAX_BATCH` (batches.ts) chunks, of which it may know some or none, and resolves when what it wrote survives a power cut.
 */
export interface ChunkStates {
  /**
   * No writer takes these chunks for present any more. With them everything is durable that was committed before (so
   * also that nothing refers to them), and whatever was stored before the call is synced: nobody who syncs later asks
   * for their files.
   */
  forget(digests: readonly Digest[], as: GoneState): Promise<void>;
  /** Those that are quarantined are absent: their files are about to go. */
  expire(digests: readonly Digest[]): Promise<void>;
  /** The chunks are present again: their files stand in their places, verified and durable. */
  restore(digests: readonly Digest[]): Promise<void>;
}
