/** Runs `work` for each item, at most so many at once, and resolves when all have ended; the first failure stops it. */
export async function atOnce<T>(limit: number, items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
  };
  const ended = await Promise.allSettled(Array.from({ length: limit }, lane));
  const failed = ended.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
