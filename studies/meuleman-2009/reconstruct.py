"""Write the reconstructed records of Meuleman et al. 2009 (six recipients, one arm).

Individual data were never published. `python reconstruct.py` writes `records/*.csv` again, always
the same bytes.

What the rows satisfy (the article's abstract):

- six recipients of a myeloablative allogeneic transplant with poor haematopoietic recovery, given
  1e6/kg mesenchymal stromal cells of the haematopoietic donor;
- two recovered, on days 12 and 21; four showed no response;
- both who recovered were in first complete remission, the others were heavily pretreated (read
  here as: not in first complete remission);
- no toxic side effect was linked to the infusion;
- one cytomegalovirus reactivation, 12 days after the infusion, and death from CMV disease.

What is assumed: days 12 and 21 are counted from the infusion, which is day 0 here (the abstract
does not say from which moment).

What is arbitrary, and may not carry any statistic:

- which participants recovered, beyond the link with remission, and that the one with CMV did not
  recover (the abstract does not determine it);
- the days of CMV disease and death: 7 and 14 days after the reactivation, days 19 and 26;
- the end of follow-up: day 28, the first whole week after every dated row; the verdict "no
  recovery" stands on the last day of each;
- one infusion a participant: the number of infusions was not stated.

Age, sex, weight, diagnosis, blood counts, day of transplantation: not published, empty or absent.
"""

from __future__ import annotations

import csv
from pathlib import Path

RECORDS = Path(__file__).parent / "records"
ASSESSOR = "published article"
RECOVERY_DAYS = {"R-M01": 12, "R-M02": 21}
WITH_CMV = "R-M06"
REACTIVATION_DAY = 12
DISEASE_DAY = REACTIVATION_DAY + 7
DEATH_DAY = REACTIVATION_DAY + 14
LAST_DAY = 28
PARTICIPANTS = [f"R-M{number:02d}" for number in range(1, 7)]


def write_table(name: str, rows: list[dict[str, object]]) -> None:
    """Write one table; None becomes an empty cell."""
    with (RECORDS / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def last_day(participant: str) -> int:
    """Last day known: death, or the common end of follow-up."""
    return DEATH_DAY if participant == WITH_CMV else LAST_DAY


def participants() -> list[dict[str, object]]:
    """Give one row a participant; day 0 is the infusion."""
    return [
        {
            "participant_id": participant,
            "sex": None,
            "age": None,
            "weight_kg": None,
            "arm": "msc",
            "infused_day": 0,
            "transplanted_day": None,
            "last_contact_day": last_day(participant),
            "complete_until_day": last_day(participant),
            "remission": "CR1" if participant in RECOVERY_DAYS else "not CR1",
            "pretreatment": None if participant in RECOVERY_DAYS else "heavily pretreated",
        }
        for participant in PARTICIPANTS
    ]


def infusions() -> list[dict[str, object]]:
    """Give the one infusion that is known of each participant."""
    return [
        {
            "record_id": f"{participant}-I1",
            "participant_id": participant,
            "day": 0,
            "product": "donor_msc",
            "number": 1,
            "cells_per_kg": 1_000_000,
            "weight_kg": None,
            "completed": "yes",
        }
        for participant in PARTICIPANTS
    ]


def event(
    number: int, day: int, name: str, cause: str | None, leads_to: int | None
) -> dict[str, object]:
    """Give one event of the participant with CMV."""
    return {
        "record_id": f"{WITH_CMV}-E{number}",
        "participant_id": WITH_CMV,
        "day": day,
        "event": name,
        "grade": None,
        "serious": None,
        "related_to": None,
        "not_related_to": "donor_msc",
        "cause": cause,
        "ended_day": None,
        "leads_to": None if leads_to is None else f"{WITH_CMV}-E{leads_to}",
    }


def events() -> list[dict[str, object]]:
    """Give the chain reactivation, disease, death."""
    return [
        event(1, REACTIVATION_DAY, "cmv_reactivation", None, 2),
        event(2, DISEASE_DAY, "cmv_disease", None, 3),
        event(3, DEATH_DAY, "death", "CMV disease", None),
    ]


def adjudication(participant: str, endpoint: str) -> dict[str, object]:
    """Give the article's verdict: a level for `response`, a status for `recovery`."""
    day = RECOVERY_DAYS.get(participant)
    recovered = day is not None
    level = status = None
    if endpoint == "response":
        level = "recovered" if recovered else "no recovery"
        basis = f"recovery on day {day}" if recovered else "showed no response; day chosen by rule"
        day = day if recovered else last_day(participant)
    elif recovered:
        status, basis = "event", f"recovery on day {day}, taken as counted from the infusion"
    else:
        status = "competing" if participant == WITH_CMV else "censored"
        day = last_day(participant)
        basis = "showed no response; day not published, chosen by rule"
    return {
        "record_id": f"{participant}-A{1 if endpoint == 'response' else 2}",
        "participant_id": participant,
        "endpoint": endpoint,
        "status": status,
        "level": level,
        "day": day,
        "cause": "death" if status == "competing" else None,
        "assessor": ASSESSOR,
        "masked": None,
        "basis": basis,
    }


def main() -> None:
    """Write every table."""
    RECORDS.mkdir(exist_ok=True)
    write_table("participants", participants())
    write_table("infusions", infusions())
    write_table("events", events())
    write_table(
        "adjudications",
        [adjudication(p, endpoint) for endpoint in ("response", "recovery") for p in PARTICIPANTS],
    )


if __name__ == "__main__":
    main()
