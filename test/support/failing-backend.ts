import type { Backend, BackendFigures, Move } from '../../src/backend/backend.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';

/** A backend whose puts fail while it is told so, and can be held up. */
export class FailingBackend implements Backend {
  readonly #real: Backend;
  /** What puts fail with; undefined: they work. */
  failure: ErrorKind | undefined;
  /** Puts that still work before `failure` counts. */
  putsBefore = 0;
  readonly #gates = { puts: Promise.resolve(), gets: Promise.resolve() };

  constructor(real: Backend) {
    this.#real = real;
  }

  /** Puts, or gets, wait until what it returns is called. */
  holdUp(what: 'puts' | 'gets' = 'puts'): () => void {
    let open: () => void = () => undefined;
    this.#gates[what] = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#gates.puts;
    if (this.failure !== undefined && this.putsBefore-- <= 0) {
      throw new CairnError(this.failure, `Cannot put ${name}: made to fail`);
    }
    return this.#real.put(name, bytes);
  }

  async get(name: string): Promise<Buffer> {
    await this.#gates.gets;
    return this.#real.get(name);
  }

  getRange(name: string, offset: number, length: number): Promise<Buffer> {
    return this.#real.getRange(name, offset, length);
  }

  size(name: string): Promise<number | undefined> {
    return this.#real.size(name);
  }

  touch(name: string): Promise<number | undefined> {
    return this.#real.touch(name);
  }

  removeAll(names: readonly string[]): Promise<boolean[]> {
    return this.#real.removeAll(names);
  }

  moveAll(moves: readonly Move[]): Promise<boolean[]> {
    return this.#real.moveAll(moves);
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#real.list(prefix);
  }

  sync(): Promise<void> {
    return this.#real.sync();
  }

  syncAll(): Promise<void> {
    return this.#real.syncAll();
  }

  figures(): Promise<BackendFigures | undefined> {
    return this.#real.figures();
  }
}
