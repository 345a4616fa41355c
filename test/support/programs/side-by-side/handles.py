"""Operations on open files and folders, which may have lost their names meanwhile."""

import mmap
import os
import stat

import system
from names import facts

KINDS = {}


def handle_kind(draw_operation):
    KINDS[draw_operation.__name__] = draw_operation
    return draw_operation


def size_of_file(descriptor):
    """A folder's size and positions are the file system's own."""
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@handle_kind
def write_at(draw):
    content, offset = draw.content(), draw.bytes()
    return lambda f: os.pwrite(f, content, offset)


@handle_kind
def write_on(draw):
    content = draw.content()
    return lambda f: (os.writev(f, [content, b"|", content]), os.lseek(f, 0, os.SEEK_CUR))


@handle_kind
def read_at(draw):
    length, offset = draw.bytes(), draw.bytes()
    return lambda f: os.pread(f, length, offset)


@handle_kind
def read_on(draw):
    length = draw.bytes()
    return lambda f: os.read(f, length)


@handle_kind
def seek_end(draw):
    back = draw.below(100)
    return lambda f: os.lseek(f, -back, os.SEEK_END) if size_of_file(f) > 0 else None


@handle_kind
def map_and_write(draw):
    value, at = bytes([draw.below(256)]), draw.below(5000)

    def change(f):
        size = size_of_file(f)
        if size <= at:
            return None
        try:
            # A listed exception: the mount takes capabilities away when mapped pages are written.
            os.removexattr(f, b"security.capability")
        except OSError:
            pass
        with mmap.mmap(f, size) as mapped:
            mapped[at : at + 100] = value * len(mapped[at : at + 100])
        return os.pread(f, 200, max(0, at - 50))

    return change


@handle_kind
def set_size(draw):
    size = draw.bytes()
    return lambda f: os.ftruncate(f, size)


@handle_kind
def punch_open(draw):
    offset, length = draw.bytes(), 1 + draw.bytes()
    return lambda f: system.allocate(f, system.PUNCH_HOLE | system.KEEP_SIZE, offset, length)


@handle_kind
def copy_within(draw):
    at, length, into = draw.bytes(), 1 + draw.below(5000), draw.bytes()
    return lambda f: os.copy_file_range(f, f, length, at, into)


@handle_kind
def stat_open(draw):
    return lambda f: facts(os.fstat(f))


@handle_kind
def sync(draw):
    return os.fsync


@handle_kind
def sync_data(draw):
    return os.fdatasync


@handle_kind
def mode_open(draw):
    mode = draw.pick([0o600, 0o644, 0o6755])
    return lambda f: os.fchmod(f, mode)


@handle_kind
def times_open(draw):
    times = (draw.below(2**60), draw.below(2**60))
    return lambda f: (os.utime(f, ns=times), os.fstat(f).st_mtime_ns)[1]


@handle_kind
def xattr_open(draw):
    value = b"v" * draw.below(50)
    return lambda f: (os.setxattr(f, b"user.open", value), sorted(os.listxattr(f)))[1]


@handle_kind
def list_open(draw):
    return lambda f: sorted(os.listdir(f))


@handle_kind
def make_within(draw):
    name, flags = draw.name(), os.O_CREAT | os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW
    return lambda f: os.close(os.open(name, flags | os.O_EXCL, 0o640, dir_fd=f))


@handle_kind
def remove_within(draw):
    name = draw.name()
    return lambda f: os.unlink(name, dir_fd=f)
