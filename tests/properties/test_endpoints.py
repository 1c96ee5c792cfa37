"""What holds for the endpoints of every history."""

import math
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stromal.endpoints import derive, explain
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.derived import PERSON, counts, protocol_text, study_of
from support.study_folder import make_study

# --- endpoints as a whole ------------------------------------------------------------------

RUNS = {
    "days": "run: 3, of: consecutive days",
    "values": "run: 3, of: values on different days, largest_gap: none",
    "close": "run: 3, of: values on different days, largest_gap: 4 d",
    "lasting": "lasting: 6 d, largest_gap: none",
    "lasting_close": "lasting: 6 d, largest_gap: 3 d",
}
LONGER = {name: rule.replace("run: 3", "run: 5").replace("6 d", "9 d")
          for name, rule in RUNS.items()}  # fmt: skip
FREE = {
    "": "",
    "_before": ", without_transfusion: {product: platelets, when: before, for: 4 d}",
    "_during": ", without_transfusion: {product: platelets, when: during}",
    "_both": ", without_transfusion: {product: platelets, when: before and during, for: 4 d}",
}
AFTER = {"": "anchor", "_nadir": "{nadir_within: 20 d}"}


def recovery(name, run, after, free, bound="at_least: 20 10*9/L", analyte="PLT"):
    return (
        f"  {name}:\n    label: Recovery\n    recovery: {{analyte: {analyte}, {bound}, {run}, "
        f"after: {after}{free}}}\n    from: transplant\n    competing: [death, second_transplant]\n"
    )


EVERY = "".join(
    recovery(f"{kind}_{shape}{nadir}{free}", runs[shape], AFTER[nadir], FREE[free])
    for kind, runs in (("short", RUNS), ("long", LONGER))
    for shape in RUNS
    for nadir in AFTER
    for free in FREE
)
OTHERS = """\
  neutrophils:
    label: Neutrophils
    recovery: {definition: CIBMTR_ANC}
    from: transplant
    competing: [death]
  low:
    label: Low
    cytopenia: {counts: [{analyte: PLT, below: 20 10*9/L}, {analyte: ANC, below: 0.5 10*9/L}],
                lines: 1, lasting: 6 d, largest_gap: 4 d, start: 5 d}
    from: transplant
    competing: [death]
  after:
    label: Low again
    cytopenia: {counts: [{analyte: PLT, below: 20 10*9/L}], lines: 1, run: 2,
                of: consecutive days, after: short_values}
    from: transplant
    competing: []
  response:
    label: Response
    response: {levels: {CR: {counts: [{analyte: PLT, at_least: 50 10*9/L}, {analyte: ANC,
               at_least: 1 10*9/L}]}, PR: {counts: [{analyte: PLT, at_least: 20 10*9/L}],
               held: {run: 3, of: values on different days, largest_gap: 3 d}}}, otherwise: NR}
    assessed: {from: transplant, at: 21 d, visit_window: [-2 d, 2 d], missing: not in set,
               death: no response}
  best:
    label: Best
    response: {levels: {PR: {counts: [{analyte: PLT, at_least: 20 10*9/L}]}}, otherwise: NR}
    assessed: {from: transplant, best_until: 28 d, missing: not in set, death: no response}
  failure:
    label: Failure
    time_to_event: {events: [death, {endpoint: response, is: [NR]}]}
    from: transplant
    competing: [second_transplant]
"""


def some(base, chosen, *others):
    """Give the base with the short and the long rule of one combination, and other endpoints."""
    protocol, records = base
    names = [f"{kind}_{chosen}" for kind in ("short", "long")]
    endpoints = {name: protocol.endpoints[name] for name in (*names, *others)}
    return protocol.model_copy(update={"endpoints": endpoints}), records


