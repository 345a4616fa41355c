import type { Load } from './gc-protocol.js';

/** Below this the mount is idle enough. */
const FREE_SHARE = 0.3;
/** How many times as long as it worked a collection rests while the mount is busy all the time. */
const MAX_REST = 4;
const LONGEST_REST_SECONDS = 2;

/** How long to rest after work, so that the mount's requests come first. @param workedSeconds since the last rest */
export function restSeconds({ busy }: Load, workedSeconds: number): number {
  if (busy <= FREE_SHARE) return 0;
  const share = (busy - FREE_SHARE) / (1 - FREE_SHARE);
  return Math.min(LONGEST_REST_SECONDS, workedSeconds * MAX_REST * share);
}
