// SipHash-2-4 with the key of pbs-format §6.4, in plain BigInt arithmetic.

const MASK = (1n << 64n) - 1n;
const PXAR_K0 = 0x83ac3f1cfbb450dbn;
const PXAR_K1 = 0xaa4f1b6879369fbdn;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function mix(v: [bigint, bigint, bigint, bigint], rounds: number): void {
  for (let i = 0; i < rounds; i += 1) {
    v[0] = (v[0] + v[1]) & MASK;
    v[1] = rotate(v[1], 13n) ^ v[0];
    v[0] = rotate(v[0], 32n);
    v[2] = (v[2] + v[3]) & MASK;
    v[3] = rotate(v[3], 16n) ^ v[2];
    v[0] = (v[0] + v[3]) & MASK;
    v[3] = rotate(v[3], 21n) ^ v[0];
    v[2] = (v[2] + v[1]) & MASK;
    v[1] = rotate(v[1], 17n) ^ v[2];
    v[2] = rotate(v[2], 32n);
  }
}

export function sipHash24(data: Uint8Array, k0 = PXAR_K0, k1 = PXAR_K1): bigint {
  const v: [bigint, bigint, bigint, bigint] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const tail = data.length - (data.length % 8);
  const absorb = (word: bigint): void => {
    v[3] ^= word;
    mix(v, 2);
    v[0] ^= word;
  };
  for (let at = 0; at < tail; at += 8) absorb(Buffer.from(data.subarray(at, at + 8)).readBigUInt64LE());
  let last = BigInt(data.length & 0xff) << 56n;
  for (let i = tail; i < data.length; i += 1) last |= BigInt(data[i] as number) << BigInt(8 * (i - tail));
  absorb(last);
  v[2] ^= 0xffn;
  mix(v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
