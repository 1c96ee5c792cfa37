"""A made-up trial with one rich history, for the report and its timelines."""

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

HERE = Path(__file__).parent
START = date(2024, 1, 8)
ANC = (
    "2.9 2.1 1.4 0.9 0.5 0.2 0.1 <0.1 0 0 <0.1 0.1 0.1 0.2 0.3 0.4 0.4 0.7 0.9 1.1 0.8 0.9 0.7 0.6"
)
PLT = "110 88 64 41 30 22 15 12 9 24 19 14 11 28 22 15 12 10 25 18 14 12 11 22 17 13"
HB = "98 95 96 92 88 85 82 80 79 84 82 80 78 77 83 81 79 78 76 80 79 77 76 75"


def _counts(person: str, first: date) -> list[dict]:
    """A fall, a slow recovery, a second fall from day 28 on, and a response to the infusions."""
    rows = []

    def add(day: int, analyte: str, value: str) -> None:
        unit = "g/L" if analyte == "Hb" else "10*9/L"
        rows.append({
            "record_id": f"{person}-{analyte}-{day}", "participant_id": person,
            "date": first + timedelta(days=day), "analyte": analyte, "value": value, "unit": unit,
        })  # fmt: skip

    for day, value in enumerate(ANC.split()):
        add(day, "ANC", value)
    for day, value in enumerate(PLT.split()):
        add(day, "PLT", value)
    for day, value in enumerate(HB.split()):
        add(day, "Hb", value)
    late = [d for d in range(26, 121) if (START + timedelta(days=d)).weekday() in {0, 2, 4}]
    for k, day in enumerate(late):
        response = max(0.0, (day - 62) / 58)
        add(day, "ANC", f"{0.40 + 1.9 * response + 0.03 * (k % 3):.2f}")
        add(day, "PLT", f"{12 + 90 * response + 2 * (k % 4):.0f}")
        add(day, "Hb", f"{68 + 44 * response + 2 * (k % 2):.0f}")
    add(180, "PLT", "141")
    add(365, "PLT", "166")
    add(365, "ANC", ">10")
    return rows


def _rich(first: date) -> dict[str, list[dict]]:
    """One participant with everything that a timeline can show."""
    who = {"participant_id": "STR-107"}

    def on(day: int) -> date:
        return first + timedelta(days=day)

    given = [{**who, "record_id": f"107-I{n}", "date": on(day), "product": "ucmsc", "number": n,
              "lot": f"L{n}", "cells": 7.1e7, "weight_kg": 71, "viability_percent": 92,
              "completed": "yes"} for n, day in ((1, 42), (2, 49), (4, 65))]  # fmt: skip
    platelets = (9, 13, 18, 23, 28, 33, 38, 43, 47, 52, 57)
    red = (9, 14, 19, 26, 31, 37, 42, 48, 54)
    transfusions = [{**who, "record_id": f"107-P{d}", "date": on(d), "product": "platelets",
                     "units": 1, "reason": "prophylactic"} for d in platelets]  # fmt: skip
    transfusions += [{**who, "record_id": f"107-R{d}", "date": on(d), "product": "red_cells",
                      "units": 2, "reason": "anaemia"} for d in red]  # fmt: skip
    events = [
        ("E1", 8, "febrile_neutropenia", 3, "", "", "", 12, ""),
        ("E2", 24, "acute_gvhd", 2, "", "", "ucmsc", 46, ""),
        ("E3", 31, "cmv_reactivation", 2, "107-E5", "", "ucmsc", "", ""),
        ("E4", 42, "chills", 1, "", "ucmsc", "", "", ""),
        ("E5", 44, "cmv_disease", 3, "", "", "ucmsc", "", "CMV colitis"),
        ("E6", 42, "urticaria", 1, "", "", "", "", ""),
        ("E7", 53, "E. coli bacteraemia", 3, "", "", "ucmsc", 61, ""),
        ("E8", 54, "admission to intensive care", "", "", "", "", 58, ""),
        ("E9", 301, "chronic_gvhd", 2, "", "", "", "", ""),
    ]
    return {
        "infusions": given,
        "transfusions": transfusions,
        "events": [
            {**who, "record_id": f"107-{name}", "date": on(day), "event": event, "grade": grade,
             "serious": "yes" if grade == 3 else "no", "leads_to": leads, "related_to": related,
             "not_related_to": unrelated, "ended": on(ended) if ended else "", "cause": cause}
            for name, day, event, grade, leads, related, unrelated, ended, cause in events
        ],
        "assessments": [
            {**who, "record_id": f"107-G{day}", "date": on(day), "scale": "agvhd",
             "item": "overall", "value": value, "assessor": "site"}
            for day, value in ((24, "II"), (31, "I"), (38, "I"), (46, "0"))
        ],
        "medications": [
            {**who, "record_id": "107-M1", "drug": "ciclosporin", "drug_class": "",
             "started": on(-1), "ended": on(95)},
            {**who, "record_id": "107-M2", "drug": "G-CSF", "drug_class": "",
             "started": on(7), "ended": on(19)},
            {**who, "record_id": "107-M3", "drug": "methylprednisolone", "drug_class": "",
             "started": on(24), "ended": on(45)},
            {**who, "record_id": "107-M4", "drug": "eltrombopag", "drug_class": "",
             "started": on(30), "ended": ""},
        ],
        "adjudications": [
            {**who, "record_id": "107-A1", "endpoint": "platelet_response", "level": "PR",
             "date": on(98), "assessor": "committee", "masked": "yes", "basis": "two readers"},
        ],
    }  # fmt: skip


