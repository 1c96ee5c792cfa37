"""States worked out on paper: onset, end, what closes them, and what nobody can know.

The histories are made up; each expected day follows from the numbered steps of
`stromal.endpoints.states.episodes`, counted by hand beside the case. The windows of transfusion
dependence are those of IWG 2018 (NTD 0 units in 16 weeks, HTB 8 or more units in 16 weeks) as the
library restates them, poor graft function is Tang 2018.
"""

import pytest

from stromal.core import UsageError
from stromal.endpoints.current import combine_states
from stromal.endpoints.states import days_in_state, episodes, state_intervals, state_on_day
from stromal.protocol.endpoints import EventSpec
from support.derived import context_of, counts

pytestmark = pytest.mark.by_hand


def state(begins, ends, more="", competing="[death]", name="state", start=""):
    return (
        f"  {name}:\n    label: State\n    state:\n{start}"
        f"      begins: {begins}\n      ends: {ends}\n    from: transplant\n"
        f"    competing: {competing}\n{more}"
    )


LOW = (
    "{counts: [{analyte: PLT, below: 20 10*9/L}], lines: 1, run: 3, of: values on different days, "
    "largest_gap: none}"
)
HIGH = (
    "{counts: [{analyte: PLT, at_least: 20 10*9/L}], lines: 1, run: 2, "
    "of: values on different days, largest_gap: none}"
)
COUNTS = state(LOW, HIGH)


def given(*days, product="platelets", units=1, participant="P1"):
    prefix = "" if participant == "P1" else f"{participant}-"
    return [
        {"record_id": f"{prefix}T{day}", "participant_id": participant, "day": day,
         "product": product, "units": units}
        for day in days
    ]  # fmt: skip


def told(context, *columns):
    return episodes(context, "state").select(columns).rows()


SPAN = ("from_day", "shown_day", "to_day", "ended", "seen_until")


# --- counts --------------------------------------------------------------------------------


def test_a_state_of_counts_begins_ends_and_begins_again(tmp_path):
    values = {0: 90, 5: 15, 7: 12, 9: 9, 14: 30, 16: 40, 20: 8, 22: 7, 25: 6, 30: 25}
    context = context_of(tmp_path, COUNTS, measurements=counts(values, "PLT"))
    assert told(context, *SPAN) == [
        # three values below 20 on days 5, 7, 9; the first of two at or above 20 on day 14
        (5, 9, 14, "resolved", 13),
        # low on days 20, 22, 25; the single 25 of day 30 is no run: known to hold to day 29
        (20, 25, None, "still open when last seen", 29),
    ]
    # the last value that failed before an onset or an end leaves only the days after it
    assert told(context, "from_low", "to_low") == [(1, 10), (17, None)]
    assert told(context, "because")[0] == (["PLT5", "PLT7", "PLT9", "PLT14", "PLT16"],)
    row = context.derived["state"].row(0, named=True)
    assert (row["status"], row["day"], row["count"]) == ("event", 5, 2)
    assert state_intervals(context, "state").rows() == [
        (0, 0, 4, False), (0, 5, 13, True), (0, 14, 19, False), (0, 20, 29, True),
    ]  # fmt: skip
    # of days 0 to 40: 9 + 10 in the state; 30 known, because nothing is known after day 29
    assert days_in_state(context, "state", 0, 40).rows() == [("P1", 19, 30)]
    assert days_in_state(context, "state", 31, 40).rows() == [("P1", None, 0)]


@pytest.mark.parametrize(
    ("event", "ended"),
    [("death", "death"), ("relapse", "competing: relapse")],
)
def test_what_competes_closes_a_state_and_does_not_resolve_it(tmp_path, event, ended):
    text = state(LOW, HIGH, competing="[death, relapse]")
    context = context_of(
        tmp_path,
        text,
        measurements=counts({5: 15, 7: 12, 9: 9, 30: 90, 32: 90}, "PLT"),
        events=[{"record_id": "E", "day": 20, "event": event}],
    )
    # the high values come after the event and are not read; seen to hold on day 9, closed on 20
    assert told(context, *SPAN, "because") == [(5, 9, 20, ended, 9, ["PLT5", "PLT7", "PLT9", "E"])]
    assert [state_on_day(context, "state", day)["holds"][0] for day in (4, 5, 9, 10, 20)] == [
        None, True, True, None, None,
    ]  # fmt: skip
    assert state_on_day(context, "state", 20)["why"][0] == f"{event} on day 20"


def test_a_competing_event_before_any_onset(tmp_path):
    context = context_of(
        tmp_path, COUNTS, measurements=counts({5: 90, 9: 80}, "PLT"),
        events=[{"record_id": "E", "day": 20, "event": "death"}],
    )  # fmt: skip
    assert told(context, *SPAN) == []
    row = context.derived["state"].row(0, named=True)
    assert (row["status"], row["day"], row["count"], row["because"]) == ("competing", 20, 0, ["E"])


