import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { asUser, type Family, letClockAdvance, NOBODY } from './family.js';

function newFile(folder: string): string {
  const path = join(folder, 'file');
  writeFileSync(path, 'content');
  return path;
}

/** Sets an attribute; the value is given as hex. */
const setXattr = (path: string, name: string, hex: string, flags = 0): string =>
  python(
    'os.setxattr(args[0], args[1], bytes.fromhex(args[2]), int(args[3]), follow_symlinks=False)',
    path,
    name,
    hex,
    flags,
  );

const getXattr = (path: string, name: string): string =>
  python('print(os.getxattr(args[0], args[1], follow_symlinks=False).hex())', path, name);

const removeXattr = (path: string, name: string): string => python('os.removexattr(args[0], args[1])', path, name);

const userXattrs = (path: string): string =>
  python("print(' '.join(sorted(n for n in os.listxattr(args[0]) if n.startswith('user.'))))", path);

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

export const xattrs: Family = {
  name: 'extended attributes',
  cases: {
    'are set, read, listed and removed': (folder) => {
      const path = newFile(folder);
      setXattr(path, 'user.one', '00ff10');
      setXattr(path, 'user.two', '');
      assert.equal(getXattr(path, 'user.one'), '00ff10');
      assert.equal(getXattr(path, 'user.two'), '');
      assert.equal(userXattrs(path), 'user.one user.two');
      removeXattr(path, 'user.one');
      assert.equal(userXattrs(path), 'user.two');
      hasErrno('ENODATA', () => getXattr(path, 'user.one'));
      hasErrno('ENODATA', () => removeXattr(path, 'user.one'));
    },

    'a prefix alone is no name': (folder) => {
      const path = newFile(folder);
      hasErrno('EINVAL', () => setXattr(path, 'user.', '01'));
      hasErrno('EINVAL', () => getXattr(path, 'user.'));
      hasErrno('EINVAL', () => removeXattr(path, 'user.'));
    },

    'create and replace are told apart': (folder) => {
      const path = newFile(folder);
      hasErrno('ENODATA', () => setXattr(path, 'user.a', '01', XATTR_REPLACE));
      setXattr(path, 'user.a', '01', XATTR_CREATE);
      hasErrno('EEXIST', () => setXattr(path, 'user.a', '02', XATTR_CREATE));
      setXattr(path, 'user.a', '03', XATTR_REPLACE);
      assert.equal(getXattr(path, 'user.a'), '03');
    },

    'large values and long names are kept': (folder) => {
      const path = newFile(folder);
      const value = 'a5'.repeat(3000);
      setXattr(path, 'user.large', value);
      assert.equal(getXattr(path, 'user.large'), value);
      const name = `user.${'n'.repeat(250)}`;
      setXattr(path, name, '01');
      assert.equal(getXattr(path, name), '01');
      hasErrno('ERANGE', () => setXattr(path, `${name}n`, '01'));
      assert.equal(userXattrs(path), `user.large ${name}`);
    },

    'a buffer too small is told': (folder) => {
      const path = newFile(folder);
      setXattr(path, 'user.a', '0102030405');
      const get = "print(call('getxattr', os.fsencode(args[0]), b'user.a', buf, int(args[1])))";
      assert.equal(python(`buf = ctypes.create_string_buffer(9)\n${get}`, path, 0), '5');
      assert.equal(python(`buf = ctypes.create_string_buffer(9)\n${get}`, path, 9), '5');
      hasErrno('ERANGE', () => python(`buf = ctypes.create_string_buffer(9)\n${get}`, path, 4));
    },

    'folders have them too, and they move with what has them': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      setXattr(sub, 'user.a', '01');
      renameSync(sub, join(folder, 'moved'));
      assert.equal(getXattr(join(folder, 'moved'), 'user.a'), '01');
      const path = newFile(folder);
      linkSync(path, join(folder, 'second'));
      setXattr(path, 'user.b', '02');
      assert.equal(getXattr(join(folder, 'second'), 'user.b'), '02');
    },

    'change ctime and leave mtime': (folder) => {
      const path = newFile(folder);
      const before = statSync(path, { bigint: true });
      letClockAdvance();
      setXattr(path, 'user.a', '01');
      const set = statSync(path, { bigint: true });
      letClockAdvance();
      removeXattr(path, 'user.a');
      const removed = statSync(path, { bigint: true });
      assert.equal(removed.mtimeNs, before.mtimeNs);
      assert.ok(set.ctimeNs > before.ctimeNs && removed.ctimeNs > set.ctimeNs);
    },

    'a symbolic link has no user attributes, nor does a namespace nobody knows': (folder) => {
      symlinkSync('x', join(folder, 'link'));
      hasErrno('EPERM', () => setXattr(join(folder, 'link'), 'user.a', '01'));
      hasErrno('EOPNOTSUPP', () => setXattr(newFile(folder), 'nonsense.a', '01'));
    },

    'a file has a hundred of them': (folder) => {
      const path = newFile(folder);
      const program = `
for i in range(100): os.setxattr(args[0], 'user.%03d' % i, b'%d' % i)
print(all(os.getxattr(args[0], 'user.%03d' % i) == b'%d' % i for i in range(100)), len(os.listxattr(args[0])))`;
      assert.equal(python(program, path), 'True 100');
    },
  },
  rootCases: {
    'trusted and security attributes are kept for root': (folder) => {
      const path = newFile(folder);
      setXattr(path, 'trusted.a', '0102');
      assert.equal(getXattr(path, 'trusted.a'), '0102');
      symlinkSync('x', join(folder, 'link'));
      setXattr(join(folder, 'link'), 'trusted.a', '03');
      assert.equal(getXattr(join(folder, 'link'), 'trusted.a'), '03');
      chmodSync(folder, 0o755);
      chmodSync(path, 0o666);
      asUser(NOBODY, NOBODY, () => {
        hasErrno('ENODATA', () => getXattr(path, 'trusted.a'));
        hasErrno('EPERM', () => setXattr(path, 'trusted.a', '01'));
      });
    },

    'trusted attributes are listed to root alone': (folder) => {
      chmodSync(folder, 0o755);
      const path = newFile(folder);
      setXattr(path, 'trusted.a', '01');
      setXattr(path, 'user.a', '01');
      const list = 'print(sorted(os.listxattr(args[0])))';
      const listToUser = `os.setgid(${NOBODY}); os.setuid(${NOBODY}); ${list}`;
      assert.equal(python(list, path), "['trusted.a', 'user.a']");
      assert.equal(python(listToUser, path), "['user.a']");
    },

    'file capabilities are kept, and lost when the file is written': (folder) => {
      const path = join(folder, 'program');
      copyFileSync('/bin/true', path);
      const capability = '0100000200040000000000000000000000000000';
      setXattr(path, 'security.capability', capability);
      assert.equal(getXattr(path, 'security.capability'), capability);
      writeFileSync(path, 'x', { flag: 'a' });
      hasErrno('ENODATA', () => getXattr(path, 'security.capability'));
    },

    'attributes follow the permission bits': (folder) => {
      chmodSync(folder, 0o755);
      const path = newFile(folder);
      setXattr(path, 'user.a', '01');
      chmodSync(path, 0o644);
      asUser(NOBODY, NOBODY, () => {
        assert.equal(getXattr(path, 'user.a'), '01');
        hasErrno('EACCES', () => setXattr(path, 'user.a', '02'));
      });
      chmodSync(path, 0o600);
      asUser(NOBODY, NOBODY, () => hasErrno('EACCES', () => getXattr(path, 'user.a')));
    },
  },
};

