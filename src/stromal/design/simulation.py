"""Running virtual trials: banks first, then trials, then what they show."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stromal.core import UsageError
from stromal.core.jit import cache_folder
from stromal.design.bank import (
    Bank,
    Biology,
    bank_of_frames,
    endpoints_judged,
    frames_of_bank,
    make_bank,
)
from stromal.design.characteristics import operating_characteristics
from stromal.design.cluster import Cluster
from stromal.design.decision import Decidable, decided_analysis
from stromal.design.grid import Setting
from stromal.design.pool import run_tasks
from stromal.design.results import OperatingCharacteristics
from stromal.design.results_folder import (
    ResultFolder,
    checksum,
    join_frames,
    open_folder,
    read_result,
)
from stromal.design.runs import truths_schema
from stromal.design.scenario import scenario_version
from stromal.design.trials import Trials, count_trials, count_truths, live_trials
from stromal.endpoints.derive import built_on
from stromal.protocol import canonical_json, protocol_version
from stromal.simulate.assumptions import Override
from stromal.simulate.calibrated import calibrated_sets
from stromal.simulate.population import overridden

__all__ = ["Budget", "Run", "one_trial", "simulate"]

Progress = Callable[[str, int, int], None]
_PEOPLE = 3400
"""People in the trials of one task, about."""
_FOR_TRUTH = 2000
_FEWEST_FOR_TRUTH = 30
"""People, and trials at least, of each parameter set and cell in which the truths are counted."""
_TRUTH_TRIALS = 2**32
"""From this number on trials are for the truths alone, so that no estimate meets itself there."""


@dataclass(frozen=True)
class Budget:
    """How much is simulated, and from which numbers.

    Parameters
    ----------
    trials
        Trials of each scenario and variant, shared among the parameter sets.
    sets
        How many of the calibrated parameter sets are used; with None all, but never more than there
        are trials. Without calibration there is one.
    bank
        People in the bank of each set.
    seed
        The seed.
    """

    trials: int = 2000
    sets: int | None = 50
    bank: int = 250
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in (("trials", self.trials), ("bank", self.bank), ("sets", self.sets)):
            if value is not None and value < 1:
                raise UsageError(f"expected at least 1 for `{name}`; got {value}")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"expected a seed from 0 to 2^63 - 1; got {self.seed}")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Parameters
    ----------
    settings
        Its scenarios and variants.
    frames
        `trials`, `tallies`, `truths`; see `stromal.design.runs`.
    checksum
        SHA-256 of these: equal for any number of workers, for a cluster, and for a resumed run.
    """

    settings: Sequence[Setting]
    budget: Budget
    sets: int
    frames: Mapping[str, pl.DataFrame]
    checksum: str
    characteristics: OperatingCharacteristics

    def to_json(self) -> dict[str, Any]:
        """Give all numbers, and what they were made from, as plain JSON."""
        first = self.settings[0]
        variants = {setting.variant: setting for setting in self.settings}
        names = {setting.name: setting for setting in self.settings}
        return {
            "study": first.protocol.study.id,
            "data": "synthetic",
            "seed": self.budget.seed,
            "trials": self.budget.trials,
            "parameter_sets": self.sets,
            "calibrated": first.scenario.calibrated,
            "bank": self.budget.bank,
            "checksum": self.checksum,
            "variants": [
                {"variant": name, "levels": dict(one.levels),
                 "protocol_version": protocol_version(one.protocol)}
                for name, one in variants.items()
            ],
            "scenarios": [
                {"scenario": name, "text": one.scenario.text,
                 "msc": one.scenario.msc.model_dump(mode="json"),
                 "spells": [spell.model_dump(mode="json") for spell in one.scenario.spells],
                 "version": scenario_version(one.scenario)}
                for name, one in names.items()
            ],
            **self.characteristics.to_json(),
        }  # fmt: skip


# --- tasks -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _BankTask:
    """One bank to be filled."""

    key: str
    setting: Setting
    overrides: tuple[tuple[str, Override], ...]
    seed: int
    number: int
    size: int


@dataclass(frozen=True)
class _TrialTask:
    """Some trials of one setting and parameter set."""

    key: str
    setting: Setting
    overrides: tuple[tuple[str, Override], ...]
    seed: int
    number: int
    trials: tuple[int, ...]
    truths: int
    bank: str
    banks: ResultFolder


def _biology(
    setting: Setting, overrides: tuple[tuple[str, Override], ...], seed: int, number: int
) -> Biology:
    """Give the parameters: those of the file, then of the calibrated set, then of the scenario."""
    return Biology(
        overridden(setting.scenario.parameters, overridden(dict(overrides))), seed, number
    )


def fill_bank(task: _BankTask) -> dict[str, pl.DataFrame]:
    """Fill one bank; see `stromal.design.bank.make_bank`."""
    setting = task.setting
    biology = _biology(setting, task.overrides, task.seed, 2 * task.number)
    bank = make_bank(setting.protocol, setting.scenario, biology, task.size)
    return frames_of_bank(bank)


