import { CairnError } from '../../core/errors.js';
import type { Exclusions } from '../exclusions.js';
import type { OverwriteRule } from './overwriting.js';
import type { LeftOut, RestoreProblem } from './restore-outcome.js';
import type { SameContent } from './same-content.js';

/** How to restore. */
export interface RestorerOptions {
  readonly rule: OverwriteRule;
  /** Whether device nodes are made. */
  readonly devices: boolean;
  /** Whether set-uid and set-gid bits and file capabilities are set. */
  readonly setIds: boolean;
  readonly sameContent: SameContent;
  readonly exclusions: Exclusions;
  readonly signal: AbortSignal;
  /** Told how far in the payload stream it is. */
  onProgress(payloadOffset: number): void;
  onProblem(problem: RestoreProblem): void;
  onLeftOut(left: LeftOut): void;
  /** Called when a chunk is missing. @throws {CairnError} `stale` where the snapshot was forgotten */
  requireSnapshot(): Promise<void>;
}

/** @throws {CairnError} `interrupted` once the restore is given up */
export function requireGoing(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new CairnError('interrupted', 'Given up; run the same command again to go on where it ended');
}
