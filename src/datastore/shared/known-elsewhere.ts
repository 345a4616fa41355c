import { type Digest, digestHex } from '../../core/digest.js';
import type { RoundAnswers } from './round-answers.js';

/**
 * Chunks that other machines' published snapshots name, so that they need not be put again. What was seen before a
 * collection ended proves nothing after it; what one has condemned is not believed while it runs.
 */
export class KnownElsewhere {
  readonly #answers: Pick<RoundAnswers, 'generation' | 'mayUse'>;
  #digests: ReadonlySet<string> = new Set();
  #generation = -1;

  constructor(answers: Pick<RoundAnswers, 'generation' | 'mayUse'>) {
    this.#answers = answers;
  }

  /** @param read reads digests (hex) of all that is published, and not revoked once all of it has been listed */
  async refresh(read: () => Promise<ReadonlySet<string>>): Promise<void> {
    const { generation } = this.#answers;
    const digests = await read();
    if (generation !== this.#answers.generation) return;
    this.#digests = digests;
    this.#generation = generation;
  }

  has(digest: Digest): boolean {
    return (
      this.#generation === this.#answers.generation &&
      this.#answers.mayUse(digest) &&
      this.#digests.has(digestHex(digest))
    );
  }
}
