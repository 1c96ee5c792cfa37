"""Random numbers by counter: any of them can be made again alone, in any order, by any worker.

Philox4x32-10 (Salmon 2011, doi:10.1145/2063384.2063405): the key says whose numbers they are (seed
and participant), the counter which one (day, purpose, number). Nothing is carried from one call to
the next.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stromal.core.jit import inlined, kernel

__all__ = [
    "four_uniforms",
    "key_of",
    "key_table",
    "normal",
    "normal_table",
    "philox",
    "three_normals",
    "uniform",
    "uniform_table",
]

Word: TypeAlias = Any
"""An unsigned integer of 64 bits that holds a word of 32."""

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_TO_UNIT = 1.0 / 4294967296.0


@inlined
def philox(
    c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word
) -> tuple[Word, Word, Word, Word]:
    """Give four words of 32 bits for a counter of four and a key of two such words."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    a, b = np.uint64(k0), np.uint64(k1)
    for _ in range(10):
        p0, p1 = _M0 * x0, _M1 * x2
        x0, x1, x2, x3 = (
            (p1 >> _HALF) ^ x1 ^ a,
            p1 & _MASK,
            (p0 >> _HALF) ^ x3 ^ b,
            p0 & _MASK,
        )
        a = (a + _W0) & _MASK
        b = (b + _W1) & _MASK
    return x0, x1, x2, x3


@kernel
def key_of(seed: int, biology: int, participant: int) -> tuple[Word, Word]:
    """Mix seed, biology and participant into a key of two words.

    Two different triples may share a key, as in any mixing to 64 bits; with a million participants
    the chance that any two do is 3e-8.
    """
    x0, x1, x2, x3 = philox(
        np.uint64(participant) & _MASK,
        np.uint64(participant) >> _HALF,
        np.uint64(biology) & _MASK,
        np.uint64(0x5354524F),
        np.uint64(seed) & _MASK,
        np.uint64(seed) >> _HALF,
    )
    return x0 ^ x2, x1 ^ x3


@inlined
def _words(
    k0: Word, k1: Word, day: int, purpose: int, number: int
) -> tuple[Word, Word, Word, Word]:
    """Give the four words of a key for a day, a purpose and a number."""
    return philox(
        np.uint64(day + 2**20), np.uint64(purpose), np.uint64(number), np.uint64(0), k0, k1
    )


@inlined
def uniform(k0: Word, k1: Word, day: int, purpose: int, number: int) -> float:
    """Give a number above 0 and below 1, evenly distributed, with 32 bits."""
    x0, _, _, _ = _words(k0, k1, day, purpose, number)
    return (x0 + 0.5) * _TO_UNIT


@inlined
def four_uniforms(
    k0: Word, k1: Word, day: int, purpose: int, number: int
) -> tuple[float, float, float, float]:
    """Give four independent numbers above 0 and below 1; the first is that of `uniform`."""
    x0, x1, x2, x3 = _words(k0, k1, day, purpose, number)
    return (
        (x0 + 0.5) * _TO_UNIT,
        (x1 + 0.5) * _TO_UNIT,
        (x2 + 0.5) * _TO_UNIT,
        (x3 + 0.5) * _TO_UNIT,
    )


@inlined
def three_normals(
    k0: Word, k1: Word, day: int, purpose: int, number: int
) -> tuple[float, float, float]:
    """Give three independent standard normal numbers (Box and Muller)."""
    one, two, three, four = four_uniforms(k0, k1, day, purpose, number)
    radius = math.sqrt(-2.0 * math.log(one))
    angle = 2.0 * math.pi * two
    third = math.sqrt(-2.0 * math.log(three)) * math.cos(2.0 * math.pi * four)
    return radius * math.cos(angle), radius * math.sin(angle), third


@inlined
def normal(k0: Word, k1: Word, day: int, purpose: int, number: int) -> float:
    """Give one standard normal number."""
    first, _, _ = three_normals(k0, k1, day, purpose, number)
    return first


@kernel
def uniform_table(
    keys: npt.NDArray[np.uint64], day: int, purpose: int, numbers: int
) -> npt.NDArray[np.float64]:
    """Give so many numbers above 0 and below 1 of every key: one row a key."""
    table = np.empty((keys.shape[0], numbers))
    for row in range(keys.shape[0]):
        for number in range(numbers):
            table[row, number] = uniform(keys[row, 0], keys[row, 1], day, purpose, number)
    return table


@kernel
def normal_table(
    keys: npt.NDArray[np.uint64], day: int, purpose: int, numbers: int
) -> npt.NDArray[np.float64]:
    """Give so many standard normal numbers of every key: one row a key."""
    table = np.empty((keys.shape[0], numbers))
    for row in range(keys.shape[0]):
        for number in range(numbers):
            table[row, number] = normal(keys[row, 0], keys[row, 1], day, purpose, number)
    return table


@kernel
def key_table(
    seed: int, biology: int, participants: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Give the key of every participant, one row each."""
    keys = np.empty((participants.size, 2), dtype=np.uint64)
    for row in range(participants.size):
        keys[row, 0], keys[row, 1] = key_of(seed, biology, participants[row])
    return keys
