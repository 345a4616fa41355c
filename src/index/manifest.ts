import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { type Digest, digestFromHex, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { type GroupType, isLegalId } from '../core/group.js';
import { isServerFileName, MANIFEST_NAME, UNLISTED_NAMES } from './archive-names.js';
import { canonicalJson, isNestedTooDeep, type JsonObject, type JsonValue } from './canonical-json.js';

/** Whether and how a file of a snapshot is encrypted (pbs-format §5). */
export type CryptMode = 'none' | 'encrypt' | 'sign-only';

/** One file of a snapshot as its manifest states it. */
export interface ManifestFile {
  /** Full server file name, e.g. `root.mpxar.didx`. */
  readonly filename: string;
  readonly cryptMode: CryptMode;
  /** Index files: length of the stream in bytes; blobs: length of the raw file, header included. */
  readonly size: number;
  /** Index files: the index checksum; blobs: SHA-256 of the raw file. */
  readonly checksum: Digest;
}

/** What a snapshot consists of. Never changed: `withUnprotected` and `signManifest` make new ones. */
export interface Manifest {
  readonly type: GroupType;
  readonly id: string;
  /** Epoch seconds. */
  readonly time: number;
  readonly files: readonly ManifestFile[];
  /** Lowercase hex, or undefined where the manifest is not signed. */
  readonly signature: string | undefined;
  /** The part the signature does not cover: notes, verify state and whatever else anyone put there. */
  readonly unprotected: JsonObject;
  /** The whole document as read or built. Text and signature are made from it, so unknown keys survive. */
  readonly document: JsonObject;
}

/** What a manifest is made of. */
export interface ManifestParts {
  readonly type: GroupType;
  readonly id: string;
  readonly time: number;
  readonly files: readonly ManifestFile[];
  readonly unprotected?: JsonObject;
}

/** The last second of the year 9999: what a snapshot's folder name can say (pbs-format §1.5). */
const MAX_TIME = 253_402_300_799;

const fileSchema = z.object({
  filename: z.string(),
  'crypt-mode': z.enum(['none', 'encrypt', 'sign-only']).default('none'),
  size: z.int().nonnegative(),
  csum: z.string().regex(/^[0-9a-f]{64}$/),
});

const documentSchema = z.object({
  'backup-type': z.enum(['host', 'vm', 'ct']),
  'backup-id': z.string(),
  'backup-time': z.int().min(0).max(MAX_TIME),
  files: z.array(fileSchema),
  signature: z.string().nullish(),
  unprotected: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * Makes a manifest, unsigned.
 * @throws {CairnError} `invalid` for a group id, time, file name or size a manifest may not have, or a file listed
 *   twice
 */
export function buildManifest(parts: ManifestParts): Manifest {
  return fromDocument(
    {
      'backup-type': parts.type,
      'backup-id': parts.id,
      'backup-time': parts.time,
      files: parts.files.map(({ filename, cryptMode, size, checksum }) => ({
        filename,
        'crypt-mode': cryptMode,
        size,
        csum: digestHex(checksum),
      })),
      signature: null,
      unprotected: parts.unprotected ?? {},
    },
    'invalid',
  );
}

/**
 * Reads the JSON a manifest's blob holds.
 * @throws {CairnError} `corrupt`, saying what is wrong
 */
export function parseManifest(text: Uint8Array): Manifest {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    throw new CairnError('corrupt', 'Manifest is not JSON', { cause: error });
  }
  return fromDocument(document, 'corrupt');
}

/** The JSON to put into `index.json.blob`. */
export function manifestText(manifest: Manifest): Buffer {
  return Buffer.from(JSON.stringify(manifest.document, undefined, 2));
}

/** The same manifest with another unprotected part; its signature stays valid. */
export function withUnprotected(manifest: Manifest, unprotected: JsonObject): Manifest {
  return { ...manifest, unprotected, document: { ...manifest.document, unprotected } };
}

/**
 * Signs with the 32 bytes a key is identified by (pbs-format §2.2, §5).
 * @throws {CairnError} `invalid` where the document has no canonical form
 */
export function signManifest(manifest: Manifest, idKey: Uint8Array): Manifest {
  const signature = manifestSignature(manifest, idKey).toString('hex');
  return { ...manifest, signature, document: { ...manifest.document, signature } };
}

/** Whether the manifest is signed, and with this key. */
export function signatureFits(manifest: Manifest, idKey: Uint8Array): boolean {
  if (manifest.signature === undefined || !/^[0-9a-f]{64}$/.test(manifest.signature)) return false;
  return timingSafeEqual(Buffer.from(manifest.signature, 'hex'), manifestSignature(manifest, idKey));
}

/**
 * The manifest's entry for a file.
 * @throws {CairnError} `not-found`
 */
export function manifestFile(manifest: Manifest, filename: string): ManifestFile {
  const file = manifest.files.find((entry) => entry.filename === filename);
  if (file === undefined) throw new CairnError('not-found', `The manifest lists no ${filename}`);
  return file;
}

function manifestSignature(manifest: Manifest, idKey: Uint8Array): Buffer {
  const { signature: _signature, unprotected: _unprotected, ...signed } = manifest.document;
  return createHmac('sha256', idKey).update(canonicalJson(signed)).digest();
}

function fromDocument(document: unknown, kind: 'corrupt' | 'invalid'): Manifest {
  const parsed = documentSchema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CairnError(kind, `Manifest: ${issue?.path.join('.')}: ${issue?.message}`, { cause: parsed.error });
  }
  // Zod has made sure that it is an object, and what JSON.parse or a caller made is JSON.
  const whole = document as JsonObject;
  if (isNestedTooDeep(whole)) throw new CairnError(kind, 'Manifest is nested too deep');
  const known = parsed.data;
  if (!isLegalId(known['backup-id'])) {
    throw new CairnError(kind, `Manifest: not a group id: ${JSON.stringify(known['backup-id'])}`);
  }
  checkNames(known.files, kind);
  return {
    type: known['backup-type'],
    id: known['backup-id'],
    time: known['backup-time'],
    files: known.files.map((file) => ({
      filename: file.filename,
      cryptMode: file['crypt-mode'],
      size: file.size,
      checksum: digestFromHex(file.csum),
    })),
    signature: known.signature ?? undefined,
    unprotected: isObject(whole.unprotected) ? whole.unprotected : {},
    document: whole,
  };
}

/**
 * What PBS leaves unchecked: a file listed twice, or under a name that would lead out of the folder (pbs-format
 * §11).
 */
function checkNames(files: readonly { filename: string }[], kind: 'corrupt' | 'invalid'): void {
  const seen = new Set<string>();
  const refused = kind === 'invalid' ? UNLISTED_NAMES : [MANIFEST_NAME];
  for (const { filename } of files) {
    if (!isServerFileName(filename) || refused.includes(filename)) {
      throw new CairnError(kind, `Manifest lists ${JSON.stringify(filename)}, which no manifest may list`);
    }
    if (seen.has(filename)) throw new CairnError(kind, `Manifest lists ${filename} twice`);
    seen.add(filename);
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
