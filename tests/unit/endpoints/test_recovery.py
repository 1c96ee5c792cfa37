"""Recovery of a count, step by step, worked out on paper."""

import pytest

from support.derived import counts, row_of, rows_of

pytestmark = pytest.mark.by_hand

FALL = [3.2, 2.4, 1.1, 0.6, 0.3, 0.1]  # days 0 to 5: the nadir is day 5


def rule(  # noqa: PLR0917
    analyte="ANC",
    bound="at_least: 0.5 10*9/L",
    run="run: 3, of: values on different days, largest_gap: none",
    after="{nadir_within: 28 d}",
    free="",
    until="",
    competing="[death, second_transplant]",
    anchor="transplant",
):
    free = f", without_transfusion: {free}" if free else ""
    until = f"    until: {until}\n" if until else ""
    return (
        "  recovery:\n    label: Recovery\n"
        f"    recovery: {{analyte: {analyte}, {bound}, {run}, after: {after}{free}}}\n"
        f"    from: {anchor}\n{until}    competing: {competing}\n"
    )


DAYS = "run: 3, of: consecutive days"
BEFORE = "{product: platelets, when: before, for: 7 d}"
DURING = "{product: platelets, when: during}"
BOTH = "{product: platelets, when: before and during, for: 7 d}"


def platelets(free, **kwargs):
    return rule("PLT", "at_least: 20 10*9/L", free=free, **kwargs)


def given(*days, product="platelets"):
    return [{"day": day, "product": product} for day in days]


def happened(day, event="death"):
    return [{"record_id": event, "day": day, "event": event}]


def told(row, *names):
    return tuple(row[name] for name in names)


TIMES = ("status", "day", "day_low", "day_high")


@pytest.mark.parametrize(("bound", "day"), [("at_least: 0.5 10*9/L", 6), ("above: 0.5 10*9/L", 7)])
@pytest.mark.parametrize("values", [(0.5, 0.6, 0.7, 0.8), ("0.50", "0.6", "0.7", "0.8")])
def test_exactly_the_threshold(tmp_path, bound, day, values):
    row = row_of(tmp_path, rule(bound=bound), measurements=counts([*FALL, *values]))
    assert told(row, *TIMES) == ("event", day, day, day)
    assert row["because"] == [f"ANC{d}" for d in range(day, day + 3)]


def test_the_threshold_in_another_unit(tmp_path):
    row = row_of(
        tmp_path,
        rule(bound="at_least: 500 /uL"),
        measurements=counts([*FALL, 0.5, 0.499, 0.5, 0.5, 0.5]),
    )
    assert told(row, *TIMES) == ("event", 8, 8, 8)


def test_of_several_counts_on_a_day_the_lowest_is_used(tmp_path):
    twice = [
        {"record_id": "low", "day": 8, "analyte": "ANC", "value": 0.4, "unit": "10*9/L"},
        {"record_id": "high", "day": 7, "analyte": "ANC", "value": 9, "unit": "10*9/L"},
    ]
    row = row_of(
        tmp_path, rule(), measurements=counts([*FALL, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]) + twice
    )
    assert told(row, "status", "day") == ("event", 9)
    assert row["because"] == ["ANC9", "ANC10", "ANC11"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<0.5", (8, 8, 8)),  # below the threshold for certain
        ("<0.51", (6, 6, 8)),  # open: passed over, and against it a new run from day 8
        ("<38.5", (6, 6, 8)),
        (">10", (6, 6, 6)),
        (">0.5", (6, 6, 6)),
        (">0.4", (6, 6, 8)),
    ],
)
def test_bounds_instead_of_counts(tmp_path, value, expected):
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.5, value, 0.6, 0.7, 0.8]))
    assert told(row, *TIMES) == ("event", *expected)


def test_above_the_threshold_a_bound_at_it_is_enough(tmp_path):
    row = row_of(
        tmp_path,
        rule(bound="above: 0.5 10*9/L"),
        measurements=counts([*FALL, ">0.5", ">0.5", ">0.5"]),
    )
    assert told(row, *TIMES) == ("event", 6, 6, 6)


