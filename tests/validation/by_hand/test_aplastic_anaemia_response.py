"""Response of aplastic anaemia by each set of the library, worked out on paper.

Counts: NIH (Townsley 2017, PMC5548296 Table 2: 1.0, 100, 100, all included; partial where no longer
severe, reticulocytes 60, NCT01623167); Japanese Childhood Aplastic Anemia Study Group (1.5, 100,
110 and 0.5, 20, 80, moderate 1.0, 30, 80, all exceeded, without transfusion).
"""

import pytest

from support.derived import counts, row_of

pytestmark = pytest.mark.by_hand

DAY = 183


def derived(folder, name, anc=None, hb=None, plt=None, arc=None, **tables):
    text = (
        "  aplastic_anaemia_response:\n    label: Response\n"
        f"    response: {{definition: {name}}}\n"
        "    assessed: {from: transplant, at: 6 mo, visit_window: [-14 d, 14 d],\n"
        "               missing: not in set, death: no response}\n"
    )
    values = {"ANC": anc, "Hb": hb, "PLT": plt, "ARC": arc}
    measured = [
        row for name_, value in values.items() for row in counts({DAY: value}, name_) if value
    ]
    return row_of(folder, text, measurements=measured, **tables)


NIH, SEVERE, MODERATE = "NIH_AA_RESPONSE", "JCAA_RESPONSE_SEVERE", "JCAA_RESPONSE_MODERATE"


def test_exactly_1_100_and_100_is_complete_by_one_set_and_not_by_the_other(tmp_path):
    exact = {"anc": 1.0, "hb": 100, "plt": 100}
    assert derived(tmp_path / "a", NIH, **exact)["status"] == "CR"
    assert derived(tmp_path / "b", SEVERE, **exact)["status"] == "PR"


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({"anc": 0.99, "hb": 100, "plt": 100}, "PR"),
        ({"anc": 1.0, "hb": 99, "plt": 100}, "PR"),
        ({"anc": 1.0, "hb": 100, "plt": 99}, "PR"),
        ({"anc": 0.5, "hb": 70, "plt": 20, "arc": 10}, "PR"),  # 2 of 3 are enough
        ({"anc": 0.5, "hb": 70, "plt": 19, "arc": 60}, "PR"),
        ({"anc": 0.4, "hb": 70, "plt": 20, "arc": 60}, "PR"),
        ({"anc": 0.5, "hb": 70, "plt": 19, "arc": 59}, "NR"),
        ({"anc": 0.4, "hb": 70, "plt": 30, "arc": 55}, "NR"),  # severe with a cut of 60
        ({"anc": 0.4, "hb": 120, "plt": 15, "arc": 90}, "NR"),
    ],
)
def test_nih(tmp_path, values, level):
    assert derived(tmp_path, NIH, **values)["status"] == level


def test_nih_reticulocytes_not_counted(tmp_path):
    """Neutrophils and platelets decide alone where both agree, else the third is missing."""
    assert derived(tmp_path / "a", NIH, anc=0.6, hb=80, plt=30)["status"] == "PR"
    assert derived(tmp_path / "b", NIH, anc=0.4, hb=80, plt=10)["status"] == "NR"
    assert derived(tmp_path / "c", NIH, anc=0.6, hb=80, plt=10)["status"] == "not_evaluable"


@pytest.mark.parametrize(
    ("name", "values", "level"),
    [
        (SEVERE, {"anc": 1.51, "hb": 111, "plt": 101}, "CR"),
        (SEVERE, {"anc": 1.5, "hb": 111, "plt": 101}, "PR"),
        (SEVERE, {"anc": 1.51, "hb": 110, "plt": 101}, "PR"),
        (SEVERE, {"anc": 1.51, "hb": 111, "plt": 100}, "PR"),
        (SEVERE, {"anc": 0.51, "hb": 81, "plt": 21}, "PR"),
        (SEVERE, {"anc": 0.5, "hb": 81, "plt": 21}, "NR"),
        (SEVERE, {"anc": 0.51, "hb": 80, "plt": 21}, "NR"),
        (SEVERE, {"anc": 0.51, "hb": 81, "plt": 20}, "NR"),
        (MODERATE, {"anc": 1.51, "hb": 111, "plt": 101}, "CR"),
        (MODERATE, {"anc": 1.01, "hb": 81, "plt": 31}, "PR"),
        (MODERATE, {"anc": 1.0, "hb": 81, "plt": 31}, "NR"),
        (MODERATE, {"anc": 1.01, "hb": 81, "plt": 30}, "NR"),
    ],
)
def test_jcaa(tmp_path, name, values, level):
    assert derived(tmp_path, name, **values)["status"] == level


