"""Random numbers by counter: known answers, independence of order, distribution."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from stromal.simulate.stream_kernels import (
    four_uniforms,
    key_of,
    key_table,
    normal,
    normal_table,
    philox,
    three_normals,
    uniform,
    uniform_table,
)

KEYS = key_table(11, 0, np.arange(1500))


@pytest.mark.published
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_philox(counter, key, expected):
    """The known answers that Random123 publishes for philox4x32 with 10 rounds."""
    assert tuple(int(word) for word in philox(*counter, *key)) == expected


def test_any_number_can_be_made_again_alone():
    key = key_of(7, 1, 123_456)
    forward = [normal(*key, day, 3, 0) for day in range(-20, 100)]
    backward = [normal(*key, day, 3, 0) for day in reversed(range(-20, 100))]
    assert forward == backward[::-1]
    assert len(set(forward)) == len(forward)


def test_what_the_key_is_made_of_matters():
    keys = {
        tuple(int(word) for word in key_of(seed, biology, participant))
        for seed in (0, 1, 2**40)
        for biology in (0, 1)
        for participant in (0, 1, 2, 2**33)
    }
    assert len(keys) == 24
    key = key_of(1, 0, 5)
    assert len({uniform(*key, *counter) for counter in ((0, 1, 2), (1, 0, 2), (2, 1, 0))}) == 3


def test_tables_and_single_numbers_are_the_same_numbers():
    keys = key_table(3, 1, np.array([5, 2**33]))
    for row, participant in enumerate((5, 2**33)):
        key = key_of(3, 1, participant)
        assert tuple(keys[row]) == key
        for number in range(3):
            assert uniform_table(keys, -4, 2, 3)[row, number] == uniform(*key, -4, 2, number)
            assert normal_table(keys, -4, 2, 3)[row, number] == normal(*key, -4, 2, number)
        assert four_uniforms(*key, 9, 2, 1)[0] == uniform(*key, 9, 2, 1)
        assert three_normals(*key, 9, 2, 1)[0] == normal(*key, 9, 2, 1)


def test_distributions():
    """Kolmogorov-Smirnov against the named distributions; p below 1e-3 would be a fault."""
    uniforms = np.array([four_uniforms(*key, 3, 1, 0) for key in KEYS])
    normals = np.array([three_normals(*key, 3, 2, 0) for key in KEYS])
    for column in uniforms.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    for column in normals.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    for table in (uniforms, normals):
        assert_uncorrelated(table)
    assert uniforms.min() > 0
    assert uniforms.max() < 1


def assert_uncorrelated(table):
    """No two columns are correlated, nor their distances from the middle (4.5 standard errors)."""
    middle = table - np.median(table, axis=0)
    for columns in (middle, np.abs(middle)):
        found = np.corrcoef(columns, rowvar=False)
        off = np.abs(found[~np.eye(len(found), dtype=bool)])
        assert off.max() < 4.5 / math.sqrt(len(table))


def test_days_purposes_and_numbers_are_independent():
    """Neighbours in each part of the counter, over 1500 participants."""
    counters = [*itertools.product((0, 1), (1, 2), (0, 1)), (-1, 1, 0), (2, 1, 0), (0, 16, 0)]
    table = [uniform_table(KEYS, day, purpose, 2)[:, number] for day, purpose, number in counters]
    assert_uncorrelated(np.column_stack(table))


def test_seeds_biologies_and_participants_are_independent():
    """The same counter under neighbouring keys, and participants beside each other."""
    who = np.arange(1500)
    keys = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2**32, 0), (0, 2)]
    table = [uniform_table(key_table(seed, own, who), 5, 1, 1)[:, 0] for seed, own in keys]
    table += [np.roll(table[0], 1), np.roll(table[0], 2)]
    assert_uncorrelated(np.column_stack(table))


def test_the_days_of_one_participant_are_even_and_without_memory():
    """Chi-square over 16 classes, over 16 x 16 pairs of days, and the number of runs up and down.

    With n numbers the runs have mean (2 n - 1) / 3 and variance (16 n - 29) / 90.
    """
    key = key_of(2, 0, 77)
    numbers = np.array([uniform(*key, day, 1, 0) for day in range(5121)])
    classes = (numbers * 16).astype(int)
    assert stats.chisquare(np.bincount(classes, minlength=16)).pvalue > 1e-3
    pairs = classes[:-1:2] * 16 + classes[1::2]
    assert stats.chisquare(np.bincount(pairs, minlength=256)).pvalue > 1e-3
    rising = np.diff(numbers) > 0
    runs = 1 + (rising[1:] != rising[:-1]).sum()
    n = len(numbers)
    assert abs(runs - (2 * n - 1) / 3) < 4 * math.sqrt((16 * n - 29) / 90)


def test_every_bit_is_set_half_of_the_time_and_one_bit_of_the_counter_turns_half_of_them():
    """Bits of 128 x 500 words: to 5 standard errors, sqrt(n) / 2."""
    words = np.array([[int(x) for x in philox(n, 1, 0, 0, *KEYS[0])] for n in range(500)])
    bits = (words[:, :, None] >> np.arange(32)) & 1
    assert np.abs(bits.sum(axis=0) - 250).max() < 5 * math.sqrt(500) / 2
    turned = (bits[:-1:2] ^ bits[1::2]).reshape(250, 128).sum(axis=1)
    assert abs(turned.sum() - 250 * 64) < 5 * math.sqrt(250 * 128) / 2