def do_trials(task: _TrialTask) -> dict[str, pl.DataFrame]:
    """Live, derive and count some trials."""
    frames = read_result(task.banks, task.bank)
    if frames is None:
        raise UsageError(f"the bank `{task.bank}` is missing or damaged; simulate again")
    bank = bank_of_frames(frames)
    labels = {"scenario": task.setting.name, "variant": task.setting.variant,
              "parameter_set": task.number}  # fmt: skip
    numbers = np.array(task.trials, dtype=np.int64)
    lived = _live(task.setting, task.overrides, bank, numbers, task.seed, task.number)
    schema = truths_schema(task.setting.scenario.decision)
    found = {**count_trials(lived, labels), "truths": pl.DataFrame(schema=schema)}
    if task.truths:
        few = _TRUTH_TRIALS + np.arange(task.truths)
        own = _live(task.setting, task.overrides, bank, few, task.seed, task.number)
        daily = _live(task.setting, task.overrides, bank, few, task.seed, task.number, daily=True)
        found["truths"] = count_truths(own, daily, labels)
    return found


def _live(
    setting: Setting, overrides: tuple[tuple[str, Override], ...], bank: Bank,
    numbers: np.ndarray, seed: int, number: int, *, daily: bool = False,
) -> Trials:  # fmt: skip
    """Let trials of one parameter set be lived."""
    biology = _biology(setting, overrides, seed, 2 * number + 1)
    return live_trials(setting.protocol, setting.scenario, biology, bank, numbers, daily=daily)


# --- running ---------------------------------------------------------------------------------


