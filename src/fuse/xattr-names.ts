const TRUSTED = Buffer.from('trusted.');

/** What xattr(7) shows this user: attributes for administrators are listed to nobody else. */
export function shownTo(uid: number, names: readonly Uint8Array[]): readonly Uint8Array[] {
  if (uid === 0) return names;
  return names.filter((name) => !TRUSTED.equals(name.subarray(0, TRUSTED.length)));
}
