"""Weeks without red cells, and the recoveries of haemoglobin and platelets that rest on them.

Lengths: 8 weeks (IWG 2018, MEDALIST), 12 weeks (COMMANDS), 3 months (PMC8215731
Table 1, as 90 days), 16 weeks (IWG 2018). Haemoglobin: 70 g/L
free of transfusion (NCT06171906), 80 g/L for 2 weeks without red cells (trialx 302777). Platelets:
20 or 50 kept for 7 days without transfusion (NCT06171906). Worked out on paper.
"""

import pytest

from support.derived import counts, row_of

pytestmark = pytest.mark.by_hand


NAMES = {
    56: "RED_CELL_INDEPENDENCE_8_WEEKS",
    84: "RED_CELL_INDEPENDENCE_12_WEEKS",
    90: "RED_CELL_INDEPENDENCE_3_MONTHS",
    112: "IWG_2018_NTD",
}


def independence(days):
    return (
        "  independence:\n    label: Independence\n"
        f"    state: {{definition: {NAMES[days]}}}\n"
        "    from: transplant\n    competing: [death]\n"
    )


def given(*days, product="red_cells"):
    return [{"record_id": f"X{day}", "day": day, "product": product} for day in days]


@pytest.mark.parametrize("free", NAMES)
def test_the_weeks_begin_on_the_day_after_the_last_transfusion(tmp_path, free):
    """Transfused on days 3 and 10, and then again after one day too few, or just enough."""
    text = independence(free)
    for again, expected in ((11 + free, ("event", 11)), (10 + free, ("event", 11 + free))):
        row = row_of(
            tmp_path / str(again), text, people={"last_contact_day": 400,
            "complete_until_day": 400}, transfusions=given(3, 10, again),
        )  # fmt: skip
        assert (row["status"], row["day"]) == expected


def test_platelets_do_not_matter(tmp_path):
    row = row_of(tmp_path, independence(56), transfusions=given(3, 20, product="platelets"))
    assert (row["status"], row["day"]) == ("event", 0)


def test_silence_is_not_independence(tmp_path):
    row = row_of(
        tmp_path, independence(56), transfusions=given(3),
        people={"complete_until_day": 58, "last_contact_day": 58},
    )  # fmt: skip
    assert row["status"] != "event"  # 55 days are known, 56 are needed
    row = row_of(
        tmp_path / "b", independence(56), transfusions=given(3),
        people={"complete_until_day": 59, "last_contact_day": 59},
    )  # fmt: skip
    assert (row["status"], row["day"]) == ("event", 4)


def recovery(name):
    return (
        f"  recovery:\n    label: Recovery\n    recovery: {{definition: {name}}}\n"
        "    from: transplant\n    competing: [death]\n"
    )


HB = dict.fromkeys(range(20), 65)


@pytest.mark.parametrize(
    ("last", "values", "expected"),
    [(13, 70, ("event", 20)), (14, 70, ("event", 21)), (10, 69, ("censored", None))],
)
def test_haemoglobin_of_70_free_of_red_cells_for_7_days(tmp_path, last, values, expected):
    measured = counts(HB | dict.fromkeys(range(20, 30), values), "Hb")
    row = row_of(tmp_path, recovery("NCT06171906_HB"), measurements=measured,
                 transfusions=given(last))  # fmt: skip
    assert row["status"] == expected[0]
    assert expected[1] is None or row["day"] == expected[1]


@pytest.mark.parametrize(
    ("until", "again", "expected"),
    [(34, None, ("event", 20)), (33, None, ("censored", None)), (34, 27, ("censored", None))],
)
def test_haemoglobin_of_80_over_two_weeks_without_red_cells(tmp_path, until, again, expected):
    measured = counts(HB | dict.fromkeys(range(20, until + 1), 80), "Hb")
    rows = given(5) if again is None else given(5, again)
    row = row_of(tmp_path, recovery("TRIALX_302777_HB"), measurements=measured, transfusions=rows)
    assert row["status"] == expected[0]
    assert expected[1] is None or row["day"] == expected[1]


@pytest.mark.parametrize("threshold", [20, 50])
def test_platelets_kept_for_7_days_without_transfusion(tmp_path, threshold):
    """At the threshold on days 12 to 18; a transfusion on day 11 lies before them."""
    low = dict.fromkeys(range(12), 8)
    text = recovery(f"NCT06171906_PLT_{threshold}")
    cases = [
        (range(12, 19), 11, ("event", 12)),
        (range(12, 18), 11, ("censored", None)),
        (range(12, 19), 15, ("censored", None)),
        ([12, 13, 14, 16, 17, 18, 19], 11, ("censored", None)),
    ]
    for number, (days, transfused, expected) in enumerate(cases):
        measured = counts(low | dict.fromkeys(days, threshold), "PLT")
        row = row_of(
            tmp_path / str(number), text, measurements=measured,
            transfusions=given(transfused, product="platelets"),
        )  # fmt: skip
        assert row["status"] == expected[0], number
        assert expected[1] is None or row["day"] == expected[1]


def test_first_neutrophil_value_needs_no_run(tmp_path):
    values = [3, 1, 0.3, 0.1, 0.2, 0.5, 0.3, 0.4]
    row = row_of(tmp_path, recovery("FIRST_VALUE_ANC"), measurements=counts(values))
    assert (row["status"], row["day"]) == ("event", 5)
