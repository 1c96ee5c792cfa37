"""Graft failure by every rule of the library, worked out on paper.

Days and counts: harmonised definitions 2024 (Sureda 2024, Table 1: neutrophils never 0.5 by day 30,
42 after cord blood, with pancytopenia); PMC4548938 (day 28 or 42, or donor cells below 5 %;
secondary: below 0.5 on three consecutive days after engraftment); a New Zealand handbook (no donor
cells on day 56); a Spanish educational source (day 28, 0.5, 20, 80). How silence is read is
decision 0008.
"""

import pytest

from stromal.core import ProtocolError
from stromal.endpoints import derive_all
from stromal.endpoints.explain import explain
from support.derived import counts, protocol_text, row_of, study_of
from support.study_folder import make_study

pytestmark = pytest.mark.by_hand

ENDPOINT = """\
  neutrophil_recovery:
    label: Neutrophils
    recovery: {definition: CIBMTR_ANC}
    from: transplant
    competing: [death, relapse]
  failure:
    label: Primary graft failure
    failure: {definition: NAME}
    from: transplant
    competing: [death, relapse, second_transplant]
"""
ASTCT = "ASTCT_2024_PRIMARY_GF_PBSC_BM"
PANCYTOPENIA = [{"record_id": "T", "criterion": "pancytopenia", "value": "yes"}]
LOW = dict.fromkeys(range(1, 41), 0.2) | {0: 3}
DONOR = {"scale": "chimerism", "item": "whole", "day": 28}


def failure(folder, name=ASTCT, values=LOW, attested=PANCYTOPENIA, **tables):
    text = ENDPOINT.replace("NAME", name)
    if "pancytopenia" in name or name.startswith("ASTCT"):
        tables["attestations"] = [dict(row) for row in attested]
    tables = {key: rows for key, rows in tables.items() if rows}
    return row_of(folder, text, measurements=counts(values), **tables)


def told(row):
    return row["status"], row["day"], row["cause"]


def test_never_recovered_by_day_30_fails_on_day_30(tmp_path):
    row = failure(tmp_path)
    assert told(row) == ("event", 30, None)
    assert (row["day_low"], row["day_high"]) == (30, 30)
    assert row["because"] == ["ANC30", "T"]
    assert row["note"].startswith("No neutrophil recovery by day 30.")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (30, ("competing", 30, "neutrophil_recovery")),
        (31, ("event", 30, None)),
    ],
)
def test_recovery_on_day_30_is_in_time_and_on_day_31_is_not(tmp_path, first, expected):
    values = LOW | dict.fromkeys(range(first, 41), 0.5)
    assert told(failure(tmp_path, values=values)) == expected


def test_counts_that_end_before_day_30_are_silence_and_not_failure(tmp_path):
    values = {day: value for day, value in LOW.items() if day <= 20}
    assert told(failure(tmp_path, values=values)) == ("censored", 18, "end of counts")


def test_no_counts_at_all_are_not_failure(tmp_path):
    row = row_of(tmp_path, ENDPOINT.replace("NAME", ASTCT), attestations=PANCYTOPENIA)
    assert row["status"] == "not_evaluable"


@pytest.mark.parametrize(("gap", "expected"), [(6, "event"), (7, "not_evaluable")])
def test_a_silence_of_more_than_six_days_may_hide_a_graft(tmp_path, gap, expected):
    values = {day: value for day, value in LOW.items() if not 12 <= day < 12 + gap}
    row = failure(tmp_path, values=values)
    assert row["status"] == expected
    # three days in a row might have been at 0.5 in either gap
    assert row["day_high"] is None
    if expected == "not_evaluable":
        assert "7 days in a row without a count" in row["cause"]


def test_weekly_draws_show_failure_and_a_first_count_on_day_25_does_not(tmp_path):
    row = failure(tmp_path / "a", values={0: 3, 7: 0.1, 14: 0.2, 21: 0.1, 28: 0.1, 35: 0.2})
    assert told(row) == ("event", 30, None)
    row = failure(tmp_path / "b", values={25: 0.1, 28: 0.1, 31: 0.1})
    assert row["status"] == "not_evaluable"


