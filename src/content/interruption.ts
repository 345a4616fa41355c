/** Who may stop waiting: its signal's reason is what the wait then fails with. */
export interface Interruptible {
  readonly interrupted?: AbortSignal;
}

/** What `wait` resolves to. @throws the signal's reason as soon as it fires, whatever becomes of `wait` */
export function unlessInterrupted<T>(wait: Promise<T>, interrupted: AbortSignal | undefined): Promise<T> {
  if (interrupted === undefined) return wait;
  return new Promise((resolve, reject) => {
    const stop = () => reject(interrupted.reason);
    if (interrupted.aborted) stop();
    interrupted.addEventListener('abort', stop, { once: true });
    wait.then(resolve, reject).finally(() => interrupted.removeEventListener('abort', stop));
  });
}
