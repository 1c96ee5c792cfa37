"""Virtual trials: participants drawn from the bank, treated, measured, derived and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.analysis.analyze import analysed_rows
from stromal.core import UsageError
from stromal.design.bank import ABOUT, STEPS, Bank, Biology, endpoints_judged, limits_of
from stromal.design.decision import decided_analysis
from stromal.design.plan import (
    ORIGIN,
    allocate,
    anchors_of,
    assess,
    attest,
    plan_draws,
    plan_infusions,
    support_of,
)
from stromal.design.runs import trials_schema, truths_schema
from stromal.design.scenario import Scenario
from stromal.design.timed import compare_trials
from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive_all
from stromal.protocol import Protocol
from stromal.protocol.analyses import ProportionAnalysis
from stromal.records.anchors import anchor_days
from stromal.records.trial_records import About, TrialRecords
from stromal.simulate.course_kernels import NEVER, Cohort, Course, live, room_for_course
from stromal.simulate.population import (
    check_marrows,
    hazards_of,
    site_of,
    spells_of,
    with_effect,
)
from stromal.simulate.recorded import Stretch, blood_bits, record_course, records_of
from stromal.simulate.stream_kernels import key_table, uniform_table

__all__ = ["TRUTHS", "Trials", "count_trials", "count_truths", "live_trials"]

_BANKED, _ARRIVAL = 48, 49
_MOST_IN_A_TRIAL = 2**20
_MONTH = 30.4375
_DAILY = ("ANC", "PLT", "Hb")
TRUTHS = ("latent", "measured daily")
"""What a reported estimate is compared with; see `Trials.records`."""


@dataclass(frozen=True)
class Trials:
    """Virtual trials that were lived: `size` participants each, one after the other.

    Parameters
    ----------
    numbers
        The number of each trial.
    tables
        Records as `stromal.simulate.recorded` takes them; without `measurements` and what else the
        site saw, which `records` adds.
    """

    protocol: Protocol
    scenario: Scenario
    bank: Bank
    numbers: npt.NDArray[np.int64]
    size: int
    picked: npt.NDArray[np.int64]
    enrolled: npt.NDArray[np.float64]
    tables: Mapping[str, pl.DataFrame]
    stretch: Stretch

    def records(
        self, *, latent: bool = False, named: bool = False, about: About = ABOUT
    ) -> TrialRecords:
        """Give the records of all trials; with `latent` those of a perfect site.

        A perfect site saw the true count of every day from entry on; the course is the same.
        """
        before = pl.DataFrame({"p": np.arange(self.picked.size), "_b": self.picked})
        seen = record_course(
            [self.stretch], spells=self.scenario.spells, limits=limits_of(self.scenario.site),
            latent=latent,
        )  # fmt: skip
        tables: dict[str, pl.DataFrame] = {**self.tables}
        for name, rows in seen.items():
            history = (
                self.bank.history[name]
                .rename({"p": "_b"})
                .join(before, on="_b", maintain_order="right")
                .select(rows.columns)
            )
            when = "started_day" if name == "medications" else "day"
            tables[name] = pl.concat([history, rows]).sort("p", when, maintain_order=True)
        number = pl.Series(np.repeat(self.numbers, self.size)).cast(pl.String)
        place = pl.Series(np.tile(np.arange(1, self.size + 1), self.numbers.size)).cast(pl.String)
        width = len(str(self.size))
        ids = pl.select(
            pl.concat_str(pl.lit("V"), number.str.zfill(5), pl.lit("-"), place.str.zfill(width))
        ).to_series()
        return records_of(self.protocol, tables, ids, about, named=named)


def live_trials(
    protocol: Protocol,
    scenario: Scenario,
    biology: Biology,
    bank: Bank,
    numbers: npt.NDArray[np.int64],
    *,
    daily: bool = False,
) -> Trials:
    """Let virtual trials be lived.

    1. Participant i of trial t has the number t times 2^20 plus i; from it come the person of the
       bank, the arm, deliveries, noise and events. No choice of the protocol enters the key, not
       even its size: two schedules see the same people.
    2. People come with the rate of the scenario times the share of those screened who entered.
    3. From the day of entry on each lives `follow` days on the protocol's draws; with `daily` blood
       is drawn on each of them and no draw is missed.
    """
    size = protocol.design.enrolment
    if size > _MOST_IN_A_TRIAL:
        raise UsageError(f"a virtual trial has at most 2^20 participants; got {size:,}")
    people_of = numbers[:, None] * _MOST_IN_A_TRIAL + np.arange(size)
    keys = key_table(biology.seed, biology.number, people_of.ravel())
    picked = (uniform_table(keys, 0, _BANKED, 1)[:, 0] * bank.size).astype(np.int64)
    entry, people = bank.entry[picked], bank.people[picked.tolist()]
    enrolled = _arrivals(keys, scenario, bank, size)
    arm = allocate(keys, protocol, size)
    infusions = plan_infusions(protocol, scenario, keys, arm, entry, people)
    width = int(scenario.follow) + 1
    course = room_for_course(picked.size, width)
    zero = _day_zero(enrolled, entry, bank.weekday[picked])
    own = anchors_of(protocol, scenario, entry, picked.size)
    table = people.with_columns(
        pl.int_range(picked.size).alias("p"),
        arm=pl.Series(list(protocol.arms)).gather(arm),
        site=pl.lit("virtual"),
        day_zero_date=pl.lit(ORIGIN) + pl.duration(days=pl.lit(zero)),
        **own,
    )
    planned = _planned(protocol, table, infusions, entry, width, daily=daily)
    plan = scenario.site
    if daily:
        plan = plan.model_copy(update={"missed": 0.0, "missed_when_well": 0.0})
    cohort = with_effect(_resumed(bank, picked, keys), scenario.msc)
    support = support_of(infusions, protocol, scenario, entry, width)
    site, hazards = site_of(plan, biology.values), hazards_of(biology.values)
    live(cohort, planned, support, entry, (entry + width).astype(np.int32), site, hazards,
         spells_of(scenario.spells), STEPS, course)  # fmt: skip
    check_marrows(cohort)
    ended = _last_day(course, entry, width)
    table = table.with_columns(
        last_contact_day=pl.Series(ended), complete_until_day=pl.Series(ended)
    )
    tables = {
        "participants": table,
        "infusions": _given(infusions, course, ended),
        "assessments": assess(picked.size, scenario, ended),
        "attestations": attest(bank.cohort.keys[picked], scenario, protocol, entry),
    }
    stretch = Stretch(course, np.arange(picked.size), entry, planned)
    return Trials(protocol, scenario, bank, numbers, size, picked, enrolled, tables, stretch)


def _resumed(bank: Bank, picked: npt.NDArray[np.int64], keys: npt.NDArray[np.uint64]) -> Cohort:
    """Take people out of the bank, each with numbers of their own from now on."""
    was = bank.cohort
    return Cohort(keys, was.marrows[picked], was.states[picked], was.memory[picked],
                  was.immune[picked])  # fmt: skip


def _arrivals(
    keys: npt.NDArray[np.uint64], scenario: Scenario, bank: Bank, size: int
) -> npt.NDArray[np.float64]:
    """Give the day, from the trial's opening, on which each participant enters."""
    rate = scenario.accrual.screened_per_month / _MONTH * bank.size / bank.screened
    gaps = -np.log(uniform_table(keys, 0, _ARRIVAL, 1)[:, 0]) / rate
    return np.cumsum(gaps.reshape(-1, size), axis=1).ravel()


