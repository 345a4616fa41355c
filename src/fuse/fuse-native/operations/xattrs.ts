import { shownTo } from '../../xattr-names.js';
import type { FuseNativeOperations } from '../package.js';
import type { MountParts } from './mount-parts.js';

type XattrOperations = Pick<FuseNativeOperations, 'getxattr' | 'listxattr' | 'setxattr' | 'removexattr'>;

const END = Buffer.of(0);

/** Values and lists are given whole: the package knows how much room the caller has. */
export function xattrOperations({ vfs, nodes, requests }: MountParts): XattrOperations {
  const { xattrs } = vfs;
  const bytes = (name: string) => Buffer.from(name, 'latin1');
  return {
    getxattr(path, name, _position, done) {
      requests.answer('GETXATTR', done, () => nodes.at(path, ({ node }) => xattrs.get(node, bytes(name))));
    },
    listxattr(path, done) {
      requests.answer('LISTXATTR', done, async ({ uid }) => {
        const names = await nodes.at(path, ({ node }) => xattrs.list(node));
        return Buffer.concat(shownTo(uid, names).flatMap((name) => [name, END]));
      });
    },
    setxattr(path, name, value, _position, flags, done) {
      // The package's bytes end with the answer.
      const kept = Buffer.from(value);
      requests.answer('SETXATTR', done, (caller) =>
        nodes.at(path, ({ node }) => xattrs.set(caller, node, bytes(name), kept, flags, false)),
      );
    },
    removexattr(path, name, done) {
      requests.answer('REMOVEXATTR', done, (caller) =>
        nodes.at(path, ({ node }) => xattrs.remove(caller, node, bytes(name))),
      );
    },
  };
}
