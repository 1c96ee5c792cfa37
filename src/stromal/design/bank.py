"""The bank: people simulated until the protocol's own rules let them into the trial.

What opens a trial of poor graft function is rare: most transplants that are simulated never come to
it. So those who do are kept, with the state of their marrow on the day of entry, and every trial
draws its participants from them. A bank depends on nothing that happens after entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from stromal.core import UsageError
from stromal.design.plan import (
    ORIGIN,
    anchors_of,
    assess,
    attest,
    describe_people,
    plan_ward,
    weekdays_of,
)
from stromal.design.scenario import Scenario
from stromal.endpoints.derive import derive_all
from stromal.endpoints.screening import screen
from stromal.protocol import Protocol
from stromal.protocol.protocol import references
from stromal.records.trial_records import About, TrialRecords
from stromal.simulate.assumptions import SitePlan
from stromal.simulate.course_kernels import ENDED, Cohort, Site, live, room_for_course
from stromal.simulate.parameters import Parameter
from stromal.simulate.population import (
    check_marrows,
    draw_cohort,
    hazards_of,
    site_of,
    spells_of,
)
from stromal.simulate.recorded import Stretch, record_course, records_of

__all__ = [
    "ABOUT",
    "STEPS",
    "Bank",
    "Biology",
    "bank_of_frames",
    "endpoints_judged",
    "frames_of_bank",
    "limits_of",
    "make_bank",
]

STEPS = 2
"""Steps of integration a day; see `stromal.simulate.marrow_kernels.run_day`."""
ABOUT = About("synthetic", "Virtual participants: nobody lived this.")
_FIRST_BATCH, _LARGEST_BATCH = 500, 4000
_MOST_PEOPLE = 1_000_000
_ENOUGH = 200
"""People screened of whom nobody enters, after which one gives up."""
_LOOKED_AT = 50_000
"""People simulated of whom nobody comes to be screened, after which one gives up."""
_HISTORY = ("measurements", "transfusions", "events", "medications")


@dataclass(frozen=True)
class Biology:
    """A parameter set, and whose random numbers its people draw.

    Parameters
    ----------
    values
        The parameters.
    seed, number
        Whole numbers from 0; another number is another population under the same seed.
    """

    values: Mapping[str, Parameter]
    seed: int
    number: int


@dataclass(frozen=True)
class Bank:
    """People on the day of entry.

    Parameters
    ----------
    cohort
        Their keys, marrows, states and memory at the beginning of that day.
    entry
        That day, from day zero.
    weekday
        The weekday (Monday is 0) of their day zero.
    people
        Their baseline columns.
    history
        What the ward recorded before: tables with `p`, the place in the bank.
    screened
        How many people were simulated until the last of these had entered.
    """

    cohort: Cohort
    entry: npt.NDArray[np.int32]
    weekday: npt.NDArray[np.int64]
    people: pl.DataFrame
    history: Mapping[str, pl.DataFrame]
    screened: int

    @property
    def size(self) -> int:
        """How many people are in the bank."""
        return len(self.entry)


def make_bank(
    protocol: Protocol,
    scenario: Scenario,
    biology: Biology,
    size: int,
    *,
    most: int = _MOST_PEOPLE,
) -> Bank:
    """Simulate people until so many have entered.

    1. People are numbered from 0; each lives on the ward's draws from day `begins` to the last day
       on which one may enter.
    2. The endpoint that opens the trial is derived from what the ward saw. The day of screening is
       the first after the last record that decided it, `after` which the scenario waits; or the
       fixed day of the scenario.
    3. Who is alive, in remission and in follow-up on that day is screened: the protocol's criteria
       are judged on what was recorded before that day. Who is eligible enters.

    Parameters
    ----------
    size
        How many must enter.
    most
        How many people are simulated before one gives up.

    Raises
    ------
    UsageError
        Too few enter, or nobody can be judged; the message says why.
    """
    maker = _Maker(protocol, scenario, biology)
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]] = []
    entered, begin, batch = 0, 0, _FIRST_BATCH
    while entered < size and begin < most and not maker.hopeless(entered, begin):
        who, entry = maker.enter(np.arange(begin, begin + batch))
        found.append((who, entry))
        entered, begin = entered + who.size, begin + batch
        batch = min(2 * batch, _LARGEST_BATCH)
    if entered < size:
        raise UsageError(
            f"only {entered} of {begin:,} simulated people entered the trial, and the bank needs "
            f"{size}; {maker.why_few()}"
        )
    who = np.concatenate([numbers for numbers, _ in found])[:size]
    entry = np.concatenate([days for _, days in found])[:size]
    cohort, history, people, weekday = maker.live_until(who, entry)
    return Bank(cohort, entry, weekday, people, history, int(who[-1]) + 1)


class _Maker:
    """Makes a bank from one protocol, scenario and set of parameters."""

    def __init__(self, protocol: Protocol, scenario: Scenario, biology: Biology) -> None:
        self.protocol, self.scenario, self.biology = protocol, scenario, biology
        entry = scenario.entry
        self.last = int(entry.by if entry.day is None else entry.day)  # type: ignore[arg-type]
        self.width = self.last - scenario.begins + 1
        self.verdicts: dict[str, int] = {}
        self.reasons: dict[str, int] = {}

    @property
    def judged(self) -> int:
        """How many were screened."""
        return sum(self.verdicts.values())

    def hopeless(self, entered: int, begin: int) -> bool:
        """Say whether nobody entered of many who were screened, or nobody was of many looked at."""
        return entered == 0 and (
            self.judged >= _ENOUGH or (self.judged == 0 and begin >= _LOOKED_AT)
        )

    def why_few(self) -> str:
        """Say why few entered."""
        if not self.verdicts:
            entry = self.scenario.entry
            if entry.endpoint is None:
                return (
                    f"nobody was alive and in remission on day {entry.day}: look at `begins` and "
                    "at the chances of death and relapse"
                )
            return (
                f"`{entry.endpoint}` opened the trial for nobody up to day {entry.by}: look at the "
                "ward's draws, at what is `assessed` and at the parameters of the niche"
            )
        told = ", ".join(f"{number} {verdict}" for verdict, number in self.verdicts.items())
        most = max(self.reasons, key=self.reasons.__getitem__, default="")
        because = f"; most often: {most.rstrip('.')}" if most else ""
        return (
            f"of those screened {told}{because}. Give the baseline columns that the criteria need "
            "under `people` of the scenario, or let it amend the criteria"
        )

    def enter(
        self, numbers: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Give the numbers of those among these people who enter, and on which day."""
        entry = self._opened(numbers)
        opened = entry >= 0
        who, days = numbers[opened], entry[opened]
        if not who.size:
            return who, days
        cohort, history, people, weekday = self.live_until(who, days)
        present = cohort.memory[:, ENDED] == 0.0
        eligible = present & self._eligible(cohort, history, people, weekday, days, present)
        return who[eligible], days[eligible]

    def _opened(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Give the day on which the trial is open to each; -1 where it never is."""
        entry = self.scenario.entry
        if entry.endpoint is None:
            return np.full(numbers.size, self.last, dtype=np.int32)
        until = np.full(numbers.size, self.last + 1, dtype=np.int32)
        _, history, people, weekday = self.live_until(numbers, until)
        records = self._records(history, people, weekday, None, until)
        derived = derive_all(self.protocol, records, only=[entry.endpoint]).derived
        rows = derived[entry.endpoint].with_columns(
            known=pl.col("because").list.eval(pl.element().cast(pl.Int32, strict=False)).list.max()
        )
        opens = pl.col("status").is_in(entry.is_) & pl.col("known").is_not_null()
        days = rows.select(
            pl.when(opens).then(pl.col("known") + 1 + entry.after)
        ).to_series().fill_null(-1).to_numpy().astype(np.int32)  # fmt: skip
        return np.where(days <= self.last, days, -1).astype(np.int32)

    def live_until(
        self, numbers: npt.NDArray[np.int64], until: npt.NDArray[np.int32]
    ) -> tuple[Cohort, dict[str, pl.DataFrame], pl.DataFrame, npt.NDArray[np.int64]]:
        """Let people live up to a day each; give them, their history, baseline and weekday."""
        scenario, own = self.scenario, self.biology
        cohort = draw_cohort(own.seed, own.number, numbers, own.values, scenario.immune)
        weekday = weekdays_of(cohort.keys)
        planned = plan_ward(self.protocol, scenario, weekday, self.width)
        course = room_for_course(numbers.size, self.width)
        first = np.full(numbers.size, scenario.begins, dtype=np.int32)
        live(cohort, planned, np.zeros(planned.shape), first, until, self._ward(),
             hazards_of(own.values), spells_of(scenario.spells), STEPS, course)  # fmt: skip
        check_marrows(cohort)
        stretch = Stretch(course, np.arange(numbers.size), first, planned)
        history = record_course([stretch], spells=scenario.spells, limits=limits_of(scenario.site))
        return cohort, history, describe_people(cohort.keys, scenario), weekday

    def _ward(self) -> Site:
        """Give the site as it is before entry: it misses as the ward does and loses nobody."""
        ward = self.scenario.ward
        changes = {"drop_out": 0.0}
        if ward is not None:
            changes |= {"missed": ward.missed, "missed_when_well": ward.missed_when_well}
        return site_of(self.scenario.site.model_copy(update=changes), self.biology.values)

    def _records(
        self,
        history: Mapping[str, pl.DataFrame],
        people: pl.DataFrame,
        weekday: npt.NDArray[np.int64],
        entry: npt.NDArray[np.int32] | None,
        until: npt.NDArray[np.int32],
    ) -> TrialRecords:
        """Make records of what was seen before a day each."""
        size = people.height
        table = people.with_columns(
            pl.int_range(size).alias("p"),
            day_zero_date=pl.lit(ORIGIN) + pl.duration(days=pl.lit(pl.Series(weekday))),
            last_contact_day=pl.Series(until - 1 if entry is None else until),
            complete_until_day=pl.Series(until - 1 if entry is None else until),
            **anchors_of(self.protocol, self.scenario, entry, size),
        )
        ids = pl.int_range(size, eager=True).cast(pl.String).str.zfill(9)
        tables = {
            **history, "participants": table, "assessments": assess(size, self.scenario, until)
        }  # fmt: skip
        return records_of(self.protocol, tables, ids, ABOUT)

    def _eligible(
        self,
        cohort: Cohort,
        history: Mapping[str, pl.DataFrame],
        people: pl.DataFrame,
        weekday: npt.NDArray[np.int64],
        entry: npt.NDArray[np.int32],
        present: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """Judge the protocol's criteria on the day of entry, from what was recorded before."""
        said = attest(cohort.keys, self.scenario, self.protocol, entry)
        records = self._records({**history, "attestations": said}, people, weekday, entry, entry)
        context = derive_all(self.protocol, records, only=endpoints_judged(self.protocol))
        verdicts = screen(context)
        for verdict, note in verdicts.filter(present).select("verdict", "note").iter_rows():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
            if verdict != "eligible":
                self.reasons[note] = self.reasons.get(note, 0) + 1
        return (verdicts["verdict"] == "eligible").to_numpy()


def limits_of(site: SitePlan) -> dict[str, float]:
    """Give the laboratory's lower limits by analyte."""
    return {"ANC": site.anc_limit, "PLT": site.platelet_limit}


def endpoints_judged(protocol: Protocol) -> set[str]:
    """Name the endpoints that the criteria of the population rest on."""
    return {
        name
        for path, kind, name in references(protocol)
        if kind == "endpoint" and path[0] == "population"
    }


# --- as tables -------------------------------------------------------------------------------

_PARTS = ("keys", "marrows", "states", "memory", "immune")


def frames_of_bank(bank: Bank) -> dict[str, pl.DataFrame]:
    """Give a bank as tables, which a file can hold."""
    columns = [
        pl.DataFrame(getattr(bank.cohort, part), schema=[
            f"{part}_{i}" for i in range(getattr(bank.cohort, part).shape[1])
        ])
        for part in _PARTS
    ]  # fmt: skip
    people = pl.concat(
        [
            pl.DataFrame({"_entry": bank.entry, "_weekday": bank.weekday}).with_columns(
                _screened=pl.lit(bank.screened, pl.Int64)
            ),
            *columns,
            bank.people.rename(lambda name: f"people_{name}"),
        ],
        how="horizontal",
    )
    return {"people": people, **{name: bank.history[name] for name in _HISTORY}}


def bank_of_frames(frames: Mapping[str, pl.DataFrame]) -> Bank:
    """Make a bank again from its tables."""
    people = frames["people"]

    def part(name: str) -> np.ndarray:
        columns = [c for c in people.columns if c.startswith(f"{name}_")]
        return np.ascontiguousarray(people.select(columns).to_numpy())

    baseline = [c for c in people.columns if c.startswith("people_")]
    return Bank(
        cohort=Cohort(*(part(name) for name in _PARTS)),
        entry=people["_entry"].to_numpy().astype(np.int32),
        weekday=people["_weekday"].to_numpy(),
        people=people.select(baseline).rename(lambda name: name.removeprefix("people_")),
        history={name: frames[name] for name in _HISTORY},
        screened=int(people["_screened"][0]),
    )
