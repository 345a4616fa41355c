import { S3ServiceException } from '@aws-sdk/client-s3';
import { CairnError, type ErrorKind } from '../../core/errors.js';

/** What is to be made of a request that failed. */
export interface Judgement {
  readonly error: CairnError;
  /** Whether the same request may do better: at once, after leaving the server alone for a while, or not. */
  readonly again: 'soon' | 'later' | 'never';
  /** How long the server asked to be left alone. */
  readonly waitMs?: number | undefined;
}

/** An answer that is not what the server can have meant; asking again may help. */
export class BrokenAnswer extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string) {
    super(message);
    this.name = 'BrokenAnswer';
    this.kind = kind;
  }
}

const THROTTLED = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'RequestThrottled',
  'RequestLimitExceeded',
  'TooManyRequests',
]);

/** Said with a 403 as a rule; what an operator has to do is in the text. */
const REFUSED: Readonly<Record<string, string>> = {
  AccessDenied: 'the credentials do not allow it',
  InvalidAccessKeyId: 'the server does not know the access key',
  SignatureDoesNotMatch: 'the secret key is wrong',
  ExpiredToken: 'the credentials have expired',
  ExpiredTokenException: 'the credentials have expired',
  TokenRefreshRequired: 'the credentials have expired',
  InvalidToken: 'the session token is wrong',
  RequestTimeTooSkewed: "this machine's clock and the server's differ too much: set the clock",
  CredentialsProviderError: 'no credentials were found in environment, profile or file',
  AllAccessDisabled: 'access to the bucket is disabled',
  UserSuspended: "the server's user is suspended",
};

const FULL = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'EntityTooLarge']);

/** The bytes did not arrive as they were sent. */
const DAMAGED_UNDERWAY = new Set([
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'RequestTimeout',
]);

/** Two conditional puts of one name at once. */
const CONFLICT = new Set(['ConditionalRequestConflict', 'OperationAborted']);

/** Whatever else is tried, a server whose certificate is not trusted stays so. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|WRONG_VERSION/;

/** The server's word for what went wrong, such as `NoSuchKey`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}

/** HTTP status of the answer, if there was one. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/**
 * Says what a failed request means. Absence is taken from the word `NoSuchKey` alone: a 404 without it may come from
 * anything between us and the server, and a bucket that is gone is no empty one.
 * @param doing what was being done to what, e.g. `read s3://bucket/key`
 */
export function judge(error: unknown, doing: string): Judgement {
  if (error instanceof CairnError) return { error, again: 'never' };
  const { kind, why, again } = meaningOf(error);
  const reason = why ?? describe(error);
  const failure = new CairnError(kind, `Cannot ${doing}: ${reason}`, { cause: error });
  return { error: failure, again, waitMs: retryAfter(error) };
}

interface Meaning {
  readonly kind: ErrorKind;
  readonly again: Judgement['again'];
  readonly why?: string;
}

function meaningOf(error: unknown): Meaning {
  if (error instanceof BrokenAnswer) return { kind: error.kind, again: 'soon' };
  return meaningOfCode(codeOf(error) ?? '') ?? meaningOfStatus(statusOf(error)) ?? meaningOfNetwork(error);
}

/** What a server's error code means, wherever it stands: also in the list of a bulk deletion. */
export function meaningOfCode(code: string): Meaning | undefined {
  if (code === 'NoSuchKey') return { kind: 'not-found', again: 'never', why: 'there is no such object' };
  if (code === 'NoSuchBucket') return { kind: 'unreachable', again: 'never', why: 'the server has no such bucket' };
  const refused = REFUSED[code];
  // The SDK learns the server's clock and fetches new credentials: one of the next tries may be taken.
  if (refused !== undefined) {
    const again = code === 'RequestTimeTooSkewed' || code.startsWith('ExpiredToken') ? 'soon' : 'never';
    return { kind: 'credentials-refused', again, why: refused };
  }
  if (THROTTLED.has(code)) return { kind: 'throttled', again: 'later', why: `the server asks to slow down (${code})` };
  if (FULL.has(code)) return { kind: 'no-space', again: 'never', why: `the server takes no more (${code})` };
  if (DAMAGED_UNDERWAY.has(code)) return { kind: 'io', again: 'soon' };
  if (CONFLICT.has(code)) return { kind: 'busy', again: 'later' };
  return undefined;
}

function meaningOfStatus(status: number | undefined): Meaning | undefined {
  if (status === undefined || status < 300) return undefined;
  if (status === 401 || status === 403) return { kind: 'credentials-refused', again: 'never' };
  if (status === 429 || status === 503) return { kind: 'throttled', again: 'later' };
  if (status === 501) return { kind: 'unsupported', again: 'never' };
  if (status === 507) return { kind: 'no-space', again: 'never' };
  if (status >= 500) return { kind: 'unreachable', again: 'soon' };
  return { kind: 'io', again: status === 404 ? 'soon' : 'never' };
}

function meaningOfNetwork(error: unknown): Meaning {
  const code = systemCode(error) ?? '';
  if (CERTIFICATE.test(code)) {
    return { kind: 'unreachable', again: 'never', why: `its certificate is not trusted (${code})` };
  }
  return { kind: 'unreachable', again: 'soon' };
}

function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  const text = error.message === '' ? (systemCode(error) ?? error.name) : error.message;
  return status === undefined ? text : `${error.name}: ${text} (HTTP ${status})`;
}

function retryAfter(error: unknown): number | undefined {
  const headers = error instanceof S3ServiceException ? error.$response?.headers : undefined;
  const seconds = Number(headers?.['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