def _day_zero(
    enrolled: npt.NDArray[np.float64],
    entry: npt.NDArray[np.int32],
    weekday: npt.NDArray[np.int64],
) -> pl.Series:
    """Give the day of the calendar on which day zero was: its weekday is that of the ward."""
    plain = np.floor(enrolled).astype(np.int64) - entry
    return pl.Series(plain - (plain - weekday) % 7)


def _planned(
    protocol: Protocol, table: pl.DataFrame, infusions: pl.DataFrame,
    entry: npt.NDArray[np.int32], width: int, *, daily: bool,
) -> npt.NDArray[np.int8]:  # fmt: skip
    """Give the draws that are planned from entry on."""
    if daily:
        return np.full((len(entry), width), blood_bits(_DAILY), dtype=np.int8)
    ids = table["p"].cast(pl.String)
    early = records_of(protocol, {"participants": table, "infusions": infusions}, ids, ABOUT)
    anchors = anchor_days(protocol, early).with_columns(
        p=table["p"], day_zero_date=table["day_zero_date"]
    )
    return plan_draws(protocol, anchors, entry, width)


def _last_day(course: Course, entry: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.int32]:
    """Give the last day on which each participant was seen."""
    end = entry + width - 1
    for stopped in (course.death, course.left):
        end = np.where(stopped != NEVER, stopped, end)
    return end.astype(np.int32)


