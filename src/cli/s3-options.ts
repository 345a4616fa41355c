import { basename, resolve } from 'node:path';
import { CairnError } from '../core/errors.js';
import type { S3Place } from '../datastore/object-store.js';

/** The options of `init` that say which object store is meant. */
export interface S3Options {
  readonly s3?: string;
  readonly s3Store?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly credentialsFile?: string;
  readonly caFile?: string;
  readonly cacheBytes?: string;
}

const NEEDS_S3 = ['s3Store', 'endpoint', 'region', 'profile', 'credentialsFile', 'caFile', 'cacheBytes'] as const;

/**
 * The object store the options name; undefined where they name none.
 * @param path the datastore's folder
 * @throws {CairnError} `invalid` where they make no sense
 */
export function s3SettingsOf(path: string, options: S3Options): S3Place | undefined {
  const { s3: bucket, s3Store, endpoint, region, profile, credentialsFile, caFile } = options;
  if (bucket === undefined) {
    const stray = NEEDS_S3.find((name) => options[name] !== undefined);
    if (stray !== undefined) throw new CairnError('invalid', `${flagOf(stray)} means nothing without --s3 <bucket>`);
    return undefined;
  }
  if (endpoint !== undefined && !isServer(endpoint)) {
    throw new CairnError(
      'invalid',
      `Not the address of a server: ${endpoint}; give it as https://HOST or http://HOST:PORT`,
    );
  }
  if (profile !== undefined && credentialsFile !== undefined) {
    throw new CairnError('invalid', 'Name a profile or a file of credentials, not both');
  }
  return {
    bucket,
    store: s3Store ?? basename(resolve(path)),
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(credentialsFile !== undefined && { credentialsFile: resolve(credentialsFile) }),
    ...(caFile !== undefined && { caFile: resolve(caFile) }),
  };
}

/** How many bytes chunks may take in the folder. @throws {CairnError} `invalid` */
export function cacheBoundOf({ cacheBytes }: S3Options): { cacheBytes?: number } {
  if (cacheBytes === undefined) return {};
  const bytes = Number(cacheBytes);
  if (Number.isSafeInteger(bytes) && bytes > 0) return { cacheBytes: bytes };
  throw new CairnError('invalid', `Not a number of bytes: ${cacheBytes}`);
}

function isServer(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}

function flagOf(name: (typeof NEEDS_S3)[number]): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
