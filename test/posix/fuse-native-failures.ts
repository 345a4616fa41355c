import type { KnownFailures } from './run-families.js';

const FALLOCATE = 'the package has no fallocate: programs write zeros instead';
const RENAME_FLAGS = 'the package, as libfuse 2, has no flags of renameat2(2)';
const TEMPORARY = 'the package, as libfuse 2, cannot make a file without a name';

/**
 * What fuse-native cannot do and the native transport can, by the titles of the cases that show it; each has to fail
 * through fuse-native (fuse-native.test.ts), so that none stays here that is no longer so.
 */
export const fuseNativeFailures: KnownFailures = new Map(
  Object.entries({
    'rename: RENAME_NOREPLACE refuses an existing name': RENAME_FLAGS,
    'rename: RENAME_EXCHANGE keeps folders out of themselves, and touches both ctimes': RENAME_FLAGS,
    'rename: RENAME_EXCHANGE swaps a file and a folder of files': RENAME_FLAGS,
    'rename: RENAME_WHITEOUT leaves a character device 0, 0 where the file was': RENAME_FLAGS,
    'rename: RENAME_WHITEOUT of a folder into another folder': RENAME_FLAGS,
    'rename: RENAME_WHITEOUT leaves a device with the ACL that new files of its folder have': RENAME_FLAGS,
    'opening: O_TMPFILE makes a file without a name, linkat gives it one': TEMPORARY,
    'opening: O_TMPFILE with O_EXCL never gets a name, and leaves nothing': TEMPORARY,
    'sparse files: SEEK_DATA and SEEK_HOLE show the map': 'the package has no lseek: a file shows no holes',
    'sparse files: punching a hole leaves zeros and the size': FALLOCATE,
    'sparse files: fallocate grows a file, or keeps its size where asked': FALLOCATE,
    'sparse files: zeroing a range keeps what is around it': FALLOCATE,
    'sparse files: fallocate changes mtime and ctime, whatever its mode': FALLOCATE,
    'sparse files: zeroing a range beyond the end grows the file, or not where that is asked': FALLOCATE,
    'sparse files: a hole is punched through many pieces, and beyond the end': FALLOCATE,
    'modes: room made by an ordinary user takes setuid and setgid, too': FALLOCATE,
    'times: the time of birth is that of the making, and stays': 'libfuse 2 tells no time of birth',
    'set-id bits: a change of content takes them, setgid without group execute from strangers to the group alone':
      'the kernel takes set-id bits away by itself, and does not look at groups',
  }).map(([title, reason]) => [title, { reason }]),
);
