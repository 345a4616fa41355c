import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlSocketPath } from '../../src/control/socket-path.js';

const user = { uid: 1000, runtimeFolder: '/run/user/1000', temporaryFolder: '/tmp' };

test('each datastore and each user has a socket of its own, in a folder of the user', () => {
  const root = { uid: 0, runtimeFolder: '/run/user/0', temporaryFolder: '/tmp' };
  assert.match(controlSocketPath('/srv/backup', root), /^\/run\/cairn\/[0-9a-f]{16}\.sock$/);
  assert.match(controlSocketPath('/srv/backup', user), /^\/run\/user\/1000\/cairn\/[0-9a-f]{16}\.sock$/);
  const bare = { ...user, runtimeFolder: undefined };
  assert.match(controlSocketPath('/srv/backup', bare), /^\/tmp\/cairn-1000\/[0-9a-f]{16}\.sock$/);
  assert.equal(controlSocketPath('/srv/backup', user), controlSocketPath('/srv/backup', user));
  assert.notEqual(controlSocketPath('/srv/backup', user), controlSocketPath('/srv/backup2', user));
});

test('the path is never too long for a socket', () => {
  const long = { ...user, runtimeFolder: `/run/${'x'.repeat(90)}` };
  assert.match(controlSocketPath('/srv/backup', long), /^\/tmp\/cairn-1000\//);
  assert.ok(Buffer.byteLength(controlSocketPath(`/${'y'.repeat(4000)}`, user)) <= 103);
});
