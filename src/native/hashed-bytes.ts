// How many plain bytes this thread has given to SHA-256. Tests and job reports tell by it what was hashed again.

let bytes = 0;

/** Counts bytes that are hashed. For the doors of this folder. */
export function noteHashed(count: number): void {
  bytes += count;
}

/** Plain bytes this thread has hashed since it began; what the chunk cache verifies as it decodes does not count. */
export function hashedBytes(): number {
  return bytes;
}
