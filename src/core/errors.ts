/**
 * What went wrong, as few kinds as callers need to tell apart. The kind is decided where the error
 * arises; `fuse` turns it into an errno and `cli` into an exit code, each exactly once.
 */
export const ERROR_KINDS = [
  'not-found',
  'exists',
  'not-a-directory',
  'is-a-directory',
  'not-empty',
  'not-permitted',
  'access-denied',
  'invalid',
  'cross-device',
  'name-too-long',
  'too-large',
  'too-many-links',
  'no-space',
  'quota-exceeded',
  'read-only',
  'busy',
  'no-attribute',
  'no-data-here',
  'unsupported',
  'out-of-range',
  'stale',
  'interrupted',
  'not-ready',
  'corrupt',
  // Who was asked does not answer: a daemon, or an object store.
  'unreachable',
  // An object store answers that it is asked too much, also after waiting.
  'throttled',
  // An object store takes our credentials for wrong, expired or too weak. (`access-denied` is what a caller may not do.)
  'credentials-refused',
  'io',
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

/** An error whose kind callers may branch on. The message is one clear line; the cause is kept. */
export class CairnError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CairnError';
    this.kind = kind;
  }
}

/** The kind of any thrown value; whatever is not a CairnError is `io`. */
export function kindOf(error: unknown): ErrorKind {
  return error instanceof CairnError ? error.kind : 'io';
}

/** Whether there was no room, on the disk or for the owner of the files. */
export function isOutOfRoom(error: unknown): boolean {
  const kind = kindOf(error);
  return kind === 'no-space' || kind === 'quota-exceeded';
}

const KIND_OF_SYSTEM_CODE: Readonly<Record<string, ErrorKind>> = {
  ENOENT: 'not-found',
  EEXIST: 'exists',
  ENOTDIR: 'not-a-directory',
  EISDIR: 'is-a-directory',
  ENOTEMPTY: 'not-empty',
  EPERM: 'not-permitted',
  EACCES: 'access-denied',
  EINVAL: 'invalid',
  EXDEV: 'cross-device',
  ENAMETOOLONG: 'name-too-long',
  EFBIG: 'too-large',
  EMLINK: 'too-many-links',
  ENOSPC: 'no-space',
  EDQUOT: 'quota-exceeded',
  EROFS: 'read-only',
  EBUSY: 'busy',
  EAGAIN: 'busy',
  ENODATA: 'no-attribute',
  ENOTSUP: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ESTALE: 'stale',
  EINTR: 'interrupted',
  ECONNREFUSED: 'unreachable',
};

/**
 * Wraps an error of the operating system (anything with a `code` such as `ENOSPC`, from Node or from
 * the addon) into a CairnError of the matching kind; unknown codes become `io`.
 * @param doing what was being done to what, e.g. `write chunk a948…`
 */
export function fromSystemError(error: unknown, doing: string): CairnError {
  if (error instanceof CairnError) return error;
  const code = systemCode(error);
  const kind = (code !== undefined && KIND_OF_SYSTEM_CODE[code]) || 'io';
  const reason = unnamed(error)?.text ?? (error instanceof Error ? error.message : String(error));
  return new CairnError(kind, `Cannot ${doing}: ${reason}`, { cause: error });
}

/** What libuv has no name for, by Linux's number: Node says `Unknown system error -122`. */
const UNNAMED: Readonly<Record<number, { readonly code: string; readonly text: string }>> = {
  [-116]: { code: 'ESTALE', text: 'ESTALE: stale file handle' },
  [-122]: { code: 'EDQUOT', text: 'EDQUOT: quota exceeded' },
};

function unnamed(error: unknown): { readonly code: string; readonly text: string } | undefined {
  if (!(error instanceof Error) || !error.message.startsWith('Unknown system error')) return undefined;
  return UNNAMED[(error as { errno?: unknown }).errno as number];
}

function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return unnamed(error)?.code ?? (typeof error.code === 'string' ? error.code : undefined);
}
