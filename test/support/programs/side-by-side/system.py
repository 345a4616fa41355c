"""System calls Python has no function for, and byte forms of ACLs and capabilities."""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4
KEEP_SIZE = 1
PUNCH_HOLE = 2
ZERO_RANGE = 16
IS_ROOT = os.geteuid() == 0


def call(name, *args):
    got = getattr(LIBC, name)(*args)
    if got < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return got


def rename(source, target, flags):
    call("renameat2", AT_FDCWD, source, AT_FDCWD, target, ctypes.c_uint(flags))


def link(source, target, flags):
    call("linkat", AT_FDCWD, source, AT_FDCWD, target, flags)


def link_handle(descriptor, target):
    call("linkat", descriptor, b"", AT_FDCWD, target, AT_EMPTY_PATH)


def allocate(descriptor, mode, offset, length):
    call("fallocate", descriptor, mode, ctypes.c_long(offset), ctypes.c_long(length))


def acl(draw):
    """A random ACL in the kernel's form; now and then one that is refused."""
    entries = [(0x01, draw.below(8), -1)]
    named = [(0x02, draw.below(8), 1000 + i) for i in range(draw.below(3))]
    groups = [(0x08, draw.below(8), 2000 + i) for i in range(draw.below(2))]
    mask = [(0x10, draw.below(8), -1)] if named or groups or draw.below(3) == 0 else []
    if draw.below(12) == 0:
        mask = []
    entries += named + [(0x04, draw.below(8), -1)] + groups + mask + [(0x20, draw.below(8), -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


def capability(draw):
    return struct.pack("<IIIII", 0x02000000 | draw.below(2), 1 << draw.below(30), 0, 0, 0)


def as_user(user, action):
    """Does something with the rights of an ordinary user; only for root."""
    groups = os.getgroups()
    os.setgroups([user + 1])
    os.setegid(user)
    os.seteuid(user)
    try:
        return action()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
