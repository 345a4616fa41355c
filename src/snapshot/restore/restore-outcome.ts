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
