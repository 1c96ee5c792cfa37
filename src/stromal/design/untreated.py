"""Untreated transplants: what becomes of them under a parameter set, and with what error."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.design.bank import ABOUT, STEPS
from stromal.design.plan import ORIGIN, weekdays_of
from stromal.endpoints.derive import derive_all
from stromal.endpoints.frames import recover
from stromal.protocol import Protocol, read_protocol
from stromal.protocol.schedule import draw_days
from stromal.simulate.assumptions import SitePlan
from stromal.simulate.course_kernels import NEVER, Course, live, room_for_course
from stromal.simulate.parameters import Parameter
from stromal.simulate.population import draw_cohort, hazards_of, site_of, spells_of
from stromal.simulate.recorded import Stretch, blood_bits, record_course, records_of

__all__ = [
    "DAYS",
    "SITE",
    "Summary",
    "infections_of",
    "live_untreated",
    "mean_of",
    "quantile_of",
    "recovered_from_failure",
    "share_of",
    "summarise",
    "support_of_transplants",
    "survival_of",
]

DAYS = 180
"""How long a transplant is followed: days 0 to 179."""
SITE = SitePlan(missed=0.02, anc_limit=0.1, platelet_limit=5.0)
"""The ward that draws the blood, as in the scenario of MSC4PGF."""

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
_WEEK = 7
_FIRST, _INFECTED_BY, _EARLY = 28, 100, 30
_RUN = 14
_HALF_DAY = 0.5


class Summary(NamedTuple):
    """A number that sums up many transplants, and its standard error; NaN where nobody has it."""

    value: float
    se: float


# --- numbers and their errors ----------------------------------------------------------------


def share_of(events: int, number: int) -> Summary:
    """Give a share. Its error is binomial, at (events + 1) / (number + 2) so that it is never 0."""
    if not number:
        return Summary(math.nan, math.nan)
    middle = (events + 1) / (number + 2)
    return Summary(events / number, math.sqrt(middle * (1 - middle) / number))


def mean_of(values: Numbers) -> Summary:
    """Give a mean and its standard error."""
    if values.size < 2:
        return Summary(math.nan, math.nan)
    return Summary(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size))


def quantile_of(days: npt.NDArray[np.int32], share: float) -> Summary:
    """Give a quantile of whole days: the smallest day by which this share has come.

    Its error is half the distance between the quantiles one binomial standard error of the share
    below and above, and at least half a day.
    """
    if days.size < 2:
        return Summary(math.nan, math.nan)
    off = math.sqrt(share * (1 - share) / days.size)
    at = np.clip([share, share - off, share + off], 0, 1)
    day, low, high = np.quantile(days, at, method="inverted_cdf")
    return Summary(float(day), max(_HALF_DAY, float(high - low) / 2))


def _spread_of(days: npt.NDArray[np.int32]) -> Summary:
    """Give the distance between the quartiles; the errors of the two are added as squares."""
    low, high = quantile_of(days, 0.25), quantile_of(days, 0.75)
    return Summary(high.value - low.value, math.hypot(low.se, high.se))


# --- the transplants -------------------------------------------------------------------------


@functools.cache
def _protocol() -> Protocol:
    """Read the protocol of the untreated transplants."""
    with as_file(files("stromal.design") / "transplant.yaml") as path:
        return read_protocol(path)


def _planned(weekdays: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """Give the ward's draws, as bits of analytes: one row a participant."""
    table = np.zeros((_WEEK, DAYS), dtype=np.int8)
    plans = _protocol().draws
    for plan in plans if isinstance(plans, list) else []:
        for weekday in range(_WEEK):
            zero = ORIGIN + timedelta(days=weekday)
            days = np.array(draw_days(plan, anchor_date=zero, last=DAYS - 1) or (), dtype=np.int64)
            table[weekday, days] |= blood_bits(plan.analytes)
    return table[weekdays]


def live_untreated(
    values: Mapping[str, Parameter], seed: int, biology: int, size: int
) -> tuple[Course, npt.NDArray[np.int64]]:
    """Let so many participants live from transplantation for `DAYS` days, without MSC.

    Returns
    -------
    Course
        What happened; column 0 is the day of transplantation.
    array
        The weekday (Monday is 0) of each participant's transplantation.
    """
    cohort = draw_cohort(seed, biology, np.arange(size), values)
    weekday = weekdays_of(cohort.keys)
    course = room_for_course(size, DAYS)
    live(cohort, _planned(weekday), np.zeros((size, DAYS)), np.zeros(size, dtype=np.int32),
         np.full(size, DAYS, dtype=np.int32), site_of(SITE, values), hazards_of(values),
         spells_of([]), STEPS, course)  # fmt: skip
    return course, weekday


