"""
Operations of several processes on the same files, each such that their order makes no difference to what is there at
the end. They are done below both roots, and what they leave is compared then; only what must hold at once is checked.
"""

import errno
import fcntl
import mmap
import os

import system

KINDS = {}
SLOT_BYTES = 700
SLOTS = 4000
RECORD = b"%02d-%09d\n"


def shared_kind(draw_operation):
    KINDS[draw_operation.__name__] = draw_operation
    return draw_operation


def prepare(folder):
    for name in (b"names", b"once"):
        os.mkdir(folder + b"/" + name)
    for name in (b"log", b"winners", b"slots", b"target", b"counter", b"mapped"):
        os.close(os.open(folder + b"/" + name, os.O_CREAT | os.O_WRONLY, 0o644))
    os.truncate(folder + b"/mapped", SLOTS * 8)


def with_open(path, flags, action):
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        return action(descriptor)
    finally:
        os.close(descriptor)


def allowing(number, action):
    try:
        return action()
    except OSError as error:
        if error.errno != number:
            raise
        return None


@shared_kind
def append_record(draw, me):
    record = RECORD % (me, draw.below(10**9))

    def append(folder):
        put = with_open(folder + b"/log", os.O_WRONLY | os.O_APPEND, lambda f: os.write(f, record))
        assert put == len(record), put

    return append


@shared_kind
def write_slot(draw, me):
    """Slots are not whole pages: neighbours in a page belong to different processes."""
    at, content = (draw.below(SLOTS // 8) * 8 + me) * SLOT_BYTES, bytes([draw.below(256)]) * SLOT_BYTES

    def write(folder):
        def put_and_get(f):
            os.pwrite(f, content, at)
            assert os.pread(f, SLOT_BYTES, at) == content, f"slot at {at}"

        with_open(folder + b"/slots", os.O_RDWR, put_and_get)

    return write


@shared_kind
def map_slot(draw, me):
    at, value = (draw.below(SLOTS // 8) * 8 + me) * 8, bytes([draw.below(256)]) * 8

    def write(folder):
        def put(f):
            with mmap.mmap(f, SLOTS * 8) as mapped:
                mapped[at : at + 8] = value
                assert mapped[at : at + 8] == value

        with_open(folder + b"/mapped", os.O_RDWR, put)

    return write


@shared_kind
def count(draw, me):
    """Read, add one, write, under a lock: no increment may be lost."""
    by_range = draw.below(2)

    def increment(folder):
        def add(f):
            # Both kinds of lock, always in this order: neither keeps the other out.
            fcntl.flock(f, fcntl.LOCK_EX)
            if by_range:
                fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
            old = os.pread(f, 20, 0)
            os.pwrite(f, b"%019d\n" % (int(old or b"0") + 1), 0)

        with_open(folder + b"/counter", os.O_RDWR, add)

    return increment


@shared_kind
def make_own_name(draw, me):
    name, content = b"/names/%d-%d" % (me, draw.below(30)), b"x" * draw.below(3000)
    return lambda folder: with_open(folder + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, lambda f: os.write(f, content))


@shared_kind
def remove_own_name(draw, me):
    name = b"/names/%d-%d" % (me, draw.below(30))
    return lambda folder: allowing(errno.ENOENT, lambda: os.unlink(folder + name))


@shared_kind
def rename_own_name(draw, me):
    source, target = (b"/names/%d-%d" % (me, draw.below(30)) for _ in range(2))
    return lambda folder: allowing(errno.ENOENT, lambda: os.rename(folder + source, folder + target))


@shared_kind
def link_target(draw, me):
    name = b"/names/%d-link-%d" % (me, draw.below(10))
    return lambda folder: allowing(errno.EEXIST, lambda: os.link(folder + b"/target", folder + name))


@shared_kind
def unlink_target(draw, me):
    name = b"/names/%d-link-%d" % (me, draw.below(10))
    return lambda folder: allowing(errno.ENOENT, lambda: os.unlink(folder + name))


@shared_kind
def tag_target(draw, me):
    name, value = b"user.%d-%d" % (me, draw.below(3)), b"%d" % draw.below(1000)
    return lambda folder: os.setxattr(folder + b"/target", name, value)


@shared_kind
def make_once(draw, me):
    """Of all who try, one makes it."""
    is_folder = draw.below(2)
    name = b"/once/%d-%d" % (draw.below(10**4), is_folder)

    def make(folder):
        def win():
            if is_folder:
                os.mkdir(folder + name)
            else:
                with_open(folder + name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, lambda f: None)
            with_open(folder + b"/winners", os.O_WRONLY | os.O_APPEND, lambda f: os.write(f, name + b"\n"))

        allowing(errno.EEXIST, win)

    return make


@shared_kind
def replace(draw, me):
    """All put the same under the same name, so whoever comes last."""
    own, name = b"/names/%d-new" % me, b"/names/replaced-%d" % draw.below(5)

    def write_and_rename(folder):
        with_open(folder + own, os.O_WRONLY | os.O_CREAT, lambda f: os.write(f, name * 100))
        os.rename(folder + own, folder + name)
        # Never absent, never half.
        assert with_open(folder + name, os.O_RDONLY, lambda f: os.read(f, 10_000)) == name * 100

    return write_and_rename


@shared_kind
def grow(draw, me):
    end = draw.below(200_000)
    return lambda folder: with_open(folder + b"/target", os.O_WRONLY, lambda f: system.allocate(f, 0, 0, end + 1))


@shared_kind
def look(draw, me):
    def list_and_stat(folder):
        names = os.listdir(folder + b"/names")
        assert len(names) == len(set(names)), "a name is listed twice"
        for name in names[:5]:
            allowing(errno.ENOENT, lambda: os.stat(folder + b"/names/" + name))

    return list_and_stat


def sort_lines(path):
    with open(path, "rb") as file:
        lines = sorted(file)
    with open(path, "wb") as file:
        file.writelines(lines)
    return lines


def normalise(folder):
    """Checks what appenders left, and takes away all that may differ: its order."""
    size = len(RECORD % (0, 0))
    assert all(len(record) == size for record in sort_lines(folder + b"/log")), "a record was torn"
    winners = sort_lines(folder + b"/winners")
    assert len(winners) == len(set(winners)), "two processes made the same name"
    assert len(winners) == len(os.listdir(folder + b"/once")), "a name was made and is not there"
