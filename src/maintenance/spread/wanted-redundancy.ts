import { ChunkSet } from '../../catalog/chunk-set.js';
import type { Digest } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import { groupPath, parseGroupPath } from '../../core/group.js';
import { parseRedundancy, type Redundancy, strongerRedundancy } from '../../core/redundancy.js';
import type { ReadableDatastore } from '../../datastore/open.js';
import type { CareContext } from '../job/care-context.js';

interface GroupChunks {
  readonly group: string;
  readonly redundancy: Redundancy;
  /** All that the group's snapshots name. */
  readonly chunks: ChunkSet;
}

const PAGE = 1000;

/**
 * In which redundancy each chunk is to be: that of the datastore, or what the groups with snapshots of it ask for, where
 * that bears more. As of when it was made.
 */
export class WantedRedundancy {
  readonly #catalog: CareContext['catalog'];
  readonly #usual: Redundancy;
  readonly #groups: readonly GroupChunks[];

  /** @throws {CairnError} `corrupt` where it cannot be told what a group has */
  constructor({ catalog }: Pick<CareContext, 'catalog'>, config: ReadableDatastore['config']) {
    this.#catalog = catalog;
    this.#usual = parseRedundancy(config.redundancy ?? 'single');
    this.#groups = Object.entries(config.groupRedundancy ?? {}).map(([group, redundancy]) => {
      return { group, redundancy: parseRedundancy(redundancy), chunks: chunksOfGroup(catalog, group) };
    });
  }

  of(digest: Digest): Redundancy {
    const asked = this.#groups.filter(({ chunks }) => this.#catalog.sets.has(chunks, digest));
    return asked.reduce((best, { redundancy }) => strongerRedundancy(best, redundancy), this.#usual);
  }

  /** The chunks of a group that asks for more than the datastore; none of another. */
  *chunksOf(group: string): Generator<Digest> {
    const path = groupPath(parseGroupPath(group));
    const found = this.#groups.find((one) => one.group === path);
    if (found !== undefined) yield* this.#catalog.sets.digests(found.chunks);
  }
}

function chunksOfGroup({ indexFiles, sets }: CareContext['catalog'], group: string): ChunkSet {
  const folder = `${group}/`;
  const union = new ChunkSet();
  let page = indexFiles.list(folder, PAGE);
  for (;;) {
    for (const { path } of page) {
      if (!path.startsWith(folder)) return union;
      const found = sets.find(path);
      // What is not tracked any more has just been forgotten.
      if (found?.kind === 'damaged') {
        throw new CairnError(
          'corrupt',
          `What ${path} names is not known: "cairn check" and "cairn gc --full" find out`,
        );
      }
      if (found !== undefined) union.addAll(found.value);
    }
    const last = page.at(-1);
    if (last === undefined) return union;
    page = indexFiles.list(last.path, PAGE);
  }
}
