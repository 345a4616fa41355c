import { createCipheriv, createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './commands.js';
import { python } from './python.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes that look random and are the same in each run. */
function noise(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/**
 * Makes a tree with every type of file, every kind of name and every attribute that rsync -aHAX copies. As root it
 * also has devices, foreign owners, trusted attributes and file capabilities. The same in each run.
 */
export function makeOddTree(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const isRoot = process.geteuid?.() === 0;
  makeContents(join(folder, 'contents'));
  makeNames(join(folder, 'names'));
  makeLinks(join(folder, 'links'));
  makeSparse(join(folder, 'sparse'));
  makeSpecial(join(folder, 'special'), isRoot);
  makeModes(join(folder, 'modes'), isRoot);
  makeAttributes(join(folder, 'attributes'), isRoot);
  makeDeep(join(folder, 'deep'));
  setOddTimes(folder);
}

function makeContents(folder: string): void {
  mkdirSync(folder);
  for (const size of [0, 1, 4095, 4096, 100 * KIB, 128 * KIB, 129 * KIB, MIB, 5 * MIB + 1, 16 * MIB]) {
    writeFileSync(join(folder, `noise-${size}`), noise('contents', size));
    writeFileSync(join(folder, `text-${size}`), 'The same line again.\n'.repeat(size / 21));
  }
  writeFileSync(join(folder, 'copy'), noise('contents', 5 * MIB + 1));
  writeFileSync(join(folder, 'zeros'), Buffer.alloc(3 * MIB));
  mkdirSync(join(folder, 'many'));
  for (let i = 0; i < 500; i++) writeFileSync(join(folder, 'many', String(i)), noise(String(i), (i * 37) % 5000));
}

function makeNames(folder: string): void {
  mkdirSync(folder);
  const odd = [
    ' ',
    'a b',
    '-rf',
    '...',
    'new\nline',
    'tab\there',
    'quote\'"',
    '*?[x]',
    '\\',
    '#comment',
    'é',
    'e\u0301',
    '日本語',
    '🗻',
  ];
  for (const name of [...odd, 'n'.repeat(255), '.hidden', '~backup~', '.name.Ab12Cd']) {
    writeFileSync(join(folder, name), name);
  }
  const bytes = [Buffer.from([0xff, 0xfe]), Buffer.from([0x01, 0x7f]), Buffer.alloc(255, 0x80)];
  for (const name of bytes) writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), name);
}

function makeLinks(folder: string): void {
  mkdirSync(join(folder, 'other'), { recursive: true });
  writeFileSync(join(folder, 'first'), 'three names');
  linkSync(join(folder, 'first'), join(folder, 'second'));
  linkSync(join(folder, 'first'), join(folder, 'other/third'));
  writeFileSync(join(folder, 'large'), noise('links', 2 * MIB));
  linkSync(join(folder, 'large'), join(folder, 'other/large'));
  const targets = ['first', '/absolute/and/dangling', '../..', 'x'.repeat(4000), 'with\nline', 'trailing/'];
  for (const [i, target] of targets.entries()) symlinkSync(target, join(folder, `symlink-${i}`));
  symlinkSync(Buffer.from([0xff, 0x80]), join(folder, 'symlink-bytes'));
  linkSync(join(folder, 'symlink-0'), join(folder, 'symlink-second-name'));
}

function makeSparse(folder: string): void {
  mkdirSync(folder);
  const write = (name: string, size: number, offsets: readonly number[]): void => {
    const open = openSync(join(folder, name), 'w');
    for (const offset of offsets) writeSync(open, noise(name, 10_000), 0, 10_000, offset);
    ftruncateSync(open, size);
    closeSync(open);
  };
  write('all-hole', 64 * MIB, []);
  write('hole-at-start', 20 * MIB, [20 * MIB - 10_000]);
  write('hole-at-end', 20 * MIB, [0]);
  write('islands', 40 * MIB, [MIB, 9 * MIB + 5, 30 * MIB]);
  write('small-holes', 500 * KIB, [0, 100 * KIB, 300 * KIB]);
}