@pytest.mark.parametrize("event", ["death", "relapse", "second_transplant"])
def test_what_comes_before_day_30_competes_and_after_it_does_not(tmp_path, event):
    """On day 30 itself too: who died on it was not alive to fail by it."""
    for day, expected in ((30, ("competing", 30, event)), (31, ("event", 30, None))):
        values = {key: value for key, value in LOW.items() if key <= day}
        events = [{"record_id": "E", "day": day, "event": event}]
        row = failure(tmp_path / str(day), values=values, events=events)
        assert told(row) == expected


def test_death_after_recovery_stays_recovery(tmp_path):
    values = LOW | dict.fromkeys(range(15, 41), 0.9)
    events = [{"record_id": "E", "day": 25, "event": "relapse"}]
    row = failure(tmp_path, values=values, events=events)
    assert told(row) == ("competing", 15, "neutrophil_recovery")


def test_who_never_fell_cannot_fail_to_recover(tmp_path):
    row = failure(tmp_path, values=dict.fromkeys(range(41), 2))
    assert told(row) == ("not_applicable", None, "never below the threshold")


@pytest.mark.parametrize(
    ("attested", "expected"),
    [
        ([], ("not_evaluable", None, "pancytopenia not attested")),
        ([{**PANCYTOPENIA[0], "value": "no"}], ("competing", 30, "pancytopenia denied")),
    ],
)
def test_pancytopenia_is_attested(tmp_path, attested, expected):
    assert told(failure(tmp_path, attested=attested)) == expected


def test_cord_blood_waits_until_day_42(tmp_path):
    values = dict.fromkeys(range(1, 51), 0.2) | {0: 3}
    row = failure(tmp_path / "a", "ASTCT_2024_PRIMARY_GF_CORD", values)
    assert told(row) == ("event", 42, None)
    row = failure(tmp_path / "b", "ASTCT_2024_PRIMARY_GF_CORD", values | {40: 0.5, 41: 1, 42: 1})
    assert told(row) == ("competing", 40, "neutrophil_recovery")


RECOVERED = LOW | dict.fromkeys(range(15, 41), 0.9)


@pytest.mark.parametrize(
    ("values", "donor", "expected"),
    [
        (LOW, None, "event"),  # neutrophils alone decide
        (LOW, 90, "event"),
        (RECOVERED, 4.9, "event"),  # autologous reconstitution
        (RECOVERED, 5, "competing"),
        (RECOVERED, "<5", "event"),
        (RECOVERED, "<10", "not_evaluable"),
        (RECOVERED, None, "not_evaluable"),
    ],
)
def test_older_rule_with_donor_cells(tmp_path, values, donor, expected):
    rows = [] if donor is None else [{**DONOR, "record_id": "C", "value": donor}]
    row = failure(tmp_path, "PRIMARY_GF_DAY_28", values, assessments=rows)
    assert row["status"] == expected
    assert row["day"] == {"event": 28, "competing": 15}.get(expected)


def test_older_rule_cord_blood(tmp_path):
    values = dict.fromkeys(range(1, 51), 0.2) | {0: 3}
    rows = [{**DONOR, "record_id": "C", "value": 90, "day": 42}]
    row = failure(tmp_path, "PRIMARY_GF_DAY_42_CORD", values, assessments=rows)
    assert told(row) == ("event", 42, None)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "event"), (1, "competing"), ("<1", "not_evaluable")]
)
def test_no_donor_cells_on_day_56(tmp_path, value, expected):
    rows = [{**DONOR, "record_id": "C", "value": value, "day": 60}]
    row = failure(tmp_path, "NZ_REDBOOK_ENGRAFTMENT_FAILURE", assessments=rows)
    assert (row["status"], row["day"]) == (expected, None if expected == "not_evaluable" else 56)


def fall(name):
    return (
        ENDPOINT[: ENDPOINT.index("  failure:")]
        + "  fall:\n    label: Graft failure\n"
        + f"    cytopenia: {{definition: {name}}}\n"
        + "    from: transplant\n    competing: [death]\n"
    )


def test_secondary_failure_needs_recovery_and_three_consecutive_days(tmp_path):
    values = LOW | dict.fromkeys(range(15, 30), 0.9)
    row = row_of(tmp_path / "a", fall("SECONDARY_GF_3_DAYS"), measurements=counts(values))
    assert (row["status"], row["day"]) == ("event", 30)
    values |= {31: 0.5, 34: 0.5, 37: 0.5, 40: 0.5}
    row = row_of(tmp_path / "b", fall("SECONDARY_GF_3_DAYS"), measurements=counts(values))
    assert row["status"] == "censored"
    row = row_of(tmp_path / "c", fall("SECONDARY_GF_3_DAYS"), measurements=counts(LOW))
    assert row["status"] == "not_applicable"


