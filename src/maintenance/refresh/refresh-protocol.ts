import type { RemoteFile } from '../../catalog/uploads.js';
import type { JsonObject } from '../../index/canonical-json.js';
import type { ReadIndex } from '../gc/gc-protocol.js';

/** What a refresh is started with (its `workerData`). */
export interface RefreshJobOptions {
  /** The datastore's folder. */
  readonly store: string;
}

/** Chunks that others' snapshots name and nothing here does. */
export interface ForeignChunks {
  /** One after the other. */
  readonly digests: Uint8Array;
  /** Plain lengths, and lengths of the objects, in bytes. */
  readonly lengths: Float64Array;
  readonly stored: Float64Array;
}

/** What the job asks of whoever may write to the catalog; at most 1,000 rows each. */
export type RefreshAsks = {
  /** Whether a group is another machine's: noted, where nothing of it is here. */
  readonly 'is-others': { payload: string; result: boolean };
  /**
   * Notes chunks as present and not to be uploaded.
   * @returns false where a collection of the object store may delete some: they are believed another time
   */
  readonly chunks: { payload: ForeignChunks; result: boolean };
  readonly 'record-index': { payload: ReadIndex; result: null };
  /** These snapshots, named by their manifests, are about to come here: noted durably, so that they also go again. */
  readonly fetching: { payload: readonly string[]; result: null };
  /** Shows a snapshot whose files are all here; these are its files, as they are in the object store. */
  readonly adopt: {
    payload: { readonly group: string; readonly time: number; readonly files: readonly RemoteFile[] };
    result: null;
  };
  /** Gives a snapshot the marks it has there; of its files there these are known now. @returns whether it had others */
  readonly mark: {
    payload: {
      readonly group: string;
      readonly time: number;
      /** What the manifest's signature does not cover: notes and what verifying found; null: as it is here. */
      readonly unprotected: JsonObject | null;
      readonly isProtected: boolean;
      readonly put: readonly RemoteFile[];
      readonly removed: readonly string[];
    };
    result: boolean;
  };
  /** Takes a snapshot away that is there no more. */
  readonly forget: {
    payload: { readonly group: string; readonly time: number; readonly files: readonly string[] };
    result: null;
  };
  /** What was asked before is durable. */
  readonly commit: { payload: null; result: null };
};

/** What a refresh did. */
export interface RefreshReport {
  /** Snapshots that appeared, and that went. */
  readonly appeared: number;
  readonly gone: number;
  /** Those whose notes, protection or verification changed. */
  readonly changed: number;
  /** Those that appear when the collection of the object store has ended. */
  readonly postponed: number;
}
