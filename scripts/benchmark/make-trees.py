#!/usr/bin/env python3
"""Makes the trees that scripts/bench copies, the same in each run.

    make-trees.py DIR small [FOLDERS]   DIR/small: 100 files of 1 to 20 KiB in each of 200 folders, all different; half
                                        words, half noise
    make-trees.py DIR big [MIB]         DIR/big/image: 1 GiB, half words that come again, half noise that does not
"""
import os
import random
import sys

FOLDERS, FILES_PER_FOLDER = 200, 100
MIN_BYTES, MAX_BYTES = 1024, 20480
NUMBER_BYTES = 8
BIG_MIB, HALF_MIB = 1024, 1 << 19
POOL_BYTES = 1 << 22


def words_of(rng, length):
    """Text of random words, cut to length."""
    letters = b'abcdefghijklmnopqrstuvwxyz'
    words = [bytes(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(4000)]
    text = bytearray()
    while len(text) < length:
        text += rng.choice(words) + b' '
    return bytes(text[:length])


class Pieces:
    """Where content is cut from."""

    def __init__(self, rng):
        self.rng = rng
        self.text = words_of(rng, POOL_BYTES)
        self.noise = rng.randbytes(POOL_BYTES)

    def half_and_half(self, length):
        half = length // 2
        a = self.rng.randrange(len(self.text) - length)
        b = self.rng.randrange(len(self.noise) - length)
        return self.text[a:a + half] + self.noise[b:b + length - half]

    def text_half_mib(self):
        at = self.rng.randrange(len(self.text) - HALF_MIB)
        return self.text[at:at + HALF_MIB]


def make_small(root, rng, pieces, folders=FOLDERS):
    for folder in range(folders):
        path = f'{root}/small/d{folder:03}'
        os.makedirs(path, exist_ok=True)
        for file in range(FILES_PER_FOLDER):
            length = rng.randint(MIN_BYTES, MAX_BYTES)
            number = (folder * FILES_PER_FOLDER + file).to_bytes(NUMBER_BYTES, 'little')
            with open(f'{path}/f{file:03}', 'wb') as out:
                out.write(pieces.half_and_half(length - NUMBER_BYTES) + number)


def make_big(root, rng, pieces, mebibytes=BIG_MIB):
    os.makedirs(f'{root}/big', exist_ok=True)
    with open(f'{root}/big/image', 'wb') as out:
        for _ in range(mebibytes):
            out.write(pieces.text_half_mib())
            out.write(rng.randbytes(HALF_MIB))


def main():
    makers = {'small': make_small, 'big': make_big}
    if len(sys.argv) not in (3, 4) or sys.argv[2] not in makers:
        sys.exit(__doc__)
    rng = random.Random(7)
    makers[sys.argv[2]](sys.argv[1], rng, Pieces(rng), *map(int, sys.argv[3:]))


main()