function makeSpecial(folder: string, isRoot: boolean): void {
  mkdirSync(folder);
  const program = `
os.chdir(args[0])
os.mkfifo('pipe', 0o640); os.link('pipe', 'pipe-second-name')
socket.socket(socket.AF_UNIX).bind('socket')`;
  python(program, folder);
  if (!isRoot) return;
  const devices = `
os.chdir(args[0])
for kind, name in ((stat.S_IFCHR, 'char'), (stat.S_IFBLK, 'block')):
    for major, minor in ((1, 3), (0, 0), (255, 255), (4095, 1048575)):
        os.mknod('%s-%d-%d' % (name, major, minor), kind | 0o620, os.makedev(major, minor))`;
  python(devices, folder);
}

function makeModes(folder: string, isRoot: boolean): void {
  mkdirSync(folder);
  for (const mode of [0o000, 0o400, 0o222, 0o644, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o6777]) {
    const [file, sub] = [join(folder, `file-${mode.toString(8)}`), join(folder, `sub-${mode.toString(8)}`)];
    writeFileSync(file, 'content');
    mkdirSync(sub);
    if (isRoot) {
      chownSync(file, mode + 1, 65_536 + mode);
      chownSync(sub, 4_294_967_294, mode);
    }
    // Bits that make a folder unreadable would hide it from an ordinary user's own comparison.
    chmodSync(file, isRoot ? mode : mode | 0o400);
    chmodSync(sub, isRoot ? mode : mode | 0o700);
  }
  symlinkSync('file-644', join(folder, 'link'));
  if (isRoot) lchownSync(join(folder, 'link'), 1234, 5678);
}

function makeAttributes(folder: string, isRoot: boolean): void {
  mkdirSync(folder);
  for (const name of ['xattrs', 'acl', 'capability']) writeFileSync(join(folder, name), name);
  mkdirSync(join(folder, 'inherits'));
  const program = `
os.chdir(args[0])
os.setxattr('xattrs', 'user.binary', bytes(range(256))); os.setxattr('xattrs', 'user.empty', b'')
os.setxattr('xattrs', 'user.large', b'v' * 2000); os.setxattr('inherits', 'user.folder', b'yes')`;
  python(program, folder);
  outputOf('setfacl', ['-m', 'u:1001:rwx,u:1002:-,g:1003:r', join(folder, 'acl')]);
  outputOf('setfacl', ['-m', 'u:1001:rwx,d:u::rwx,d:u:1001:rx,d:g::r,d:o::-', join(folder, 'inherits')]);
  mkdirSync(join(folder, 'inherits/inner'));
  writeFileSync(join(folder, 'inherits/file'), 'inherits an ACL');
  if (!isRoot) return;
  const privileged = `
os.chdir(args[0])
os.setxattr('xattrs', 'trusted.overlay.opaque', b'y')
os.setxattr('capability', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
os.symlink('nowhere', 'link'); os.setxattr('link', 'trusted.link', b'on a link', follow_symlinks=False)`;
  python(privileged, folder);
}

function makeDeep(folder: string): void {
  let path = folder;
  for (let level = 0; level < 60; level++) path = join(path, `level-${level}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'bottom'), 'deep');
  mkdirSync(join(folder, 'empty'));
}

/** Gives every name a time of its own, with nanoseconds, some before 1970 and some after 2038. */
function setOddTimes(folder: string): void {
  const program = `
top = os.fsencode(args[0]); n = 0
for parent, subs, files in os.walk(top, topdown=False):
    for name in sorted(files) + sorted(subs):
        n += 1
        seconds = (-86400 * n, 1700000000 + n, 2**31 + n, n)[n % 4]
        os.utime(os.path.join(parent, name), ns=(1600000000 * 10**9 + n, seconds * 10**9 + (n * 7919) % 10**9), follow_symlinks=False)
os.utime(top, ns=(10**18, 10**18 + 1))`;
  python(program, folder);
}
