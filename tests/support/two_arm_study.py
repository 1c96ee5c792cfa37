"""A randomised trial of sixty invented histories with every kind of analysis."""

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from ruamel.yaml import YAML

__all__ = ["FOLLOWED", "LEVEL", "course", "two_arm_study"]

FOLLOWED = 365
LEVEL = {"confidence": 0.95}

PROTOCOL = """\
stromal: 1
study: {id: two-arms, title: Two arms, conditions: [invented], phase: "2"}
design:
  kind: randomised
  masking: open label
  enrolment: 60
  basis_of_size: not stated
  allocation:
    {method: not stated, ratio: [1, 1], concealment: not stated, strata: not stated,
     unblinding: not stated}
  monitoring: {committee: not stated, grading: not stated}
  stopping: not stated
day_zero: transplant
anchors:
  transplant: {participant: transplanted}
population:
  judged_at: transplant
  inclusion:
    - {id: adult, text: Age 18 years or older, rule: {variable: age, at_least: 18 a}}
products:
  msc: {cells: mesenchymal stromal cells, tissue: umbilical cord, donor: third party}
arms:
  msc: {label: With MSC, role: experimental}
  none: {label: Without MSC, role: control}
draws: not stated
endpoints:
  survival:
    {label: Overall survival, time_to_event: {events: [death]}, from: transplant, competing: []}
  relapse:
    {label: Relapse, time_to_event: {events: [relapse]}, from: transplant, competing: [death]}
  infections:
    label: Infections
    event_count: {events: [infection], per: 30 d}
    from: transplant
    until: 180 d
  response:
    label: Response
    adjudicated: {levels: [CR, NR], criteria: as judged}
    assessed:
      {from: transplant, at: 100 d, visit_window: [-10 d, 10 d], missing: not in set,
       death: no response}
    from: transplant
analysis_sets:
  everyone: {label: Everyone randomised, arms: [msc, none]}
sharing: {individual_data: "yes"}
"""


def two_arm_study(
    folder: Path, analyses: dict[str, Any], multiplicity: dict[str, Any] | None = None
) -> pl.DataFrame:
    """Write the study with these analyses, and give what its records say, one row a participant.

    Columns: participant_id, arm, age, site, early (infused by day 0), infused (day or null), died,
    relapsed, response, infections (days).
    """
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda _: True
    content = yaml.load(PROTOCOL)
    content["analyses"] = copy.deepcopy(analyses)
    if multiplicity:
        content["multiplicity"] = copy.deepcopy(multiplicity)
    yaml.dump(content, folder / "protocol.yaml")
    records = folder / "records"
    records.mkdir()
    (records / "about.yaml").write_text("data: synthetic\nstatement: Invented for tests.\n")
    frame = course()
    rows = frame.to_dicts()
    _write(
        records / "participants.csv",
        [
            {
                "participant_id": row["participant_id"],
                "arm": row["arm"],
                "age": row["age"],
                "site": row["site"],
                "given": row["given"],
                "transplanted_day": 0,
                "last_contact_day": row["last"],
                "complete_until_day": row["last"],
            }
            for row in rows
        ],
    )
    events: list[dict[str, Any]] = []
    for row in rows:
        days = [("infection", day) for day in row["infections"]]
        days += [(name, row[key]) for name, key in (("relapse", "relapsed"), ("death", "died"))
                 if row[key] is not None]  # fmt: skip
        events += [
            {"participant_id": row["participant_id"], "day": day, "event": name}
            for name, day in days
        ]
    _write(records / "events.csv", events)
    _write(
        records / "infusions.csv",
        [
            {
                "participant_id": row["participant_id"],
                "day": row["infused"],
                "product": "msc",
                "number": 1,
                "cells_per_kg": 1_000_000,
                "completed": "yes",
            }
            for row in rows
            if row["infused"] is not None
        ],
    )
    _write(
        records / "adjudications.csv",
        [
            {
                "participant_id": row["participant_id"],
                "endpoint": "response",
                "level": row["response"],
                "day": 100,
                "assessor": "board",
            }
            for row in rows
            if row["response"] is not None
        ],
    )
    return frame


def course(n: int = 60, seed: int = 7) -> pl.DataFrame:
    """Draw the histories: the same for the same seed."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for i in range(n):
        arm = "msc" if i % 2 == 0 else "none"
        death = int(rng.exponential(300 if arm == "none" else 500)) + 20
        relapse = int(rng.exponential(700)) + 15
        leaves = int(rng.integers(250, FOLLOWED))
        last = min(death, leaves)
        infused = int(rng.integers(5, 45)) if arm == "msc" else None
        infused = infused if infused is not None and infused <= last else None
        infections = sorted({int(day) for day in rng.integers(1, 180, size=rng.poisson(1.4))})
        judged = last > 110
        rows.append(
            {
                "participant_id": f"T{i:03d}",
                "arm": arm,
                "age": int(rng.integers(18, 60)),
                "site": ["north", "south"][int(rng.integers(0, 2))],
                "given": "infused" if infused is not None else "not infused",
                "infused": infused,
                "died": death if death <= leaves else None,
                "relapsed": relapse if relapse < last else None,
                "last": last,
                "infections": [day for day in infections if day < last],
                "response": str(rng.choice(["CR", "NR"])) if judged and i % 10 else None,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
