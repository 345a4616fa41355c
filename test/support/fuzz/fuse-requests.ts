import { constants } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { CairnError } from '../../../src/core/errors.js';
import { OPCODE } from '../../../src/fuse/wire/opcodes.js';
import type { Draft } from '../../../src/native/draft.js';
import type { Vfs } from '../../../src/vfs/api.js';
import type { GroupServices } from '../../../src/vfs/groups/group-parts.js';
import { openVfs } from '../../../src/vfs/open-vfs.js';
import { FakeKernel, fields, u32, u64 } from '../fuse-requests.js';
import type { TestVfs } from '../live-vfs.js';
import type { Random } from '../random.js';
import { damaged, edge } from './damage.js';

/** What the structure behind a request's header is made of, in order. */
type Field = 'word' | 'long' | 'handle' | 'node' | 'offset' | 'size' | 'mode' | 'flags' | 'name' | 'value' | 'text';

/** The structures of linux/fuse.h by opcode; what is not here has none. */
const BODIES: Readonly<Record<number, readonly Field[]>> = {
  [OPCODE.LOOKUP]: ['name'],
  [OPCODE.FORGET]: ['long'],
  [OPCODE.BATCH_FORGET]: ['word', 'word', 'node', 'long'],
  [OPCODE.GETATTR]: ['flags', 'word', 'handle'],
  [OPCODE.STATX]: ['flags', 'word', 'handle', 'flags', 'word'],
  [OPCODE.SETATTR]: [
    ...(['flags', 'word', 'handle', 'offset', 'long', 'long', 'long', 'long'] as const),
    ...(['word', 'word', 'word', 'mode', 'word', 'word', 'word', 'word'] as const),
  ],
  [OPCODE.SYMLINK]: ['name', 'text'],
  [OPCODE.MKNOD]: ['mode', 'word', 'mode', 'word', 'name'],
  [OPCODE.MKDIR]: ['mode', 'mode', 'name'],
  [OPCODE.UNLINK]: ['name'],
  [OPCODE.RMDIR]: ['name'],
  [OPCODE.RENAME]: ['node', 'name', 'name'],
  [OPCODE.RENAME2]: ['node', 'flags', 'word', 'name', 'name'],
  [OPCODE.LINK]: ['node', 'name'],
  [OPCODE.OPEN]: ['flags', 'word'],
  [OPCODE.READ]: ['handle', 'offset', 'size', 'word', 'long', 'word', 'word'],
  [OPCODE.RELEASE]: ['handle', 'flags', 'word', 'long'],
  [OPCODE.FSYNC]: ['handle', 'flags', 'word'],
  [OPCODE.SETXATTR]: ['size', 'flags', 'word', 'word', 'text', 'value'],
  [OPCODE.GETXATTR]: ['size', 'word', 'text'],
  [OPCODE.LISTXATTR]: ['size', 'word'],
  [OPCODE.REMOVEXATTR]: ['text'],
  [OPCODE.FLUSH]: ['handle', 'word', 'word', 'long'],
  [OPCODE.INIT]: ['word', 'word', 'word', 'flags', 'flags'],
  [OPCODE.OPENDIR]: ['flags', 'word'],
  [OPCODE.READDIR]: ['handle', 'offset', 'size', 'word', 'long', 'word', 'word'],
  [OPCODE.READDIRPLUS]: ['handle', 'offset', 'size', 'word', 'long', 'word', 'word'],
  [OPCODE.RELEASEDIR]: ['handle', 'flags', 'word', 'long'],
  [OPCODE.FSYNCDIR]: ['handle', 'flags', 'word'],
  [OPCODE.CREATE]: ['flags', 'mode', 'mode', 'word', 'name'],
  [OPCODE.TMPFILE]: ['flags', 'mode', 'mode', 'word', 'name'],
  [OPCODE.INTERRUPT]: ['long'],
  [OPCODE.FALLOCATE]: ['handle', 'offset', 'offset', 'flags', 'word'],
  [OPCODE.LSEEK]: ['handle', 'offset', 'word', 'word'],
  [OPCODE.COPY_FILE_RANGE]: ['handle', 'offset', 'node', 'handle', 'offset', 'offset', 'long'],
  [OPCODE.COPY_FILE_RANGE_64]: ['handle', 'offset', 'node', 'handle', 'offset', 'offset', 'long'],
};

