import { CairnError, type ErrorKind } from '../../core/errors.js';

/** What a restore did. */
export interface RestoreFigures {
  files: number;
  folders: number;
  /** Symbolic links, FIFOs, sockets and devices. */
  others: number;
  /** Further names of inodes. */
  links: number;
  /** Bytes of the files restored. */
  bytes: number;
  /** Equal already; attributes were set all the same. */
  unchanged: number;
  /** Left as they were, as the rule says. */
  kept: number;
  /** Left out by a pattern; what is in folders left out does not count. */
  excluded: number;
}

/** Before anything was restored. */
export function noRestoreFigures(): RestoreFigures {
  return { files: 0, folders: 0, others: 0, links: 0, bytes: 0, unchanged: 0, kept: 0, excluded: 0 };
}

/** Something that could not be restored; the rest was. */
export interface RestoreProblem {
  readonly path: string;
  readonly message: string;
}

/** Something that was not restored because nobody asked for it. */
export interface LeftOut {
  readonly path: string;
  /** A device node, or a file's set-uid and set-gid bits or capabilities. */
  readonly what: 'device' | 'set-id';
}

const LOCAL_KINDS: readonly ErrorKind[] = [
  ...(['corrupt', 'not-permitted', 'access-denied', 'unsupported'] as const),
  ...(['not-empty', 'is-a-directory', 'not-a-directory', 'busy'] as const),
];

/** Whether an error concerns one file, not the restore. */
export function isLocal(error: unknown): error is CairnError {
  return error instanceof CairnError && LOCAL_KINDS.includes(error.kind);
}
