"""All endpoints together: their order, their columns."""

import polars as pl
import pytest

from stromal.core import UsageError
from stromal.endpoints import DERIVED_COLUMNS, derive
from stromal.endpoints.derive import order_of_derivation
from support.derived import counts, study_of

RECOVERY = """\
  recovery:
    label: Recovery
    recovery: {analyte: ANC, at_least: 0.5 10*9/L, run: 3, of: consecutive days,
               after: {nadir_within: 28 d}}
    from: transplant
    competing: []
"""


def fall(name, after):
    return (
        f"  {name}:\n    label: Fall\n"
        "    cytopenia: {counts: [{analyte: ANC, below: 0.5 10*9/L}], "
        f"lines: 1, run: 3, of: consecutive days, after: {after}}}\n"
        "    from: transplant\n    competing: []\n"
    )


def time_to(name, *, events="[death]", competing="[]"):
    return (
        f"  {name}:\n    label: Time\n    time_to_event: {{events: {events}}}\n"
        f"    from: transplant\n    competing: {competing}\n"
    )


def spec(name):
    return f"[{{endpoint: {name}, is: [event]}}]"


def test_each_endpoint_comes_after_those_it_builds_on(tmp_path):
    endpoints = (
        time_to("a", competing=spec("b")) + fall("b", "recovery") + RECOVERY
        + time_to("d", events=spec("a"))
    )  # fmt: skip
    protocol, records = study_of(tmp_path, endpoints, measurements=counts([1, 0.1, 0.6, 1, 1]))
    assert order_of_derivation(protocol) == ["recovery", "b", "a", "d"]
    rows = derive(protocol, records)
    assert rows["endpoint"].to_list() == ["a", "b", "recovery", "d"]  # as in the protocol


@pytest.mark.parametrize(
    "endpoints",
    [
        time_to("a", events=spec("b")) + time_to("b", events=spec("a")),
        time_to("a", competing=spec("b")) + time_to("b", competing=spec("a")),
        time_to("a", events=spec("a")),
        fall("a", "b") + fall("b", "c") + fall("c", "a"),
    ],
)
def test_a_circle_is_refused(tmp_path, endpoints):
    protocol, records = study_of(tmp_path, endpoints)
    with pytest.raises(UsageError, match="circle; none can come first"):
        derive(protocol, records)


def test_building_on_what_is_not_defined_is_refused(tmp_path):
    endpoints = "  gvhd: {label: GVHD, not_defined: The grades.}\n" + time_to(
        "a", events=spec("gvhd")
    )
    protocol, records = study_of(tmp_path, endpoints)
    with pytest.raises(UsageError, match="`a` builds on `gvhd`, which the protocol does not"):
        derive(protocol, records)


def test_one_row_a_participant_and_endpoint_with_the_documented_columns(tmp_path):
    endpoints = RECOVERY + time_to("survival") + "  gvhd: {label: GVHD, not_defined: The grades.}\n"
    protocol, records = study_of(tmp_path, endpoints, people=[{}, {}, {}])
    rows = derive(protocol, records)
    schema = {**DERIVED_COLUMNS, "anchor_day": pl.Int32(), "count": pl.Int32()}
    assert dict(rows.schema) == schema
    assert rows.select("endpoint", "participant_id").rows() == [
        (endpoint, f"P{number}") for endpoint in ("recovery", "survival") for number in (1, 2, 3)
    ]
    assert rows["note"].null_count() == 0
    assert not rows["note"].str.contains("null").any()


def test_nothing_defined_gives_no_rows_but_the_columns(tmp_path):
    protocol, records = study_of(tmp_path, "  gvhd: {label: GVHD, not_defined: The grades.}\n")
    rows = derive(protocol, records)
    assert rows.is_empty()
    assert rows.columns == [*DERIVED_COLUMNS, "anchor_day", "count"]


@pytest.mark.parametrize(
    "draws", ["not stated", "[{analytes: [ANC], from: transplant, until: 60 d, on: [Mon, Fri]}]"]
)
def test_no_participants(tmp_path, draws):
    protocol, records = study_of(tmp_path, RECOVERY + time_to("survival"), draws=draws)
    tables = {name: table.clear() for name, table in records.tables.items()}
    rows = derive(protocol, type(records)(records.about, tables))
    assert rows.is_empty()
