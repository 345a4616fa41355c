import type { Status } from '../../control/commands.js';
import type { MountState } from '../worker-protocol.js';

/** What figures are taken from, all of one moment. */
export interface Sample {
  readonly status: Status;
  readonly state: MountState;
}
