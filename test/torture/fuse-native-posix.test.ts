import { testThroughFuseNative } from '../posix/fuse-native-families.js';
import { FAMILIES } from '../posix/run-families.js';

// Every statement of test/posix through the compatibility transport.
testThroughFuseNative(FAMILIES);