def test_the_nadir_may_be_below_the_limit_of_the_analyser(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts([3, 1, "<0.1", "<0.1", 0.5, 0.6, 0.7]))
    assert told(row, "status", "day") == ("event", 4)
    assert "nadir <0.1 on day 3" in row["note"]


@pytest.mark.parametrize("bound", [">0.3", "<38.5", "<0.7"])
def test_a_bound_may_be_the_lowest_of_its_day(tmp_path, bound):
    """It may be 0.4: whether day 7 qualifies is open, though the other count of the day does."""
    bounds = [{"day": 7, "analyte": "ANC", "value": bound, "unit": "10*9/L"}]
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.5, 0.6, 0.7, 0.8, 0.9]) + bounds)
    assert told(row, *TIMES) == ("event", 6, 6, 8)


@pytest.mark.parametrize(("bound", "day"), [(">0.5", 6), (">10", 6), ("<0.5", 8)])
def test_a_bound_that_settles_its_day(tmp_path, bound, day):
    bounds = [{"day": 7, "analyte": "ANC", "value": bound, "unit": "10*9/L"}]
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.5, 0.6, 0.7, 0.8, 0.9]) + bounds)
    assert told(row, *TIMES) == ("event", day, day, day)


def test_a_run_before_the_nadir_does_not_count(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts([3, 2, 1, 0.9, 0.2, 0.3, 0.6, 0.7, 0.8]))
    assert told(row, "status", "day") == ("event", 6)


def test_the_nadir_is_the_last_of_the_lowest(tmp_path):
    values = [0.1, 0.8, 0.9, 1.0, 0.1, 0.5, 0.6, 0.7]
    row = row_of(tmp_path, rule(), measurements=counts(values))
    assert told(row, "status", "day") == ("event", 5)
    assert "nadir 0.1 on day 4" in row["note"]


@pytest.mark.parametrize(
    ("under", "day"),
    [
        (3, 8),  # three below, then three at it: recovered; what falls later is a loss
        (2, 13),  # two below only: the fall on day 12 is still the way down
    ],
)
def test_a_fall_after_recovery_is_not_the_nadir(tmp_path, under, day):
    before = [3.0, 2.0, 1.5, 1.2, 0.9][: 8 - under] + [0.8] * (3 - under)
    values = [*before, *[0.3] * under, 0.6, 0.7, 0.8, 0.6, 0.1, 0.5, 0.6, 0.7]
    row = row_of(tmp_path, rule(), measurements=counts(values))
    assert told(row, "status", "day") == ("event", day)


def test_the_nadir_is_sought_no_later_than_the_rule_says(tmp_path):
    values = {0: 3, 3: 0.4, 6: 0.3, 9: 0.6, 12: 0.2, 13: 0.6, 14: 0.7, 15: 0.8}
    late = row_of(tmp_path / "a", rule(), measurements=counts(values))
    early = row_of(tmp_path / "b", rule(after="{nadir_within: 7 d}"), measurements=counts(values))
    assert "nadir 0.2 on day 12" in late["note"]
    assert "nadir 0.3 on day 6" in early["note"]
    assert late["day"] == early["day"] == 13


def test_leucocytes_bound_a_differential_that_is_missing(tmp_path):
    """The counts that were reported never fell; the leucocytes of days 3 to 7 say that they did."""
    reported = {0: 3.2, 1: 2.4, 2: 1.1, 8: 0.6, 9: 0.9, 10: 1.2}
    leucocytes = {3: 0.4, 4: 0.2, 5: 0.1, 6: 0.2, 7: 0.4, 8: 0.9}
    row = row_of(
        tmp_path,
        rule(),
        measurements=counts(reported) + counts(leucocytes, "WBC"),
    )
    assert told(row, *TIMES) == ("event", 8, 8, 8)
    assert "nadir at most 0.1 (the leucocytes) on day 5" in row["note"]


def test_leucocytes_above_the_threshold_bound_nothing(tmp_path):
    row = row_of(
        tmp_path,
        rule(),
        measurements=counts([*FALL, None, 0.5, 0.6, 0.7]) + counts({6: 1.4}, "WBC"),
    )
    assert told(row, *TIMES) == ("event", 7, 6, 7)


