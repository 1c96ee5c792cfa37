"""Composite survivals of the library: which events end them, worked out on paper.

Lists of events: Holtan 2015 (Blood 125:1333), EBMT series (extensive chronic GVHD), modified GRFS
(NIH moderate or severe), EBMT SAAWP (graft failure instead of relapse), Kosaka 2008, Marsh 1999;
the rest is marked unverified in the library.
"""

import pytest

from stromal.protocol.library import definitions
from support.derived import counts, row_of

pytestmark = pytest.mark.by_hand

EVENTS = {
    "aGVHD II": {"event": "acute_gvhd", "grade": 2},
    "aGVHD III": {"event": "acute_gvhd", "grade": 3},
    "cGVHD mild": {"event": "chronic_gvhd", "grade": 1},
    "cGVHD moderate": {"event": "chronic_gvhd", "grade": 2},
    "cGVHD severe": {"event": "chronic_gvhd", "grade": 3},
    "cGVHD extensive": {"event": "chronic_gvhd_extensive"},
    "cGVHD therapy": {"event": "chronic_gvhd_systemic_therapy"},
    "relapse": {"event": "relapse"},
    "progression": {"event": "progression"},
    "graft failure": {"event": "graft_failure"},
    "death": {"event": "death"},
}
ENDS = {
    "HOLTAN_2015_GRFS": {"aGVHD III", "cGVHD therapy", "relapse", "progression", "death"},
    "EBMT_GRFS_EXTENSIVE": {"aGVHD III", "cGVHD extensive", "relapse", "progression", "death"},
    "EBMT_GRFS_NIH_SEVERE": {"aGVHD III", "cGVHD severe", "relapse", "progression", "death"},
    "MODIFIED_GRFS": {
        "aGVHD III", "cGVHD moderate", "cGVHD severe", "relapse", "progression", "death",
    },
    "SAA_GRFS": {"graft failure", "aGVHD III", "cGVHD extensive", "death"},
    "CRFS": {
        "cGVHD mild", "cGVHD moderate", "cGVHD severe", "cGVHD extensive", "cGVHD therapy",
        "relapse", "progression", "death",
    },
}  # fmt: skip


def survival(name, until=""):
    return (
        f"  survival:\n    label: Survival\n    time_to_event: {{definition: {name}}}\n"
        f"    from: transplant\n{until}    competing: []\n"
    )


def derived(folder, name, events, **kwargs):
    rows = [{"record_id": f"E{n}", **event} for n, event in enumerate(events)]
    return row_of(folder, survival(name, **kwargs), events=rows)


@pytest.mark.parametrize("name", ENDS)
def test_each_event_ends_it_or_does_not(tmp_path, name):
    for number, (label, event) in enumerate(EVENTS.items()):
        row = derived(tmp_path / str(number), name, [{**event, "day": 60}])
        expected = ("event", 60) if label in ENDS[name] else ("censored", 200)
        assert (row["status"], row["day"]) == expected, label


def test_the_first_event_counts_and_nothing_after_until(tmp_path):
    events = [{**EVENTS["relapse"], "day": 150}, {**EVENTS["aGVHD III"], "day": 40}]
    row = derived(tmp_path / "a", "HOLTAN_2015_GRFS", events)
    assert (row["day"], row["cause"]) == (40, "acute_gvhd")
    row = derived(tmp_path / "b", "HOLTAN_2015_GRFS", events[:1], until="    until: 100 d\n")
    assert (row["status"], row["day"]) == ("censored", 100)


def test_gvhd_without_its_grade_is_unknown_and_not_mild(tmp_path):
    lacking = {"event": "acute_gvhd", "day": 40}
    row = derived(tmp_path / "a", "HOLTAN_2015_GRFS", [lacking])
    assert (row["status"], row["day"]) == ("not_evaluable", None)
    assert row["cause"] == "acute_gvhd without its grade"
    row = derived(tmp_path / "b", "HOLTAN_2015_GRFS", [{**EVENTS["relapse"], "day": 30}, lacking])
    assert (row["status"], row["day"]) == ("event", 30)  # decided before
    row = derived(tmp_path / "c", "HOLTAN_2015_GRFS", [{**EVENTS["relapse"], "day": 40}, lacking])
    assert (row["status"], row["day"]) == ("event", 40)  # on the day of an event anyhow


