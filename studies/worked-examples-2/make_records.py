"""Write the records of the second worked examples: grades, states, failures and counts over time.

Run as `python make_records.py`; the files in `records/` are its output. Every history is invented.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

# ruff: noqa: E501  (one history a line reads best)
RECORDS = Path(__file__).parent / "records"
START = date(2024, 1, 8)  # a Monday
END = 182

# id -> which course, what it shows, last day
HISTORIES: dict[str, tuple[str, str, int]] = {
    "C01": ("transplantation", "Acute GVHD that rises to III and goes: the worst grade, and an episode", END),
    "C02": ("transplantation", "One organ not examined: II, III or IV, never a guess", END),
    "C03": ("transplantation", "Liver stage 4 is grade IV, whatever was not examined", 60),
    "C04": ("transplantation", "Neutrophils never reach 0.5: primary graft failure on day 30", END),
    "C05": ("transplantation", "Poor graft function, twice: two episodes of one state", END),
    "C06": ("transplantation", "Counts of poor graft function, chimerism not assessed: not evaluable", END),
    "C07": ("transplantation", "Red cells every week, then none: dependence ends with the last transfusion", END),
    "C08": ("transplantation", "Three infections, two of them within 14 days of each other", END),
    "C09": ("transplantation", "Relapse: survival free of GVHD and relapse ends, survival does not", END),
    "C10": ("transplantation", "Systemic therapy for chronic GVHD", END),
    "C11": ("transplantation", "Draws missing just at recovery: a day with bounds", END),
    "C12": ("transplantation", "Transfusions are logged in hospital only: afterwards silence says nothing", END),
    "C13": ("immunosuppression", "Complete response", END),
    "C14": ("immunosuppression", "Partial response: no longer severe", END),
    "C15": ("immunosuppression", "No response", END),
}  # fmt: skip
FALL = [3.2, 2.4, 1.1, 0.6, 0.3, 0.1, 0.05, 0.05, 0.1, 0.2]
RISE = [0.3, 0.4, 0.6, 0.9, 1.2, 1.5, 1.6]

Row = dict[str, object]
tables: dict[str, list[Row]] = {
    name: []
    for name in ("participants", "measurements", "transfusions", "events", "assessments",
                 "attestations", "infusions", "coverage")
}  # fmt: skip


def on(day: int) -> str:
    """Give the date of a day."""
    return (START + timedelta(days=day)).isoformat()


def add(table: str, who: str, day: int, **columns: object) -> None:
    """Add a dated row."""
    serial = sum(row["participant_id"] == who for row in tables[table]) + 1
    record = f"{who}-{table[:2].upper()}{serial}"
    tables[table].append({"record_id": record, "participant_id": who, "date": on(day), **columns})


def counts(who: str, analyte: str, values: dict[int, float]) -> None:
    """Add counts by day."""
    unit = "g/L" if analyte == "Hb" else "10*9/L"
    for day, value in values.items():
        tables["measurements"].append({
            "record_id": f"{who}-{analyte}-{day}", "participant_id": who, "date": on(day),
            "analyte": analyte, "value": round(value, 2), "unit": unit,
        })  # fmt: skip


def early(who: str, *, without: tuple[int, ...] = ()) -> None:
    """Write daily neutrophils to day 16 that recover on day 12."""
    values = dict(enumerate([*FALL, *RISE]))
    counts(who, "ANC", {day: value for day, value in values.items() if day not in without})


def weekly(who: str, plt: list[float], hb: list[float], anc: list[float], first: int = 21) -> None:
    """Write three counts a week; a shorter list goes on with its last value."""
    for analyte, values in (("PLT", plt), ("Hb", hb), ("ANC", anc)):
        days = range(first, END, 7)
        counts(who, analyte, {d: values[min(i, len(values) - 1)] for i, d in enumerate(days)})


def staged(who: str, day: int, **items: object) -> None:
    """Write what was examined on one day."""
    for item, value in items.items():
        add("assessments", who, day, scale="agvhd", item=item, value=value, assessor="teaching")


def write_gvhd() -> None:
    """Write the examinations of skin, liver and gut."""
    well = {"skin_bsa": "0 %", "bilirubin": "0.8 mg/dL", "upper_gi_signs": "none", "stool_volume": "100 mL/d",
            "severe_abdominal_pain": "no", "bloody_stool": "no"}  # fmt: skip
    no_skin = {"bullae": "no", "desquamation": "0 %"}
    staged("C01", 18, **well)
    staged("C01", 25, **{**well, **no_skin, "skin_bsa": "30 %"})
    staged("C01", 32, **{**well, **no_skin, "skin_bsa": "60 %", "stool_volume": "700 mL/d"})
    staged("C01", 39, **{**well, **no_skin, "skin_bsa": "60 %", "stool_volume": "1200 mL/d"})
    staged("C01", 53, **{**well, **no_skin, "skin_bsa": "20 %"})
    staged("C01", 67, **well)
    staged("C02", 28, **no_skin, skin_bsa="60 %", upper_gi_signs="none", stool_volume="100 mL/d",
           severe_abdominal_pain="no", bloody_stool="no")  # fmt: skip
    staged("C03", 46, bilirubin="320 umol/L")
    for who in ("C05", "C07", "C08", "C09", "C10", "C11", "C12"):
        staged(who, 28, **well)
    add("events", "C01", 39, event="acute_gvhd", grade=3, serious="yes", ended=on(60))
    add("events", "C03", 46, event="acute_gvhd", grade=4, serious="yes")
    add("events", "C03", 60, event="death", grade=5, serious="yes", cause="acute GVHD")
    add("events", "C10", 130, event="chronic_gvhd", grade=2, serious="no")
    add("events", "C10", 134, event="chronic_gvhd_systemic_therapy")
    add("events", "C09", 95, event="relapse", serious="yes")


def write_counts() -> None:
    """Write blood counts and transfusions."""
    for who in ("C01", "C02", "C03", "C05", "C06", "C07", "C08", "C09", "C10", "C12"):
        early(who)
    early("C11", without=(10, 11, 12, 13))
    counts("C04", "ANC", {**dict(enumerate(FALL)), **dict.fromkeys(range(10, 43, 2), 0.1)})
    add("attestations", "C04", 30, criterion="pancytopenia", value="yes", by="teaching")
    good = ([90, 110, 130, 150], [95, 102, 110, 115], [1.6, 2.0, 2.4, 2.6])
    for who in ("C01", "C02", "C08", "C09", "C10", "C11", "C12"):
        weekly(who, *good)
    low, up = [12.0, 14.0, 11.0, 13.0, 12.0], [34.0, 48.0, 60.0, 66.0, 70.0, 64.0]
    for who in ("C05", "C06"):
        second = [15.0, 13.0, 11.0, 12.0] if who == "C05" else [80.0] * 4
        weekly(who, [30, *low, *up, *second, 40, 55, 70, 90],
               [80, *(64.0, 66.0, 65.0, 63.0, 66.0), *(82.0, 88.0, 92.0, 90.0, 88.0, 84.0),
                *((66.0, 64.0, 65.0, 67.0) if who == "C05" else (96.0,) * 4), 85, 92, 98, 100],
               [1.1, 0.9, 0.8, 0.9, 1.0, 1.1, 1.4])  # fmt: skip
    weekly("C07", [60, 70, 80], [74, 76, 75, 78, 77, 79, 82, 86, 90, 95, 100], [1.5, 1.8])
    write_support()


def write_support() -> None:
    """Write transfusions, infusions and chimerism."""
    for day in range(24, 60, 6):
        add("transfusions", "C05", day, product="platelets", units=1, reason="prophylactic")
    for day in (30, 44, 58, 112, 126):
        add("transfusions", "C05", day, product="red_cells", units=2, reason="anaemia")
    for number, day in enumerate((66, 73, 80), 1):
        add("infusions", "C05", day, product="msc", number=number, lot=f"LOT-{number}",
            cells=70_000_000, weight_kg=70, viability_percent=92, completed="yes")  # fmt: skip
    for who, values in (("C05", (98, 97)), ("C07", (96, 98)), ("C04", (99, 97))):
        for day, value in zip((30, 60), values, strict=True):
            add(
                "assessments",
                who,
                day,
                scale="chimerism",
                item="unsorted",
                value=f"{value} %",
                assessor="teaching",
            )
    for day in range(14, 84, 7):
        add("transfusions", "C07", day, product="red_cells", units=2, reason="anaemia")
    for day in (14, 21, 28):
        add("transfusions", "C12", day, product="red_cells", units=1, reason="anaemia")


def write_infections() -> None:
    """Write infections of C08 and C12."""
    for day, end in ((20, 27), (33, 40), (90, 99)):
        add("events", "C08", day, event="infection", grade=3, serious="yes", ended=on(end))
    add("events", "C12", 12, event="infection", grade=2, serious="no", ended=on(16))
    add("events", "C05", 77, event="chills", grade=1, serious="no", related_to="msc", ended=on(77))


def write_aplastic_anaemia() -> None:
    """Write the counts of three people under immunosuppression."""
    rises = {
        "C13": (0.09, 2.0, 9.0, 6.0),
        "C14": (0.035, 0.6, 2.4, 3.2),
        "C15": (0.002, 0.1, 0.2, 0.3),
    }
    for who, (anc, plt, arc, hb) in rises.items():
        days = range(0, END, 14)
        counts(who, "ANC", {d: 0.2 + anc * d / 7 for d in days})
        counts(
            who,
            "PLT",
            {d: 9 + plt * 3 * d / 7 if who == "C13" else 9 + plt * 2 * d / 7 for d in days},
        )
        counts(who, "ARC", {d: 14 + arc * d / 7 for d in days})
        counts(who, "Hb", {d: 68 + hb * d / 28 * 2 for d in days})
    for day in range(0, 168, 14):
        add("transfusions", "C15", day, product="red_cells", units=2, reason="anaemia")


def write_people() -> None:
    """Write the participants, and where transfusions are logged."""
    for number, (who, (course, shows, last)) in enumerate(HISTORIES.items()):
        grafted = course == "transplantation"
        tables["participants"].append({
            "participant_id": who, "sex": "female" if number % 2 else "male", "age": 24 + 3 * number,
            "weight_kg": 70, "arm": "graft" if grafted else "drug", "started_on": START.isoformat(),
            "transplanted_on": START.isoformat() if grafted else "",
            "treated_on": "" if grafted else START.isoformat(),
            "last_contact": on(last), "complete_until": on(last), "shows": shows,
        })  # fmt: skip
        add("attestations", who, -7, criterion="consent", value="yes", by="teaching")
        until = 35 if who == "C12" else last
        tables["coverage"].append(
            {"participant_id": who, "table": "transfusions", "from": on(0), "to": on(until)}
        )


def main() -> None:
    """Write the tables as CSV files."""
    write_people()
    write_gvhd()
    write_counts()
    write_infections()
    write_aplastic_anaemia()
    RECORDS.mkdir(exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
