import { skipFuseNative } from '../support/fuse-native.js';
import type { Family } from './family.js';
import { fuseNativeFailures } from './fuse-native-failures.js';
import { mountedBase } from './mounted-base.js';
import { testFamilies } from './run-families.js';

/** Declares the families' tests in a live tree of a store that is mounted through fuse-native, where that can be had. */
export function testThroughFuseNative(families: readonly Family[]): void {
  if (skipFuseNative() !== false) return;
  testFamilies(mountedBase('--transport', 'fuse-native').base, families, fuseNativeFailures);
}
