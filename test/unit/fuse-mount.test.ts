import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { isStaleMount, mountFuse, mountTable, parseMountLine, unmountFuse } from '../../src/native/fuse-mount.js';

const OPTIONS = { source: 'test', maxReadBytes: 131_072 };

function hasKind(kind: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof CairnError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    return true;
  };
}

test('lines of the mount table, with optional fields and octal escapes', () => {
  const odd =
    '36 35 98:0 /mnt1 /mnt/a\\040b\\134\\012c rw,noatime master:1 shared:2 - fuse.cairn /srv/b\\040ck rw,errors=continue';
  assert.deepEqual(parseMountLine(odd), {
    mountpoint: '/mnt/a b\\\nc',
    type: 'fuse.cairn',
    source: '/srv/b ck',
    options: 'rw,noatime',
    device: '98:0',
  });
  const bytes = Buffer.from('24 1 0:22 / /mnt/ü ro - ext4 /dev/ü rw').toString('latin1');
  assert.equal(parseMountLine(bytes)?.mountpoint, '/mnt/ü');
  assert.equal(parseMountLine('24 1 0:22 / /mnt ro - tmpfs  rw')?.source, '');
  assert.equal(parseMountLine(''), undefined);
  assert.equal(parseMountLine('nothing of the kind'), undefined);
});

test('the mount table of this process has a root', async () => {
  const root = (await mountTable()).find((entry) => entry.mountpoint === '/');
  assert.match(root?.device ?? '', /^\d+:\d+$/);
});

test('a mountpoint must be a folder on which nothing is mounted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-mountpoint-'));
  try {
    const missing = join(folder, 'missing');
    await assert.rejects(
      mountFuse(missing, OPTIONS),
      hasKind('not-found', /missing does not exist; make it with mkdir/),
    );
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await assert.rejects(mountFuse(file, OPTIONS), hasKind('not-a-directory', /is not a folder/));
    const link = join(folder, 'link');
    symlinkSync('/proc', link);
    await assert.rejects(mountFuse(link, OPTIONS), hasKind('busy', /already mounted at \/proc/));
    assert.equal(await isStaleMount(folder), false);
    assert.equal(await isStaleMount(missing), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is not mounted cannot be unmounted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-mountpoint-'));
  try {
    await assert.rejects(unmountFuse(folder), (error) => error instanceof CairnError && error.kind !== 'busy');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
