"""Small study folders for tests: a protocol, and tables from lists of rows."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["PROTOCOL", "make_study", "write_csv"]

PROTOCOL = """\
stromal: 1
study:
  id: small-trial
  title: A small trial of stromal cells
  conditions: [poor graft function]
  phase: "2"
design:
  kind: single arm
  masking: open label
  enrolment: 10
  basis_of_size: not stated
  monitoring: {committee: not stated, grading: CTCAE 5}
  stopping: not stated
day_zero: transplant
anchors:
  transplant: {participant: transplanted}
  enrolment: {participant: enrolled}
  first_msc: {infusion: msc, number: 1}
  relapse: {event: relapse}
  landmark: {anchor: transplant, plus: 100 d}
population:
  judged_at: enrolment
  inclusion:
    - {id: age, text: Age 18 to 60 years, rule: {variable: age, from: 18 a, to: 60 a}}
    - {id: consent, text: Informed consent, attested: true}
products:
  msc: {cells: mesenchymal stromal cells, tissue: umbilical cord, donor: third party}
  placebo: {cells: none, tissue: none, donor: not applicable, placebo: true}
arms:
  msc:
    label: Stromal cells
    role: experimental
    infuse:
      - product: msc
        dose: {per_kg: 1e6 /kg}
        first: enrolment
        every: 7 d
        times: 4
        window: [-1 d, 2 d]
    background:
      - {drug: ciclosporin, dose: not stated, from: transplant, for: not stated}
  control: {label: No cells, role: control}
visits:
  - {id: week_4, from: enrolment, at: 28 d, window: [-3 d, 3 d]}
draws: not stated
endpoints:
  neutrophil_recovery:
    label: Neutrophil recovery
    recovery:
      analyte: ANC
      at_least: 0.5 10*9/L
      run: 3
      of: consecutive days
      after: {nadir_within: 28 d}
    from: transplant
    competing: [death]
  response:
    label: Response as the committee saw it
    adjudicated: {levels: [CR, PR, NR], criteria: As the committee wrote them}
    from: first_msc
    assessed:
      from: first_msc
      at: 8 wk
      visit_window: [-3 d, 3 d]
      missing: no response
      death: no response
  overall_survival:
    label: Overall survival
    time_to_event: {definition: OS}
    from: transplant
    competing: []
analysis_sets:
  all: {label: Everyone}
sharing: {individual_data: "no"}
"""
ABOUT = "data: teaching\nstatement: Made for a test.\n"


def make_study(
    folder: Path,
    *,
    protocol_text: str | None = PROTOCOL,
    about: str | None = ABOUT,
    **tables: Iterable[Mapping[str, Any]] | str,
) -> Path:
    """Write a study folder and give its path.

    Parameters
    ----------
    folder
        Where it is written; made where it is absent.
    protocol_text
        The protocol; None writes none.
    about
        The text of `records/about.yaml`; None writes none.
    tables
        Each table by name: rows as mappings, or the text of the CSV file as it is.
    """
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    if protocol_text is not None:
        (folder / "protocol.yaml").write_text(protocol_text, encoding="utf-8")
    if about is not None:
        (records / "about.yaml").write_text(about, encoding="utf-8")
    for name, rows in tables.items():
        file = records / f"{name}.csv"
        if isinstance(rows, str):
            file.write_text(rows, encoding="utf-8", newline="")
        else:
            write_csv(file, rows)
    return folder


def write_csv(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows under every column that any of them has; what a row lacks is empty."""
    rows = list(rows)
    header = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
