/** What an order of members follows from. */
export interface Placeable {
  readonly settings: { readonly id: string; readonly weight: number };
}

/**
 * The members in the order in which an object of this name is put on them: by weighted rendezvous hashing, so that it can
 * be computed at any time, each gets its share, and a member more or less moves only its own share. Objects need not be
 * where this says: what was full then, or was added since, is looked for in all.
 * @param preferred the member that comes first for all names
 */
export function placementOrder<M extends Placeable>(name: string, members: readonly M[], preferred?: string): M[] {
  const hash = hashOf(name, 0x9747b28c);
  const ranked = members.map((member) => ({ member, rank: rankOf(hash, member.settings, preferred) }));
  ranked.sort((a, b) => b.rank - a.rank || (a.member.settings.id < b.member.settings.id ? -1 : 1));
  return ranked.map(({ member }) => member);
}

/** A number from an exponential distribution of rate 1 / weight, always the same; the preferred one is beyond all. */
function rankOf(hash: readonly [number, number], { id, weight }: Placeable['settings'], preferred?: string): number {
  if (id === preferred) return Number.POSITIVE_INFINITY;
  const [low, high] = hashOf(id, 0x85ebca6b);
  const upper = mixed(hash[0] ^ low);
  const lower = mixed(Math.imul(hash[1], 3) ^ high ^ upper);
  const share = (upper * 2 ** 21 + (lower >>> 11) + 0.5) / 2 ** 53;
  return -weight / Math.log(share);
}

/** Two words that depend on all characters (cyrb53). */
function hashOf(text: string, seed: number): readonly [number, number] {
  let a = 0xdeadbeef ^ seed;
  let b = 0x41c6ce57 ^ seed;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  return [mixed(a ^ mixed(b)), mixed(b ^ mixed(a))];
}

/** MurmurHash3's last step: every bit of the word depends on every other. */
function mixed(word: number): number {
  let left = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  left = Math.imul(left ^ (left >>> 13), 0xc2b2ae35);
  return (left ^ (left >>> 16)) >>> 0;
}
