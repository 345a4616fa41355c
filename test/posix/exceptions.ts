/**
 * Something known in which the mount is unlike ext4. Nothing else is: whatever a test of this folder or of test/model
 * leaves out must stand here. `exceptions.test.ts` fails where an entry is no longer so.
 */
export interface Exception {
  readonly name: string;
  readonly reason: string;
  /** A Python program that works in the folder `args[0]` and prints what comes of it; a failed call is its errno. */
  readonly probe: string;
  /** What it is on the mount. */
  readonly mount: string;
  /** What it is on ext4, where that is the same on all machines. */
  readonly ext4?: string;
}

/** Begins most probes: a file of 10,000 bytes, open as `fd`. */
const FILE = `
path = args[0] + '/file'
with open(path, 'wb') as f: f.write(b'x' * 10000)
fd = os.open(path, os.O_RDWR)
`;

/** Prints whether something moves the time of access. */
const accessed = (make: string, use: string): string => `
path = args[0] + '/accessed'
${make}
os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
${use}
print(os.lstat(path).st_atime_ns != 10**18)`;

const KERNEL = 'the FUSE protocol has no such request';

export const exceptions: readonly Exception[] = [
  {
    name: 'FICLONE is refused',
    reason: `${KERNEL}; copy_file_range(2), and cp of coreutils 9, copy without moving bytes`,
    probe: `${FILE}other = os.open(args[0] + '/other', os.O_RDWR | os.O_CREAT); fcntl.ioctl(other, 0x40049409, fd)`,
    mount: 'EOPNOTSUPP',
    ext4: 'EOPNOTSUPP',
  },
  {
    name: 'FS_IOC_FIEMAP is refused',
    reason: `${KERNEL}; SEEK_HOLE and SEEK_DATA show the map`,
    probe: `${FILE}
import struct
fcntl.ioctl(fd, 0xC020660B, struct.pack('QQIIII', 0, 1 << 40, 0, 0, 0, 0)); print('map')`,
    mount: 'EOPNOTSUPP',
    ext4: 'map',
  },
  {
    name: 'flags of chattr(1) are not kept',
    reason: 'a backup keeps what rsync -aHAX brings, and rsync knows no such flags',
    probe: `${FILE}fcntl.ioctl(fd, 0x80086601, bytes(8)); print('flags')`,
    mount: 'ENOTTY',
    ext4: 'flags',
  },
  {
    name: 'ranges cannot be collapsed or inserted by fallocate(2)',
    reason: 'it would move all chunks behind; programs that try it have another way',
    probe: `${FILE}call('fallocate', fd, 8, ctypes.c_long(0), ctypes.c_long(4096))`,
    mount: 'EOPNOTSUPP',
  },
  {
    name: 'fallocate(2) reserves nothing',
    reason: 'how many bytes a range takes once written is not known before; a full disk is an error at write or close',
    probe: `${FILE}
call('fallocate', fd, 0, ctypes.c_long(0), ctypes.c_long(1 << 20)); print(os.fstat(fd).st_blocks >= 2048)`,
    mount: 'False',
    ext4: 'True',
  },
  {
    name: 'O_DIRECT needs no alignment',
    reason: 'nothing here is a block device',
    probe: `${FILE}print(os.pwrite(os.open(path, os.O_RDWR | os.O_DIRECT), b'abc', 1))`,
    mount: '3',
    ext4: 'EINVAL',
  },
  {
    name: 'reads that must not wait (RWF_NOWAIT) are refused',
    reason: KERNEL,
    probe: `${FILE}
try: os.preadv(fd, [bytearray(100)], 0, os.RWF_NOWAIT); print('read or again')
except BlockingIOError: print('read or again')`,
    mount: 'EOPNOTSUPP',
    ext4: 'read or again',
  },
  {
    name: 'chown(2) that changes neither owner nor group leaves the set-id bits',
    reason: 'the kernel sends no request for it where it leaves the clearing of these bits to the file system',
    probe: `${FILE}os.fchmod(fd, 0o6777); os.chown(path, -1, -1); print(oct(os.fstat(fd).st_mode))`,
    mount: '0o106777',
    ext4: '0o100777',
  },
  {
    name: 'a file may be larger than 16 TiB, up to 64 TiB',
    reason: 'beyond it the index of a snapshot would be out of proportion to a sparse file',
    probe: `${FILE}os.ftruncate(fd, 2**46); print(os.fstat(fd).st_size)`,
    mount: '70368744177664',
    ext4: 'EFBIG',
  },
  {
    name: 'values of extended attributes may have 64 KiB',
    reason: 'what Linux allows; ext4 has a block for all attributes of a file together',
    probe: `${FILE}os.setxattr(fd, 'user.large', bytes(65536)); print('set')`,
    mount: 'set',
  },
  {
    name: 'security.selinux is unsupported where none is stored',
    reason: 'the kernel would ask for it at every ls and write otherwise',
    probe: `${FILE}os.getxattr(fd, 'security.selinux')`,
    mount: 'EOPNOTSUPP',
  },
  {
    name: 'file capabilities are lost when mapped pages are written',
    reason: 'the daemon sees a write like any other, and to take them away is the safe side',
    probe: `${FILE}
os.setxattr(fd, 'security.capability', bytes.fromhex('0000000201000000000000000000000000000000'))
m = mmap.mmap(fd, 10000); m[0] = 5; m.flush(); print(len(os.getxattr(fd, 'security.capability')))`,
    mount: 'ENODATA',
    ext4: '20',
  },
  {
    name: 'chown(2) leaves setgid without group execute to root as user, not to CAP_FSETID',
    reason: 'the kernel says of writes and truncations alone whether the caller has that right',
    probe: `
import subprocess
path = args[0] + '/file'
with open(path, 'wb') as f: f.write(b'x')
os.chown(path, 0, 2001); os.chmod(path, 0o2666)
subprocess.run(['setpriv', '--bounding-set=-fsetid', '--inh-caps=-fsetid', 'chown', '0', path], check=True)
print(oct(os.stat(path).st_mode & 0o7777))`,
    mount: '0o2666',
    ext4: '0o666',
  },
  {
    name: 'a folder has no size',
    reason: 'its names are rows of a database',
    probe: "os.mkdir(args[0] + '/sub'); print(os.stat(args[0] + '/sub').st_size > 0)",
    mount: 'False',
    ext4: 'True',
  },
  {
    name: 'inode numbers are never used again',
    reason: 'snapshots and handles name inodes by their numbers',
    probe: `
path, seen = args[0] + '/again', set()
for i in range(50): os.close(os.open(path, os.O_CREAT)); seen.add(os.stat(path).st_ino); os.unlink(path)
print(len(seen) == 50)`,
    mount: 'True',
    ext4: 'False',
  },
  {
    name: 'times before 1901 and after 2446 are kept',
    reason: 'ext4 has 34 bits for seconds',
    probe: `${FILE}os.utime(fd, (-2**40, 2**40)); s = os.fstat(fd); print(int(s.st_atime), int(s.st_mtime))`,
    mount: '-1099511627776 1099511627776',
  },
  {
    name: 'listing a folder does not move its time of access',
    reason: 'the kernel answers most listings itself, and does not say so',
    probe: accessed('os.mkdir(path)', 'os.listdir(path)'),
    mount: 'False',
    ext4: 'True',
  },
  {
    name: 'reading or following a symbolic link does not move its time of access',
    reason: 'the kernel keeps targets, and does not say when it uses them',
    probe: accessed("os.symlink('x', path)", 'os.readlink(path)'),
    mount: 'False',
    ext4: 'True',
  },
  {
    name: 'bytes that go through a pipe do not move its times',
    reason: 'the kernel carries them, and moves no times of files of FUSE by itself',
    probe: `
path = args[0] + '/pipe'
os.mkfifo(path)
fd = os.open(path, os.O_RDWR)
os.utime(path, ns=(10**18, 10**18))
os.write(fd, b'through'); os.read(fd, 100)
found = os.stat(path)
print(found.st_atime_ns != 10**18, found.st_mtime_ns != 10**18)`,
    mount: 'False False',
    ext4: 'True True',
  },
  {
    name: 'pathconf(3) tells 127 as the number of links',
    reason: 'what the C library says for file systems it does not know; 65,000 are allowed, as on ext4',
    probe: "print(os.pathconf(args[0], 'PC_LINK_MAX'))",
    mount: '127',
    ext4: '65000',
  },
];
