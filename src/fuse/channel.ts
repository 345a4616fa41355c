import type { Digest } from '../core/digest.js';
import type { Draft } from '../native/draft.js';
import type { WordView } from './wire/integers.js';

/** Bodies of WRITE requests, where the session keeps them; see native/fuse-session. */
export interface BodyStore {
  copyInto(draft: Draft, offset: number): void;
  keep(): void;
  copyKept(unique: number, draft: Draft, offset: number): void;
  discardKept(unique: number): void;
}

/** Puts the answer to a READ together; see native/fuse-session. */
export interface ReadAnswer {
  begin(): void;
  addZeros(length: number): void;
  addChunk(digest: Digest, at: number, length: number): boolean;
  addFile(descriptor: number, at: number, length: number): void;
  addDraft(draft: Draft, at: number, length: number): boolean;
  addBytes(bytes: Uint8Array): void;
  send(unique: number): boolean;
}

/** What the dispatcher needs of a session: the request at hand and ways to answer. `FuseSession` is one; tests have another. */
export interface Channel {
  readonly request: WordView;
  readonly answer: WordView;
  readonly bodies: BodyStore;
  readonly readReply: ReadAnswer;
  /** @return false where the kernel did not take the answer */
  reply(unique: number, errno: number, payloadBytes: number): boolean;
}
