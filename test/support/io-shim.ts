import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { compiledLibrary } from './compiled-program.js';

/** Classes of paths below a datastore, in the order they are tried: the first pattern (fnmatch, `*` takes slashes) that fits. */
const CLASSES = {
  journal: '.cairn/journal*',
  catalog: '.cairn/catalog.db',
  wal: '.cairn/catalog.db-wal',
  'wal-index': '.cairn/catalog.db-shm',
  quarantine: '.cairn/quarantine*',
  forgotten: '.cairn/forgotten*',
  reserve: '.cairn/reserve',
  own: '.cairn*',
  'chunk-temp': '.chunks/*.tmp_*',
  chunk: '.chunks/*/*',
  'chunk-folder': '.chunks*',
  manifest: '*/index.json.blob*',
  index: '*.?idx*',
  'snapshot-folder': '*/????-??-??T??:??:??Z*',
  'other-file': '*',
} as const;

/** What a path below the datastore is. A temporary file is of the class of what it becomes, but for chunks. */
export type PathClass = keyof typeof CLASSES;

/** The calls of libc, as `enum operation` in order.h has them. `create`: open with O_CREAT; `sync`: fsync and its like. */
const OPERATIONS = [
  'open',
  'create',
  'read',
  'write',
  'sync',
  'rename',
  'unlink',
  'truncate',
  'allocate',
  'link',
  'mkdir',
  'list',
  'stat',
  'touch',
] as const;

export type IoOperation = (typeof OPERATIONS)[number];

/** As `enum action` in order.h. */
const ACTIONS = ['count', 'fail', 'done-and-fail', 'short', 'kill-before', 'kill-after', 'delay'] as const;

/**
 * What is done to a call. `done-and-fail`: done, and reported as failed (a torn rename); `short`: half of the bytes only;
 * calls after it that are meant, too (`fromThen`), fail.
 */
export type IoAction = (typeof ACTIONS)[number];

/** Which calls are meant, and what is done to them. */
export interface IoOrder {
  /** Default: every class. */
  readonly classes?: readonly PathClass[];
  /** Default: every operation. */
  readonly operations?: readonly IoOperation[];
  readonly action: IoAction;
  /** Which of the calls that are meant, from 1; default the first. */
  readonly nth?: number;
  /** Whether all calls after it, too. */
  readonly fromThen?: boolean;
  /** E.g. `EIO`. */
  readonly error?: string;
  readonly delayMilliseconds?: number;
}

/** What happened since the shim was armed. */
export interface IoTally {
  /** Calls that were meant. */
  readonly seen: number;
  /** Those of them to which something was done. */
  readonly hit: number;
  /** The first one of these, e.g. `write chunk-temp .chunks/ab/…`. */
  readonly first: string | undefined;
  /** All calls, meant or not, that there were: `sync journal` → how many. */
  readonly counts: ReadonlyMap<string, number>;
}

const ROOT_BYTES = 512;
const CLASS_LIMIT = 24;
const PATTERN_BYTES = 64;
const OPERATION_LIMIT = 16;
const ORDER_AT = ROOT_BYTES + CLASS_LIMIT * PATTERN_BYTES;
const ORDER_BYTES = 40;
const TALLY_AT = ORDER_AT + ORDER_BYTES;
const PATH_AT = TALLY_AT + 24;
const COUNTS_AT = PATH_AT + 512;
const TOTAL_BYTES = COUNTS_AT + CLASS_LIMIT * OPERATION_LIMIT * 8;

const CLASS_NAMES = Object.keys(CLASSES) as PathClass[];
const UNREACHABLE = 2n ** 62n;

/**
 * Faults below a program: the libc calls of the processes that are started with `environment` pass our shim
 * (test/fault/shim), which does to the nth call of a kind what it was last told. It is told through a file that they
 * have mapped, so one daemon serves any number of trials.
 */
export class IoShim {
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: number;

