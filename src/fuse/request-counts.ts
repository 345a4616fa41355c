import { opcodeName } from './wire/opcodes.js';

/** Opcodes above count as one: the kernel has about fifty. */
const LAST_OPCODE = 127;

/** How often the kernel asked for what: the figure that tells what a copy or a walk costs, whatever the machine's speed. */
export class RequestCounts {
  readonly #counts = new Float64Array(LAST_OPCODE + 1);

  add(opcode: number): void {
    this.#counts[Math.min(opcode, LAST_OPCODE)]! += 1;
  }

  /** Of the operations that were asked for, by name (`LOOKUP`), those without an answer (`FORGET`) among them. */
  byOperation(): Record<string, number> {
    const named: Record<string, number> = {};
    this.#counts.forEach((count, opcode) => {
      if (count > 0) named[opcodeName(opcode)] = count;
    });
    return named;
  }
}
