import math

import pytest

from stromal.analysis import estimate_incidence, estimate_survival
from stromal.analysis.cumulative_hazard import estimate_cumulative_hazard
from stromal.core import UsageError


@pytest.mark.by_hand
def test_hazard_of_four(make_outcomes):
    outcomes = make_outcomes([2, 3, 4, 4], "ECEE")
    curve = estimate_survival(outcomes, interval="plain", confidence=0.95)
    frame = estimate_cumulative_hazard(curve)
    assert frame["estimate"].to_list() == pytest.approx([1 / 4, 1 / 4, 1 / 4 + 1])
    expected = [1 / 4, 1 / 4, math.sqrt(1 / 16 + 2 / 4)]
    assert frame["standard_error"].to_list() == pytest.approx(expected)


def test_only_of_a_survival_curve(make_outcomes):
    outcomes = make_outcomes([2, 3], "EX")
    curve = estimate_incidence(outcomes, variance="greenwood", interval="linear", confidence=0.95)
    with pytest.raises(UsageError, match="Aalen-Johansen"):
        estimate_cumulative_hazard(curve)
    weighted = make_outcomes([2, 3], "EC", case_weight=[1.0, 2.0])
    with pytest.raises(UsageError, match="infinitesimal jackknife"):
        estimate_cumulative_hazard(estimate_survival(weighted, interval="plain", confidence=0.95))