def test_loss_of_response_is_that_its_counts_are_no_longer_held(tmp_path):
    held = (
        "{counts: [{analyte: PLT, at_least: 50 10*9/L}, {analyte: Hb, at_least: 100 g/L}], "
        "lines: 2, run: 2, of: values on different days, largest_gap: none}"
    )
    lost = "{no_longer: begins, run: 2, of: values on different days, largest_gap: none}"
    platelets = {10: 60, 20: 70, 30: 40, 40: 60, 50: 30, 60: 20}
    context = context_of(
        tmp_path, state(held, lost),
        measurements=[
            *counts(platelets, "PLT"), *counts({10: 110, 20: 110, 30: 110, 40: 110, 50: 90}, "Hb"),
        ],
    )  # fmt: skip
    # the one low value of day 30 is no loss; days 50 and 60 are: on day 60 platelets alone decide
    assert told(context, *SPAN) == [(10, 20, 50, "resolved", 49)]


# --- transfusions --------------------------------------------------------------------------

DEPENDENT = state(
    "{transfused: platelets, at_least: 3, of: transfusion days, within: 14 d}",
    "{transfused: platelets, none_for: 28 d}",
)


def test_dependence_lasts_from_the_first_to_the_last_transfusion(tmp_path):
    context = context_of(tmp_path, DEPENDENT, transfusions=given(3, 20, 27, 33, 50, 100))
    # 3, 20, 27 need 25 days; 20, 27, 33 lie within 14 (20 to 33 is 14 days, both counted).
    # 50 comes 17 days after 33: not yet 28 free days. 51 to 78 are free: over from day 51.
    assert told(context, *SPAN, "because") == [
        (20, 33, 51, "resolved", 50, ["T20", "T27", "T33", "T50"])
    ]


def test_one_day_more_is_not_within_the_time(tmp_path):
    context = context_of(tmp_path, DEPENDENT, transfusions=given(20, 27, 34))
    assert told(context, *SPAN) == []
    assert context.derived["state"]["status"][0] == "censored"


def test_silence_without_a_log_is_not_independence(tmp_path):
    rows = given(20, 24, 28)
    context = context_of(tmp_path / "a", DEPENDENT, people={"complete_until_day": 40},
                         transfusions=rows)  # fmt: skip
    # the log ends on day 40, twelve days after the last transfusion: nobody knows
    assert told(context, *SPAN) == [(20, 28, None, "still open when last seen", 28)]
    assert state_on_day(context, "state", 35)["holds"][0] is None
    hole = [
        {"table": "transfusions", "from_day": 0, "to_day": 40},
        {"table": "transfusions", "from_day": 60, "to_day": 120},
    ]
    context = context_of(tmp_path / "b", DEPENDENT, transfusions=given(20, 24, 28), coverage=hole)
    # free and logged from day 60 to 87; to_low says that it may have ended from day 29 on
    assert told(context, *SPAN, "to_low") == [(20, 28, 60, "resolved", 59, 29)]


def test_a_log_that_begins_late_cannot_show_that_there_was_no_dependence(tmp_path):
    late = [{"table": "transfusions", "from_day": 10, "to_day": 90}]
    context = context_of(tmp_path, DEPENDENT, coverage=late, transfusions=given(85))
    # from day 10 it is known until day 84: the transfusion of day 85 may be the first of three
    assert state_intervals(context, "state").rows() == [(0, 10, 84, False)]


def test_units_and_days_are_counted_apart(tmp_path):
    heavy = "{definition: IWG_2018_HTB}"
    text = (
        f"  state:\n    label: State\n    state: {heavy}\n    from: transplant\n"
        "    competing: [death]\n"
    )
    rows = given(0, 30, 60, 111, product="red_cells", units=2)
    context = context_of(tmp_path / "a", text, transfusions=rows)
    # 8 units on days 0 to 111: 112 days = 16 weeks, both counted
    assert told(context, *SPAN) == [(0, 111, 112, "resolved", 111)]
    rows = given(0, 30, 60, 112, product="red_cells", units=2)
    assert told(context_of(tmp_path / "b", text, transfusions=rows), *SPAN) == []


@pytest.mark.parametrize(("last", "begins"), [(65, True), (66, False)])
def test_four_units_in_eight_weeks(tmp_path, last, begins):
    """IWG 2006: 4 units in 8 weeks, which are days 10 to 65."""
    text = (
        "  state:\n    label: State\n    state: {definition: IWG_2006_TRANSFUSED}\n"
        "    from: transplant\n    competing: [death]\n"
    )
    rows = given(10, 30, 50, last, product="red_cells", units=1)
    row = context_of(tmp_path, text, transfusions=rows).derived["state"].row(0, named=True)
    assert (row["status"] == "event", row["day"] == 10) == (begins, begins)


def test_units_that_nobody_recorded_leave_it_open(tmp_path):
    text = state(
        "{transfused: red_cells, at_least: 4, of: units, within: 28 d}",
        "{transfused: red_cells, none_for: 56 d}",
    )
    rows = given(10, 12, product="red_cells", units="") + given(40, product="red_cells", units=2)
    context = context_of(tmp_path, text, transfusions=rows)
    row = context.derived["state"].row(0, named=True)
    assert (row["status"], row["day"]) == ("censored", 9)  # the day before an amount nobody knows


