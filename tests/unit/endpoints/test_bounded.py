"""The earliest and the latest times of a recovery, worked out on paper."""

import pytest

from stromal.core import UsageError
from stromal.endpoints.bounded import bounded_times
from support.derived import context_of, counts

pytestmark = pytest.mark.by_hand


def rule(competing="[]", until=""):
    until = f"    until: {until}\n" if until else ""
    return (
        "  anc:\n    label: Neutrophils\n"
        "    recovery: {analyte: ANC, at_least: 0.5 10*9/L, run: 3, of: values on different days,\n"
        "               largest_gap: none, after: {nadir_within: 28 d}}\n"
        f"    from: transplant\n    competing: {competing}\n{until}"
    )


def bounds(tmp_path, anc, wbc=(), *, text=None, **tables):
    """Give (derived status, day), (low), (high) of one participant."""
    rows = counts(anc) + counts(dict(wbc), "WBC")
    context = context_of(tmp_path, text or rule(), measurements=rows, **tables)
    row, times = context.derived["anc"].row(0, named=True), bounded_times(context, "anc").row(0)
    return (row["status"], row["day"]), times[1:3], times[3:5]


def test_every_day_counted_has_one_day(tmp_path):
    anc = [0.6, 0.2, 0.1, 0.6, 0.7, 0.8]
    assert bounds(tmp_path, anc) == (("event", 3),) * 3


def test_a_weekend_without_counts(tmp_path):
    """0.1 on Friday, day 4, 0.6 from day 7 on: day 5 at the earliest, day 7 at the latest."""
    anc = {3: 0.1, 4: 0.1, 7: 0.6, 8: 0.6, 9: 0.7}
    assert bounds(tmp_path, anc) == (("event", 7), ("event", 5), ("event", 7))


def test_a_differential_that_is_missing_may_break_the_run(tmp_path):
    """The white cells of day 8 leave it open: if it failed, days 9 to 11 are the first run."""
    anc = {4: 0.1, 6: 0.6, 7: 0.6, 9: 0.6, 10: 0.6, 11: 0.6}
    assert bounds(tmp_path, anc, {8: 3.0}) == (("event", 6), ("event", 5), ("event", 9))


LAST = {4: 0.1, 6: 0.6, 7: 0.6, 9: 0.6}
"""With day 8 against it the run of days 6, 7, 9 is not shown; blood is counted last on day 9."""


def test_an_event_that_is_then_not_shown_is_censored_where_a_run_could_have_begun(tmp_path):
    assert bounds(tmp_path, LAST, {8: 3.0}) == (("event", 6), ("event", 5), ("censored", 7))


@pytest.mark.parametrize(
    ("drawn", "high"),
    [([20], 8), ([12], 8), ([18, 19, 20], 18), ([12, 20], 9), ([], 7)],
)
def test_other_counts_of_the_blood_go_on(tmp_path, drawn, high):
    """Blood is counted on days 4, 6, 7, 8, 9 and these: a run of three draws begins that late."""
    assert bounds(tmp_path, LAST, dict.fromkeys([8, *drawn], 3.0))[2] == ("censored", high)


@pytest.mark.parametrize(
    ("run", "drawn", "high"),
    [
        ("largest_gap: 2 d", [18, 20, 21, 25], 18),
        ("largest_gap: 2 d", [18, 25], 7),
        ("largest_gap: 2 d", [18, 20, 25], 7),
    ],
)
def test_draws_too_far_apart_make_no_run(tmp_path, run, drawn, high):
    text = rule().replace("largest_gap: none", run)
    found = bounds(tmp_path, LAST, dict.fromkeys([8, *drawn], 3.0), text=text)
    assert found[2] == ("censored", high)


def test_a_run_that_lasts(tmp_path):
    """Values over 3 days: 6 to 9 unless day 8 fails; draws on 15 and 20 leave day 15 for a run."""
    text = rule().replace("run: 3, of: values on different days", "lasting: 3 d")
    found = bounds(tmp_path, LAST, {8: 3.0, 15: 3.0, 20: 3.0}, text=text)
    assert found == (("event", 6), ("event", 5), ("censored", 15))


def test_not_after_the_time_observed(tmp_path):
    wbc = dict.fromkeys([8, 18, 19, 20], 3.0)
    found = bounds(tmp_path, LAST, wbc, text=rule(until="14 d"))
    assert found == (("event", 6), ("event", 5), ("censored", 14))


@pytest.mark.parametrize(("until", "high"), [("", ("competing", 12)), ("11 d", ("censored", 8))])
def test_not_shown_and_then_a_death(tmp_path, until, high):
    """Nothing is read after the death on day 12: of draws on 8, 9, 12 the first could begin one."""
    found = bounds(
        tmp_path, LAST, {8: 3.0, 12: 3.0}, text=rule("[death]", until),
        events=[{"day": 12, "event": "death"}],
    )  # fmt: skip
    assert found[2] == high


def test_a_death_that_does_not_compete_ends_the_reading(tmp_path):
    found = bounds(
        tmp_path, LAST, {8: 3.0, 12: 3.0}, text=rule("[relapse]"),
        events=[{"day": 12, "event": "death"}],
    )  # fmt: skip
    assert found[2] == ("censored", 8)


def test_no_event_may_have_been_one(tmp_path):
    """Days 6 and 9 are high and 7, 8 unknown: a run could have begun on day 5 and gone unseen.

    The counts of days 4, 6 and 9 alone tell anything: of them the first could begin a run.
    """
    found = bounds(tmp_path, {4: 0.1, 6: 0.6, 9: 0.6}, {7: 3.0, 8: 3.0})
    assert found == (("censored", 4), ("event", 5), ("censored", 4))


def test_who_has_no_result_has_none_here(tmp_path):
    """Never below the threshold."""
    assert bounds(tmp_path, [2.0] * 29) == (("not_applicable", None),) * 3


def test_a_survival_has_no_bounds(tmp_path):
    text = "  os: {label: OS, time_to_event: {definition: OS}, from: transplant, competing: []}\n"
    context = context_of(tmp_path, text)
    with pytest.raises(UsageError, match="have no bounds"):
        bounded_times(context, "os")