const OPCODES: readonly number[] = Object.values(OPCODE);
/** Messages nobody answers. */
const UNANSWERED: ReadonlySet<number> = new Set([
  ...[OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT, OPCODE.NOTIFY_REPLY],
]);
const NAMES = ['a', 'b', 'file', 'folder', 'link', '.', '..', '', 'x'.repeat(255), 'x'.repeat(256), 'a/b', '\xff\xfe'];
const TEXTS = ['user.a', 'user.', 'security.capability', 'system.posix_acl_access', 'trusted.x', '', 'nothing', '\xff'];
const MODES = [0o100644, 0o040755, 0o120777, 0o010600, 0o060600, 0o020600, 0o140600, 0, 0o7777, 0o170000, 0xffff_ffff];
const FLAG_WORDS = [0, 0, 1, 2, 3, 4, 8, 0o1000, 0o2001, 0xff, 0x1ff, 0xffff_ffff];
const OPENING: ReadonlySet<number> = new Set([OPCODE.CREATE, OPCODE.TMPFILE, OPCODE.OPEN, OPCODE.OPENDIR]);
const ENTRY_BYTES = 128;
/** Where the bytes of a WRITE start: behind `fuse_in_header` and `fuse_write_in`. */
const WRITE_BODY_AT = 80;
const MAX_PIECE_BYTES = 1 << 30;
const MAX_BODY_BYTES = 400_000;
/** Looks within which every answer must come; after the first thousand turns of the event loop a millisecond apart. */
const MOST_LOOKS = 60_000;
const QUICK_LOOKS = 1000;

export interface RequestTally {
  requests: number;
  /** Well formed: the structure is as long as the operation wants it, and its lengths are true. */
  wellFormed: number;
  succeeded: number;
}

/** A kernel gone mad before a live tree: it asks for anything, with whatever it was given before. */
export class MadKernel {
  readonly kernel: FakeKernel;
  readonly tally: RequestTally = { requests: 0, wellFormed: 0, succeeded: 0 };
  readonly #random: Random;
  readonly #nodes: bigint[];
  readonly #handles: bigint[] = [];

  constructor(tree: TestVfs, random: Random) {
    this.kernel = new WritingKernel(wholeVfs(tree));
    this.#random = random;
    this.#nodes = [1n, BigInt(tree.current.position)];
  }

  /** Asks for one thing. @returns what was asked and how it was answered, where that is a failure of the daemon's own */
  async ask(): Promise<string | undefined> {
    const random = this.#random;
    const opcode = random.below(30) === 0 ? random.below(80) : random.pick(OPCODES);
    const wellFormed = random.below(4) > 0;
    const body = wellFormed ? this.#body(opcode) : damaged(random, this.#body(opcode));
    const request = { opcode, body, node: this.#node(), uid: random.pick([0, 1000]), pid: random.below(3) };
    this.tally.requests += 1;
    if (wellFormed) this.tally.wellFormed += 1;
    this.kernel.answers.length = 0;
    const unique = this.kernel.send(request);
    const told = `opcode ${opcode} node ${request.node} ${body.toString('hex', 0, 300)}`;
    const answer = UNANSWERED.has(opcode) ? undefined : await this.#answer(unique, told);
    if (answer?.errno === 0) {
      this.tally.succeeded += 1;
      this.#learn(opcode, answer.payload);
    }
    const bug = this.kernel.thrown.find((error) => answer !== undefined || !(error instanceof CairnError));
    this.kernel.thrown.length = 0;
    if (bug === undefined && answer?.errno !== constants.errno.EIO) return undefined;
    const cause = bug instanceof Error ? `${bug.stack} ${String(bug.cause)}` : String(bug);
    return `${told}: ${cause}`;
  }

  /** Closes all that was opened. */
  async closeAll(): Promise<void> {
    for (const handle of this.#handles) {
      for (const opcode of [OPCODE.RELEASE, OPCODE.RELEASEDIR]) {
        const body = fields(u64(handle), u32(0), u32(0), u64(0));
        await this.#answer(this.kernel.send({ opcode, body }), 'a release');
      }
    }
  }

  async #answer(unique: number, told: string): Promise<{ errno: number; payload: Buffer }> {
    for (let look = 0; look < MOST_LOOKS; look += 1) {
      const answer = this.kernel.answers.find((candidate) => candidate.unique === unique);
      if (answer !== undefined) return answer;
      await (look < QUICK_LOOKS ? setImmediate() : setTimeout(1));
    }
    throw new Error(`Not answered: ${told}`);
  }

  /** Nodes and handles the answer gave: what is asked next is about them. */
  #learn(opcode: number, payload: Buffer): void {
    const isEntry = payload.length >= ENTRY_BYTES && opcode !== OPCODE.READDIRPLUS && opcode !== OPCODE.STATX;
    if (isEntry) this.#nodes.push(payload.readBigUInt64LE(0));
    if (OPENING.has(opcode)) this.#handles.push(payload.readBigUInt64LE(isEntry ? ENTRY_BYTES : 0));
    if (this.#nodes.length > 200) this.#nodes.splice(2, 100);
  }

