"""Order and ties of days against numpy's plain spelling."""

import numpy as np
import pytest

from stromal.analysis.ordered import days_as_keys
from stromal.analysis.sort_kernels import join_ties, order_of

NO_ENTRY = np.empty(0)


def plain_join(day):
    """Give each run of days that differ by at most 1e-8 of the mean day the first of them."""
    new = np.concatenate(([True], np.diff(day) > 1e-8 * day.mean()))
    return day[np.flatnonzero(new)[np.cumsum(new) - 1]]


@pytest.mark.parametrize(
    "day",
    [
        [],
        [3.0],
        [0.0, -0.0, 0.0],
        [5.0, 5.0, 5.0],
        [2.0**40, 1.0, 2.0**52, 0.0],
        [0.3, 0.1 + 0.2, 0.3 - 1e-16, 5e-324, 0.0, 1e300, 1e-300],
        [1.5, 1e17, 3.0],
        list(np.random.default_rng(1).integers(0, 400, 500).astype(float)),
        list(np.random.default_rng(2).exponential(400, 500)),
    ],
)
def test_days_are_sorted_and_ties_keep_their_order(day):
    day = np.array(day, dtype=float)
    order = order_of(days_as_keys(day))
    np.testing.assert_array_equal(order, np.argsort(day, kind="stable"))


@pytest.mark.parametrize("seed", range(10))
def test_near_days_are_one(seed):
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, 9, 40) + rng.choice([0.0, 1e-9, 3e-8, 1e-7], 40))
    joined = day.copy()
    join_ties(joined, NO_ENTRY)
    np.testing.assert_array_equal(joined, plain_join(day))


def test_an_entry_near_a_day_is_that_day():
    day, entry = np.array([0.1 + 0.2, 1.0]), np.array([0.0, 0.3, 0.5])
    join_ties(day, entry)
    assert day.tolist() == [0.3, 1.0]
    assert entry.tolist() == [0.0, 0.3, 0.5]