def summarise(course: Course, weekday: npt.NDArray[np.int64]) -> dict[str, Summary]:
    """Summarise untreated transplants; the names are those of the targets.

    1. Recoveries are derived by the library's rules (CIBMTR_ANC, CIBMTR_PLT_20) from what the ward
       saw; median and quartiles are those of who recovered, as publications print them.
    2. Poor graft function is derived by TANG_2018_PGF with an onset on days 28 to 90. Its share is
       of all transplants.
    3. See `recovered_from_failure`, `survival_of`, `infections_of` and `support_of_transplants` for
       the rest.
    """
    stretch = Stretch(course, np.arange(len(weekday)), np.zeros(len(weekday), dtype=np.int32))
    history = record_course([stretch], limits={"ANC": SITE.anc_limit, "PLT": SITE.platelet_limit})
    anc = _recovered(course, history, "ANC", "CIBMTR_ANC")
    platelets = _recovered(course, history, "PLT", "CIBMTR_PLT_20")
    onset = _onsets(course, history, weekday)
    failed = onset >= 0
    return {
        "neutrophil_median": quantile_of(anc[anc >= 0], 0.5),
        "neutrophil_spread": _spread_of(anc[anc >= 0]),
        "platelet_median": quantile_of(platelets[platelets >= 0], 0.5),
        "platelet_spread": _spread_of(platelets[platelets >= 0]),
        "graft_failure": _graft_failure(course, anc),
        "pgf_incidence": share_of(int(failed.sum()), failed.size),
        "pgf_recovery": recovered_from_failure(course, onset),
        "pgf_eased": recovered_from_failure(course, onset, still_low=1),
        **survival_of(course, failed),
        **infections_of(course),
        **support_of_transplants(course),
    }


def _recovered(
    course: Course, history: Mapping[str, pl.DataFrame], analyte: str, rule: str
) -> npt.NDArray[np.int32]:
    """Give the day of recovery by a rule of the library; -1 where it did not come."""
    size = len(course.death)
    died = course.death != NEVER
    seen = history["measurements"].filter(pl.col("analyte") == analyte)
    rows = recover(
        seen.select(participant_id="p", day="day", value=pl.coalesce("value", pl.col("high") / 2)),
        rule,
        transfusions=history["transfusions"]
        .filter(pl.col("product") == "platelets")
        .select(participant_id="p", day="day"),
        ends=pl.DataFrame({
            "participant_id": np.arange(size),
            "day": np.where(died, course.death, DAYS - 1),
            "cause": pl.select(pl.when(pl.Series(died)).then(pl.lit("death"))).to_series(),
        }).filter(pl.col("participant_id").is_in(seen["p"].implode())),
    )  # fmt: skip
    came = rows.filter(pl.col("status") == "event")
    days = np.full(size, -1, dtype=np.int32)
    days[came["participant_id"].to_numpy()] = came["day"].to_numpy()
    return days


def _graft_failure(course: Course, anc: npt.NDArray[np.int32]) -> Summary:
    """Give the share without neutrophil recovery by day 28 of those alive, in remission, on it."""
    there = ~np.isnan(course.true_anc[:, _FIRST])
    never_fell = ~np.any(course.true_anc[:, : _FIRST + 1] < 0.5, axis=1)
    failed = there & ~never_fell & ((anc < 0) | (anc > _FIRST))
    return share_of(int(failed.sum()), int(there.sum()))


# --- poor graft function ---------------------------------------------------------------------


def _within(given: Flags, days: int) -> Flags:
    """Say on which days something was given on the day or in the `days` - 1 before it."""
    found = given.copy()
    for back in range(1, days):
        found[:, back:] |= given[:, :-back]
    return found


def _low_lines(course: Course) -> npt.NDArray[np.int64]:
    """Count the lines that are low, or were transfused for within 7 (14) days, on every day."""
    platelets = (course.platelets < 20) | _within(course.platelets_given > 0, 8)
    red_cells = (course.hb < 70) | _within(course.red_cells > 0, 15)
    return (course.anc < 0.5).astype(np.int64) + platelets + red_cells