def test_leucocytes_settle_an_open_bound(tmp_path):
    measured = counts([*FALL, 0.5, "<38.5", 0.6, 0.7, 0.8]) + counts({7: 0.4}, "WBC")
    row = row_of(tmp_path, rule(), measurements=measured)
    assert told(row, *TIMES) == ("event", 8, 8, 8)


def test_leucocytes_do_not_break_an_upper_bound(tmp_path):
    """Leucocytes of 30 say nothing about neutrophils that must stay below 10."""
    measured = counts([*FALL, 0.5, None, 0.6, 0.7]) + counts({7: 30}, "WBC")
    row = row_of(
        tmp_path,
        rule(bound="at_least: 0.5 10*9/L, below: 10 10*9/L"),
        measurements=measured,
    )
    assert told(row, *TIMES) == ("event", 6, 6, None)


def test_a_missing_differential_gives_two_bounds(tmp_path):
    """Nothing reported on days 6 to 10 while leucocytes were counted: day 6 to day 11."""
    measured = counts({**dict(enumerate(FALL)), 11: 0.9, 12: 1.2, 13: 1.4})
    measured += counts({6: 0.7, 7: 0.9, 8: 1.4, 9: 1.5, 10: 1.6, 11: 1.9}, "WBC")
    row = row_of(tmp_path, rule(), measurements=measured)
    assert told(row, *TIMES) == ("event", 11, 6, 11)


def test_an_open_day_inside_the_run_moves_the_upper_bound(tmp_path):
    measured = counts({**dict(enumerate(FALL)), 6: 0.5, 7: 0.6, 9: 0.7, 10: 0.8, 11: 0.9})
    silent = row_of(tmp_path / "a", rule(), measurements=measured)
    assert told(silent, *TIMES) == ("event", 6, 6, 6)
    with_blood = row_of(tmp_path / "b", rule(), measurements=measured + counts({8: 90}, "PLT"))
    assert told(with_blood, *TIMES) == ("event", 6, 6, 9)


def test_a_planned_draw_that_was_not_taken_is_open(tmp_path):
    daily = "[{analytes: [ANC], from: transplant, until: 60 d, on: daily}]"
    measured = counts({**dict(enumerate(FALL)), 6: 0.5, 7: 0.6, 9: 0.7, 10: 0.8, 11: 0.9})
    row = row_of(tmp_path, rule(), draws=daily, measurements=measured)
    assert told(row, *TIMES) == ("event", 6, 6, 9)


def test_without_enough_counts_after_the_gap_the_upper_bound_is_empty(tmp_path):
    measured = counts({**dict(enumerate(FALL)), 6: 0.5, 7: 0.6, 9: 0.7})
    row = row_of(tmp_path, rule(), measurements=measured + counts({8: 90}, "PLT"))
    assert told(row, *TIMES) == ("event", 6, 6, None)


def test_friday_fails_and_monday_qualifies(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts({0: 2, 2: 0.3, 4: 0.1, 7: 0.9, 9: 1, 11: 2}))
    assert told(row, *TIMES) == ("event", 7, 5, 7)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("run: 3, of: values on different days, largest_gap: none", ("event", 6, 6)),
        ("run: 3, of: values on different days, largest_gap: 4 d", ("event", 6, 6)),
        ("run: 3, of: values on different days, largest_gap: 3 d", ("event", 11, 6)),
        ("lasting: 6 d, largest_gap: 4 d", ("event", 6, 6)),
        ("lasting: 6 d, largest_gap: 3 d", ("event", 11, 6)),
        ("run: 3, of: consecutive days", ("event", 14, 6)),
    ],
)
def test_gaps(tmp_path, run, expected):
    values = {**dict(enumerate(FALL)), 6: 0.6, 7: 0.7, 11: 0.8, 12: 0.9, 14: 1, 15: 1, 16: 1, 17: 1}
    row = row_of(tmp_path, rule(run=run), measurements=counts(values))
    assert told(row, "status", "day", "day_low") == expected


