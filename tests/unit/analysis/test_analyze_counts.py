"""Summaries of counts, of rates and of the time in a state, on the second worked examples."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stromal.analysis.analyze import analyze
from stromal.core import StromalError, UsageError
from stromal.endpoints.derive import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples-2"


def _results(tmp_path, **analyses):
    """Analyse the second worked examples with these analyses alone."""
    yaml = YAML()
    content = yaml.load(STUDY / "protocol.yaml")
    common = {"label": "As asked", "role": "primary", "set": "grafted", "estimate": "summary"}
    content["analyses"] = {name: common | spec for name, spec in analyses.items()}
    yaml.dump(content, tmp_path / "protocol.yaml")
    (tmp_path / "records").symlink_to(STUDY / "records")
    protocol = read_protocol(tmp_path)
    return analyze(derive_all(protocol, read_records(tmp_path, protocol))).results


RATE = {"endpoint": "infections", "interval": "exact Poisson", "confidence": 0.95}


@pytest.mark.by_hand
def test_infections_over_the_days_observed(tmp_path):
    # C08 has infections on days 20 to 27, 33 and 90: the second comes 6 days after the end of the
    # first and is the same one; C12 has one. 11 participants are observed on days 0 to 180, and C03
    # on days 0 to 60: 11 x 181 + 61 = 2052 days
    (result,) = _results(tmp_path, infections=RATE)
    (group,) = result.groups
    assert (group.n, group.summary.median, group.summary.high) == (12, 0, 2)
    assert (group.rate.events, group.rate.exposure_days, group.rate.n) == (3, 2052, 12)
    assert group.rate.value == pytest.approx(3 / 2052 * 30)
    # the exact limits of a count of 3 are 0.6187 and 8.7673 in every table
    assert group.rate.low == pytest.approx(0.6187 / 2052 * 30, rel=1e-4)
    assert group.rate.high == pytest.approx(8.7673 / 2052 * 30, rel=1e-4)


@pytest.mark.by_hand
def test_without_an_interval_the_rate_has_none(tmp_path):
    (result,) = _results(tmp_path, infections={"endpoint": "infections"})
    rate = result.groups[0].rate
    assert (rate.low, rate.high, rate.interval) == (None, None, "")


@pytest.mark.by_hand
def test_with_of_the_days_of_the_first_are_taken(tmp_path):
    (result,) = _results(tmp_path, first={"endpoint": "infections", "of": ["yes"]})
    assert result.groups[0].values == (12.0, 20.0)
    assert result.groups[0].rate is None


@pytest.mark.by_hand
def test_days_in_a_state_are_those_of_which_it_is_known(tmp_path):
    # C05: days 30 to 58 and 112 to 126, 29 + 15; C07: days 14 to 77, 64; C12: known to hold on days
    # 14 to 28 and not afterwards, the log ends on day 35: 15
    spec = {"endpoint": "red_cell_dependence", "time_in_state": ["0 d", "180 d"]}
    (result,) = _results(tmp_path, days=spec)
    (group,) = result.groups
    assert group.values == (*[0.0] * 9, 15.0, 44.0, 64.0)
    assert group.time_in_state.days == 15 + 44 + 64
    assert group.time_in_state.known_days < 12 * 181


def test_the_interval_of_what_has_no_rate_is_refused(tmp_path):
    with pytest.raises(UsageError, match="add `per: 30 d`"):
        _results(tmp_path, wrong=RATE | {"endpoint": "grfs"})


def test_the_time_in_what_is_no_state_is_refused(tmp_path):
    with pytest.raises(UsageError, match="endpoint `grfs` is none"):
        _results(tmp_path, wrong={"endpoint": "grfs", "time_in_state": ["0 d", "9 d"]})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"endpoint": "infections", "interval": "exact Poisson"}, "goes with `confidence`"),
        ({"variable": "age", "interval": "exact Poisson", "confidence": 0.9}, "of an `endpoint`"),
        (RATE | {"time_in_state": ["0 d", "9 d"]}, "of the rate of a count"),
        ({"endpoint": "red_cell_dependence", "time_in_state": ["9 d", "0 d"]}, "before it begins"),
    ],
)
def test_what_does_not_go_together_is_a_fault(tmp_path, spec, said):
    with pytest.raises(StromalError, match=said):
        _results(tmp_path, wrong=spec)
