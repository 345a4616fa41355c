import type { ChunkCondition } from '../../chunkstore/chunk-care.js';
import { chunkName } from '../../chunkstore/layout.js';
import type { Digest } from '../../core/digest.js';
import type { BadChunk } from '../damage/damage-map.js';
import type { CareContext } from '../job/care-context.js';
import type { VerifiedChunk } from '../job/care-writes.js';

/** Good chunks told to the catalog in one message. */
const TOLD_AT_ONCE = 500;

/** Verifies chunks, has good ones noted and bad ones put out of the way. Several `verify` may be under way at once. */
export class ChunkVerifier {
  readonly #context: CareContext;
  readonly #bad: BadChunk[] = [];
  #good: VerifiedChunk[] = [];
  #chunks = 0;
  #bytes = 0;
  /** Pieces of chunks were stored anew since the last barrier. */
  #mended = false;

  constructor(context: CareContext) {
    this.#context = context;
  }

  /** How many chunks were verified, and bytes of their files read. */
  get chunks(): number {
    return this.#chunks;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What was found bad, each chunk once as long as each was verified once. */
  get bad(): readonly BadChunk[] {
    return this.#bad;
  }

  /**
   * @param length plain length in bytes as far as is known
   * @returns whether the chunk can be relied on; a chunk that was collected meanwhile can, since nothing needs it
   */
  async verify(digest: Digest, length: number): Promise<boolean> {
    const { care, pace, prefixDigits, signal, spread } = this.#context;
    // Whoever reads a chunk looks at no more of its pieces than it takes.
    const mended = await spread?.mender.mend(chunkName(digest, prefixDigits));
    if (mended?.state === 'mended') this.#mended = true;
    const condition = await care.examine(digest);
    this.#chunks += 1;
    await this.#take(digest, condition);
    if ('storedLength' in condition) {
      this.#bytes += condition.storedLength;
      await pace.spend(condition.storedLength, signal);
    }
    if (condition.kind === 'whole' || condition.kind === 'encrypted') return true;
    const confirmed = await care.condemn(digest, () => this.#context.writes.markBad(digest, length));
    if (confirmed === 'sound') return true;
    this.#bad.push({ digest, length, condition: confirmed });
    return false;
  }

  /** Has the rest of the good ones noted, and what was mended is durable. */
  async flush(): Promise<void> {
    if (this.#mended) await this.#context.objects.sync();
    this.#mended = false;
    const good = this.#good;
    this.#good = [];
    if (good.length > 0) await this.#context.writes.verified(good, this.#context.clock.now().seconds);
  }

  async #take(digest: Digest, condition: ChunkCondition): Promise<void> {
    if (condition.kind !== 'whole') return;
    this.#good.push({ digest, length: condition.length, storedLength: condition.storedLength });
    if (this.#good.length >= TOLD_AT_ONCE) await this.flush();
  }
}