  /**
   * @param path where the file is to be; whoever starts the processes removes it
   * @param root absolute real path of the datastore
   */
  constructor(path: string, root: string) {
    const bytes = Buffer.alloc(TOTAL_BYTES);
    bytes.write(root, 0, ROOT_BYTES - 1, 'utf8');
    Object.values(CLASSES).forEach((pattern, at) => {
      bytes.write(pattern, ROOT_BYTES + at * PATTERN_BYTES, 'latin1');
    });
    this.#file = openSync(path, 'w+');
    writeSync(this.#file, bytes, 0, bytes.length, 0);
    this.environment = { LD_PRELOAD: compiledLibrary('fault/shim', 'io-shim'), CAIRN_SHIM: path };
  }

  /** From now on the order counts, and only that. What is under way at this moment may or may not be seen. */
  arm(order: IoOrder): void {
    this.disarm();
    writeSync(this.#file, Buffer.alloc(TOTAL_BYTES - TALLY_AT), 0, TOTAL_BYTES - TALLY_AT, TALLY_AT);
    const bytes = encode(order);
    writeSync(this.#file, bytes, 4, ORDER_BYTES - 4, ORDER_AT + 4);
    this.#setArmed(1);
  }

  /** Nothing is done to any call any more; the tally stays. */
  disarm(): void {
    this.#setArmed(0);
  }

  get tally(): IoTally {
    const bytes = Buffer.alloc(TOTAL_BYTES - TALLY_AT);
    readSync(this.#file, bytes, 0, bytes.length, TALLY_AT);
    const hit = Number(bytes.readBigUInt64LE(8));
    const path = bytes.subarray(24, 24 + 512);
    const what = `${OPERATIONS[bytes.readUInt32LE(16)]} ${CLASS_NAMES[bytes.readUInt32LE(20)]}`;
    return {
      seen: Number(bytes.readBigUInt64LE(0)),
      hit,
      first: hit === 0 ? undefined : `${what} ${path.toString('utf8', 0, path.indexOf(0))}`,
      counts: countsIn(bytes.subarray(COUNTS_AT - TALLY_AT)),
    };
  }

  close(): void {
    closeSync(this.#file);
  }

  #setArmed(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(this.#file, bytes, 0, 4, ORDER_AT);
  }
}

function encode(order: IoOrder): Buffer {
  const bytes = Buffer.alloc(ORDER_BYTES);
  bytes.writeUInt32LE(maskOf(CLASS_NAMES, order.classes ?? CLASS_NAMES), 4);
  bytes.writeUInt32LE(maskOf(OPERATIONS, order.operations ?? OPERATIONS), 8);
  bytes.writeUInt32LE(ACTIONS.indexOf(order.action), 12);
  bytes.writeInt32LE(errnoOf(order.error ?? 'EIO'), 16);
  bytes.writeUInt32LE(order.fromThen ? 1 : 0, 20);
  bytes.writeUInt32LE((order.delayMilliseconds ?? 0) * 1000, 24);
  bytes.writeBigUInt64LE(order.action === 'count' ? UNREACHABLE : BigInt(order.nth ?? 1), 32);
  return bytes;
}

function errnoOf(name: string): number {
  const value = constants.errno[name as keyof typeof constants.errno];
  if (value === undefined) throw new Error(`Not an errno: ${name}`);
  return value;
}

function maskOf<T>(all: readonly T[], chosen: readonly T[]): number {
  return chosen.reduce((mask, one) => mask | (1 << all.indexOf(one)), 0) >>> 0;
}

function countsIn(bytes: Buffer): Map<string, number> {
  const counts = new Map<string, number>();
  CLASS_NAMES.forEach((pathClass, row) => {
    OPERATIONS.forEach((operation, column) => {
      const count = Number(bytes.readBigUInt64LE((row * OPERATION_LIMIT + column) * 8));
      if (count > 0) counts.set(`${operation} ${pathClass}`, count);
    });
  });
  return counts;
}