def test_two_values_lasting_long_enough(tmp_path):
    """Seven days from the first to the last value, the last one exactly on the seventh."""
    values = {0: 2, 4: 0.2, 5: 0.6, 11: 0.7, 12: 0.8}
    row = row_of(tmp_path, rule(run="lasting: 7 d, largest_gap: none"), measurements=counts(values))
    assert told(row, "status", "day", "because") == ("event", 5, ["ANC5", "ANC11", "ANC12"])


def test_no_nadir_where_the_rule_starts_at_the_anchor(tmp_path):
    row = row_of(tmp_path, rule(after="anchor"), measurements=counts([3, 2, 1, 0.2, 0.3]))
    assert told(row, *TIMES) == ("event", 0, 0, 0)


# --- never below, no counts ----------------------------------------------------------------


def test_never_below_the_threshold_is_not_applicable(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts(dict.fromkeys(range(0, 29, 2), 2)))
    assert told(row, "status", "day", "cause") == (
        "not_applicable", None, "never below the threshold",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("days", "status"),
    [
        (range(0, 29, 3), "not_applicable"),  # 2 days between, as at a weekend
        ([*range(0, 10, 3), *range(13, 29, 3)], "not_evaluable"),  # days 10 to 12 without a count
        (range(0, 26, 3), "not_evaluable"),  # nothing on days 25 to 28
        (range(2, 27, 3), "not_applicable"),  # 2 days before the first and after the last
        (range(3, 28, 3), "not_evaluable"),  # 3 days before the first
    ],
)
def test_too_few_counts_to_show_a_fall(tmp_path, days, status):
    row = row_of(tmp_path, rule(), measurements=counts(dict.fromkeys(days, 2)))
    assert row["status"] == status


def test_a_death_before_a_fall_could_be_seen_competes(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts([3, 2, 1.5]), events=happened(4))
    assert told(row, "status", "day", "cause") == ("competing", 4, "death")


def test_without_counts(tmp_path):
    rows = rows_of(
        tmp_path, rule(), people=[{}, {}], measurements=counts({40: 1}, participant="P2")
    )
    assert rows["status"].to_list() == ["not_evaluable", "not_evaluable"]
    assert rows["cause"].to_list() == ["no nadir was measured"] * 2
    assert rows["day"].to_list() == [None, None]


def test_death_without_counts_competes(tmp_path):
    row = row_of(tmp_path, rule(), events=happened(3))
    assert told(row, *TIMES) == ("competing", 3, None, None)


def test_without_the_anchor(tmp_path):
    row = row_of(tmp_path, rule(anchor="first_msc"), measurements=counts([*FALL, 1, 1, 1]))
    assert told(row, "status", "anchor_day", "cause") == (
        "not_applicable", None, "anchor did not happen",
    )  # fmt: skip


def test_days_count_from_the_anchor(tmp_path):
    row = row_of(
        tmp_path,
        rule(anchor="first_msc"),
        people={"transplanted_day": "", "transplanted_on": "2024-01-01"},
        infusions=[{"day": 3, "product": "msc", "number": 1, "cells": 7e7}],
        measurements=counts([*FALL, 0.5, 0.6, 0.7]),
    )
    assert told(row, "status", "anchor_day", "day") == ("event", 3, 3)
    assert row["date"].isoformat() == "2024-01-07"


# --- competing, until, censored ------------------------------------------------------------


@pytest.mark.parametrize(
    ("died", "expected"),
    [
        (7, ("competing", 7)),  # a day before the run is complete
        (8, ("event", 6)),  # the count of the day of death is read
        (30, ("event", 6)),
    ],
)
def test_death_and_the_run(tmp_path, died, expected):
    row = row_of(
        tmp_path,
        rule(),
        measurements=[r for r in counts([*FALL, 0.5, 0.6, 0.7]) if r["day"] <= died],
        events=happened(died),
    )
    assert told(row, "status", "day") == expected


def test_counts_after_death_are_never_used(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.5, 0.6, 0.7]), events=happened(6))
    assert told(row, "status", "day", "because") == ("competing", 6, ["death"])


