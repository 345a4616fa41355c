import { FETCHING, type UploadParts } from './upload-parts.js';

const LISTED_AT_ONCE = 1000;

/** Files that are in the object store, or may be, with their identities. */
export function knownFiles(parts: Pick<UploadParts, 'reader'>): Map<string, string> {
  const known = new Map<string, string>();
  for (let after = ''; ; ) {
    const files = parts.reader.uploads.listFiles(after, LISTED_AT_ONCE);
    // What never came here is not gone from here.
    for (const { path, identity } of files) if (identity !== FETCHING) known.set(path, identity);
    const last = files.at(-1);
    if (last === undefined) return known;
    after = last.path;
  }
}
