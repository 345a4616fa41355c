import { type Digest, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';

/**
 * A chunk that cannot be had: it is not there, or its bytes are not those its name promises. The kind is
 * `corrupt` either way, since a reader who was promised data must not be told "no such file".
 */
export class ChunkError extends CairnError {
  readonly digest: Digest;
  readonly state: 'absent' | 'corrupt';

  constructor(digest: Digest, state: 'absent' | 'corrupt', reason: string, options?: { cause?: unknown }) {
    super('corrupt', `Chunk ${digestHex(digest)} is ${state}: ${reason}`, options);
    this.name = 'ChunkError';
    this.digest = digest;
    this.state = state;
  }
}
