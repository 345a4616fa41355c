import { O_TRUNC } from '../../wire/files.js';
import { BufferBody, readInto } from '../bodies.js';
import type { FuseNativeOperations } from '../package.js';
import type { MountParts } from './mount-parts.js';

type FileOperations = Pick<FuseNativeOperations, 'open' | 'read' | 'write' | 'flush' | 'fsync' | 'release'>;

export function fileOperations({ vfs, nodes, handles, requests }: MountParts): FileOperations {
  const { files } = vfs;
  return {
    open(path, flags, done) {
      // A truncating open is two requests: the kernel sets the size by itself.
      requests.answer('OPEN', done, (caller) =>
        nodes.at(path, async ({ node }) =>
          handles.add((await files.open(caller, node, flags & ~O_TRUNC)).handle, node),
        ),
      );
    },
    read(_path, number, room, _length, offset, done) {
      requests.answerCount('READ', done, () => readInto(files, handles.get(number).handle, offset, room));
    },
    write(_path, number, bytes, length, offset, done) {
      requests.answerCount('WRITE', done, async (caller) => {
        await files.write(caller, handles.get(number).handle, offset, new BufferBody(bytes), false);
        return length;
      });
    },
    flush(_path, number, done) {
      requests.answer('FLUSH', done, () => files.flush(handles.get(number).handle));
    },
    fsync(_path, dataOnly, number, done) {
      requests.answer('FSYNC', done, () => files.sync(handles.get(number).handle, dataOnly !== 0));
    },
    release(_path, number, done) {
      requests.answer('RELEASE', done, () => files.release(handles.remove(number).handle));
    },
  };
}