def _onsets(
    course: Course, history: Mapping[str, pl.DataFrame], weekday: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Give the day on which poor graft function began; -1 where it did not.

    A run begins and ends with days on which two lines are low or supported. Who has no such day
    from day 28 on cannot have the event, and is not derived.
    """
    onset = np.full(len(weekday), -1, dtype=np.int32)
    possible = np.flatnonzero(np.any(_low_lines(course)[:, _FIRST:] >= 2, axis=1))
    if not possible.size:
        return onset
    places = pl.DataFrame({"p": possible, "place": np.arange(possible.size)})
    tables = {
        name: rows.join(places, on="p", how="inner", maintain_order="left")
        .drop("p")
        .rename({"place": "p"})
        for name, rows in history.items()
    }
    people = pl.DataFrame({"p": np.arange(possible.size)}).with_columns(
        day_zero_date=pl.lit(ORIGIN) + pl.duration(days=pl.lit(pl.Series(weekday[possible]))),
        transplanted_day=pl.lit(0, pl.Int32),
        last_contact_day=pl.lit(DAYS - 1, pl.Int32),
        complete_until_day=pl.lit(DAYS - 1, pl.Int32),
    )
    chimerism = people.select(
        "p", day=pl.lit(_FIRST, pl.Int32), scale=pl.lit("chimerism"), item=pl.lit("whole blood"),
        value=pl.lit("100"),
    )  # fmt: skip
    records = records_of(
        _protocol(),
        {**tables, "participants": people, "assessments": chimerism},
        people["p"].cast(pl.String).str.zfill(9),
        ABOUT,
    )
    rows = derive_all(_protocol(), records, only=["poor_graft_function"]).derived[
        "poor_graft_function"
    ]
    event = (rows["status"] == "event").to_numpy()
    onset[possible[event]] = rows["day"].to_numpy()[event]
    return onset


def recovered_from_failure(
    course: Course, onset: npt.NDArray[np.int32], still_low: int = 0
) -> Summary:
    """Give the share of those with poor graft function (`onset` from 0) who came out of it.

    Recovered is who, on three successive draws after the onset and before day 180, had at most
    `still_low` lines low or supported; with 0: neutrophils at least 0.5, platelets at least 20
    without platelets in the 7 days before, haemoglobin at least 70 without red cells in the 14 days
    before. Who dies or relapses before is not recovered.
    """
    free = _low_lines(course) <= still_low
    drawn = ~np.isnan(course.platelets)
    found = 0
    failed = np.flatnonzero(onset >= 0)
    for p in failed:
        days = np.flatnonzero(drawn[p, onset[p] + 1 :]) + onset[p] + 1
        good = free[p, days]
        found += bool(np.any(good[2:] & good[1:-1] & good[:-2]))
    return share_of(found, failed.size)


# --- deaths, infections, transfusions ----------------------------------------------------------


def survival_of(course: Course, failed: Flags) -> dict[str, Summary]:
    """Give survival at day 180 of those with poor graft function, and of the others.

    Both are of who was alive on day 42, the first by which poor graft function can be known.
    """
    died = course.death != NEVER
    there = ~died | (course.death >= _FIRST + _RUN)
    return {
        "pgf_survival": share_of(int((~died & failed).sum()), int((there & failed).sum())),
        "other_survival": share_of(int((~died & ~failed).sum()), int((there & ~failed).sum())),
    }


def infections_of(course: Course) -> dict[str, Summary]:
    """Give infection by day 100, and death in infection (not after relapse) by days 30 and 100.

    All are shares of everyone transplanted.
    """
    size = len(course.death)
    infected = np.any(course.infected[:, : _INFECTED_BY + 1] == 1, axis=1)
    died = (course.death != NEVER) & (course.relapse == NEVER)
    at = np.where(died, course.death, 0)
    of_it = died & (course.infected[np.arange(size), at] == 1)
    return {
        "infection": share_of(int(infected.sum()), size),
        "infection_death_30": share_of(int((of_it & (course.death <= _EARLY)).sum()), size),
        "infection_death_100": share_of(int((of_it & (course.death <= _INFECTED_BY)).sum()), size),
    }


def support_of_transplants(course: Course) -> dict[str, Summary]:
    """Give units to day 100 a transplant, and the time from one platelet transfusion to the next.

    The interval is the mean of all between transfusions on days 0 to 30, when blood is drawn daily;
    its error counts participants, not intervals.
    """
    until = slice(0, _INFECTED_BY + 1)
    given = course.platelets_given[:, : _EARLY + 1] > 0
    times = given.sum(axis=1)
    gaps = np.maximum(times - 1, 0)
    first = given.argmax(axis=1)
    last = given.shape[1] - 1 - given[:, ::-1].argmax(axis=1)
    span = np.where(gaps > 0, last - first, 0)
    interval = Summary(math.nan, math.nan)
    if gaps.sum() > 1:
        ratio = span.sum() / gaps.sum()
        error = math.sqrt(float(((span - ratio * gaps) ** 2).sum())) / float(gaps.sum())
        interval = Summary(float(ratio), error)
    return {
        "platelet_units": mean_of(course.platelets_given[:, until].sum(axis=1).astype(float)),
        "red_cell_units": mean_of(course.red_cells[:, until].sum(axis=1).astype(float)),
        "platelet_interval": interval,
    }
