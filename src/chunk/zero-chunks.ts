import { type Digest, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { MAX_CHUNK_BYTES } from './limits.js';

/** SHA-256 of 2^0, 2^1 … 2^24 zero bytes: to compute them takes 32 MiB of hashing in each thread that asks. */
const DIGESTS: readonly Digest[] = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  'df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119',
  'af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc',
  '374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb',
  '66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925',
  'f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b',
  '38723a2e5e8a17aa7950dc008209944e898f69a7bd10a23c839d341e935fd5ca',
  '5341e6b2646979a70e57653007a1f310169421ec9bdd9f1a5648f75ade005af1',
  '076a27c79e5ace2a3d47f9dd2e83e4ff6ea8872b3c2218f66c92b89b55f36560',
  '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef',
  'e5a00aa9991ac8a5ee3109844d84a55583bd20572ad3ffcd42792f3c36b183ad',
  'ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7',
  '9f1dcbc35c350d6027f98be0f5c8b43b42ca52b7604459c0c42be3aa88913d47',
  '4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe',
  'c35020473aed1b4642cd726cad727b63fff2824ad68cedd7ffb73c7cbd890479',
  'de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31',
  'fa43239bcee7b97ca62f007cc68487560a39e19f74f3dde7486db3f98df8e471',
  '8a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90',
  '07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541',
  '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58',
  '5647f05ec18958947d32874eeb788fa396a05d0bab7c1b71f112ceb7e9b31eee',
  'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8',
  '2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74',
  '080acf35a507ac9849cfcba47dc2ad83e01b75663a516279c8b9d243b719643e',
].map((hex) => Buffer.from(hex, 'hex'));

const LENGTHS: ReadonlyMap<string, number> = new Map(
  DIGESTS.map((digest, exponent) => [digestHex(digest), 2 ** exponent]),
);

/**
 * The chunk of `length` zero bytes.
 * @param length bytes, a power of two from 1 to 16 MiB
 * @throws {CairnError} `invalid` for any other length
 */
export function zeroChunkDigest(length: number): Digest {
  const digest = DIGESTS[Math.log2(length)];
  if (digest === undefined) {
    throw new CairnError(
      'invalid',
      `There is no zero chunk of ${length} bytes; lengths are powers of two up to 16 MiB`,
    );
  }
  return digest;
}

/** The length in bytes of the zero chunk with this digest, or undefined where it is none: its bytes need no loading. */
export function zeroChunkLength(digest: Digest): number | undefined {
  return LENGTHS.get(digestHex(digest));
}

/** The lengths there are zero chunks of, in bytes, longest first. */
export function* allZeroChunkLengths(): Generator<number> {
  for (let length = MAX_CHUNK_BYTES; length >= 1; length /= 2) yield length;
}

/**
 * Lengths of the zero chunks that together are a hole of `holeBytes`, longest first: 16 MiB as often as it
 * fits, then each lower power of two at most once. Nothing for an empty hole.
 */
export function* zeroChunkLengthsOf(holeBytes: number): Generator<number> {
  let rest = holeBytes;
  for (const length of allZeroChunkLengths()) {
    for (; rest >= length; rest -= length) yield length;
  }
}
