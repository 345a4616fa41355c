import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  archiveNameOf,
  indexKindOfName,
  isListedByPbs,
  isServerFileName,
  payloadFileOf,
  serverFileName,
  temporaryIndexName,
} from '../../src/index/archive-names.js';

test('archives have the server names of pbs-format §1.5', () => {
  const pairs = [
    ['root.pxar', 'root.pxar.didx'],
    ['root.mpxar', 'root.mpxar.didx'],
    ['root.ppxar', 'root.ppxar.didx'],
    ['catalog.pcat1', 'catalog.pcat1.didx'],
    ['drive-scsi0.img', 'drive-scsi0.img.fidx'],
    ['qemu-server.conf', 'qemu-server.conf.blob'],
    ['index.json', 'index.json.blob'],
    ['rsa-encrypted.key', 'rsa-encrypted.key.blob'],
    ['client.log', 'client.log.blob'],
  ] as const;
  for (const [archive, file] of pairs) {
    assert.equal(serverFileName(archive), file);
    assert.equal(archiveNameOf(file), archive);
    assert.equal(serverFileName(file), file);
  }
  assert.equal(serverFileName('cairn.attrs.didx'), 'cairn.attrs.didx');
  assert.equal(archiveNameOf('cairn.attrs.didx'), 'cairn.attrs');
});

test('other names are refused', () => {
  for (const name of [
    '',
    'root',
    'root.txt',
    'pxar',
    '.pxar',
    'a/b.pxar',
    '.didx',
    'constructor',
    'x.constructor',
    'a\0.img',
  ]) {
    assert.throws(() => serverFileName(name), { kind: 'invalid' }, name);
  }
  for (const name of ['', '.didx', 'a/b.didx', 'x.pxar', '..', 'x.didx\n', 'x.didxx']) {
    assert.throws(() => archiveNameOf(name), { kind: 'invalid' }, name);
    assert.ok(!isServerFileName(name));
  }
});

test('PBS lists what has a server suffix, and the mark of protection', () => {
  for (const name of ['a.didx', 'a.fidx', 'a.blob', '.protected', '.didx']) assert.ok(isListedByPbs(name), name);
  for (const name of ['a.tmp_didx', 'a.didx.tmp', 'owner', '.protected2', 'x.protected']) {
    assert.ok(!isListedByPbs(name), name);
  }
});

test('names tell format, partner and temporary name', () => {
  assert.deepEqual(['a.didx', 'a.fidx', 'a.blob'].map(indexKindOfName), ['dynamic', 'fixed', undefined]);
  assert.equal(payloadFileOf('root.mpxar.didx'), 'root.ppxar.didx');
  assert.equal(payloadFileOf('root.pxar.didx'), undefined);
  assert.equal(temporaryIndexName('drive-scsi0.img.fidx'), 'drive-scsi0.img.tmp_fidx');
  assert.equal(temporaryIndexName('root.pxar.didx'), 'root.pxar.tmp_didx');
});