const setAcl = (...args: string[]): string => outputOf('setfacl', args);

/** The ACL as `user::rw-,user:5:r--,…`. */
const aclOf = (path: string): string =>
  outputOf('getfacl', ['--omit-header', '--numeric', '--absolute-names', '--no-effective', path])
    .trim()
    .replaceAll('\n', ',');

export const acls: Family = {
  name: 'access control lists',
  cases: {
    'are kept as set': (folder) => {
      const path = newFile(folder);
      chmodSync(path, 0o640);
      setAcl('-m', 'u:5:rwx,g:6:r', path);
      assert.equal(aclOf(path), 'user::rw-,user:5:rwx,group::r--,group:6:r--,mask::rwx,other::---');
      setAcl('-x', 'u:5', path);
      assert.equal(aclOf(path), 'user::rw-,group::r--,group:6:r--,mask::r--,other::---');
      setAcl('-b', path);
      assert.equal(aclOf(path), 'user::rw-,group::r--,other::---');
    },

    'the group bits of the mode are the mask': (folder) => {
      const path = newFile(folder);
      chmodSync(path, 0o600);
      setAcl('-m', 'u:5:rw', path);
      assert.equal(statSync(path).mode & 0o777, 0o660);
      chmodSync(path, 0o640);
      assert.equal(aclOf(path), 'user::rw-,user:5:rw-,group::---,mask::r--,other::---');
    },

    'an ACL that says no more than the mode becomes the mode': (folder) => {
      const path = newFile(folder);
      setAcl('--set', 'u::rw,g::r,o::-', path);
      assert.equal(statSync(path).mode & 0o777, 0o640);
      assert.equal(python('print(os.listxattr(args[0]))', path), '[]');
    },

    'what is made in a folder inherits its default ACL': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      setAcl('-m', 'd:u::rwx,d:u:5:rw,d:g::rx,d:o::-', sub);
      writeFileSync(join(sub, 'file'), '', { mode: 0o666 });
      mkdirSync(join(sub, 'inner'), 0o777);
      assert.equal(aclOf(join(sub, 'file')), 'user::rw-,user:5:rw-,group::r-x,mask::rw-,other::---');
      assert.equal(
        aclOf(join(sub, 'inner')),
        'user::rwx,user:5:rw-,group::r-x,mask::rwx,other::---,' +
          'default:user::rwx,default:user:5:rw-,default:group::r-x,default:mask::rwx,default:other::---',
      );
    },

    'a default ACL replaces the umask': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      setAcl('-m', 'd:u::rwx,d:g::rwx,d:o::r', sub);
      const before = process.umask(0o077);
      writeFileSync(join(sub, 'file'), '', { mode: 0o666 });
      process.umask(before);
      assert.equal(statSync(join(sub, 'file')).mode & 0o777, 0o664);
    },

    'only folders have a default ACL': (folder) => {
      const path = newFile(folder);
      const acl = '02000000' + '0100060000000000' + '0400040000000000' + '2000000000000000';
      hasErrno(['EACCES', 'EOPNOTSUPP'], () => setXattr(path, 'system.posix_acl_default', acl));
      hasErrno('EINVAL', () => setXattr(path, 'system.posix_acl_access', '0200000001'));
    },
  },
  rootCases: {
    'are enforced': (folder) => {
      chmodSync(folder, 0o755);
      const path = newFile(folder);
      chmodSync(path, 0o600);
      asUser(1005, NOBODY, () => hasErrno('EACCES', () => readFileSync(path)));
      setAcl('-m', 'u:1005:r,g:1006:rw', path);
      asUser(1005, NOBODY, () => {
        assert.equal(readFileSync(path, 'utf8'), 'content');
        hasErrno('EACCES', () => writeFileSync(path, 'x'));
      });
      asUser(NOBODY, 1006, () => writeFileSync(path, 'by group'));
      asUser(NOBODY, NOBODY, () => hasErrno('EACCES', () => readFileSync(path)));
      chmodSync(path, 0o600);
      asUser(1005, NOBODY, () => hasErrno('EACCES', () => readFileSync(path)));
    },
  },
};
