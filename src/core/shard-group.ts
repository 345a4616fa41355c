import type { Redundancy } from './redundancy.js';

/** The pieces one object was cut into, and where they are, as far as is known. */
export interface ShardGroup {
  readonly redundancy: Redundancy;
  /** Which of several objects that were put under one name these are pieces of. */
  readonly generation: number;
  /** Length of the object, in bytes. */
  readonly objectBytes: number;
  /** Length of each piece as it is stored, in bytes. */
  readonly shardBytes: number;
  /** Ids of the backends with a piece, by its index. Pieces that are nowhere are absent. */
  readonly places: ReadonlyMap<number, string>;
}

/** What was heard of where pieces are, and when: milliseconds since 1970, so that what threads heard is put in order. */
export type ShardChange = ShardNews & { readonly at: number };

/** Something that is heard of where pieces are; it is what is known from then on. */
export type ShardNews =
  | {
      readonly kind: 'seen';
      /** Name of the object. */
      readonly name: string;
      /** Undefined where those that were asked have nothing. */
      readonly group: ShardGroup | undefined;
      /** Backends that did not answer: what they had before, they are still taken to have. */
      readonly silent: readonly string[];
    }
  | { readonly kind: 'moved'; readonly from: string; readonly to: string; readonly silent: readonly string[] };
