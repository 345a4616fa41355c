/** Which objects of which server are meant, and how it is spoken to. */
export interface S3Settings {
  readonly bucket: string;
  /** First component of all keys; with PBS the name of the datastore (pbs-format §9.1). */
  readonly store: string;
  /** `http(s)://host[:port]`; absent: that of AWS for the region. */
  readonly endpoint?: string | undefined;
  /** Absent: with an endpoint `us-east-1`, which other servers than AWS take; else what the environment or profile say. */
  readonly region?: string | undefined;
  /** The bucket in the path rather than in the host's name; absent: true where an endpoint is given. */
  readonly pathStyle?: boolean | undefined;
  /** A profile of `~/.aws/credentials` and `~/.aws/config`. */
  readonly profile?: string | undefined;
  /** A JSON file with `accessKeyId`, `secretAccessKey` and perhaps `sessionToken`, read anew every few minutes. */
  readonly credentialsFile?: string | undefined;
  /** PEM file of the authorities that may vouch for the server, instead of the system's. */
  readonly caFile?: string | undefined;
  /**
   * Whether the SDK adds checksums of its own to all requests. Some servers store or refuse what comes with them, and
   * MD5 and SHA-256 go with every put anyway: absent means `when-required`.
   */
  readonly checksums?: 'when-required' | 'when-supported' | undefined;
  /** How long one request may take with all its tries before it fails; absent: a minute. */
  readonly giveUpSeconds?: number | undefined;
  /** Whether the server was found to honour `If-None-Match: *` (`probeS3`). */
  readonly conditionalPuts?: boolean | undefined;
}

/** How much is asked of a server at once, and how long it is waited for. Times in milliseconds. */
export interface S3Limits {
  /** Requests under way, and sockets open, at the same time. */
  readonly requestsAtOnce: number;
  /** Until a connection stands. */
  readonly connectMs: number;
  /** Without a byte moving; a body to be sent is given 1 ms for each 128 bytes more (128 KiB/s). */
  readonly idleMs: number;
  /** Tries of one request, the first one included. */
  readonly attempts: number;
  /** For all tries together, from the call, or from when the server last gave a sign of life; longer by what a body takes. */
  readonly giveUpMs: number;
  /** Longest pause between two tries; the first is about a tenth of a second, or half a second where throttled. */
  readonly longestPauseMs: number;
  /** Names asked for at a time when listing, at most 1,000. */
  readonly listedAtOnce: number;
}

/** A server that does not answer is given up after a minute at most; one that refuses connections after a few seconds. */
export const DEFAULT_S3_LIMITS: S3Limits = {
  requestsAtOnce: 16,
  connectMs: 5_000,
  idleMs: 30_000,
  attempts: 6,
  giveUpMs: 60_000,
  longestPauseMs: 5_000,
  listedAtOnce: 1000,
};