def test_spanish_rule_asks_for_all_three_on_day_28_or_later(tmp_path):
    def measured(day, hb):
        return counts({day: 0.4}) + counts({day: 19}, "PLT") + counts({day: hb}, "Hb")

    rows = [
        row_of(tmp_path / str(n), fall("SPANISH_GF"), measurements=measured(day, hb))["status"]
        for n, (day, hb) in enumerate([(28, 79), (27, 79), (28, 80)])
    ]
    assert rows == ["event", "censored", "censored"]


@pytest.mark.parametrize("name", ["ASTCT_2024_SECONDARY_GF", "ASTCT_2024_REJECTION"])
def test_qualitative_rules_are_judged_by_people(tmp_path, name):
    text = (
        f"  gf:\n    label: Failure\n    adjudicated: {{definition: {name}}}\n"
        "    from: transplant\n    competing: [death]\n"
    )
    verdict = [{"record_id": "A", "endpoint": "gf", "status": "event", "day": 60}]
    row = row_of(tmp_path, text, adjudications=verdict)
    assert (row["status"], row["day"]) == ("event", 60)


def test_an_endpoint_that_the_rule_names_must_be_declared(tmp_path):
    text = ENDPOINT.replace("NAME", ASTCT).replace("  neutrophil_recovery:", "  neutrophils:")
    with pytest.raises(ProtocolError, match="`neutrophil_recovery` is no endpoint"):
        study_of(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{by: 30 d}", "failure is that an `endpoint` did not come"),
        ("{endpoint: neutrophil_recovery}", "`by` is missing"),
        ("{endpoint: neutrophil_recovery, by: 0 d}", "greater than or equal to 1"),
        (
            "{endpoint: neutrophil_recovery, by: 30 d, or: [{assessment: chimerism}]}",
            "`within` is missing",
        ),
        (
            (
                "{endpoint: neutrophil_recovery, by: 30 d, "
                "or: [{assessment: chimerism, within: [0 d, 1 d]}]}"
            ),
            "compare",
        ),
        ("{endpoint: neutrophil_recovery, by: 30 d, provided: [{event: relapse}]}", "recorded"),
    ],
)
def test_a_faulty_rule_is_refused(tmp_path, rule, said):
    text = ENDPOINT.replace("{definition: NAME}", rule)
    make_study(tmp_path, protocol_text=protocol_text(text))
    with pytest.raises(ProtocolError, match=said):
        study_of(tmp_path, text)


def test_until_has_no_meaning(tmp_path):
    text = ENDPOINT.replace("NAME", ASTCT) + "    until: 40 d\n"
    with pytest.raises(ProtocolError, match="leave `until` out"):
        study_of(tmp_path, text)


def test_explained_in_words(tmp_path):
    text = ENDPOINT.replace("NAME", ASTCT)
    protocol, records = study_of(
        tmp_path, text, measurements=counts(LOW), attestations=PANCYTOPENIA
    )
    assert derive_all(protocol, records).derived["failure"].height == 1
    told_ = explain(protocol, records, "P1", "failure")
    assert told_.definition.startswith(
        "By day 30: no neutrophil recovery. Provided: pancytopenia, as a person attests."
    )
    assert told_.leaves_open
    assert told_.sources[0].doi == "10.1038/s41409-024-02251-0"
    assert told_.days.filter("decided")["day"].to_list() == [30]


@pytest.mark.parametrize(
    ("event", "day", "expected"),
    [
        ("relapse", 20, "not_evaluable"),  # nothing after day 20 was read for the recovery
        ("death", 20, "competing"),
        ("relapse", 35, "event"),  # no recovery by day 30 is known on day 35
    ],
)
def test_what_ends_the_recovery_alone_says_nothing_of_later_days(tmp_path, event, day, expected):
    """Relapse competes with the recovery here, and not with its failure."""
    text = ENDPOINT.replace("[death, relapse, second_transplant]", "[death]").replace("NAME", ASTCT)
    row = row_of(tmp_path, text, measurements=counts(LOW),
                 attestations=[dict(line) for line in PANCYTOPENIA],
                 events=[{"record_id": "E", "day": day, "event": event}])  # fmt: skip
    assert row["status"] == expected
