"""Import of the UCI bone marrow children (read through ../shared) into a study folder.

What a column means was read from the values, not from its name: `aGvHDIIIIV` is 1 for a child
*without* acute GVHD of stage III or IV (145 of the 147 children with 1 have no time to it), and the
number 1000000 stands for "never". Relapse has no time in the source and can be no event.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from support.study_folder import make_study

__all__ = ["CHILDREN", "NEVER", "TIMES", "import_children", "read_children"]

CHILDREN = Path(__file__).resolve().parents[3] / "shared/data/uci_bone_marrow_children.csv"
NEVER = 1_000_000
TIMES = {"anc": "ANCrecovery", "plt": "PLTrecovery", "agvhd": "time_to_aGvHD_III_IV"}
"""The columns of times, by endpoint."""

_PROTOCOL = """\
stromal: 1
study: {id: children, title: Transplantation in children, conditions: [leukaemia and other disease],
        phase: not applicable}
design: {kind: single arm, masking: open label, enrolment: 187, basis_of_size: not stated,
         monitoring: {committee: not stated, grading: not stated}, stopping: not stated}
day_zero: transplant
anchors: {transplant: {participant: transplanted, label: transplantation}}
population: {judged_at: transplant, inclusion: [{id: any, text: Anyone, narrative: true}]}
arms: {all: {label: All, role: control}}
draws: not stated
endpoints:
  anc: {label: Neutrophil recovery, adjudicated: {criteria: as the source recorded it},
        from: transplant, competing: [death]}
  plt: {label: Platelet recovery, adjudicated: {criteria: as the source recorded it},
        from: transplant, competing: [death]}
  agvhd: {label: Acute GVHD III-IV, adjudicated: {criteria: as the source recorded it},
          from: transplant, competing: [death]}
  os: {label: Survival, time_to_event: {definition: OS}, from: transplant, competing: []}
analysis_sets: {all: {label: All children}}
analyses:
  anc: {label: Neutrophil recovery, role: secondary, set: all, endpoint: anc, at: [14 d, 28 d],
        estimate: cumulative incidence, variance: greenwood, interval: log-log, confidence: 0.95}
  plt: {label: Platelet recovery, role: secondary, set: all, endpoint: plt, at: [28 d, 100 d],
        estimate: cumulative incidence, variance: greenwood, interval: log-log, confidence: 0.95}
  agvhd: {label: Acute GVHD, role: secondary, set: all, endpoint: agvhd, at: [100 d],
          estimate: cumulative incidence, variance: greenwood, interval: log-log, confidence: 0.95}
  os: {label: Survival, role: primary, set: all, endpoint: os, at: [1 a],
       estimate: survival, interval: log-log, confidence: 0.95}
sharing: {individual_data: not stated}
"""


def read_children(source: Path = CHILDREN) -> list[dict[str, str]]:
    """Give the rows of the source, with an id (`C1`, `C2`, ... in the order of the file)."""
    with source.open(encoding="utf-8", newline="") as handle:
        return [{"id": f"C{n}", **row} for n, row in enumerate(csv.DictReader(handle), start=1)]


def import_children(folder: Path, *, source: Path = CHILDREN, leave_sentinel: bool = False) -> Path:
    """Write the children as a study folder.

    1. A recorded recovery or GVHD is an adjudicated event on its day.
    2. "Never" is a verdict too: nothing seen until the last contact, `censored` on that day.
    3. A child whose GVHD flag says another thing than its time has a second verdict, by the flag.
    4. A death is an event on the last day of `survival_time`, which is the last contact of others.

    `leave_sentinel` writes "never" as the source does, which the reader must refuse.
    """
    people: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    for row in read_children(source):
        last = int(float(row["survival_time"]))
        people.append(_person(row, last))
        if row["survival_status"] == "1":
            events.append({"participant_id": row["id"], "day": last, "event": "death"})
        for endpoint, column in TIMES.items():
            day = int(float(row[column]))
            never = day == NEVER
            verdict = {"participant_id": row["id"], "endpoint": endpoint, "assessor": column}
            seen = {"status": "censored", "day": last}
            happened = {"status": "event", "day": row[column]}
            verdicts.append({**verdict, **(seen if never and not leave_sentinel else happened)})
            if endpoint == "agvhd" and never != (row["aGvHDIIIIV"] == "1"):
                other = seen if row["aGvHDIIIIV"] == "1" else {"status": "event"}
                verdicts.append({**verdict, **other, "assessor": "aGvHDIIIIV"})
    return make_study(
        folder,
        protocol_text=_PROTOCOL,
        about="{data: observed, statement: 'Bone marrow transplantation in children', "
        "sources: ['UCI Machine Learning Repository, Bone marrow transplant: children']}\n",
        participants=people,
        adjudications=verdicts,
        **({"events": events} if events else {}),
    )


def _person(row: dict[str, str], last: int) -> dict[str, Any]:
    """Give one child's row of the participants table."""
    return {
        "participant_id": row["id"],
        "arm": "all",
        "transplanted_day": 0,
        "last_contact_day": last,
        "age": row["Recipientage"],
        "disease": row["Disease"],
        "relapse": {"0": "no", "1": "yes"}[row["Relapse"]],
    }
