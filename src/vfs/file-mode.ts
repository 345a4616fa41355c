/** Bits of st_mode (stat.h). */
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o010;

export function isRegular(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}

export function isFolder(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

export function isSymlink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

/**
 * The mode after a write or chown by one who may not keep set-id bits: setuid goes, setgid where the group may execute or
 * the caller is none of it.
 * @param isInGroup asked only where it matters
 */
export function withoutPrivileges(mode: number, isInGroup: () => boolean): number {
  const kept = mode & ~S_ISUID;
  if ((kept & S_ISGID) === 0) return kept;
  return kept & S_IXGRP || !isInGroup() ? kept & ~S_ISGID : kept;
}
