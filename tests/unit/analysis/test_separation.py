import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stromal.analysis.separation import RiskSets, infinite_direction


def sets(stop, event, columns, **more):
    return RiskSets(
        stop=np.array(stop, dtype=float),
        event=np.array(event, dtype=bool),
        columns=np.array(columns, dtype=float),
        **more,
    )


def likelihood(risk, coefficient):
    """The log partial likelihood with Breslow's ties, without strata."""
    score = risk.columns @ coefficient
    total = 0.0
    for i in np.flatnonzero(risk.event):
        at_risk = risk.stop >= risk.stop[i]
        total += score[i] - np.log(np.exp(score[at_risk] - score[at_risk].max()).sum())
        total -= score[at_risk].max()
    return total


@pytest.mark.by_hand
def test_late_entry_and_strata_decide_who_is_compared():
    stop, event, x = [1, 2, 3, 4], [True, True, True, True], [[1], [0], [1], [0]]
    # On day 2 x 0 fails before x 1 of day 3: finite. If that one enters on day 2, infinite.
    assert infinite_direction(sets(stop, event, x)) is None
    entering = sets(stop, event, x, start=np.array([0.0, 0, 2, 0]))
    assert infinite_direction(entering) == pytest.approx([1])
    apart = sets(stop, event, x, strata=np.array([0, 0, 1, 1]))
    assert infinite_direction(apart) == pytest.approx([1])


@pytest.mark.by_hand
def test_ties_are_compared_with_one_another_but_for_the_exact_likelihood():
    stop, event, x = [1, 1, 2], [True, True, False], [[2], [1], [0]]
    assert infinite_direction(sets(stop, event, x)) is None
    assert infinite_direction(sets(stop, event, x, exact=True)) == pytest.approx([1])


def test_a_negative_direction():
    assert infinite_direction(sets([1, 2], [True, False], [[0], [1]])) == pytest.approx([-1])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.booleans(), st.integers(0, 3), st.integers(0, 3)),
        min_size=2,
        max_size=10,
    )
)
def test_the_likelihood_grows_along_it_and_else_falls_everywhere(rows):
    risk = sets(
        [row[0] for row in rows], [row[1] for row in rows], [[row[2], row[3]] for row in rows]
    )
    direction = infinite_direction(risk)
    spread = risk.columns.std(axis=0)
    if direction is not None:
        steps = [
            likelihood(risk, scale * direction / np.where(spread > 0, spread, 1))
            for scale in (0, 1, 3, 9, 27)
        ]
        assert all(b >= a - 1e-9 for a, b in itertools.pairwise(steps))
        assert steps[-1] > steps[0] + 1e-6
        return
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        ray = np.array([np.cos(angle), np.sin(angle)])
        near, far = likelihood(risk, 0 * ray), likelihood(risk, 400 * ray)
        assert far <= near + 1e-9