# --- events --------------------------------------------------------------------------------

INFECTED = state("{events: [infection]}", "{events: ended}")


def infection(*days, **more):
    return [
        {"record_id": f"I{day}", "day": day, "event": "infection", "ended_day": end, **more}
        for day, end in days
    ]


def test_events_that_overlap_or_touch_are_one_episode(tmp_path):
    events = infection((10, 20), (15, 18), (21, 25), (30, 30))
    context = context_of(tmp_path, INFECTED, events=events)
    # an event still goes on on the day it ended: 10 to 25 without a day between; then day 30 alone
    assert told(context, "from_day", "to_day", "ended") == [
        (10, 26, "resolved"), (30, 31, "resolved"),
    ]  # fmt: skip
    assert days_in_state(context, "state", 0, 200).rows() == [("P1", 17, 201)]


def test_an_event_that_nobody_saw_end_goes_on(tmp_path):
    context = context_of(tmp_path, INFECTED, events=infection((10, ""), (50, 60)))
    assert told(context, *SPAN) == [(10, 10, None, "still open when last seen", 200)]


def test_what_began_before_the_first_day_is_there_from_it_on(tmp_path):
    context = context_of(tmp_path, INFECTED, events=infection((-9, -2), (-5, 3)))
    assert told(context, "from_day", "to_day") == [(0, 4)]


# --- several states together ---------------------------------------------------------------

GRFS = state("{events: [agvhd]}", "{events: ended}", name="acute") + state(
    "{events: [cgvhd]}", "{events: ended}", name="chronic"
)


def test_current_survival_free_of_gvhd_and_relapse(tmp_path):
    def event(who, day, name, end=""):
        return {"record_id": f"{who}{name}{day}", "participant_id": who, "day": day,
                "event": name, "ended_day": end}  # fmt: skip

    context = context_of(
        tmp_path,
        GRFS,
        people=[{}, {}, {}, {"complete_until_day": 50}],
        events=[
            event("P1", 30, "agvhd", 40), event("P1", 120, "cgvhd", 150),
            event("P2", 60, "relapse"), event("P2", 90, "death"),
            event("P3", 20, "agvhd", 45), event("P3", 40, "cgvhd"), event("P3", 100, "death"),
        ],
    )  # fmt: skip
    found = combine_states(
        context, "transplant", without=["acute", "chronic"],
        never=[EventSpec(event="relapse"), EventSpec(event="death")],
    )  # fmt: skip
    assert found.select("participant_id", "from_day", "to_day", "met").rows() == [
        # both kinds of GVHD come and go: free again from day 41, and from day 151
        ("P1", 0, 29, True), ("P1", 30, 40, False), ("P1", 41, 119, True),
        ("P1", 120, 150, False), ("P1", 151, 200, True),
        # relapse is not undone
        ("P2", 0, 59, True), ("P2", 60, 200, False),
        # acute until 45, chronic from 40, death on 100
        ("P3", 0, 19, True), ("P3", 20, 200, False),
        # nothing happened as far as it is known: to day 50
        ("P4", 0, 50, True),
    ]  # fmt: skip
    for wrong in (["acute", "cronic"], []):
        with pytest.raises(UsageError, match="acute, chronic"):
            combine_states(context, "transplant", without=wrong, never=[])


def test_an_event_without_its_grade_ends_what_is_known(tmp_path):
    rows = [{"record_id": "I", "day": 30, "event": "infection"},
            {"record_id": "A", "day": 50, "event": "agvhd", "ended_day": 60}]  # fmt: skip
    context = context_of(tmp_path, GRFS, events=rows)
    found = combine_states(
        context, "transplant", without=["acute", "chronic"],
        never=[EventSpec(event="infection", grade_at_least=3)],
    )  # fmt: skip
    assert found.select("from_day", "to_day", "met").rows() == [
        (0, 29, True), (30, 49, None), (50, 60, False), (61, 200, None),
    ]  # fmt: skip


# --- published definitions -----------------------------------------------------------------


def test_poor_graft_function_of_tang_2018_as_a_state(tmp_path):
    text = (
        "  state:\n    label: State\n    state: {definition: TANG_2018_PGF_STATE}\n"
        "    from: transplant\n    competing: [death, relapse]\n"
    )
    days = range(20, 60)
    low = [*counts(dict.fromkeys(days, 10), "PLT"), *counts(dict.fromkeys(days, 0.3), "ANC"),
           *counts(dict.fromkeys(days, 90), "Hb")]  # fmt: skip
    well = range(60, 80)
    high = [*counts(dict.fromkeys(well, 40), "PLT"), *counts(dict.fromkeys(well, 1.5), "ANC"),
            *counts(dict.fromkeys(well, 95), "Hb")]  # fmt: skip
    context = context_of(tmp_path, text, measurements=[*low, *high])
    # low from day 20, looked for from day 28 on, over 14 days by day 42; well from day 60 on
    assert told(context, *SPAN) == [(28, 42, 60, "resolved", 59)]
