import { CairnError } from '../core/errors.js';
import type { IndexKind } from './chunk-index.js';

/** The manifest's file name; its presence says that the snapshot is finished (pbs-format §1.5, §5). */
export const MANIFEST_NAME = 'index.json.blob';

/** A file of this name in a snapshot's folder forbids to forget it (pbs-format §1.5). */
export const PROTECTED_NAME = '.protected';

/** Files of a snapshot that its manifest does not list (pbs-format §5). */
export const UNLISTED_NAMES: readonly string[] = [MANIFEST_NAME, 'client.log.blob'];

/** What a client's name of an archive ends in → what the server appends (pbs-format §1.5). */
const SERVER_SUFFIX: Readonly<Record<string, string>> = {
  pxar: '.didx',
  mpxar: '.didx',
  ppxar: '.didx',
  pcat1: '.didx',
  img: '.fidx',
  conf: '.blob',
  json: '.blob',
  key: '.blob',
  log: '.blob',
};

const HAS_SERVER_SUFFIX = /\.([fd]idx|blob)$/;
const LISTED = /^(.*\.([fd]idx|blob)|\.protected)$/;

/**
 * The file a client's archive name stands for on the server: `root.mpxar` → `root.mpxar.didx`. A name that ends in a
 * server suffix already stays as it is.
 * @throws {CairnError} `invalid` for any other name
 */
export function serverFileName(archiveName: string): string {
  const suffix = HAS_SERVER_SUFFIX.test(archiveName) ? '' : SERVER_SUFFIX[extensionOf(archiveName)];
  if (suffix === undefined || !isServerFileName(archiveName + suffix)) {
    throw new CairnError(
      'invalid',
      `Not an archive name: ${JSON.stringify(archiveName)}; it ends in one of ${Object.keys(SERVER_SUFFIX).join(', ')}`,
    );
  }
  return archiveName + suffix;
}

/**
 * The client's name of a server file: `root.mpxar.didx` → `root.mpxar`.
 * @throws {CairnError} `invalid` unless the name ends in a server suffix
 */
export function archiveNameOf(fileName: string): string {
  if (!isServerFileName(fileName)) throw new CairnError('invalid', `Not a server file: ${JSON.stringify(fileName)}`);
  return fileName.replace(HAS_SERVER_SUFFIX, '');
}

/** Whether a manifest may list this name: a single path component with a server suffix and something before it. */
export function isServerFileName(name: string): boolean {
  return HAS_SERVER_SUFFIX.test(name) && isPlainName(name) && name.replace(HAS_SERVER_SUFFIX, '') !== '';
}

/** Whether PBS shows a file of this name in a snapshot; it ignores all others. */
export function isListedByPbs(name: string): boolean {
  return LISTED.test(name);
}

/** In our snapshots: what a faithful restore needs beyond pxar; PBS carries it along. */
export const ATTRIBUTES_NAME = 'cairn.attrs.didx';

/** The index format a file name claims, or undefined where it is no index. */
export function indexKindOfName(name: string): IndexKind | undefined {
  if (name.endsWith('.didx')) return 'dynamic';
  return name.endsWith('.fidx') ? 'fixed' : undefined;
}

/**
 * The file with the payload stream that belongs to a metadata stream (`root.mpxar.didx` → `root.ppxar.didx`), or
 * undefined where the name is not that of a metadata stream.
 */
export function payloadFileOf(metadataFile: string): string | undefined {
  return metadataFile.endsWith('.mpxar.didx') ? metadataFile.replace(/\.mpxar\.didx$/, '.ppxar.didx') : undefined;
}

/** The name an index file has while it is being written: `root.mpxar.tmp_didx` (pbs-format §1.4). */
export function temporaryIndexName(fileName: string): string {
  return fileName.replace(/\.([fd]idx)$/, '.tmp_$1');
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  const extension = name.slice(dot + 1);
  return dot > 0 && Object.hasOwn(SERVER_SUFFIX, extension) ? extension : '';
}

function isPlainName(name: string): boolean {
  return !/[/\0\n]/.test(name) && name !== '' && name !== '.' && name !== '..';
}
