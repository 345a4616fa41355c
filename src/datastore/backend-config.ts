import * as z from 'zod';
import { CairnError } from '../core/errors.js';
import { parseRedundancy } from '../core/redundancy.js';

/** How a datastore's config names an object store. Secrets are never in it. */
export const s3Config = z.strictObject({
  bucket: z.string().min(1),
  store: z.string().min(1),
  endpoint: z.url().optional(),
  region: z.string().optional(),
  pathStyle: z.boolean().optional(),
  profile: z.string().optional(),
  credentialsFile: z.string().optional(),
  caFile: z.string().optional(),
  checksums: z.enum(['when-required', 'when-supported']).optional(),
  /** How long one request may take with all its tries before it fails; absent: a minute. May be changed by hand. */
  giveUpSeconds: z.number().positive().optional(),
  /** Whether the server was found to honour `If-None-Match: *`. */
  conditionalPuts: z.boolean().optional(),
  /** After how long a machine that shows no life is taken for gone; absent: a minute. The same on all machines. */
  leaseSeconds: z.number().positive().optional(),
  /** How long a deletion may come after it was sent (shared/README.md); absent: 45 minutes. The same on all machines. */
  settleSeconds: z.number().positive().optional(),
});

/** Which objects of which server are meant. */
export type S3Place = z.output<typeof s3Config>;

export const MEDIA_TYPES = ['ssd', 'hdd', 'nvme'] as const;

/** One of the backends chunks are spread over. */
export const backendConfig = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'an id has a-z, 0-9, ".", "_" and "-", at most 63 of them'),
  type: z.enum(['fs', 's3']),
  /** Of an fs backend: absolute path of its folder. */
  path: z.string().startsWith('/').optional(),
  /** Of an s3 backend. */
  s3: s3Config.optional(),
  /** Its share among the others. */
  weight: z.number().positive().max(1e6).default(1),
  readOnly: z.boolean().default(false),
  /** What it holds is to go elsewhere. */
  draining: z.boolean().default(false),
  minFreeBytes: z.number().int().nonnegative().default(0),
  /** For people. */
  media: z.enum(MEDIA_TYPES).optional(),
});

/** How a backend is set up. */
export type BackendConfig = z.output<typeof backendConfig>;

/** What of a datastore's config says where its chunks are. */
export const spreadConfig = z.object({
  /** Absent: its folder is all there is. */
  backends: z.array(backendConfig).min(1).max(255).optional(),
  /** As `parseRedundancy` reads it; absent: `single`. */
  redundancy: z.string().refine(isRedundancy, 'not a redundancy').optional(),
  /** By path of the group: what its chunks are to bear at least. */
  groupRedundancy: z.record(z.string(), z.string().refine(isRedundancy, 'not a redundancy')).optional(),
  /** Some chunks may still be as an earlier redundancy, or the one folder, had them. */
  converting: z.boolean().optional(),
  /** Id of the backend that comes first in every placement. */
  preferredBackend: z.string().optional(),
});

export type SpreadConfig = z.output<typeof spreadConfig>;

/** The backend of this id. @throws {CairnError} `not-found` */
export function requireBackend({ backends }: SpreadConfig, id: string): BackendConfig {
  const found = backends?.find((backend) => backend.id === id);
  if (found !== undefined) return found;
  const known = backends === undefined ? 'it has one folder' : `it has ${backends.map((one) => one.id).join(', ')}`;
  throw new CairnError('not-found', `The datastore has no backend ${id}: ${known}`);
}

function isRedundancy(text: string): boolean {
  try {
    parseRedundancy(text);
    return true;
  } catch {
    return false;
  }
}