@pytest.mark.parametrize(
    ("product", "day", "level"),
    [
        ("red_cells", DAY - 27, "NR"),
        ("red_cells", DAY - 28, "PR"),
        ("platelets", DAY - 27, "NR"),
        ("granulocytes", DAY - 1, "PR"),
    ],
)
def test_jcaa_without_transfusion(tmp_path, product, day, level):
    given = [{"record_id": "X", "day": day, "product": product}]
    row = derived(tmp_path, SEVERE, anc=0.6, hb=90, plt=40, transfusions=given)
    assert row["status"] == level


def test_jcaa_silence_is_not_freedom_from_transfusion(tmp_path):
    row = derived(tmp_path, SEVERE, anc=0.6, hb=90, plt=40, people={"complete_until_day": 170})
    assert row["status"] == "not_evaluable"


def adjudicated(name, assessed=False):
    text = f"  aa:\n    label: AA\n    adjudicated: {{definition: {name}}}\n    from: transplant\n"
    if assessed:
        return text + (
            "    assessed: {from: transplant, at: 6 mo, visit_window: [-14 d, 14 d],\n"
            "               missing: not in set, death: no response}\n"
        )
    return text + "    competing: [death]\n"


def test_camitta_and_relapse_are_judged_by_people(tmp_path):
    verdict = [{"record_id": "A", "endpoint": "aa", "level": "PR", "day": DAY}]
    text = adjudicated("CAMITTA_2000_RESPONSE", assessed=True)
    assert row_of(tmp_path / "a", text, adjudications=verdict)["status"] == "PR"
    verdict = [{"record_id": "A", "endpoint": "aa", "status": "event", "day": 200}]
    text = adjudicated("JCAA_RELAPSE")
    row = row_of(tmp_path / "b", text, adjudications=verdict)
    assert (row["status"], row["day"]) == ("event", 200)


@pytest.mark.parametrize(
    "name",
    ["GROARKE_2022_HIGH_RISK_EVOLUTION", "STEROID_REFRACTORY_EBMT", "CIBMTR_RED_CELL_INDEPENDENCE"],
)
def test_what_no_count_tells_is_judged_by_people(tmp_path, name):
    verdict = [{"record_id": "A", "endpoint": "aa", "status": "event", "day": 150}]
    row = row_of(tmp_path, adjudicated(name), adjudications=verdict)
    assert (row["status"], row["day"]) == ("event", 150)


@pytest.mark.parametrize(("plt", "expected"), [(15, ("event", DAY)), (30, ("censored", 200))])
def test_refractory_is_no_response_at_six_months(tmp_path, plt, expected):
    text = (
        "  aplastic_anaemia_response:\n    label: Response\n"
        "    response: {definition: NIH_AA_RESPONSE}\n"
        "    assessed: {from: transplant, at: 6 mo, visit_window: [-14 d, 14 d],\n"
        "               missing: not in set, death: no response}\n"
        "  refractory:\n    label: Refractory\n    time_to_event: {definition: REFRACTORY_AA}\n"
        "    from: transplant\n    competing: [death]\n"
    )
    measured = [
        *counts({DAY: 0.6}), *counts({DAY: 80}, "Hb"), *counts({DAY: plt}, "PLT"),
        *counts({DAY: 30}, "ARC"),
    ]  # fmt: skip
    row = row_of(tmp_path, text, measurements=measured)
    assert (row["status"], row["day"]) == expected
