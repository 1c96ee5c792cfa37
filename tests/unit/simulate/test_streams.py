"""Random numbers by counter: known answers, independence of order, distribution."""

import math

import numpy as np
import pytest
from scipy import stats

from stromal.simulate.stream_kernels import key_of, normal, normals, philox, uniform


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


def test_distributions():
    """Kolmogorov-Smirnov against the named distributions; p below 1e-3 would be a fault."""
    keys = [key_of(11, 0, participant) for participant in range(4000)]
    draws = {
        "uniform": [uniform(*key, 3, 1, 0) for key in keys],
        "norm": [number for key in keys for number in normals(*key, 3, 2, 0)],
    }
    for name, numbers in draws.items():
        assert stats.kstest(numbers, name).pvalue > 1e-3, name
    first, second = np.reshape(draws["norm"], (-1, 2)).T
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / math.sqrt(first.size)
    assert min(draws["uniform"]) > 0
    assert max(draws["uniform"]) < 1
