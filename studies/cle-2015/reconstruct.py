"""Write the reconstructed records of Cle et al. 2015 (nine participants, one arm).

Individual data were never published. `python reconstruct.py` writes `records/*.csv` again, always
the same bytes.

What the rows satisfy (the article's abstract):

- nine participants with refractory or relapsed aplastic anaemia; two to five weekly intravenous
  infusions of unrelated marrow stromal cells;
- 2.7e6 cells/kg an infusion (median; range 1.3e6 to 4.5e6). The abstract does not say of what the
  median is taken; here it holds over all infusions and over the participants;
- two partial responses at 6 months (2/9, the dead counted as non-responders);
- four deaths; no infusion-related adverse event;
- no stromal-cell engraftment in the marrow 30, 90 or 180 days after the infusions;
- follow-up of 20 months (median). The definition was not stated; here it holds for the observed
  follow-up of all, for that of the survivors, and for the reverse Kaplan-Meier median.

What is assumed: day 0 is the first infusion; the marrow days and the six months count from it.

What is arbitrary, and may not carry any statistic:

- who died or responded; the days of death: months 4, 8, 12 and 16 (survival over time is not
  determined, nor how many died before the sixth month);
- how many had 2, 3, 4 or 5 infusions, and each dose: evenly spaced from 1.3 to 2.7 and from 2.7 to
  4.5, the same at every infusion of a participant;
- that every survivor was followed for exactly 20 months;
- that every participant alive had each marrow examination (the number examined was not stated).

A month is 30.4375 days, rounded to whole days. The individual causes of death, age, sex, weight,
blood counts, transfusions, and the first day of rabbit ATG: not published, empty or absent.
"""

from __future__ import annotations

import csv
from pathlib import Path

RECORDS = Path(__file__).parent / "records"
ASSESSOR = "published article"
PARTICIPANTS = [f"R-C{number:02d}" for number in range(1, 10)]
INFUSIONS = dict(zip(PARTICIPANTS, (2, 3, 4, 5, 3, 5, 4, 3, 2), strict=True))
CELLS_PER_KG = dict(
    zip(
        PARTICIPANTS,
        (
            1_300_000,
            1_650_000,
            2_000_000,
            2_350_000,
            2_700_000,
            3_150_000,
            3_600_000,
            4_050_000,
            4_500_000,
        ),
        strict=True,
    )
)
MARROW_DAYS = (30, 90, 180)
RESPONDERS = ("R-C08", "R-C09")
CAUSE = (
    "individual cause not published; of the four deaths: heart failure and bacterial or invasive "
    "fungal infections"
)


def months(number: int) -> int:
    """Give a number of months in whole days."""
    return round(number * 30.4375)


DEATH_DAYS = dict(zip(PARTICIPANTS, (months(4), months(8), months(12), months(16)), strict=False))
RESPONSE_DAY = months(6)
LAST_DAY = months(20)


def write_table(name: str, rows: list[dict[str, object]]) -> None:
    """Write one table; None becomes an empty cell."""
    with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def last_day(participant: str) -> int:
    """Last day known: death, or the common end of follow-up."""
    return DEATH_DAYS.get(participant, LAST_DAY)


def participants() -> list[dict[str, object]]:
    """Give one row a participant; day 0 is the first infusion."""
    return [
        {
            "participant_id": participant,
            "sex": None,
            "age": None,
            "weight_kg": None,
            "arm": "msc",
            "infused_day": 0,
            "ist_started_day": None,
            "last_contact_day": last_day(participant),
            "complete_until_day": last_day(participant),
        }
        for participant in PARTICIPANTS
    ]


def infusions() -> list[dict[str, object]]:
    """Give the weekly infusions."""
    return [
        {
            "record_id": f"{participant}-I{number}",
            "participant_id": participant,
            "day": 7 * (number - 1),
            "product": "bm_msc",
            "number": number,
            "cells_per_kg": CELLS_PER_KG[participant],
            "weight_kg": None,
            "completed": "yes",
        }
        for participant in PARTICIPANTS
        for number in range(1, INFUSIONS[participant] + 1)
    ]


def events() -> list[dict[str, object]]:
    """Give the four deaths."""
    return [
        {
            "record_id": f"{participant}-E1",
            "participant_id": participant,
            "day": day,
            "event": "death",
            "grade": None,
            "serious": None,
            "related_to": None,
            "not_related_to": "bm_msc",
            "cause": CAUSE,
            "ended_day": None,
            "leads_to": None,
        }
        for participant, day in DEATH_DAYS.items()
    ]


def assessments() -> list[dict[str, object]]:
    """Give the marrow examinations of those alive."""
    return [
        {
            "record_id": f"{participant}-M{number}",
            "participant_id": participant,
            "day": day,
            "scale": "marrow",
            "item": "MSC engraftment",
            "value": "not detected",
            "assessor": ASSESSOR,
        }
        for participant in PARTICIPANTS
        for number, day in enumerate(MARROW_DAYS, start=1)
        if day <= last_day(participant)
    ]


def adjudications() -> list[dict[str, object]]:
    """Give the response at 6 months; the verdict on the dead stands on the day of death."""
    return [
        {
            "record_id": f"{participant}-A1",
            "participant_id": participant,
            "endpoint": "haematologic_response",
            "status": None,
            "level": "PR" if participant in RESPONDERS else "NR",
            "day": min(RESPONSE_DAY, last_day(participant)),
            "assessor": ASSESSOR,
            "masked": None,
            "basis": (
                "only two partial responses at 6 months"
                if last_day(participant) >= RESPONSE_DAY
                else "died before 6 months: counted as no response"
            ),
        }
        for participant in PARTICIPANTS
    ]


def main() -> None:
    """Write every table."""
    RECORDS.mkdir(exist_ok=True)
    write_table("participants", participants())
    write_table("infusions", infusions())
    write_table("events", events())
    write_table("assessments", assessments())
    write_table("adjudications", adjudications())


if __name__ == "__main__":
    main()
