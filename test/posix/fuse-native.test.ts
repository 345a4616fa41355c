import { test } from 'node:test';
import { skipFuseNative } from '../support/fuse-native.js';
import type { Family } from './family.js';
import { fuseNativeFailures } from './fuse-native-failures.js';
import { testThroughFuseNative } from './fuse-native-families.js';
import { FAMILIES } from './run-families.js';

// The families in which a transport that knows paths alone could differ, and whatever is said to fail. All of them are
// run by scripts/torture fuse-native-posix.
const WHOLE = ['links', 'unlink of what is open', 'rename', 'truncate', 'access control lists', 'times'];

/** Of a family, what is known to fail. */
function knownOf({ name, cases, rootCases = {} }: Family): Family {
  const known = (all: Family['cases']) =>
    Object.fromEntries(Object.entries(all).filter(([title]) => fuseNativeFailures.has(`${name}: ${title}`)));
  return { name, cases: known(cases), rootCases: known(rootCases) };
}

test('mounts through fuse-native can be tested here', { skip: skipFuseNative() }, () => {});
testThroughFuseNative(FAMILIES.map((family) => (WHOLE.includes(family.name) ? family : knownOf(family))));