COMBINATIONS = st.sampled_from(
    [f"{shape}{nadir}{free}" for shape in RUNS for nadir in AFTER for free in FREE]
)
FAMILIES = ("neutrophils", "low", "response", "best", "failure")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Give the protocol with every rule, and empty records of its study."""
    folder = tmp_path_factory.mktemp("every")
    return study_of(folder, EVERY + OTHERS)


PLATELETS = st.one_of(st.integers(5, 60), st.sampled_from([19, 20, 20, 21, "<20", "<30", ">15"]))
NEUTROPHILS = st.sampled_from([0, 0.1, 0.3, 0.4, 0.5, 0.6, 1.0, 2.0, "<0.5", "<0.6"])


@st.composite
def people_of(draw, most=5):
    """Draw participants: counts, transfusions, events, end of follow-up, coverage."""
    people = []
    for _ in range(draw(st.integers(1, most))):
        days = sorted(draw(st.sets(st.integers(-2, 34), max_size=30)))
        end = draw(st.one_of(st.none(), st.integers(0, 40)))
        event = draw(
            st.one_of(
                st.none(),
                st.tuples(st.integers(0, 34), st.sampled_from(["death", "second_transplant"])),
            )
        )
        people.append(
            {
                "PLT": [(d, draw(PLATELETS)) for d in days if draw(st.integers(0, 9))],
                "ANC": [(d, draw(NEUTROPHILS)) for d in days if draw(st.booleans())],
                "WBC": [(d, draw(NEUTROPHILS)) for d in days if draw(st.booleans())],
                "transfused": draw(st.sets(st.integers(-3, 30), max_size=4)),
                "event": event,
                "end": end,
                "coverage": draw(
                    st.one_of(
                        st.none(),
                        st.tuples(st.integers(-5, 10), st.integers(10, 40)),
                    )
                ),
            }
        )
    return people


def bounds(value):
    """Give value, low, high, censored of a count as the records keep it."""
    if isinstance(value, str):
        number = float(value[1:])
        return None, *((0.0, number) if value[0] == "<" else (number, math.inf)), value[0]
    return float(value), float(value), float(value), None


def in_memory(base, people, names=None, shuffle=None):
    """Give the records of these people without writing files."""
    _, records = base
    names = names or [f"P{i}" for i in range(len(people))]
    rows = {name: [] for name in ("participants", "measurements", "transfusions", "events",
                                  "coverage")}  # fmt: skip
    for i, (name, person) in enumerate(zip(names, people, strict=True)):
        who = {"participant_id": name}
        rows["participants"].append(
            {**who, "arm": "msc", "transplanted_day": 0, "last_contact_day": person["end"],
             "complete_until_day": person["end"]}
        )  # fmt: skip
        for analyte in ("PLT", "ANC", "WBC"):
            for day, count in person[analyte]:
                value, low, high, censored = bounds(count)
                rows["measurements"].append(
                    {**who, "record_id": f"{i}-{analyte}-{day}", "day": day, "analyte": analyte,
                     "value": value, "low": low, "high": high, "censored": censored,
                     "as_read": str(count)}
                )  # fmt: skip
        rows["transfusions"] += [
            {**who, "record_id": f"{i}-T-{day}", "day": day, "product": "platelets"}
            for day in person["transfused"]
        ]
        if person["event"] is not None:
            day, event = person["event"]
            rows["events"].append({**who, "record_id": f"{i}-E", "day": day, "event": event})
        if person["coverage"] is not None:
            begin, end = person["coverage"]
            rows["coverage"].append(
                {**who, "record_id": f"{i}-C", "table": "transfusions", "from_day": begin,
                 "to_day": end}
            )  # fmt: skip
    tables = {}
    for name, table in records.tables.items():
        mine = rows.get(name, [])
        if shuffle is not None:
            mine = shuffle(mine)
        fields = {key: table.schema[key] for row in mine for key in row}
        frame = pl.DataFrame(mine, schema=fields) if mine else pl.DataFrame()
        tables[name] = pl.concat([table.clear(), frame], how="diagonal")
    return replace(records, tables=tables, findings=())


def rows_by(protocol, records):
    """Give {(endpoint, participant): row}."""
    rows = derive(protocol, records).iter_rows(named=True)
    return {(row["endpoint"], row["participant_id"]): row for row in rows}


@settings(max_examples=30)
@given(people=people_of(), chosen=COMBINATIONS)
def test_the_bounds_enclose_the_day(base, people, chosen):
    base = some(base, chosen, *FAMILIES)
    for row in rows_by(base[0], in_memory(base, people)).values():
        if row["status"] == "event" and row["day_low"] is not None:
            assert row["day_low"] <= row["day"]
        if row["status"] == "event" and row["day_high"] is not None:
            assert row["day"] <= row["day_high"]
        if row["endpoint"].startswith(("short", "long")) and row["status"] == "event":
            assert row["day_low"] is not None
        if row["status"] in {"event", "competing", "censored"}:
            assert row["day"] >= 0
        assert row["note"]


@settings(max_examples=30)
@given(people=people_of(), chosen=COMBINATIONS)
def test_a_longer_run_is_never_met_earlier(base, people, chosen):
    base = some(base, chosen)
    rows = rows_by(base[0], in_memory(base, people))
    for (endpoint, who), long in rows.items():
        if not endpoint.startswith("long") or long["status"] != "event":
            continue
        short = rows[endpoint.replace("long", "short", 1), who]
        assert short["status"] == "event"
        assert short["day"] <= long["day"]


@settings(max_examples=30)
@given(people=people_of(), chosen=COMBINATIONS, data=st.data())
def test_what_follows_a_competing_event_changes_nothing(base, people, chosen, data):
    """Counts and transfusions after a death or a second transplantation are not read."""
    base = some(base, chosen, *FAMILIES)
    events = [person["event"] for person in people]
    assume(any(event is not None for event in events))
    before = rows_by(base[0], in_memory(base, people))
    for person in people:
        if person["event"] is None:
            continue
        day = person["event"][0]
        later = data.draw(st.sets(st.integers(day + 1, day + 9), max_size=6))
        for analyte, values in (("PLT", PLATELETS), ("ANC", NEUTROPHILS)):
            kept = [row for row in person[analyte] if row[0] <= day]
            person[analyte] = kept + [(d, data.draw(values)) for d in sorted(later)]
        person["transfused"] = {d for d in person["transfused"] if d <= day} | later
    after = rows_by(base[0], in_memory(base, people))
    for (endpoint, who), row in before.items():
        event = events[int(who[1:])]
        by_counts = endpoint.startswith(("short", "long"))
        if by_counts and event is not None:
            assert after[endpoint, who] == row
        if event is not None and event[1] == "death":
            assert after[endpoint, who] == row


@settings(max_examples=20)
@given(people=people_of(), chosen=COMBINATIONS, data=st.data())
def test_names_and_the_order_of_rows_change_nothing(base, people, chosen, data):
    base = some(base, chosen, *FAMILIES)
    before = rows_by(base[0], in_memory(base, people))
    names = data.draw(st.permutations([f"X{9 - i}" for i in range(len(people))]))

    def shuffle(rows):
        return data.draw(st.permutations(rows))

    after = rows_by(base[0], in_memory(base, people, names, shuffle))
    for (endpoint, who), row in before.items():
        name = names[int(who[1:])]
        other = after[endpoint, name]
        changed = {"participant_id": name, "because": None}
        assert {**other, "because": None} == {**row, **changed}
        renamed = [record.replace(f":{name}", f":{who}") for record in other["because"]]
        assert renamed == row["because"]


@settings(max_examples=30)
@given(people=people_of(), chosen=COMBINATIONS, data=st.data())
def test_a_qualifying_value_more_never_makes_recovery_later(base, people, chosen, data):
    """It holds for every shape of run, with and without transfusions, under one condition.

    Where the search begins after the nadir, some count must be below the threshold: then a value at
    the threshold is never the lowest, and it can only end the search for the nadir sooner. Without
    such a count (never below, but transfused) the added value may itself be the lowest, and the
    nadir, and with it the recovery, moves to its day.
    """
    base = some(base, chosen)
    before = rows_by(base[0], in_memory(base, people))
    fell = [
        any((0 <= day <= 20 and bounds(value)[2] < 20) or value == "<20" for day, value in p["PLT"])
        for p in people
    ]
    for person in people:
        day, value = data.draw(st.tuples(st.integers(0, 34), st.integers(20, 60)))
        taken = [row for row in person["PLT"] if row[0] == day]
        assume(not taken)
        person["PLT"] = sorted([*person["PLT"], (day, value)], key=lambda row: row[0])
    after = rows_by(base[0], in_memory(base, people))
    for (endpoint, who), row in before.items():
        if not endpoint.startswith(("short", "long")) or row["status"] != "event":
            continue
        if "nadir" in endpoint and not fell[int(who[1:])]:
            continue
        assert after[endpoint, who]["status"] == "event"
        assert after[endpoint, who]["day"] <= row["day"]
        low = after[endpoint, who]["day_low"]
        assert low <= row["day_low"]


def test_where_a_qualifying_value_does_make_recovery_later(base):
    """Never below 20, but transfused: the added 25 is the lowest and becomes the nadir."""
    person = {
        "PLT": [(d, 40 - d if d < 10 else 30 + d) for d in range(0, 30, 2)], "ANC": [], "WBC": [],
        "transfused": {1}, "event": None, "end": 40, "coverage": None,
    }  # fmt: skip
    base = some(base, "values_nadir_before")
    days = []
    for more in ([], [(15, 25)]):
        changed = {**person, "PLT": sorted([*person["PLT"], *more])}
        rows = rows_by(base[0], in_memory(base, [changed]))
        days.append(rows["short_values_nadir_before", "P0"]["day"])
    assert days == [10, 16]


@settings(max_examples=10)
@given(people=people_of(most=3), chosen=COMBINATIONS, data=st.data())
def test_an_explanation_gives_the_derived_row(base, people, chosen, data):
    base = some(base, chosen, *FAMILIES)
    records = in_memory(base, people)
    rows = rows_by(base[0], records)
    endpoint, who = data.draw(st.sampled_from(sorted(rows)))
    assert explain(base[0], records, who, endpoint).row == rows[endpoint, who]


# --- through the files ---------------------------------------------------------------------

FEW = "".join(
    recovery(name, RUNS[name], "{nadir_within: 20 d}", "", bound, "ANC")
    for name, bound in (
        ("days", "at_least: 0.5 10*9/L"), ("values", "above: 500 /uL"),
        ("close", "at_least: 0.5 10*9/L"),
    )
)  # fmt: skip


@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 34), max_size=30, unique=True),
    st.data(),
)
def test_units_change_nothing(days, data):
    """Whole counts per microlitre, and the same as 10^9 per litre, with the threshold met often."""
    values = {
        day: data.draw(st.one_of(st.integers(1, 2000), st.sampled_from([499, 500, 500, 501])))
        for day in days
    }
    bound = {day: data.draw(st.sampled_from(["", "", "", "<", ">"])) for day in days}
    found = []
    for unit, factor in (("/uL", 1), ("10*9/L", 1000), ("10*6/L", 1)):
        rows = counts(
            {d: f"{bound[d]}{value / factor if factor > 1 else value}"
             for d, value in values.items()},
            unit=unit,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            tables = {"measurements": rows} if rows else {}
            protocol, records = study_of(Path(folder), FEW, **tables)
            found.append(derive(protocol, records))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


@settings(max_examples=10)
@given(people=people_of(most=3), cut=st.integers(5, 25), data=st.data())
def test_what_follows_the_data_cutoff_changes_nothing(people, cut, data):
    zero = date(2024, 1, 1)
    text = protocol_text(
        recovery("values", RUNS["values"], "{nadir_within: 20 d}", FREE["_before"]) + OTHERS
        .replace("after: short_values", "after: values")
    )  # fmt: skip
    found = []
    for more in (False, True):
        tables = {"measurements": [], "transfusions": [], "events": []}
        for i, person in enumerate(people):
            who = {"participant_id": f"P{i}"}
            for analyte in ("PLT", "ANC"):
                late = [
                    (day, data.draw(PLATELETS if analyte == "PLT" else NEUTROPHILS))
                    for day in range(cut + 1, cut + 12)
                ]
                kept = [row for row in person[analyte] if row[0] <= cut]
                tables["measurements"] += [
                    {**who, "record_id": f"{i}{analyte}{day}", "date": zero + timedelta(days=day),
                     "analyte": analyte, "value": value, "unit": "10*9/L"}
                    for day, value in [*kept, *(late if more else [])]
                ]  # fmt: skip
            transfused = {d for d in person["transfused"] if d <= cut}
            transfused |= {cut + 1, cut + 3} if more else set()
            tables["transfusions"] += [
                {**who, "record_id": f"{i}T{d}", "date": zero + timedelta(days=d),
                 "product": "platelets"}
                for d in sorted(transfused)
            ]  # fmt: skip
            if more:
                tables["events"].append(
                    {**who, "record_id": f"{i}E", "date": zero + timedelta(days=cut + 2),
                     "event": data.draw(st.sampled_from(["death", "second_transplant"]))}
                )  # fmt: skip
        ended = zero + timedelta(days=60)
        with tempfile.TemporaryDirectory() as folder:
            make_study(
                Path(folder),
                protocol_text=text,
                participants=[
                    {**PERSON, "participant_id": f"P{i}", "transplanted_day": "",
                     "transplanted_on": zero, "last_contact_day": "", "complete_until_day": "",
                     "last_contact": ended, "complete_until": ended}
                    for i in range(len(people))
                ],
                **{name: rows for name, rows in tables.items() if rows},
            )  # fmt: skip
            protocol = read_protocol(Path(folder))
            records = read_records(Path(folder), protocol, data_cutoff=zero + timedelta(days=cut))
            found.append(derive(protocol, records))
    assert found[0].equals(found[1])
