/** Rows written between two turns of the mount's requests. */
export const ROWS_PER_TURN = 500;

/** Does something for each item, with the mount's requests in between. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (const [index, item] of items.entries()) {
    work(item);
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn();
  }
}

/** Lets the mount answer what has come in. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
