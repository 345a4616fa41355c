"""Operations on owners, modes, times, extended attributes and ACLs."""

import os

import system
from names import kind, on

XATTRS = [b"user.a", b"user.b", b"user.\xff\xfe", b"trusted.c"]
ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
OMIT, NOW = 0x3FFFFFFE, 0x3FFFFFFF


def unless_link(action):
    """Where a link leads to may be outside of the tree."""
    return lambda path: None if os.path.islink(path) else action(path)


@kind
def change_mode(draw):
    mode = draw.pick([0o644, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o6777, 0o1777])
    return on(draw, unless_link(lambda path: os.chmod(path, mode)))


@kind
def change_owner(draw):
    user = draw.pick([-1, 0, 65534, 1000])
    # Neither of them: test/posix/exceptions.ts.
    group = draw.pick([0, 65534, 65535, 1000] if user == -1 else [-1, 0, 65534, 65535, 1000])
    return on(draw, lambda path: os.lchown(path, user, group))


@kind
def set_times(draw):
    times = (draw.below(2**31) * 10**9 + draw.below(10**9), draw.below(2**33) * 10**9 + draw.below(10**9))

    def change(path):
        os.utime(path, ns=times, follow_symlinks=False)
        found = os.lstat(path)
        return found.st_atime_ns, found.st_mtime_ns

    return on(draw, change)


@kind
def set_one_time(draw):
    kept = draw.below(2)
    seconds = 10**9 + draw.below(10**6)

    def change(path):
        pair = (system.ctypes.c_long * 4)(seconds, 5, seconds, 5)
        pair[1 if kept == 0 else 3] = OMIT
        system.call("utimensat", system.AT_FDCWD, path, pair, 0x100)
        found = os.lstat(path)
        return (found.st_mtime_ns, found.st_atime_ns)[kept]

    return on(draw, change)


@kind
def touch(draw):
    def change(path):
        system.call("utimensat", system.AT_FDCWD, path, (system.ctypes.c_long * 4)(0, NOW, 0, NOW), 0x100)

    return on(draw, change)


@kind
def set_xattr(draw):
    name, value, flags = draw.pick(XATTRS), bytes([draw.below(256)]) * draw.below(300), draw.pick([0, 1, 2])
    return on(draw, lambda path: os.setxattr(path, name, value, flags, follow_symlinks=False))


@kind
def get_xattr(draw):
    name = draw.pick([*XATTRS, ACCESS, DEFAULT, b"security.capability"])
    return on(draw, lambda path: os.getxattr(path, name, follow_symlinks=False))


@kind
def list_xattrs(draw):
    return on(draw, lambda path: sorted(os.listxattr(path, follow_symlinks=False)))


@kind
def remove_xattr(draw):
    name = draw.pick([*XATTRS, ACCESS, DEFAULT])
    return on(draw, lambda path: os.removexattr(path, name, follow_symlinks=False))


@kind
def set_capability(draw):
    value = system.capability(draw)
    return on(draw, lambda path: os.setxattr(path, b"security.capability", value, follow_symlinks=False))


@kind
def set_acl(draw):
    value = system.acl(draw)
    return on(draw, lambda path: os.setxattr(path, ACCESS, value, follow_symlinks=False))


@kind
def set_default_acl(draw):
    value = system.acl(draw)
    return on(draw, lambda path: os.setxattr(path, DEFAULT, value, follow_symlinks=False))
