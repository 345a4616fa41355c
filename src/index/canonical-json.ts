import { CairnError } from '../core/errors.js';

/** What JSON can express. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Deeper documents are refused, so that no input can exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * The canonical form a manifest's signature is made over (pbs-format §5): keys in the order of their UTF-8 bytes, no
 * white space.
 * @throws {CairnError} `invalid` for a document with null in it, or one nested deeper than 64 levels
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, 0);
}

function write(value: JsonValue, depth: number): string {
  if (depth > MAX_DEPTH) throw new CairnError('invalid', `JSON document is nested deeper than ${MAX_DEPTH} levels`);
  if (value === null) throw new CairnError('invalid', 'Null has no canonical form');
  if (typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map((item) => write(item, depth + 1)).join(',')}]`;
  const members = Object.keys(value)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((key) => `${JSON.stringify(key)}:${write(value[key] as JsonValue, depth + 1)}`);
  return `{${members.join(',')}}`;
}

/** Whether the document is nested deeper than anything here handles. */
export function isNestedTooDeep(value: JsonValue): boolean {
  return exceeds(value, MAX_DEPTH);
}

function exceeds(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item: JsonValue) => exceeds(item, levels - 1));
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
