import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** What a run may add to the process's resident memory at its peak, bytes. */
export const MEMORY_BOUND_BYTES = 256 * 1024 * 1024;
const LOOKS_AT_REST = 1000;

/** What a process holds at one moment: a run that leaks or takes too much is found by comparing with the one before it. */
export class Footprint {
  readonly #peakBytes = peakBytes();
  readonly #descriptors = openDescriptors();

  /**
   * @param what ran since
   * @returns by how many bytes the peak of resident memory has grown
   * @throws {assert.AssertionError} where that is too much, or descriptors stay open
   */
  async requireHeld(what: string): Promise<number> {
    const grown = peakBytes() - this.#peakBytes;
    assert.ok(grown <= MEMORY_BOUND_BYTES, `${what}: memory grew by ${grown} bytes`);
    const descriptors = await descriptorsAtRest(this.#descriptors);
    assert.ok(descriptors <= this.#descriptors, `${what}: ${this.#descriptors} descriptors became ${descriptors}`);
    return grown;
  }
}

/** The most memory that was ever resident, bytes. */
function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Open descriptors once there are no more than `wanted`, or when waiting for that is of no use: sockets close late. */
async function descriptorsAtRest(wanted: number): Promise<number> {
  for (let look = 0; look < LOOKS_AT_REST && openDescriptors() > wanted; look += 1) await setTimeout(5);
  return openDescriptors();
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
