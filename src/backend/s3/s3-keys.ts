import { CairnError } from '../../core/errors.js';
import { checkName, isComponent, isTemporary } from '../names.js';

const CHUNKS = '.chunks/';
const CONTENT = '.cnt/';
const MAX_KEY_BYTES = 1024;

/** Names as S3 keys, in PBS's layout (pbs-format §9.1): chunks as `<store>/.chunks/…`, all else as `<store>/.cnt/…`. */
export class S3Keys {
  readonly #root: string;

  /** @param store first component of all keys @throws {CairnError} `invalid` */
  constructor(store: string) {
    if (!isComponent(store)) throw new CairnError('invalid', `Not a datastore's name: ${JSON.stringify(store)}`);
    this.#root = `${store}/`;
  }

  /** @throws {CairnError} `invalid` where it is no name, `name-too-long` */
  keyOf(name: string): string {
    checkName(name);
    const key = `${this.#root}${name.startsWith(CHUNKS) ? '' : CONTENT}${name}`;
    if (key.length > MAX_KEY_BYTES) throw new CairnError('name-too-long', `Too long for an S3 key: ${key}`);
    return key;
  }

  /** What the key stands for; undefined for what others keep beside our objects. */
  nameOf(key: string): string | undefined {
    if (!key.startsWith(this.#root)) return undefined;
    const rest = key.slice(this.#root.length);
    const name = rest.startsWith(CONTENT) ? rest.slice(CONTENT.length) : rest;
    const isOurs = name.startsWith(CHUNKS) === !rest.startsWith(CONTENT);
    if (!isOurs || !name.split('/').every(isComponent)) return undefined;
    return isTemporary(name) ? undefined : name;
  }

  /** What the keys of all names below a folder (empty: all) begin with. */
  prefixesOf(folder: string): string[] {
    if (folder === '') return [this.#root + CHUNKS, this.#root + CONTENT];
    const inChunks = `${folder}/`.startsWith(CHUNKS);
    return [`${this.#root}${inChunks ? '' : CONTENT}${folder}/`];
  }
}
