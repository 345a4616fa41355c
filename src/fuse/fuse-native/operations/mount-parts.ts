import type { Vfs } from '../../../vfs/api.js';
import type { OpenHandles } from '../open-handles.js';
import type { PathNodes } from '../path-nodes.js';
import type { Requests } from '../requests.js';

/** What the operations of one mount share. */
export interface MountParts {
  readonly vfs: Vfs;
  readonly nodes: PathNodes;
  readonly handles: OpenHandles;
  readonly requests: Requests;
}
