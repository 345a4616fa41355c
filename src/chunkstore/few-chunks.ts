/** Far less than the chunk cache of a mount holds. */
const FEW_BYTES = 8 * 1024 * 1024;

/**
 * Whether chunks are so few that a read loads them all and then finds them in the cache, unless others load a lot meanwhile.
 * Of more it has to keep what it loads.
 * @param plainLengths of the chunks, in bytes; one that is named twice counts twice
 */
export function areFew(plainLengths: readonly number[]): boolean {
  return plainLengths.reduce((sum, length) => sum + length, 0) <= FEW_BYTES;
}
