/** What machines that share an object store have to say of units: what is complete once a certain object is there. */
export interface UnitChange {
  /** Names of the completing objects: manifests and pins. */
  readonly units: readonly string[];
  readonly kind: 'publish' | 'withdraw';
}

/** What a job asks of the machine's membership of a shared object store; `end-change` follows in any case. */
export type ChangeAsks = {
  readonly 'begin-change': { payload: UnitChange; result: null };
  readonly 'end-change': { payload: { readonly done: boolean }; result: null };
};

/** Whoever may ask for changes. */
export interface ChangeAsker {
  ask<N extends keyof ChangeAsks & string>(
    name: N,
    payload: ChangeAsks[N]['payload'],
  ): Promise<ChangeAsks[N]['result']>;
}

/** Puts or removes units as machines that share an object store must (datastore/shared). */
export async function changing<T>(asker: ChangeAsker, change: UnitChange, work: () => Promise<T>): Promise<T> {
  await asker.ask('begin-change', change);
  let done = false;
  try {
    const result = await work();
    done = true;
    return result;
  } finally {
    await asker.ask('end-change', { done });
  }
}
