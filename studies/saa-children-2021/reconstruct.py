"""Write the reconstructed records of the 2021 trial in childhood severe aplastic anaemia (9 + 9).

Individual data were never published. `python reconstruct.py` writes `records/*.csv` again, always
the same bytes.

What the rows satisfy (the article's abstract):

- nine children given rabbit ATG-based immunosuppression (IST) and cord stromal cells, 1e6/kg weekly
  three times from day 14 after rabbit ATG; nine concurrent, non-randomised controls given IST;
- overall survival at 4 years 88.9 +- 10.5 % in both arms. With Greenwood's standard error this is
  only possible when one of nine dies before anybody is censored;
- failure-free survival at 4 years 38.1 +- 17.2 % with stromal cells and 66.7 +- 15.7 % without.
  Only one order of events gives each: E, C, E, E, E, E (three remain), and E, E, E (six remain);
- partial response at 90 days: one of nine and two of nine;
- four anaphylactic reactions with stromal cells, attributed to rabbit ATG and not to the cells;
- no clonal evolution; median follow-up 48 months; median age 4 years with stromal cells.

What is assumed: day 0 is the first day of rabbit ATG (first or last day was not stated); all three
infusions were given to everyone as planned; failure-free survival counts death as a failure, and
whoever is censored for it is lost to follow-up, so the death with stromal cells is the first
failure (survival requires it to come before anybody is lost).

What is arbitrary, and may not carry any statistic:

- every day of a failure, death or loss: months 6, 12, 18, 24, 30 and 36 with stromal cells, 9, 21
  and 33 in the controls. The order between the arms is therefore arbitrary too: see range.py;
- that the death among the controls is the first of the three failures;
- who responded; who had anaphylaxis and on which day (day 0, the first of rabbit ATG);
- that everyone else was followed for exactly 48 months;
- the ages: the one printed number, the median, is written for all nine, so that no spread is
  claimed; only the median may be shown. Those of the controls are empty.

A month is 30.4375 days, rounded to whole days. The type of a failure, the causes of death,
anaphylaxis among the controls, blood counts, lymphocyte subsets, sex, weight: not published, empty
or absent.
"""

from __future__ import annotations

import csv
from pathlib import Path

RECORDS = Path(__file__).parent / "records"
ASSESSOR = "published article"
MSC = [f"R-S{number:02d}" for number in range(1, 10)]
CONTROL = [f"R-S{number:02d}" for number in range(11, 20)]
INFUSION_DAYS = (14, 21, 28)
WITH_ANAPHYLAXIS = ("R-S02", "R-S04", "R-S06", "R-S08")
RESPONDERS = ("R-S09", "R-S18", "R-S19")
RESPONSE_DAY = 90
MEDIAN_AGE = 4


def months(number: int) -> int:
    """Give a number of months in whole days."""
    return round(number * 30.4375)


LAST_DAY = months(48)
DEATHS = {"R-S01": months(6), "R-S11": months(9)}
LOST = {"R-S02": months(12)}
FAILURES = {
    "R-S03": months(18),
    "R-S04": months(24),
    "R-S05": months(30),
    "R-S06": months(36),
    "R-S12": months(21),
    "R-S13": months(33),
}


def write_table(name: str, rows: list[dict[str, object]]) -> None:
    """Write one table; None becomes an empty cell."""
    with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def last_day(participant: str) -> int:
    """Last day known: death, loss, or the common end of follow-up."""
    return (DEATHS | LOST).get(participant, LAST_DAY)


def participants() -> list[dict[str, object]]:
    """Give one row a participant; day 0 is the first day of rabbit ATG."""
    return [
        {
            "participant_id": participant,
            "sex": None,
            "age": MEDIAN_AGE if participant in MSC else None,
            "weight_kg": None,
            "arm": "msc" if participant in MSC else "control",
            "ist_started_day": 0,
            "last_contact_day": last_day(participant),
            "complete_until_day": last_day(participant),
        }
        for participant in MSC + CONTROL
    ]


def infusions() -> list[dict[str, object]]:
    """Give the three weekly infusions, as planned."""
    return [
        {
            "record_id": f"{participant}-I{number}",
            "participant_id": participant,
            "day": day,
            "product": "uc_msc",
            "number": number,
            "cells_per_kg": 1_000_000,
            "weight_kg": None,
            "completed": "yes",
        }
        for participant in MSC
        for number, day in enumerate(INFUSION_DAYS, start=1)
    ]


def event(participant: str, number: int, day: int, name: str) -> dict[str, object]:
    """Give one event; only anaphylaxis was attributed to anything."""
    anaphylaxis = name == "anaphylaxis"
    return {
        "record_id": f"{participant}-E{number}",
        "participant_id": participant,
        "day": day,
        "event": name,
        "grade": None,
        "serious": None,
        "related_to": "ratg" if anaphylaxis else None,
        "not_related_to": "uc_msc" if anaphylaxis else None,
        "cause": None if anaphylaxis else "not published",
        "ended_day": None,
        "leads_to": None,
    }


def events() -> list[dict[str, object]]:
    """Give reactions, deaths and failures; a death is a failure without a second row."""
    return [
        *(event(participant, 1, 0, "anaphylaxis") for participant in WITH_ANAPHYLAXIS),
        *(event(participant, 2, day, "death") for participant, day in DEATHS.items()),
        *(event(participant, 3, day, "treatment_failure") for participant, day in FAILURES.items()),
    ]


def adjudications() -> list[dict[str, object]]:
    """Give the response at 90 days."""
    return [
        {
            "record_id": f"{participant}-A1",
            "participant_id": participant,
            "endpoint": "haematologic_response",
            "status": None,
            "level": "PR" if participant in RESPONDERS else "NR",
            "day": RESPONSE_DAY,
            "assessor": ASSESSOR,
            "masked": None,
            "basis": "partial response at 90 days in one of nine with stromal cells, two controls",
        }
        for participant in MSC + CONTROL
    ]


def main() -> None:
    """Write every table."""
    RECORDS.mkdir(exist_ok=True)
    write_table("participants", participants())
    write_table("infusions", infusions())
    write_table("events", events())
    write_table("adjudications", adjudications())


if __name__ == "__main__":
    main()
