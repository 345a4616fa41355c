/** The answer itself where it is at hand, else a promise of it: whatever is answered at once costs no promise. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Work that may have to wait for bytes: a generator that yields the promises it waits for, and only those. The same
 * code so serves cached bytes at once and loaded ones later.
 */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** The value, after waiting for it if need be; to be used as `yield* settled(...)`. */
export function* settled<T>(value: Awaitable<T>): Steps<T> {
  if (!(value instanceof Promise)) return value;
  // What a yield answers is what the yielded promise resolved to.
  return (yield value) as T;
}

/** Does the work: at once where nothing had to be waited for, else the answer is a promise. */
export function run<T>(steps: Steps<T>): Awaitable<T> {
  const first = steps.next();
  return first.done ? first.value : runLater(steps, first.value);
}

async function runLater<T>(steps: Steps<T>, waitedFor: Promise<unknown>): Promise<T> {
  let pending = waitedFor;
  for (;;) {
    const step = await resume(steps, pending);
    if (step.done) return step.value;
    pending = step.value;
  }
}

/** Goes on with what the promise gives, an error included: the generator's own `finally` must run. */
async function resume<T>(steps: Steps<T>, pending: Promise<unknown>): Promise<IteratorResult<Promise<unknown>, T>> {
  let value: unknown;
  try {
    value = await pending;
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next(value);
}
