"""Zeros that nobody counted: when they are recognised, and when a zero is a zero."""

import polars as pl
import pytest

from stromal.endpoints import derive_all
from stromal.protocol import read_protocol
from stromal.records import read_records
from support.derived import counts, protocol_text, study_of
from support.study_folder import make_study

pytestmark = pytest.mark.by_hand

ANC = """\
  anc: {label: Neutrophils, from: transplant, competing: [],
        recovery: {analyte: ANC, at_least: %s 10*9/L, run: 1, of: values on different days,
                   largest_gap: none, after: anchor}}
"""
FALL_AND_RISE = [2.0, 1.0, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.3, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]


def rows_of(neutrophils, people=4, shares=None, **columns):
    """Give leucocytes of `FALL_AND_RISE` and neutrophils by a rule, of several people."""
    rows = []
    for number in range(1, people + 1):
        name = f"P{number}"
        share = 0.5 if shares is None else shares[number - 1]
        anc = [neutrophils(white, share) for white in FALL_AND_RISE]
        rows += counts(FALL_AND_RISE, "WBC", name) + counts(anc, "ANC", name)
    return [{**row, **columns} for row in rows]


def imputed(white, share):
    return 0.0 if white < 0.5 else round(white * share, 2)


def counted(white, share):
    """Rounded to 0.1, as many laboratories report: 0.1 of 0.2 is there, of 0.1 none."""
    return round(white * share, 1) if white > 0.15 else 0.0


def read(tmp_path, rows, people=4):
    _, records = study_of(tmp_path, ANC % "0.5", people=[{}] * people, measurements=rows)
    found = [finding for finding in records.findings if finding.rule == "imputed-zeros"]
    bounds = records["measurements"].filter(
        (pl.col("analyte") == "ANC") & (pl.col("censored") == "<")
    )
    return found, bounds


def test_zeros_below_a_limit_are_bounds(tmp_path):
    """Ten leucocytes of each of four people are below 0.5, the lowest with neutrophils is 0.6."""
    (finding,), bounds = read(tmp_path, rows_of(imputed))
    assert "All 40 neutrophil counts" in finding.what
    assert "leucocytes up to 0.4 are exactly 0, of 4 participants (P1, P2, P3, P4)" in finding.what
    assert "from leucocytes of 0.6 on" in finding.what
    assert bounds.height == 40
    assert bounds.filter(pl.col("record_id") == "ANC5").select(
        "value", "low", "high", "censored", "as_read"
    ).row(0) == (None, 0.0, 0.1, "<", "0.0 10*9/L")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (lambda: rows_of(counted), "neutrophils are seen among few leucocytes"),
        (lambda: rows_of(lambda *_: 0.0), "there are none above either"),
        (lambda: rows_of(imputed, shares=[0.5, 0.001, 0.001, 0.001]), "most above are 0 too"),
        (lambda: rows_of(imputed, verified="yes"), "the laboratory confirmed them"),
        (lambda: [r for r in rows_of(imputed) if r["analyte"] == "ANC"], "no leucocytes"),
        (lambda: [r for r in rows_of(imputed) if r["participant_id"] == "P1"], "too few"),
        (lambda: [r for r in rows_of(imputed) if r["day"] not in {2, 3, 9, 10, 11}], "none near"),
    ],
)
def test_true_zeros_stay(tmp_path, rows, why):
    found, bounds = read(tmp_path, rows())
    assert (found, bounds.height) == ([], 0), why


def test_one_count_below_the_limit_moves_it(tmp_path):
    """A neutrophil count of 0.1 at leucocytes of 0.2 leaves zeros below 0.2 only: none near."""
    rows = rows_of(imputed)
    rows[[row["record_id"] for row in rows].index("ANC8")]["value"] = 0.1
    assert read(tmp_path, rows)[0] == []


def test_zeros_before_day_zero_and_without_leucocytes_stay(tmp_path):
    rows = [
        *rows_of(imputed),
        *counts({-3: 0.2}, "WBC"), *counts({-3: 0.0}),
        *counts({40: 0.0}),
    ]  # fmt: skip
    _, bounds = read(tmp_path, rows)
    assert bounds.height == 40
    assert not {"ANC-3", "ANC40"} & set(bounds["record_id"])


def test_each_site_for_itself(tmp_path):
    """The second site counts every neutrophil; it does not hide what the first one writes."""
    first, second = rows_of(imputed), rows_of(counted, people=8)[8 * len(FALL_AND_RISE) :]
    people = [
        {"participant_id": f"P{n}", "arm": "msc", "transplanted_day": 0, "last_contact_day": 90,
         "site": "one" if n <= 4 else "two"}
        for n in range(1, 9)
    ]  # fmt: skip
    make_study(
        tmp_path, protocol_text=protocol_text(ANC % "0.5"), participants=people,
        measurements=first + second,
    )  # fmt: skip
    records = read_records(tmp_path, read_protocol(tmp_path))
    (finding,) = [f for f in records.findings if f.rule == "imputed-zeros"]
    assert "at site one" in finding.what


CYTOPENIA = """\
  low: {label: Neutrophils, from: transplant, competing: [],
        cytopenia: {counts: [{analyte: ANC, below: %s 10*9/L}], lines: 1, run: 1,
                    of: values on different days, largest_gap: none}}
"""


@pytest.mark.parametrize(
    ("threshold", "day", "low"),
    [
        ("0.5", 2, 2),  # leucocytes of 0.4 settle it, whatever the zero stands for
        ("0.2", 4, 2),  # 0 beside leucocytes of 0.4 and 0.3 may be 0.2; beside 0.2 it is below
    ],
)
def test_what_a_threshold_makes_of_the_bound(tmp_path, threshold, day, low):
    protocol, records = study_of(
        tmp_path, CYTOPENIA % threshold, people=[{}] * 4, measurements=rows_of(imputed)
    )
    row = derive_all(protocol, records).derived["low"].row(0, named=True)
    assert (row["status"], row["day"], row["day_low"]) == ("event", day, low)
