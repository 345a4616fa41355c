import { test } from 'node:test';
import { skipFuseNative } from '../support/fuse-native.js';
import { fuseNativeFailures } from './fuse-native-failures.js';
import { mountedBase } from './mounted-base.js';
import { FAMILIES, testFamilies } from './run-families.js';

// All families in a live tree of a store that is mounted through fuse-native, where that can be had.
test('mounts through fuse-native can be tested here', { skip: skipFuseNative() }, () => {});
if (skipFuseNative() === false) {
  testFamilies(mountedBase('--transport', 'fuse-native').base, FAMILIES, fuseNativeFailures);
}