def test_death_that_the_protocol_does_not_name_still_ends_the_reading(tmp_path):
    row = row_of(
        tmp_path,
        rule(competing="[]"),
        measurements=counts([*FALL, 0.2, 0.3, 0.4]),
        events=happened(9),
    )
    assert told(row, "status", "day") == ("censored", 6)


def test_a_second_transplantation_competes_and_ends_the_reading(tmp_path):
    events = happened(9, "second_transplant")
    row = row_of(
        tmp_path,
        rule(),
        measurements=counts([*FALL, 0.2, 0.1, 0.1, 0.2, 0.5, 0.6, 0.7]),
        events=events,
    )
    assert told(row, "status", "day", "cause") == ("competing", 9, "second_transplant")
    early = row_of(
        tmp_path / "b",
        rule(),
        measurements=counts([*FALL, 0.5, 0.6, 0.7]),
        events=happened(8, "second_transplant"),
    )
    assert told(early, "status", "day") == ("event", 6)


@pytest.mark.parametrize(
    ("until", "expected"),
    [("5 d", ("censored", 5)), ("6 d", ("event", 6)), ("7 d", ("event", 6))],
)
def test_a_run_begins_by_until(tmp_path, until, expected):
    row = row_of(tmp_path, rule(until=until), measurements=counts([*FALL, 0.5, 0.6, 0.7, 0.8]))
    assert told(row, "status", "day") == expected


def test_a_competing_event_after_until_does_not_compete(tmp_path):
    values = counts([*FALL, *[0.2] * 10])
    for died, expected in ((12, ("competing", 12)), (13, ("censored", 11))):
        row = row_of(
            tmp_path / str(died), rule(until="12 d"), measurements=values[: died + 1],
            events=happened(died),
        )  # fmt: skip
        assert told(row, "status", "day") == expected


@pytest.mark.parametrize(
    ("run", "days", "expected"),
    [
        (DAYS, range(21), ("censored", 18)),
        ("run: 3, of: values on different days, largest_gap: none", range(21), ("censored", 18)),
        # the last three counts stand on days 14, 16 and 20: a run was still shown from day 14
        (
            "run: 3, of: values on different days, largest_gap: none",
            [*range(13), 14, 16, 20],
            ("censored", 14),
        ),
        # after day 12 the draws are too rare for consecutive days
        (DAYS, [*range(13), 14, 16, 18, 20, 23, 25], ("censored", 10)),
        ("lasting: 7 d, largest_gap: 4 d", [*range(13), 14, 16, 20], ("censored", 12)),
        (DAYS, [0, 2, 4, 7, 9, 11, 14, 16], ("not_evaluable", None)),
        ("lasting: 7 d, largest_gap: 2 d", [0, 2, 4, 7, 9, 11, 14, 16], ("not_evaluable", None)),
        ("lasting: 7 d, largest_gap: 3 d", [0, 2, 4, 7, 9, 11, 14, 16], ("censored", 9)),
        # too short to know: nobody can have had a run that needs more days
        (DAYS, [0, 1], ("censored", 0)),
    ],
)
def test_censored_on_the_last_day_on_which_a_run_could_have_begun(tmp_path, run, days, expected):
    row = row_of(tmp_path, rule(run=run), measurements=counts(dict.fromkeys(days, 0.3)))
    assert told(row, "status", "day") == expected


def test_a_run_cut_short_by_the_end_of_the_data_is_no_event(tmp_path):
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.5, 0.6]))
    assert told(row, *TIMES) == ("censored", 5, None, None)


def test_counts_that_tell_nothing_do_not_prolong_the_follow_up(tmp_path):
    """`<38.5` on days 8 to 20 does not show that a participant had not recovered."""
    row = row_of(tmp_path, rule(), measurements=counts([*FALL, 0.2, 0.3, *["<38.5"] * 13]))
    assert told(row, "status", "day") == ("censored", 5)


