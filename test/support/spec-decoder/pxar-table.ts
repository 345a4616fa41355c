// GOODBYE tables, pbs-format §6.4.
import { sipHash24 } from './siphash.js';

const TAIL = 0xef5eed5b753e1555n;

/** Array position → rank by hash, by the formula of §6.4. */
export function specTableOrder(count: number): number[] {
  const order: number[] = new Array(count).fill(-1);
  const place = (o: number, n: number, i: number): void => {
    if (n === 0) return;
    const e = Math.floor(Math.log2(n));
    const p = 2 ** e;
    const t = p + Math.floor(p / 2) - 1;
    const m = n > t ? p - 1 : p - 1 - (t - n);
    order[i] = o + m;
    place(o, m, 2 * i + 1);
    place(o + m + 1, n - m - 1, 2 * i + 2);
  };
  place(0, count, 0);
  return order;
}

/**
 * Checks the content of a GOODBYE item at `position` against the children that were met before it; sizes must be
 * exact.
 */
export function checkTable(
  content: Buffer,
  position: number,
  backReference: number,
  children: readonly { name: Buffer; filenamePosition: number; end: number }[],
): void {
  const fail = (what: string): never => {
    throw new Error(`table at ${position}: ${what}`);
  };
  if (content.length !== 24 * (children.length + 1)) fail('wrong length');
  const childAt = new Map(children.map((child) => [child.filenamePosition, child]));
  const hashes: bigint[] = [];
  const seen = new Set<number>();
  for (let i = 0; i < children.length; i += 1) {
    const hash = content.readBigUInt64LE(24 * i);
    const start = position - Number(content.readBigUInt64LE(24 * i + 8));
    const child = childAt.get(start) ?? fail('line to no child');
    if (hash !== sipHash24(child.name)) fail('wrong hash');
    if (start + Number(content.readBigUInt64LE(24 * i + 16)) !== child.end) fail('wrong size');
    hashes.push(hash);
    seen.add(start);
  }
  if (seen.size !== children.length) fail('child missing');
  const sorted = [...hashes].sort((a, b) => (a < b ? -1 : Number(a > b)));
  specTableOrder(children.length).forEach((rank, i) => {
    if (hashes[i] !== sorted[rank]) fail('wrong order');
  });
  const tail = content.subarray(-24);
  if (tail.readBigUInt64LE() !== TAIL) fail('no tail');
  if (position - Number(tail.readBigUInt64LE(8)) !== backReference) fail('wrong back reference');
  if (Number(tail.readBigUInt64LE(16)) !== content.length + 16) fail('wrong size of itself');
}
