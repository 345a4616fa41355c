import { addon } from './addon.js';

const native = addon as { returnFreedMemory(): Promise<void> };

/**
 * Gives the kernel back what was freed. malloc keeps it otherwise, in a heap for every few threads (malloc_trim(3)). Other threads
 * wait for some milliseconds where they allocate meanwhile.
 */
export function returnFreedMemory(): Promise<void> {
  return native.returnFreedMemory();
}