def test_mondays_wednesdays_and_fridays_cannot_show_consecutive_days(tmp_path):
    mwf = "[{analytes: [ANC], from: transplant, until: 60 d, on: [Mon, Wed, Fri]}]"
    days = [0, 2, 4, 7, 9, 11, 14, 16, 18]
    values = dict(zip(days, [3, 1, 0.3, 0.1, 0.2, 0.4, 0.9, 1.3, 1.8], strict=True))
    monday = {"transplanted_day": "", "transplanted_on": "2024-01-08"}
    for draws in (mwf, "not stated"):
        row = row_of(
            tmp_path / draws[:3], rule(run=DAYS), draws=draws, people=monday,
            measurements=counts(values),
        )  # fmt: skip
        assert told(row, "status", "day", "cause") == (
            "not_evaluable", None, "draws cannot show the run",
        )  # fmt: skip
        assert row["day_low"] == 12
    row = row_of(
        tmp_path / "died", rule(run=DAYS), draws=mwf, people=monday,
        measurements=counts({d: v for d, v in values.items() if d <= 9}), events=happened(10),
    )  # fmt: skip
    assert told(row, "status", "day") == ("competing", 10)


# --- platelets and transfusions ------------------------------------------------------------

PLT = [60, 30, 15, 9, 12]  # days 0 to 4, nadir on day 3


@pytest.mark.parametrize("free", [BEFORE, BOTH])
@pytest.mark.parametrize(("transfused", "day"), [(4, 11), (3, 10), (0, 7), (-2, 5)])
def test_the_first_evaluable_day_is_the_transfusion_plus_seven(tmp_path, free, transfused, day):
    row = row_of(
        tmp_path,
        platelets(free),
        measurements=counts([*PLT, *[30] * 12], "PLT"),
        transfusions=given(transfused),
    )
    assert told(row, *TIMES) == ("event", day, day, day)


def test_during_alone_asks_only_about_the_days_of_the_run(tmp_path):
    row = row_of(
        tmp_path,
        platelets(DURING),
        measurements=counts([*PLT, *[30] * 12], "PLT"),
        transfusions=given(4),
    )
    assert told(row, *TIMES) == ("event", 5, 5, 5)


@pytest.mark.parametrize(("free", "day"), [(BEFORE, 14), (BOTH, 14), (DURING, 8), ("", 5)])
def test_a_transfusion_inside_the_run(tmp_path, free, day):
    """Counts of 30 from day 5 on, transfused on day 7."""
    row = row_of(
        tmp_path,
        platelets(free),
        measurements=counts([*PLT, *[30] * 15], "PLT"),
        transfusions=given(7),
    )
    assert told(row, "status", "day") == ("event", day)


def test_a_transfusion_between_two_values_of_a_run_ends_it(tmp_path):
    values = {**dict(enumerate(PLT)), 5: 30, 7: 30, 9: 30, 11: 30, 13: 30, 15: 30, 17: 30, 19: 30}
    for free, day in ((DURING, 9), (BEFORE, 15)):
        row = row_of(
            tmp_path / str(day), platelets(free), measurements=counts(values, "PLT"),
            transfusions=given(8),
        )  # fmt: skip
        assert told(row, "status", "day") == ("event", day)


def test_only_the_product_that_the_rule_names(tmp_path):
    row = row_of(
        tmp_path,
        platelets(BEFORE),
        measurements=counts([*PLT, *[30] * 4], "PLT"),
        transfusions=given(4, 5, product="red_cells"),
    )
    assert told(row, "status", "day") == ("event", 5)


def test_never_below_but_transfused_is_not_not_applicable(tmp_path):
    values = counts([60, 50, 40, 30, 25, *[40] * 24], "PLT")  # nadir 25 on day 4
    transfused = row_of(
        tmp_path / "a", platelets(BEFORE), measurements=values, transfusions=given(2)
    )
    assert told(transfused, *TIMES) == ("event", 9, 9, 9)
    never = row_of(tmp_path / "b", platelets(BEFORE), measurements=values)
    assert never["status"] == "not_applicable"
    late = row_of(tmp_path / "c", platelets(BEFORE), measurements=values, transfusions=given(29))
    assert late["status"] == "not_applicable"


