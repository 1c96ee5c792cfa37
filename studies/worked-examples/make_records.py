"""Write the records of the worked examples: each history is the smallest that shows its rule.

Run as `python make_records.py`; the files in `records/` are its output. W01 and W02 restate the two
worked platelet examples of the CIBMTR forms manual; every other history is invented.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

# ruff: noqa: E501  (one history a line reads best)
RECORDS = Path(__file__).parent / "records"

MONDAY = date(2024, 1, 8)
# id -> what the history teaches, in one line; the kind of count it is about; day zero
HISTORIES: dict[str, tuple[str, str, date]] = {
    "W01": ("CIBMTR platelet example 1: an early run before the nadir does not count", "platelets", date(2008, 1, 1)),
    "W02": ("CIBMTR platelet example 2: seven days after a transfusion must be complete", "platelets", date(2008, 6, 13)),
    "W03": ("Neutrophil recovery with a count on every day", "neutrophils", MONDAY),
    "W04": ("A boost: the neutrophils never fell, so nothing can recover", "neutrophils", MONDAY),
    "W05": ("A value of exactly 0.5: at least 0.5 and above 0.5 give different days", "neutrophils", MONDAY),
    "W06": ("A blip of two values does not make a run", "neutrophils", MONDAY),
    "W07": ("The differential is missing just at recovery: a day with bounds", "neutrophils", MONDAY),
    "W08": ("A platelet transfusion inside the run", "platelets", MONDAY),
    "W09": ("Death before recovery competes with it", "neutrophils", MONDAY),
    "W10": ("Blood drawn on Mondays, Wednesdays and Fridays", "neutrophils", MONDAY),
    "W11": ("Secondary failure after recovery", "neutrophils", MONDAY),
    "W12": ("Poor graft function, three weekly infusions, a partial response", "states", MONDAY),
    "W13": ("A second transplantation before recovery competes with it", "neutrophils", MONDAY),
    "W14": ("Values below the limit of the analyser, in another unit", "neutrophils", MONDAY),
    "W15": ("Still neutropenic at the last count: censored, not failed", "neutrophils", MONDAY),
    "W16": ("Platelets never below 20 and never transfused: not applicable", "platelets", MONDAY),
    "W17": ("CMV reactivation, CMV disease, death: a chain of events", "neutrophils", MONDAY),
    "W18": ("Poor graft function, infusions late and missed, no response", "states", MONDAY),
}  # fmt: skip
FALL = [3.2, 2.4, 1.1, 0.6, 0.3, 0.1, 0.05, 0.05, 0.1, 0.2]  # days 0 to 9
CIBMTR_1 = [10, 35, 30, 25, 10, 15, 19, 23, 25, 40, 50]
CIBMTR_2 = [10, 30, 25, 10, 15, 19, 23, 25, 40, 50, 56, 65, 72]

Row = dict[str, Any]
tables: dict[str, list[Row]] = {
    name: []
    for name in (
        "participants",
        "attestations",
        "measurements",
        "transfusions",
        "infusions",
        "events",
    )
}


def day(participant: str, number: int) -> str:
    """Give the date of a day counted from transplantation."""
    return (HISTORIES[participant][2] + timedelta(days=number)).isoformat()


def counts(participant: str, analyte: str, values: dict[int, Any], unit: str = "10*9/L") -> None:
    """Add counts by day."""
    for number, value in values.items():
        tables["measurements"].append(
            {
                "record_id": f"{participant}-{analyte}-{number}",
                "participant_id": participant,
                "date": day(participant, number),
                "analyte": analyte,
                "value": value,
                "unit": unit,
            }
        )


def daily(values: list[Any], first: int = 0) -> dict[int, Any]:
    """Give each value of a list its day."""
    return {first + i: value for i, value in enumerate(values)}


def add(table: str, participant: str, on: int, **columns: object) -> None:
    """Add a dated row to a table."""
    rows = tables[table]
    serial = sum(row["participant_id"] == participant for row in rows) + 1
    rows.append(
        {
            "record_id": f"{participant}-{table[0].upper()}{serial}",
            "participant_id": participant,
            "date": day(participant, on),
            **columns,
        }
    )


def write_histories() -> None:
    """Write what happened to each."""
    counts("W01", "PLT", daily(CIBMTR_1))
    counts("W02", "PLT", daily(CIBMTR_2))
    add("transfusions", "W02", 0, product="platelets", units=1, reason="prophylactic")
    counts("W03", "ANC", daily([*FALL, 0.4, 0.6, 0.9, 1.4, 2.0]))
    counts(
        "W04",
        "ANC",
        {
            **daily([3.1, 2.8, 2.2, 1.9, 1.6, 1.8, 2.1, 2.4, 2.6, 2.9, 3.0]),
            **dict(
                zip(
                    [12, 14, 16, 18, 21, 23, 25, 28],
                    [2.8, 3.1, 2.9, 3.3, 3.4, 3.1, 3.0, 3.2],
                    strict=True,
                )
            ),
        },
    )
    counts("W05", "ANC", daily([*FALL, 0.5, 0.6, 0.8, 1.2, 1.5]))
    counts("W06", "ANC", daily([*FALL, 0.6, 0.7, 0.4, 0.6, 0.8, 1.1, 1.6]))
    late = [0.1, 0.2, 0.3]
    counts("W07", "ANC", {**daily([*FALL, *late]), 17: 1.3, 18: 1.5, 19: 1.9})
    counts("W07", "WBC", daily([0.3, 0.4, 0.9, 1.4, 1.9, 2.2, 2.6, 3.0, 3.4], 11))
    counts("W08", "PLT", daily([60, 42, 30, 21, 14, 9, 8, 11, 13, 16, 21, 24, 28, 26, 22, 23, 25, 27, 30, 34, 38, 41]))  # fmt: skip
    add("transfusions", "W08", 11, product="platelets", units=1, reason="procedure")
    counts("W09", "ANC", daily([*FALL, 0.3, 0.3, 0.4]))
    add("events", "W09", 13, event="bacteraemia", grade=4, serious="yes", leads_to="W09-E2")
    add("events", "W09", 15, event="death", grade=5, serious="yes", cause="infection")
    mwf = [0, 2, 4, 7, 9, 11, 14, 16, 18, 21]
    seen = [3.2, 1.1, 0.3, 0.05, 0.2, 0.4, 0.9, 1.3, 1.8, 2.2]
    counts("W10", "ANC", dict(zip(mwf, seen, strict=True)))
    counts("W11", "ANC", daily([*FALL, 0.6, 0.9, 1.2, 1.4, 1.5, 1.5, 1.3, 1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.3]))  # fmt: skip
    poor_graft_function("W12", responds=True)
    counts("W13", "ANC", daily([*FALL, 0.1, 0.05, 0.02, 0.02, 0.01, 0.02, 0.01, 0.01, 0.02, 0.01]))
    add("events", "W13", 20, event="second_transplant", cause="primary graft failure")
    counts("W14", "ANC", daily([3200, 2100, 900, 300, 100, "<100", "<100", "<100", 120, 300, 480, 520, 800, 1300]), "/uL")  # fmt: skip
    counts("W15", "ANC", daily([*FALL, 0.2, 0.3, 0.2, 0.3, 0.4, 0.4]))
    counts(
        "W16",
        "PLT",
        {
            **daily([140, 120, 96, 70, 52, 41, 36, 38, 44, 57, 72, 90, 110]),
            **dict(
                zip([14, 16, 18, 21, 23, 25, 28], [140, 150, 158, 170, 172, 177, 180], strict=True)
            ),
        },
    )
    counts("W17", "ANC", daily([*FALL, 0.5, 0.8, 1.0, 1.3]))
    add("events", "W17", 34, event="cmv_reactivation", leads_to="W17-E2")
    add("events", "W17", 48, event="cmv_disease", grade=4, serious="yes", leads_to="W17-E3")
    add("events", "W17", 61, event="death", grade=5, serious="yes", cause="CMV disease")
    poor_graft_function("W18", responds=False)


def poor_graft_function(who: str, *, responds: bool) -> None:
    """Write neutrophil recovery, then platelets and haemoglobin that stay low, then MSC."""
    counts(who, "ANC", daily([*FALL, 0.6, 0.9, 1.1, 1.3, 1.2, 1.1]))
    counts(who, "PLT", daily([70, 48, 30, 20, 14, 9, 8, 12, 10, 11, 9, 12, 14, 13, 12, 15]))
    dull = [16, 14, 12, 13, 11, 12]
    draws = [d for d in range(16, 120) if (d % 7) in (0, 2, 4)]  # day zero is a Monday
    first = 49
    for number, d in enumerate(draws):
        rise = max(0, d - first - 14) if responds else 0
        plt = dull[number % 6] + (0.9 * rise if responds else 0)
        hb = 64 + (number % 3) + (0.8 * rise if responds else 0)
        counts(who, "PLT", {d: round(min(plt, 44))})
        counts(who, "Hb", {d: round(min(hb, 104))}, "g/L")
        counts(who, "ANC", {d: round(0.9 + 0.1 * (number % 4), 1)})
    if responds:
        visit = range(first + 49, first + 60)
        missing = [d for d in visit if d not in draws]
        counts(who, "PLT", {d: round(min(12 + 0.9 * (d - first - 14), 44)) for d in missing})
    for d in range(9, 84 if responds else 118, 6 if responds else 5):
        add("transfusions", who, d, product="platelets", units=1, reason="prophylactic")
    for d in range(12, 76 if responds else 118, 9):
        add("transfusions", who, d, product="red_cells", units=2, reason="anaemia")
    given = (
        [(1, first), (2, first + 7), (3, first + 14)] if responds else [(1, first), (2, first + 11)]
    )
    for number, d in given:
        add(
            "infusions", who, d, product="msc", number=number, lot=f"LOT-{number}",
            cells=66_000_000, weight_kg=66, viability_percent=92 - number, completed="yes",
        )  # fmt: skip
    if responds:
        add("events", who, first, event="chills", grade=1, serious="no", related_to="msc",
            ended=day(who, first))  # fmt: skip
        add("events", who, 40, event="acute_gvhd", grade=2, serious="no", not_related_to="msc",
            ended=day(who, 58))  # fmt: skip
    else:
        add("events", who, 70, event="bacteraemia", grade=3, serious="yes", not_related_to="msc",
            ended=day(who, 79))  # fmt: skip


def write_people() -> None:
    """Write one row and one consent for each history."""
    ended = {"W09": 15, "W17": 61}
    for number, (who, (teaches, kind, zero)) in enumerate(HISTORIES.items()):
        last = ended.get(who, 120)
        tables["participants"].append(
            {
                "participant_id": who,
                "site": "teaching",
                "sex": "female" if number % 2 else "male",
                "age": 21 + 2 * number,
                "weight_kg": 66,
                "arm": "all",
                "transplanted_on": zero.isoformat(),
                "last_contact": day(who, last),
                "complete_until": day(who, last),
                "kps": "" if who == "W15" else 60 if who == "W13" else 90,
                "teaches": kind,
                "shows": teaches,
            }
        )
        add("attestations", who, -10, criterion="consent", value="yes", by="teaching example")


def main() -> None:
    """Write the tables as CSV files."""
    write_people()
    write_histories()
    RECORDS.mkdir(exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        rows.sort(
            key=lambda row: (
                row["participant_id"],
                str(row.get("date", "")),
                str(row.get("record_id", "")),
            )
        )
        with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