def _given(infusions: pl.DataFrame, course: Course, ended: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Keep the infusions that were given: not after death, relapse or loss."""
    relapse = np.where(course.relapse != NEVER, course.relapse, ended)
    last = pl.Series(np.minimum(relapse, ended))
    return infusions.filter(pl.col("day") <= last.gather(infusions["p"]))


# --- counting --------------------------------------------------------------------------------


def count_trials(trials: Trials, labels: Mapping[str, object]) -> dict[str, pl.DataFrame]:
    """Derive and count trials: the frames `trials` and `tallies` of a run.

    All endpoints are derived but the one that opened the trial, which everybody has met.

    Parameters
    ----------
    labels
        `scenario`, `variant`, `parameter_set`: columns that are the same for all rows.
    """
    opened = trials.scenario.entry.endpoint  # of everybody, and settled before the trial
    others = {name for name in trials.protocol.endpoints if name != opened}
    context = derive_all(trials.protocol, trials.records(), only=others | _decisive(trials))
    rows = count_analysed(context, trials)
    last = trials.enrolled.reshape(-1, trials.size)
    whole = pl.DataFrame({
        "trial": trials.numbers,
        "duration_days": last[:, -1] - last[:, 0] + float(trials.scenario.follow),
        "screened": trials.bank.screened / trials.bank.size,
    })  # fmt: skip
    arms = trials.tables["participants"].select(
        "arm", trial=pl.Series(np.repeat(trials.numbers, trials.size))
    )
    enrolled = arms.group_by("trial", "arm").agg(enrolled=pl.len())
    counted = (
        enrolled.join(rows, on=["trial", "arm"], how="left")
        .join(whole, on="trial")
        .with_columns(
            pl.col("n", "events").fill_null(0).cast(pl.Int32),
            pl.col("trial", "enrolled").cast(pl.Int32),
        )
        .sort("trial", "arm")
    )
    if trials.scenario.decision.timed:
        counted = counted.with_columns(pl.col("direction").fill_null(0))
    own = [name for name in trials_schema(trials.scenario.decision) if name not in labels]
    return {
        "trials": _labelled(counted, labels).select(*labels, *own),
        "tallies": _labelled(_tally(context, trials), labels),
    }


def _decisive(trials: Trials) -> set[str]:
    """Name the endpoints without which the decision cannot be counted."""
    protocol = trials.protocol
    spec = protocol.analyses[trials.scenario.decision.analysis]
    judged = endpoints_judged(protocol) if protocol.analysis_sets[spec.set].eligible else set[str]()
    return judged | {str(spec.endpoint)}


def count_analysed(context: Context, trials: Trials, *, pooled: bool = False) -> pl.DataFrame:
    """Give `trial`, `arm`, `n`, `events` of the analysis that decides.

    A decision on a time to an event adds what `compare_trials` finds. With `pooled` all are people
    of one trial, number 0.
    """
    decision = trials.scenario.decision
    spec = decided_analysis(decision, trials.protocol)
    rows = analysed_rows(context, decision.analysis)
    people = trials.tables["participants"].select("p", "arm")
    numbers = np.repeat(trials.numbers * (0 if pooled else 1), trials.size)
    placed = (
        rows.select("p", "status", "day")
        .join(people, on="p", maintain_order="left")
        .with_columns(trial=pl.Series(numbers).gather(rows["p"]))
    )
    if not isinstance(spec, ProportionAnalysis):
        return compare_trials(placed, decision, spec)
    return placed.group_by("trial", "arm").agg(
        n=pl.len(), events=pl.col("status").is_in(spec.of).sum()
    )


def _tally(context: Context, trials: Trials) -> pl.DataFrame:
    """Count the statuses of every endpoint, by arm and day."""
    arm = trials.tables["participants"]["arm"]
    parts = [
        context.derived[name]
        .select("status", "day", arm=arm)
        .group_by("arm", "status", "day")
        .agg(participants=pl.len().cast(pl.Int64))
        .with_columns(endpoint=pl.lit(name))
        for name in trials.protocol.endpoints
        if name in context.derived and name != trials.scenario.entry.endpoint
    ]
    return (
        pl.concat(parts)
        .select("arm", "endpoint", "status", pl.col("day").cast(pl.Int32), "participants")
        .sort("arm", "endpoint", "status", "day")
    )


def count_truths(trials: Trials, daily: Trials, labels: Mapping[str, object]) -> pl.DataFrame:
    """Give the truths that estimates are compared with: the frame `truths` of a run.

    `latent`: the rule on the true daily counts of the same courses. `measured daily`: the same
    people drawn every day, with the laboratory's noise and no draw missed. For a time to an event
    `rate` and `error` are of the curve of all these people together.
    """
    schema = truths_schema(trials.scenario.decision)
    found: list[pl.DataFrame] = []
    for truth, records in (
        (TRUTHS[0], trials.records(latent=True)),
        (TRUTHS[1], daily.records()),
    ):
        context = derive_all(trials.protocol, records, only=_decisive(trials))
        rows = (
            count_analysed(context, trials, pooled=True)
            .with_columns(pl.col("n", "events").cast(pl.Int64), truth=pl.lit(truth))
            .rename({"estimate": "rate"}, strict=False)
        )
        found.append(rows.sort("arm"))
    own = [name for name in schema if name not in labels]
    return _labelled(pl.concat(found), labels).select(*labels, *own)


def _labelled(frame: pl.DataFrame, labels: Mapping[str, object]) -> pl.DataFrame:
    """Put the labels of a run before its rows."""
    types = {"parameter_set": pl.Int32}
    own = [pl.lit(value, types.get(name, pl.String)).alias(name) for name, value in labels.items()]
    return frame.select(*own, *frame.columns)
