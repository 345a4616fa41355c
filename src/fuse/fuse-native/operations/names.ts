import type { Attributes, Awaitable } from '../../../vfs/api.js';
import { S_IFDIR } from '../../../vfs/file-mode.js';
import type { FuseNativeOperations } from '../package.js';
import type { MountParts } from './mount-parts.js';

type NameOperations = Pick<
  FuseNativeOperations,
  'create' | 'mknod' | 'mkdir' | 'symlink' | 'link' | 'unlink' | 'rmdir' | 'rename'
>;

export function nameOperations({ vfs, nodes, handles, requests }: MountParts): NameOperations {
  const { names } = vfs;
  /** libfuse looks up what was made by itself. */
  const made = async (attributes: Awaitable<Attributes>) => names.forget((await attributes).node, 1);
  return {
    create(path, mode, flags, done) {
      requests.answer('CREATE', done, (caller) =>
        nodes.name(path, async (parent, name) => {
          const { attributes, open } = await names.create(caller, parent, name, mode, caller.umask, flags);
          const number = handles.add(open.handle, attributes.node);
          names.forget(attributes.node, 1);
          return number;
        }),
      );
    },
    mknod(path, mode, device, done) {
      requests.answer('MKNOD', done, (caller) =>
        nodes.name(path, (parent, name) => made(names.makeNode(caller, parent, name, mode, caller.umask, device))),
      );
    },
    mkdir(path, mode, done) {
      // mkdir(2) sends permission bits only.
      requests.answer('MKDIR', done, (caller) =>
        nodes.name(path, (parent, name) => made(names.makeFolder(caller, parent, name, S_IFDIR | mode, caller.umask))),
      );
    },
    symlink(target, path, done) {
      requests.answer('SYMLINK', done, (caller) =>
        nodes.name(path, (parent, name) => made(names.symlink(caller, parent, name, Buffer.from(target, 'latin1')))),
      );
    },
    link(path, newPath, done) {
      requests.answer('LINK', done, () =>
        nodes.at(path, ({ node }) => nodes.name(newPath, (parent, name) => made(names.link(node, parent, name)))),
      );
    },
    unlink(path, done) {
      requests.answer('UNLINK', done, () =>
        nodes.reveal(path) ? undefined : nodes.name(path, (parent, name) => names.unlink(parent, name)),
      );
    },
    rmdir(path, done) {
      requests.answer('RMDIR', done, async () => {
        await nodes.name(path, (parent, name) => names.removeFolder(parent, name));
        nodes.changed(path);
      });
    },
    rename(path, newPath, done) {
      requests.answer('RENAME', done, async (caller) => {
        if (await nodes.hide(path, newPath, (node) => handles.isOpen(node))) return;
        await nodes.name(path, (parent, name) =>
          nodes.name(newPath, (newParent, newName) => names.rename(caller, parent, name, newParent, newName, 0)),
        );
        nodes.changed(path);
        nodes.changed(newPath);
      });
    },
  };
}
