import type { Digest } from '../core/digest.js';
import type { Draft } from '../native/draft.js';

/**
 * The bytes of one write request, still where the transport received them. Valid only until the call that was
 * given it returns, unless kept.
 */
export interface WriteBody {
  readonly length: number;
  /** Copies all bytes into the draft at `offset`. A kept body may be copied once. */
  copyInto(draft: Draft, offset: number): void;
  /** Makes the body outlive the call: must be followed by one `copyInto` or one `discard`. */
  keep(): void;
  /** Gives a kept body up. */
  discard(): void;
}

/** Where bytes to be read lie; a transport turns pieces into a reply without the bytes passing through TypeScript. */
export type ReadPiece =
  | { readonly kind: 'zeros'; readonly length: number }
  /** Bytes of a chunk that was in the chunk cache when the piece was made; the reader retries where it has gone. */
  | { readonly kind: 'chunk'; readonly length: number; readonly digest: Digest; readonly at: number }
  /** Bytes of an open file (a journal segment) at `at`; the descriptor stays open while a read is under way. */
  | { readonly kind: 'file'; readonly length: number; readonly descriptor: number; readonly at: number }
  /** Dirty bytes of a draft, `at` being an offset in the file. */
  | { readonly kind: 'draft'; readonly length: number; readonly draft: Draft; readonly at: number }
  /** Bytes that are at hand (virtual files). */
  | { readonly kind: 'bytes'; readonly length: number; readonly bytes: Uint8Array };