  #node(): bigint {
    return this.#random.below(20) === 0 ? edge(this.#random) : this.#random.pick(this.#nodes);
  }

  #handle(): bigint {
    const known = this.#handles.length > 0 && this.#random.below(15) > 0;
    return known ? this.#random.pick(this.#handles.slice(-30)) : edge(this.#random);
  }

  #body(opcode: number): Buffer {
    if (opcode === OPCODE.WRITE) return this.#write();
    const wanted = BODIES[opcode] ?? [];
    const value = this.#random.bytes(this.#random.below(200));
    const body = Buffer.concat(wanted.map((field) => this.#field(field, value)));
    if (opcode === OPCODE.SETXATTR) body.writeUInt32LE(value.length, 0);
    if (opcode === OPCODE.BATCH_FORGET && this.#random.below(4) > 0) body.writeUInt32LE(1, 0);
    return body;
  }

  #write(): Buffer {
    const bytes = this.#random.bytes(this.#random.below(8) === 0 ? this.#random.below(MAX_BODY_BYTES) : 100);
    const head = [u64(this.#handle()), u64(this.#offset()), u32(bytes.length), u32(this.#random.below(8))];
    return fields(...head, u64(0), u32(0), u32(0), bytes);
  }

  #offset(): bigint {
    const random = this.#random;
    return random.below(3) === 0 ? edge(random) : BigInt(random.below(300_000));
  }

  #field(field: Field, value: Buffer): Buffer {
    const random = this.#random;
    switch (field) {
      case 'word':
        return fields(u32(random.pick([0, 0, 1, 2, 3, 4, Number(BigInt.asUintN(32, edge(random)))])));
      case 'long':
        return fields(u64(random.below(2) === 0 ? edge(random) : random.below(5000)));
      case 'handle':
        return fields(u64(this.#handle()));
      case 'node':
        return fields(u64(this.#node()));
      case 'offset':
        return fields(u64(this.#offset()));
      case 'size':
        return fields(u32(random.pick([0, 1, 100, 4096, 65_536, 1 << 20, Number(BigInt.asUintN(32, edge(random)))])));
      case 'mode':
        return fields(u32(random.pick(MODES)));
      case 'flags':
        return fields(u32(random.pick(FLAG_WORDS)));
      case 'name':
        return fields(`${random.pick(NAMES)}\0`);
      case 'text':
        return fields(`${random.pick(TEXTS)}\0`);
      case 'value':
        return value;
    }
  }
}

/** The live tree with what is above it: groups can be made and removed; there are no snapshots, and nothing makes any. */
function wholeVfs({ parts, store }: TestVfs): Vfs {
  const refuse = () => {
    throw new CairnError('stale', 'There are no snapshots here');
  };
  const refusing = new Proxy({}, { get: () => refuse }) as never;
  const { groups } = store.datastore.catalog;
  const nothing = async () => undefined;
  const folders = {
    ...{ createGroup: nothing, requireRemovableGroup: nothing, removeGroup: nothing, make: nothing, remove: nothing },
  };
  const services: GroupServices = {
    ...{ folders, createSnapshot: refuse, forgetSnapshot: refuse, folderOfArchive: () => undefined },
    ...{ snapshots: () => [], hasSnapshots: () => false, owner: () => Buffer.from('root@pam\n') },
    groupFolder: (group) => groups.find(group)?.groupIno,
    allocateGroup: () => groups.allocateId(),
  };
  const figures = () => ({ totalBytes: 0, freeBytes: 0, availableBytes: 0, files: 0, freeFiles: 0 });
  return openVfs({ live: parts, groups: services, snapshots: refusing, space: refusing, figures });
}

/** Its WRITE bodies bring bytes, and pieces that native/fuse-session.ts would refuse as impossible are refused. */
class WritingKernel extends FakeKernel {
  readonly #kept = new Map<number, Buffer>();

  override readonly bodies = {
    copyInto: (draft: unknown, offset: number) => void (draft as Draft).write(offset, this.#body()),
    keep: () => void this.#kept.set(this.exchange.request.unique, Buffer.from(this.#body())),
    copyKept: (unique: number, draft: unknown, offset: number) =>
      void (draft as Draft).write(offset, this.#kept.get(unique) as Buffer),
    discardKept: (unique: number) => void this.#kept.delete(unique),
  };

  constructor(vfs: Vfs) {
    super(vfs);
    const { addZeros } = this.readReply;
    this.readReply.addZeros = (length) => {
      if (!(length >= 0 && length <= MAX_PIECE_BYTES)) throw new RangeError(`a piece of ${length} zeros`);
      addZeros(length);
    };
  }

  #body(): Buffer {
    const { bytes, length } = this.exchange.request;
    return bytes.subarray(WRITE_BODY_AT, length);
  }
}
