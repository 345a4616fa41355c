import { basename, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CairnError } from '../core/errors.js';
import type { S3Place } from '../datastore/backend-config.js';
import type { CreateOptions } from '../datastore/create.js';

/** The options of `init` and `attach` that say which object store is meant. */
export interface S3Options {
  readonly s3?: string;
  readonly s3Store?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly credentialsFile?: string;
  readonly caFile?: string;
  readonly cacheBytes?: string;
  readonly queueBytes?: string;
  readonly whenFull?: 'wait' | 'enospc';
  readonly durability?: 'local' | 'backend';
  readonly s3Timeout?: string;
}

/** What `init` and `attach` note of how a folder is in front of an object store. */
export type FrontOptions = Pick<CreateOptions, 'cacheBytes' | 'queueBytes' | 'whenFull' | 'durability'>;

/** Adds the options that say how the server is spoken to. */
export function addAccessOptions(command: Command): Command {
  return command
    .option('--endpoint <url>', 'S3 server, if it is not that of AWS')
    .option('--region <name>', 'region of the bucket')
    .option('--profile <name>', 'profile of ~/.aws to take credentials from, instead of the environment')
    .option('--credentials-file <path>', 'JSON file with accessKeyId and secretAccessKey to take credentials from')
    .option('--ca-file <path>', "certificates (PEM) that vouch for the server, instead of the system's")
    .option('--s3-timeout <seconds>', 'how long a request may take before reading, or fsync, fails (default: 60)');
}

/** Adds the options that say how the server is spoken to, and how much of it is kept here. */
export function addServerOptions(command: Command): Command {
  return addAccessOptions(command)
    .option('--cache-bytes <count>', 'bytes chunks may take in the folder once they are in the bucket (default: any)')
    .option('--queue-bytes <count>', 'bytes of chunks that may wait to be uploaded (default: as the disk takes)')
    .addOption(
      new Option('--when-full <what>', 'what writers meet then: they wait, or ENOSPC').choices(['wait', 'enospc']),
    )
    .addOption(
      new Option('--durability <where>', 'what fsync waits for: this disk (default), or the bucket').choices([
        'local',
        'backend',
      ]),
    );
}

const NEEDS_S3 = [
  ...(['s3Store', 'endpoint', 'region', 'profile', 'credentialsFile', 'caFile'] as const),
  ...(['cacheBytes', 'queueBytes', 'whenFull', 'durability', 's3Timeout'] as const),
] as const;

/** @throws {CairnError} `invalid` where an option says how a server is spoken to, and none is meant */
export function refuseServerOptions(options: S3Options, without: string): void {
  const stray = NEEDS_S3.find((name) => options[name] !== undefined);
  if (stray !== undefined) throw new CairnError('invalid', `${flagOf(stray)} means nothing without ${without}`);
}

/**
 * The object store the options name; undefined where they name none.
 * @param path the datastore's folder
 * @throws {CairnError} `invalid` where they make no sense
 */
export function s3SettingsOf(path: string, options: S3Options): S3Place | undefined {
  const { s3: bucket, s3Store, endpoint, region, profile, credentialsFile, caFile, s3Timeout } = options;
  if (bucket === undefined) {
    refuseServerOptions(options, '--s3 <bucket>');
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
    ...(s3Timeout !== undefined && { giveUpSeconds: numberOf('seconds', s3Timeout) }),
  };
}

/**
 * The object store an address `s3://BUCKET/STORE` and the other options name.
 * @throws {CairnError} `invalid` where they make no sense
 */
export function s3SettingsOfAddress(address: string, options: S3Options): S3Place {
  const [, bucket, store] = /^s3:\/\/([^/]+)\/([^/]+)\/?$/.exec(address) ?? [];
  if (bucket === undefined || store === undefined) {
    throw new CairnError('invalid', `Not the address of a datastore: ${address}; give it as s3://BUCKET/NAME`);
  }
  return s3SettingsOf('.', { ...options, s3: bucket, s3Store: store }) as S3Place;
}

/** What is noted of how the folder is in front of the object store. @throws {CairnError} `invalid` */
export function frontOptionsOf({ cacheBytes, queueBytes, whenFull, durability }: S3Options): FrontOptions {
  return {
    ...(cacheBytes !== undefined && { cacheBytes: wholeNumberOf('bytes', cacheBytes) }),
    ...(queueBytes !== undefined && { queueBytes: wholeNumberOf('bytes', queueBytes) }),
    ...(whenFull !== undefined && { whenFull }),
    ...(durability !== undefined && { durability }),
  };
}

function wholeNumberOf(unit: string, text: string): number {
  const value = numberOf(unit, text);
  if (Number.isSafeInteger(value)) return value;
  throw new CairnError('invalid', `Not a number of ${unit}: ${text}`);
}

function numberOf(unit: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new CairnError('invalid', `Not a number of ${unit}: ${text}`);
}

function isServer(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}

function flagOf(name: (typeof NEEDS_S3)[number]): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