def _others() -> dict[str, list[dict]]:
    """Nine participants with a few counts each, a death, a drop-out and one who is too old."""
    people, counts, events, infusions, attestations = [], [], [], [], []
    for k in range(1, 10):
        who, first = f"STR-{200 + k}", START + timedelta(days=11 * k)
        arm = "control" if k % 2 else "msc"
        dead = {3: 34, 6: 150, 9: 61}.get(k)
        until = first + timedelta(days=dead or 365 - 20 * k)
        people.append({
            "participant_id": who, "sex": "female" if k % 3 else "male", "age": 20 + 5 * k,
            "weight_kg": 55 + 3 * k, "arm": arm, "transplanted_on": first,
            "enrolled_on": first + timedelta(days=30), "last_contact": until,
            "complete_until": until, "kps": "" if k == 5 else 80,
        })  # fmt: skip
        if dead:
            events.append({
                "record_id": f"{who}-E1", "participant_id": who, "date": until, "event": "death",
                "grade": 5, "serious": "yes", "cause": "infection",
            })  # fmt: skip
        attestations.append({
            "record_id": f"{who}-A", "participant_id": who, "criterion": "consent", "value": "yes",
            "by": "site", "date": first + timedelta(days=29),
        })  # fmt: skip
        for day in range(0, min(dead or 34, 34), 2):
            anc = 3.0 - 0.28 * day if day < 10 else 0.1 if day < 14 + k // 2 else 0.15 * (day - 10)
            plt_ = 150 - 13 * day if day < 10 else 12 + (day - 10) * (0.9 + 0.25 * k)
            for analyte, value in (("ANC", anc), ("PLT", plt_)):
                counts.append({
                    "record_id": f"{who}-{analyte}-{day}", "participant_id": who,
                    "date": first + timedelta(days=day), "analyte": analyte,
                    "value": f"{value:.2f}", "unit": "10*9/L",
                })  # fmt: skip
        if arm == "msc":
            infusions += [{"record_id": f"{who}-I{n}", "participant_id": who, "product": "ucmsc",
                           "date": first + timedelta(days=30 + 7 * (n - 1)), "number": n,
                           "lot": "L1", "cells": 1e6 * (55 + 3 * k), "weight_kg": 55 + 3 * k,
                           "viability_percent": 90, "completed": "yes"}
                          for n in range(1, 5) if not dead or 30 + 7 * n < dead]  # fmt: skip
    return {"participants": people, "measurements": counts, "events": events,
            "infusions": infusions, "attestations": attestations}  # fmt: skip


def write_tables(folder: Path, tables: dict[str, list[dict]]) -> None:
    """Write rows under every column that any of them has."""
    for name, rows in tables.items():
        header = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, header, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def demo_tables() -> dict[str, list[dict]]:
    """All rows of the demonstration."""
    others, rich = _others(), _rich(START)
    last = START + timedelta(days=430)
    person = {
        "participant_id": "STR-107", "sex": "female", "age": 41, "weight_kg": 71, "arm": "msc",
        "transplanted_on": START, "enrolled_on": START + timedelta(days=42), "last_contact": last,
        "complete_until": START + timedelta(days=400), "kps": 80,
    }  # fmt: skip
    consent = {"record_id": "107-C", "participant_id": "STR-107", "criterion": "consent",
               "value": "yes", "by": "site", "date": START + timedelta(days=40)}  # fmt: skip
    old = {**person, "participant_id": "STR-300", "age": 71, "arm": "control"}
    return {
        **rich,
        "participants": [person, *others["participants"], old],
        "measurements": [*_counts("STR-107", START), *others["measurements"]],
        "events": [*rich["events"], *others["events"]],
        "infusions": [*rich["infusions"], *others["infusions"]],
        "attestations": [consent, *others["attestations"]],
    }


def write_study(
    folder: Path, tables: dict[str, list[dict]], *, data: str = "teaching", protocol: str = ""
) -> Path:
    """Write a study folder."""
    text = protocol or (HERE / "demo_protocol.yaml").read_text(encoding="utf-8")
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    (folder / "protocol.yaml").write_text(text, encoding="utf-8")
    about = f"data: {data}\nstatement: Nobody lived these histories.\nsources: [Made for a test.]\n"
    (records / "about.yaml").write_text(about, encoding="utf-8")
    write_tables(records, tables)
    return folder


@pytest.fixture(scope="session")
def demo_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration as a study folder."""
    return write_study(tmp_path_factory.mktemp("demo"), demo_tables())


@pytest.fixture(scope="session")
def demo_module():
    """The functions that write the demonstration, for tests that change it."""
    return sys.modules[__name__]