def test_an_event_without_its_grade_beyond_until_changes_nothing(tmp_path):
    lacking = {"event": "acute_gvhd", "day": 140}
    row = derived(tmp_path, "HOLTAN_2015_GRFS", [lacking], until="    until: 100 d\n")
    assert (row["status"], row["day"]) == ("censored", 100)


RESPONSE = """\
  aplastic_anaemia_response:
    label: Response
    response: {definition: NIH_AA_RESPONSE}
    assessed: {from: transplant, at: 90 d, visit_window: [-7 d, 7 d],
               missing: not in set, death: no response}
"""
SEVERE = {"ANC": 0.3, "Hb": 80, "PLT": 10, "ARC": 20}
GOOD = {"ANC": 2, "Hb": 120, "PLT": 120, "ARC": 80}


@pytest.mark.parametrize("name", ["KOSAKA_2008_FFS", "YOSHIDA_2014_FFS"])
def test_no_response_is_failure_at_the_time_of_its_assessment(tmp_path, name):
    """Counted on day 88, judged for day 90: the curve falls at 90."""
    cases = [(SEVERE, [], ("event", 90)), (GOOD, [], ("censored", 200)),
             (GOOD, [{"event": "aplastic_anaemia_relapse", "day": 120}], ("event", 120)),
             (GOOD, [{"event": "death", "day": 130}], ("event", 130)),
             (SEVERE, [{"event": "death", "day": 70}], ("event", 70))]  # fmt: skip
    for number, (values, events, expected) in enumerate(cases):
        measured = [row for key, value in values.items() for row in counts({88: value}, key)]
        rows = [{"record_id": "E", **event} for event in events]
        tables = {"events": rows} if rows else {}
        row = row_of(
            tmp_path / str(number), RESPONSE + survival(name), measurements=measured, **tables
        )
        assert (row["status"], row["day"]) == expected


@pytest.mark.parametrize(
    ("name", "event", "ends"),
    [
        ("YOSHIDA_2014_FFS", "clonal_evolution", True),
        ("YOSHIDA_2014_FFS", "graft_failure", True),
        ("KOSAKA_2008_FFS", "clonal_evolution", False),
        ("MARSH_1999_TFS", "second_treatment", True),
        ("MARSH_1999_TFS", "progression", True),
        ("MARSH_1999_TFS", "aplastic_anaemia_relapse", True),
        ("MARSH_1999_TFS", "clonal_evolution", False),
    ],
)
def test_events_of_failure_free_survival(tmp_path, name, event, ends):
    measured = [row for key, value in GOOD.items() for row in counts({88: value}, key)]
    row = row_of(
        tmp_path,
        RESPONSE + survival(name),
        measurements=measured,
        events=[{"record_id": "E", "event": event, "day": 100}],
    )
    assert (row["status"], row["day"]) == (("event", 100) if ends else ("censored", 200))


def test_every_list_is_tried_here():
    outcomes = {"grfs", "saa_grfs", "crfs"}
    library = {n for n, (_, content) in definitions().items() if content.get("outcome") in outcomes}
    assert library == set(ENDS)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("progression", 50), ("relapse", 70)], ("event", 50)),
        ([("death", 60)], ("competing", 60)),
        ([("relapse", 60), ("death", 90)], ("event", 60)),
        ([], ("censored", 200)),
    ],
)
def test_relapse_with_death_competing(tmp_path, events, expected):
    text = (
        "  relapse:\n    label: Relapse\n    time_to_event: {definition: RELAPSE}\n"
        "    from: transplant\n    competing: [death]\n"
    )
    rows = [{"record_id": f"E{day}", "event": event, "day": day} for event, day in events]
    row = row_of(tmp_path, text, **({"events": rows} if rows else {}))
    assert (row["status"], row["day"]) == expected