def test_nothing_after_complete_until_is_read_where_transfusions_matter(tmp_path):
    values = counts([*PLT, *[15] * 6, *[30] * 10], "PLT")  # 30 from day 11 on
    row = row_of(
        tmp_path / "a", platelets(BEFORE), people={"complete_until_day": 12}, measurements=values
    )
    assert told(row, *TIMES) == ("censored", 10, None, None)
    row = row_of(
        tmp_path / "b", platelets(""), people={"complete_until_day": 12}, measurements=values
    )
    assert told(row, "status", "day") == ("event", 11)


def test_last_contact_stands_in_for_complete_until(tmp_path):
    people = {"complete_until_day": "", "last_contact_day": 12}
    values = counts([*PLT, *[15] * 6, 30, 30], "PLT")
    row = row_of(tmp_path, platelets(BEFORE), people=people, measurements=values)
    assert told(row, "status", "day") == ("censored", 10)


def test_where_nothing_says_until_when_transfusions_are_recorded(tmp_path):
    """Low counts tell something whatever was transfused; high ones do not."""
    people = {"complete_until_day": "", "last_contact_day": ""}
    values = counts([*PLT, *[30] * 10], "PLT")
    row = row_of(tmp_path / "a", platelets(BEFORE), people=people, measurements=values)
    assert told(row, "status", "day", "day_low") == ("censored", 2, 5)
    row = row_of(tmp_path / "b", platelets(""), people=people, measurements=values)
    assert told(row, "status", "day") == ("event", 5)


def coverage(*spans):
    return [{"table": "transfusions", "from_day": a, "to_day": b} for a, b in spans]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(-10, 100)], ("event", 5, 5, 5)),
        # logged from day 0: the days before day 6 look back over days without a log
        ([(0, 100)], ("event", 6, 5, 6)),
        ([(0, 9), (10, 100)], ("event", 6, 5, 6)),
        ([(0, 30), (5, 100)], ("event", 6, 5, 6)),
        # the log stops on day 7: the counts of days 8 and later may be transfused ones
        ([(-10, 6)], ("censored", 4, 5, None)),
        # a hole on day 7 makes days 7 to 13 open
        ([(-10, 6), (8, 100)], ("event", 14, 5, 14)),
    ],
)
def test_coverage_of_the_transfusion_log(tmp_path, spans, expected):
    row = row_of(
        tmp_path,
        platelets(BEFORE),
        measurements=counts([*PLT, *[30] * 15], "PLT"),
        coverage=coverage(*spans),
    )
    assert told(row, *TIMES) == expected


def test_a_hole_between_two_values_ends_the_run(tmp_path):
    """Draws on days 5, 7 and 9 are covered; nobody knows of day 8."""
    values = {**dict(enumerate(PLT)), 5: 30, 7: 30, 9: 30, 11: 30, 13: 30}
    row = row_of(
        tmp_path,
        platelets(DURING),
        measurements=counts(values, "PLT"),
        coverage=coverage((-10, 7), (9, 100)),
    )
    assert told(row, *TIMES) == ("event", 9, 5, 9)


def test_coverage_says_what_silence_means_after_complete_until(tmp_path):
    row = row_of(
        tmp_path,
        platelets(BEFORE),
        people={"complete_until_day": 4},
        measurements=counts([*PLT, *[30] * 5], "PLT"),
        coverage=coverage((-10, 9)),
    )
    assert told(row, "status", "day") == ("event", 5)


def test_never_below_with_a_hole_in_the_log_is_not_evaluable(tmp_path):
    row = row_of(
        tmp_path,
        platelets(BEFORE),
        measurements=counts([40] * 29, "PLT"),
        coverage=coverage((0, 10), (13, 100)),
    )
    assert told(row, "status", "cause") == ("not_evaluable", "transfusions were not logged")


def test_a_differential_that_stays_missing_leaves_the_lower_bound(tmp_path):
    """Leucocytes rose, but no neutrophils were reported any more: they may have recovered."""
    measured = counts(FALL) + counts({d: d / 5 for d in range(6, 15)}, "WBC")
    row = row_of(tmp_path, rule(), measurements=measured)
    assert told(row, *TIMES) == ("censored", 3, 6, None)
