import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { CairnError, fromSystemError } from '../../core/errors.js';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** What becomes of a folder until its own attributes are set: nobody else looks in. */
const FIRST_FOLDER_MODE = 0o700;
/** Write for the group (or whom an ACL names) and for others. */
const OTHERS_WRITE = 0o022;
const WORKSHOP = Buffer.from('.cairn-restore');

/**
 * An open folder of the place things are restored to. Names are single components, resolved in this very folder whatever
 * happens to its path meanwhile, and never through a symbolic link: the paths used are /proc/self/fd/N/NAME, which is
 * what openat(2) is to a language without it. Nothing can so be led out of the target.
 * All throw CairnErrors that name the path.
 */
export class TargetFolder {
  readonly descriptor: number;
  /** For messages. */
  readonly path: string;
  /** Whether nobody else (root apart) can put names in or take them out, as far as owner and mode told when it was opened. */
  readonly isPrivate: boolean;
  readonly #prefix: Buffer;
  #workshop: TargetFolder | undefined;

  private constructor(descriptor: number, path: string) {
    this.descriptor = descriptor;
    this.path = path;
    this.#prefix = Buffer.from(`/proc/self/fd/${descriptor}/`);
    const { uid, mode } = doing(`look at ${path}`, () => fstatSync(descriptor));
    this.isPrivate = uid === process.geteuid?.() && (mode & OTHERS_WRITE) === 0;
  }

  /** Opens the folder a path leads to, links followed: it is the user's own choice. */
  static open(path: string): TargetFolder {
    return new TargetFolder(
      doing(`open ${path}`, () => openSync(path, O_RDONLY | O_DIRECTORY)),
      path,
    );
  }

  /** A path to the name for functions that do not follow its last component. */
  at(name: Uint8Array): Buffer {
    if (name.length === 0 || name.includes(0x2f) || isDots(name)) {
      throw new CairnError('corrupt', `Not a file name: ${JSON.stringify(Buffer.from(name).toString())}`);
    }
    return Buffer.concat([this.#prefix, name]);
  }

  shown(name: Uint8Array): string {
    return `${this.path}/${Buffer.from(name).toString()}`;
  }

  /** lstat(2), undefined where there is nothing. */
  stat(name: Uint8Array): BigIntStats | undefined {
    return this.doing('look at', name, (path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }));
  }

  /** lstat(2). @throws {CairnError} `not-found` */
  mustStat(name: Uint8Array): BigIntStats {
    return this.doing('look at', name, (path) => lstatSync(path, { bigint: true }));
  }

  /** @throws {CairnError} `not-a-directory` where it is a symbolic link or no folder */
  openFolder(name: Uint8Array): TargetFolder {
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    return new TargetFolder(
      this.doing('open', name, (path) => openSync(path, flags)),
      this.shown(name),
    );
  }

  makeFolder(name: Uint8Array): TargetFolder {
    this.doing('make', name, (path) => mkdirSync(path, FIRST_FOLDER_MODE));
    return this.openFolder(name);
  }

  /**
   * Where something can be made that has no descriptor to set its attributes through, and nobody can put another thing in its
   * place meanwhile: this folder where it is private, else one in it that is, and goes when this is closed.
   * @throws {CairnError} `not-permitted` where somebody else has made such a folder
   */
  workshop(): TargetFolder {
    if (this.isPrivate) return this;
    this.#workshop ??= this.#makeWorkshop();
    return this.#workshop;
  }

  #makeWorkshop(): TargetFolder {
    // One that a crash left is as good.
    const made = this.stat(WORKSHOP) === undefined ? this.makeFolder(WORKSHOP) : this.openFolder(WORKSHOP);
    if (made.isPrivate) return made;
    made.close();
    throw new CairnError('not-permitted', `${made.path} is somebody else's: remove it`);
  }

  /** rename(2) into this folder: replaces what is there. @param from a name in `folder` */
  moveFrom(folder: TargetFolder, from: Uint8Array, to: Uint8Array): void {
    this.doing('replace', to, (path) => renameSync(folder.at(from), path));
  }

  /** Removes a name that is no folder; absent is fine. */
  remove(name: Uint8Array): void {
    this.doing('remove', name, (path) => {
      try {
        unlinkSync(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    });
  }

  /** Takes the workshop away: to be called before the folder's own times are set. */
  clearUp(): void {
    if (this.#workshop === undefined) return;
    this.#workshop.close();
    this.#workshop = undefined;
    try {
      rmdirSync(this.at(WORKSHOP));
    } catch {
      // What is in it nobody else can reach; the next restore uses it again.
    }
  }

  close(): void {
    this.clearUp();
    closeSync(this.descriptor);
  }

  /** Does something to a name; what goes wrong tells its path. */
  doing<T>(what: string, name: Uint8Array, work: (path: Buffer) => T): T {
    return doing(`${what} ${this.shown(name)}`, () => work(this.at(name)));
  }
}

function isDots(name: Uint8Array): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error as NodeJS.ErrnoException;
    if (reason instanceof CairnError || reason.code === undefined) throw error;
    // Node's own message names /proc/self/fd/N.
    const plain = Object.assign(new Error(reason.code), { code: reason.code, cause: error });
    throw fromSystemError(plain, what);
  }
}
