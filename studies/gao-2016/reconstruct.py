"""Write the reconstructed records of Gao et al. 2016 (two masked arms of 62).

Individual data were never published. `python reconstruct.py` writes `records/*.csv` again, always
the same bytes.

What the rows satisfy (the article's abstract, and a review's table for infusions and survival):

- 62 and 62 recipients of a haploidentical transplant (124, half of them given stromal cells);
- chronic GVHD at 2 years 27.4 % (16.2 to 38.6) with stromal cells: 17 of 62, nobody censored before
  2 years, interval with cmprsk's variance (Greenwood's prints 16.3 to 38.5);
- chronic GVHD at 2 years 49.0 % (36.5 to 61.5) in the controls: 30 of 62 and one participant lost,
  interval with Greenwood's variance (cmprsk's prints 36.3 to 61.7);
- P = .021 for chronic GVHD: *fitted*. Gray's test gives anything between the ends in ranges.json
  on data that print the same estimates, so this row set supports no p-value;
- severe lung chronic GVHD in 0 and 7 participants;
- 2-year survival 66.1 % = 41/62 and 61.3 % = 38/62, the difference not significant;
- 3e7 cells in each infusion whatever the weight; 3.7 infusions (2 to 4) a participant. A median of
  62 whole numbers cannot be 3.7, so it is a mean: here 230/62.

What is assumed: day 0 is randomisation, every time counts from it (the moment was not seen);
infusions are 30 days apart ("monthly"); death without chronic GVHD is the one competing event, for
relapse was not seen; the review's 51 months are the follow-up of everyone alive.

What is arbitrary, and may not carry any statistic:

- every day of an event: evenly spaced in windows chosen so that the intervals and P are printed as
  above, no two events on one day;
- eight competing deaths in each arm; the other deaths follow the earliest chronic GVHD by 14 days;
- the one lost control and the day, after the last death;
- which controls had severe lung disease (the seven latest), from the day of onset;
- which participants had 2 or 3 infusions (the last 4, and the 10 before them).

Age, sex, weight, site, relapse, cause of death, cGVHD criteria, grades, immune subsets, adverse
events, and the number of saline infusions: not published or not seen, empty or absent. The controls
have no row in the table of infusions: that says nothing of the saline they were given.
"""

from __future__ import annotations

import csv
from pathlib import Path

RECORDS = Path(__file__).parent / "records"
ASSESSOR = "published article"
PER_ARM = 62
CELLS = 30_000_000
FOLLOW_UP_DAY = 1552  # 51 months of 30.4375 days
DEATH_AFTER_CGVHD = 14
SEVERE_LUNG = 7


def spread(number: int, first: int, last: int) -> list[int]:
    """Give that many days, evenly spaced from the first to the last and rounded."""
    return [round(first + (last - first) * i / (number - 1)) for i in range(number)]


CGVHD_DAYS = {"msc": spread(17, 100, 590), "control": spread(30, 104, 670)}
COMPETING_DAYS = {"msc": spread(8, 118, 410), "control": spread(8, 115, 402)}
DEATHS_AFTER_CGVHD = {"msc": 13, "control": 16}
LOST_DAYS = {"msc": [], "control": [415]}


def identifiers(arm: str) -> list[str]:
    """Give the participants of an arm."""
    first = 1 if arm == "msc" else 101
    return [f"R-G{number:03d}" for number in range(first, first + PER_ARM)]


def courses() -> list[dict[str, object]]:
    """Give the course of every participant: onset, death and last day."""
    rows: list[dict[str, object]] = []
    for arm, onsets in CGVHD_DAYS.items():
        died = DEATHS_AFTER_CGVHD[arm]
        course = [
            (onset, onset + DEATH_AFTER_CGVHD if i < died else None, FOLLOW_UP_DAY)
            for i, onset in enumerate(onsets)
        ]
        course += [(None, day, FOLLOW_UP_DAY) for day in COMPETING_DAYS[arm]]
        course += [(None, None, day) for day in LOST_DAYS[arm]]
        course += [(None, None, FOLLOW_UP_DAY)] * (PER_ARM - len(course))
        for i, (participant, (onset, death, last)) in enumerate(
            zip(identifiers(arm), course, strict=True)
        ):
            rows.append(
                {
                    "participant_id": participant,
                    "arm": arm,
                    "onset": onset,
                    "death": death,
                    "last": last if death is None else death,
                    "lung": arm == "control" and len(onsets) - SEVERE_LUNG <= i < len(onsets),
                }
            )
    return rows


def write_table(name: str, rows: list[dict[str, object]]) -> None:
    """Write one table; None becomes an empty cell."""
    with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def participants() -> list[dict[str, object]]:
    """Give one row a participant; day 0 is randomisation."""
    return [
        {
            "participant_id": course["participant_id"],
            "sex": None,
            "age": None,
            "weight_kg": None,
            "arm": course["arm"],
            "randomised_day": 0,
            "transplanted_day": None,
            "last_contact_day": course["last"],
            "complete_until_day": course["last"],
        }
        for course in courses()
    ]


def infusions() -> list[dict[str, object]]:
    """Give the monthly infusions of stromal cells; those of saline were not published."""
    numbers = [4] * (PER_ARM - 14) + [3] * 10 + [2] * 4
    return [
        {
            "record_id": f"{participant}-I{number}",
            "participant_id": participant,
            "day": 30 * (number - 1),
            "product": "uc_msc",
            "number": number,
            "cells": CELLS,
            "weight_kg": None,
            "completed": "yes",
        }
        for participant, given in zip(identifiers("msc"), numbers, strict=True)
        for number in range(1, given + 1)
    ]


def event(participant: object, suffix: str, day: object, name: str) -> dict[str, object]:
    """Give one event."""
    return {
        "record_id": f"{participant}-{suffix}",
        "participant_id": participant,
        "day": day,
        "event": name,
        "grade": None,
        "serious": None,
        "related_to": None,
        "not_related_to": None,
        "cause": "not published" if name == "death" else None,
        "ended_day": None,
        "leads_to": None,
    }


def events() -> list[dict[str, object]]:
    """Give onset of chronic GVHD, severe lung disease and death."""
    rows: list[dict[str, object]] = []
    for course in courses():
        participant = course["participant_id"]
        if course["onset"] is not None:
            rows.append(event(participant, "E1", course["onset"], "cgvhd"))
        if course["lung"]:
            rows.append(event(participant, "E2", course["onset"], "severe_lung_cgvhd"))
        if course["death"] is not None:
            rows.append(event(participant, "E3", course["death"], "death"))
    return rows


def adjudication(course: dict[str, object]) -> dict[str, object]:
    """Give the first of chronic GVHD, death and the end of follow-up."""
    status, day = "censored", course["last"]
    if course["onset"] is not None:
        status, day = "event", course["onset"]
    elif course["death"] is not None:
        status = "competing"
    return {
        "record_id": f"{course['participant_id']}-A1",
        "participant_id": course["participant_id"],
        "endpoint": "cgvhd",
        "status": status,
        "day": day,
        "cause": "death" if status == "competing" else None,
        "assessor": ASSESSOR,
        "masked": None,
        "basis": "consistent with the published cumulative incidence; the day is arbitrary",
    }


def main() -> None:
    """Write every table."""
    RECORDS.mkdir(exist_ok=True)
    write_table("participants", participants())
    write_table("infusions", infusions())
    write_table("events", events())
    write_table("adjudications", [adjudication(course) for course in courses()])


if __name__ == "__main__":
    main()
