import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { ReadPiece } from '../../src/content/transfer.js';
import { type Log, silentLog } from '../../src/core/log.js';
import { isDying } from '../../src/daemon/dying-caller.js';
import { createNativeTransport } from '../../src/fuse/native-transport.js';
import { dropCached, insertChunk } from '../../src/native/chunk-cache.js';
import { sha256Sync } from '../../src/native/hash.js';
import { delayedVfs } from './delayed-vfs.js';
import { type MountQuestion, type MountState, type MountWorkerData, STUCK_BYTES } from './memory-mount.js';
import { MemoryVfs } from './memory-vfs.js';

// The mount worker of a MemoryMount: a MemoryVfs served by the native transport.

const { descriptor, delayed, folder, stuckFiles } = workerData as MountWorkerData;
const vfs = new MemoryVfs();
const errors: string[] = [];
const log: Log = {
  ...silentLog,
  error: (fields, message) =>
    errors.push(`${message} ${JSON.stringify(fields)} ${'error' in fields ? String(fields.error) : ''}`),
};
let release: () => void = () => undefined;
const released = new Promise<void>((resolve) => {
  release = resolve;
});
let batches = 0;
const transport = createNativeTransport({
  descriptor,
  vfs: delayed ? delayedVfs(vfs) : vfs,
  log,
  isDying,
  afterBatch: () => {
    batches++;
  },
});

const PIECE = Buffer.from('0123456789abcdef'.repeat(4096)); // 64 KiB
const HALF = PIECE.length / 2;

/** Files whose bytes come from everywhere a READ can take them from. */
function addSpecials(): void {
  const path = join(folder, 'segment');
  const segment = openSync(path, 'w+');
  unlinkSync(path);
  writeSync(segment, PIECE);
  const digest = sha256Sync(PIECE);
  insertChunk(digest, PIECE);
  vfs.addSpecial({
    name: 'pieces',
    size: 4 * PIECE.length,
    pieces: (offset, length) =>
      cutOut(offset, length, [
        (at, count) => ({ kind: 'chunk', digest, at, length: count }),
        (at, count) => ({ kind: 'file', descriptor: segment, at, length: count }),
        (_, count) => ({ kind: 'zeros', length: count }),
        (at, count) => ({ kind: 'bytes', bytes: PIECE.subarray(at, at + count), length: count }),
      ]),
  });
  let reads = 0;
  vfs.addSpecial({
    name: 'fleeting',
    size: HALF,
    pieces(at, length) {
      // The chunk has gone by the time it is wanted, but for every third time.
      if (++reads % 3 === 0) insertChunk(digest, PIECE);
      else dropCached(digest);
      return Promise.resolve([{ kind: 'chunk', digest, at, length }]);
    },
  });
  vfs.addSpecial({
    name: 'truncated',
    size: 2 * PIECE.length,
    pieces: (at, length) => [{ kind: 'file', descriptor: segment, at: at + 1, length }],
  });
  for (let number = 0; number < stuckFiles; number++) {
    vfs.addSpecial({
      name: `stuck-${number}`,
      size: STUCK_BYTES,
      pieces: async (_at, length) => {
        await released;
        return [{ kind: 'zeros', length }];
      },
    });
  }
  vfs.addSpecial({
    name: 'failing',
    size: 10,
    pieces: () => Promise.reject(new TypeError('this is a defect')),
  });
  process.on('exit', () => closeSync(segment));
}

/** The parts of [offset, offset + length) where each maker's piece is 64 KiB long. */
function cutOut(offset: number, length: number, makers: ((at: number, count: number) => ReadPiece)[]): ReadPiece[] {
  return makers.flatMap((make, index) => {
    const start = Math.max(offset, index * PIECE.length);
    const end = Math.min(offset + length, (index + 1) * PIECE.length);
    return start < end ? [make(start - index * PIECE.length, end - start)] : [];
  });
}

/** Whoever lists the mountpoint holds those, and may be anybody on this machine. */
function specialReferences(): number {
  let sum = 0;
  for (const node of vfs.files.specials.keys()) sum += node.references;
  return sum;
}

function state(): MountState {
  return {
    counters: transport.counters(),
    references: vfs.tree.references - specialReferences(),
    handles: vfs.openHandles,
    nodes: vfs.tree.count,
    batches,
    errors: [...errors],
  };
}

parentPort!.on('message', (question: MountQuestion) => {
  const name = Buffer.from(question.name ?? '');
  if (question.ask === 'rename') {
    // As the daemon would: behind the kernel's back, then telling it.
    vfs.names.rename({ uid: 0, gid: 0, pid: 0 }, vfs.root, name, vfs.root, Buffer.from(question.newName ?? ''), 0);
    transport.invalidateEntry(vfs.root, name);
    transport.invalidateEntry(vfs.root, Buffer.from(question.newName ?? ''));
  } else if (question.ask === 'overwrite') {
    const node = vfs.tree.child(vfs.tree.root, question.name ?? '');
    node.draft.write(0, Buffer.alloc(node.size, question.newName));
    node.modified();
    transport.invalidateNode(node.id, { start: 0, end: node.size });
  } else if (question.ask === 'refresh') {
    transport.invalidateNode(vfs.tree.child(vfs.tree.root, question.name ?? '').id, { start: 0, end: 2 ** 40 });
  } else if (question.ask === 'unknown') {
    transport.invalidateEntry({ archive: 7, position: 1234 }, name);
  } else if (question.ask === 'pause') {
    transport.pause();
  } else if (question.ask === 'resume') {
    transport.resume();
  } else if (question.ask === 'release') {
    release();
  } else if (question.ask === 'stop') {
    void transport.stop();
  }
  parentPort!.postMessage({ id: question.id, state: state() });
});

addSpecials();
transport.start();
void transport.ended.then((end) => {
  const { references, handles } = state();
  vfs.tree.unmounted();
  parentPort!.postMessage({ end, references, handles, state: state() });
  parentPort!.close();
});