def simulate(
    settings: Sequence[Setting],
    budget: Budget,
    *,
    folder: Path | None = None,
    workers: int | None = None,
    cluster: Cluster | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run virtual trials and evaluate them.

    1. For every parameter set, and everything that differs before entry, a bank is filled.
    2. Trial t belongs to parameter set t modulo their number, in every scenario and variant, so
       that these see the same people.
    3. The trials are evaluated (`stromal.design.characteristics`).

    The numbers depend on settings and budget alone, not on workers, cluster or resumption; trial t
    is the same whatever the number of trials, as long as there are no fewer of them than sets.

    Parameters
    ----------
    settings
        Scenarios and variants, from `stromal.design.grid.settings_of`.
    folder
        Where results are kept, and a run that was stopped is resumed from; a temporary one where
        absent. On a cluster all workers must see it.
    workers, cluster
        See `stromal.design.pool.run_tasks`.
    progress
        Called with what is done, how many are done and how many there are.

    Raises
    ------
    UsageError
        Settings that decide differently, or whatever the stages refuse.
    """
    _check(settings)
    sets = _sets(settings[0], budget)
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        root, plan = Path(place), _plan(settings, budget, len(sets))
        tell = progress or _quiet
        banks = _bank_tasks(settings, sets, budget)
        warm = not cache_folder().is_dir()  # kernels are compiled here once, not by every worker
        if warm:
            run_tasks(banks[:1], fill_bank, root / "banks", plan=plan, workers=1)
        run_tasks(banks, fill_bank, root / "banks", plan=plan, workers=workers, cluster=cluster,
                  progress=lambda done, total: tell("banks", done, total))  # fmt: skip
        store = open_folder(root / "banks", plan, f"{fill_bank.__module__}.{fill_bank.__name__}")
        tasks = _trial_tasks(settings, sets, budget, store)
        if warm:
            run_tasks(tasks[:1], do_trials, root / "trials", plan=plan, workers=1)
        results = run_tasks(tasks, do_trials, root / "trials", plan=plan, workers=workers,
                            cluster=cluster,
                            progress=lambda done, total: tell("trials", done, total))  # fmt: skip
    frames = join_frames(results)
    first = settings[0]
    found = operating_characteristics(
        frames["trials"], frames["tallies"], frames["truths"], decision=first.scenario.decision,
        analysis=decided_analysis(first.scenario.decision, first.protocol), banked=budget.bank,
    )  # fmt: skip
    return Run(settings, budget, len(sets), frames, checksum(frames), _in_order(found, settings))


def _in_order(
    found: OperatingCharacteristics, settings: Sequence[Setting]
) -> OperatingCharacteristics:
    """Put scenarios and variants into the order of the settings, the null scenario first."""
    names = list(dict.fromkeys(setting.name for setting in settings))
    variants = list(dict.fromkeys(setting.variant for setting in settings))
    return replace(
        found,
        cells=tuple(sorted(
            found.cells, key=lambda one: (names.index(one.scenario), variants.index(one.variant))
        )),
        rates=tuple(sorted(found.rates, key=lambda one: variants.index(one.variant))),
    )  # fmt: skip


def one_trial(setting: Setting, budget: Budget, number: int) -> Trials:
    """Let one trial be lived: the trial of that number of a run with this budget.

    Raises
    ------
    UsageError
        The run has no trial of that number.
    """
    if not 0 <= number < budget.trials:
        raise UsageError(f"a run of {budget.trials} trials has the trials 0 to "
                         f"{budget.trials - 1}; got {number}")  # fmt: skip
    sets = _sets(setting, budget)
    which = number % len(sets)
    overrides = tuple(sets[which].items())
    biology = _biology(setting, overrides, budget.seed, 2 * which)
    bank = make_bank(setting.protocol, setting.scenario, biology, budget.bank)
    return _live(setting, overrides, bank, np.array([number]), budget.seed, which)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""


def _sets(setting: Setting, budget: Budget) -> list[dict[str, Override]]:
    """Give the parameter sets that a run uses, spread evenly over those that were accepted."""
    if not setting.scenario.calibrated:
        return [{}]
    sets = calibrated_sets()
    most = min(len(sets), budget.trials, budget.sets or len(sets))
    return [sets[place * len(sets) // most] for place in range(most)]


def _check(settings: Sequence[Setting]) -> None:
    """Refuse settings that one table cannot hold."""
    if len({setting.scenario.calibrated for setting in settings}) > 1:
        raise UsageError("of a grid's scenarios all are `calibrated`, or none")
    if len({setting.scenario.decision.model_dump_json() for setting in settings}) > 1:
        raise UsageError("the scenarios and variants of a grid share one decision; run grids apart")
    reported = [decided_analysis(one.scenario.decision, one.protocol) for one in settings]
    if len({_reporting(one) for one in reported}) > 1:
        raise UsageError(
            "the variants of a grid report one estimate; one changes its interval or confidence, "
            "its day or its variance"
        )


def _reporting(spec: Decidable) -> tuple[object, ...]:
    """Give all of an analysis that decides what its estimate and interval are."""
    day = getattr(spec, "at", [None])[0]
    return spec.interval, spec.confidence, day, getattr(spec, "variance", None)


def _plan(settings: Sequence[Setting], budget: Budget, sets: int) -> dict[str, object]:
    """Say all that decides the results, apart from the code."""
    return {
        "settings": [
            [one.name, one.variant, protocol_version(one.protocol), scenario_version(one.scenario)]
            for one in settings
        ],
        "seed": budget.seed,
        "bank": budget.bank,
        "parameter_sets": sets,
        "people_of_a_task": _PEOPLE,
    }


def _bank_key(setting: Setting, number: int) -> str:
    """Name a bank by all that happens before entry: settings that agree in it share the bank."""
    protocol, scenario = setting.protocol, setting.scenario
    names = endpoints_judged(protocol)
    if scenario.entry.endpoint is not None:
        names.add(scenario.entry.endpoint)
    content = json.loads(canonical_json(protocol))
    rules = {name: content["endpoints"][name] for name in built_on(protocol, names)}
    kept = ("day_zero", "anchors", "population")
    assumed = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    for key in ("text", "sources", "msc", "follow", "accrual", "decision", "amend"):
        assumed.pop(key, None)
    for key in ("missed", "missed_when_well", "drop_out", "delivery"):
        assumed["site"].pop(key, None)
    for spell in assumed["spells"]:
        spell.pop("msc_ratio", None)
    told = json.dumps([{key: content[key] for key in kept}, rules, assumed], sort_keys=True)
    return f"bank-{hashlib.sha256(told.encode()).hexdigest()[:16]}-{number:04d}"


def _bank_tasks(
    settings: Sequence[Setting], sets: Sequence[dict[str, Override]], budget: Budget
) -> list[_BankTask]:
    """Give the banks that a run needs, each once."""
    found: dict[str, _BankTask] = {}
    for setting in settings:
        for number, overrides in enumerate(sets):
            key = _bank_key(setting, number)
            found.setdefault(
                key,
                _BankTask(key, setting, tuple(overrides.items()), budget.seed, number, budget.bank),
            )
    return list(found.values())


def _trial_tasks(
    settings: Sequence[Setting],
    sets: Sequence[dict[str, Override]],
    budget: Budget,
    banks: ResultFolder,
) -> list[_TrialTask]:
    """Share the trials among the parameter sets, and into tasks."""
    found: list[_TrialTask] = []
    for place, setting in enumerate(settings):
        size = setting.protocol.design.enrolment
        many = max(1, _PEOPLE // size)
        truths = max(_FEWEST_FOR_TRUTH, math.ceil(_FOR_TRUTH / size))
        for number, overrides in enumerate(sets):
            own = list(range(number, budget.trials, len(sets)))
            bank = _bank_key(setting, number)
            for chunk in range(0, len(own), many):
                trials = tuple(own[chunk : chunk + many])
                found.append(
                    _TrialTask(
                        f"{place:04d}-{number:04d}-{trials[0]:07d}-{trials[-1]:07d}", setting,
                        tuple(overrides.items()), budget.seed, number, trials,
                        truths if chunk == 0 else 0, bank, banks,
                    )
                )  # fmt: skip
    return found
