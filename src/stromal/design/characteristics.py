"""Operating characteristics: what a trial would show, were it done many times."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from stromal.design.decision import Decidable, Decision, critical_numbers, name_curve
from stromal.design.measures import (
    QUARTILES,
    arm_rows,
    decision_rows,
    endpoint_rows,
    size_rows,
    success_rows,
    truth_rows,
)
from stromal.design.monte_carlo import (
    KEYS,
    Figure,
    figure_of,
    tabulate_figures,
)
from stromal.design.results import (
    ArmFigures,
    Cell,
    EndpointFigures,
    OperatingCharacteristics,
    StatusFigures,
    ThreeRates,
    TruthFigures,
)
from stromal.design.runs import (
    CELL,
    NULL_SCENARIO,
    SET,
    arms_of,
    bank_sizes,
    check_tallies,
    check_trials,
    check_truths,
)
from stromal.design.timed import INTERVALS_LEFT_OUT
from stromal.design.timed_measures import reported_rows, timed_decision_rows, timed_truth_rows
from stromal.protocol.analyses import ProportionAnalysis

__all__ = ["EFFECT_IS_ASSUMED", "operating_characteristics"]

EFFECT_IS_ASSUMED = (
    "The effect of MSC in each scenario is an assumption. Data of a single arm do not identify it: "
    "recovery without MSC can explain them as well. Only a concurrent control could."
)
"""Said with every result."""

_THREE_RATES = (
    "The null success rate q is what the scenario without effect gives as it is measured. The "
    "nominal alpha is the probability that the decision rule rejects at the rate it is made for. "
    "The actual alpha is the share of simulated null trials that reject."
)
_ERROR = (
    "Each number is the mean over parameter sets; its standard error (and 95 % interval) is that "
    "of having simulated so many sets and trials. That the model may be wrong is in no error. A "
    "truth is counted in about 30 times the people of a trial, which lowers coverage by up to a "
    "point."
)
_ONE_SET = (
    "With one parameter set the errors leave out that the parameters themselves are uncertain; "
    "those of bias and coverage also leave out the bank."
)
_BANK = (
    "What a finite bank adds to the error of one set, and what is taken from the spread of sets as "
    "its noise, is the most it can be: as if the banked state alone decided who succeeds."
)
_TIMED_RATES = (
    "The null rate q is what trials report of the control arm in the scenario without effect. The "
    "nominal alpha is that of {test}, an asymptotic test: alpha itself, which small trials keep "
    "only about. The actual alpha is the share of simulated null trials that reject."
)
_CURVE = (
    "The test is of all the time observed. Rates, bias and coverage are of one day of the curve: "
    "{curve}. Its truth is the same curve of many people seen by a perfect site, who leave "
    "as those of a trial do: if leaving has to do with the event, that bias is in both, and in no "
    "number here. Trials whose curve does not reach the day are left out of these numbers."
)
_TIMED_BANK = (
    "What a finite bank adds to the error of one set, and what is taken from the spread of sets as "
    "its noise, is the most it can be, for a test statistic that is normal: as if the banked state "
    "alone decided when the event comes, and each arm had a bank of its own."
)
_NO_COVERAGE = (
    "No coverage is given: an interval of the kind `{interval}` is not computed of trials."
)
_NAMES = {"log-rank": "the log-rank test", "gray": "Gray's test"}

_NONE = Figure(None, None, None, None, 0, None)


def operating_characteristics(
    trials: pl.DataFrame,
    tallies: pl.DataFrame,
    truths: pl.DataFrame,
    *,
    decision: Decision,
    analysis: Decidable,
    banked: int | pl.DataFrame | None,
) -> OperatingCharacteristics:
    """Evaluate simulated trials: how often they reject, and what they report.

    1. The tables are checked (see `check_trials`); the order of their rows does not matter.
    2. Each trial is decided by the rule; one without participants in an arm does not reject.
    3. Everything is first computed for each parameter set, then averaged over sets, with the
       error and the spread that `tabulate_figures` describes.
    4. Estimates are compared with each truth of their own parameter set (see `truth_rows`).
    5. Endpoints are described by the share of each status and the quartiles of their days (see
       `endpoint_rows`).

    Parameters
    ----------
    trials, tallies, truths
        Tables of `trials_schema`, `TALLIES_SCHEMA` and `truths_schema`; tallies and truths of
        equal keys are added up (but no curves), and may be empty.
    decision
        The rule.
    analysis
        The estimate that trials report: a proportion, or of a time to an event the curve on the
        first day of its `at`. Its interval and confidence are used for coverage.
    banked
        People in the bank that trials draw from: one number, a table (see `bank_sizes`), or
        `None` where each trial simulates people of its own.

    Raises
    ------
    UsageError
        A table lacks something: trials, the scenario `null`, an arm, a truth, a bank.
    """
    frame = check_trials(trials, decision)
    arms = arms_of(decision, sorted(frame["arm"].unique()))
    checked = check_truths(truths, frame, decision)
    counted = check_tallies(tallies, frame)
    banks = bank_sizes(frame.select(SET).unique().sort(SET), banked)
    rows = [size_rows(frame, banks), arm_rows(frame), endpoint_rows(counted, banks)]
    if isinstance(analysis, ProportionAnalysis):
        rows += [
            decision_rows(frame, decision, arms, banks),
            success_rows(frame, banks),
            truth_rows(frame, checked, analysis, banks),
        ]
    else:
        rows += [
            timed_decision_rows(frame, decision, arms, banks),
            reported_rows(frame, banks),
            timed_truth_rows(frame, checked, analysis, banks),
        ]
    table = tabulate_figures(pl.concat(rows))
    look = _Figures(table)
    cells = tuple(_cells(frame, look, arms, timed=decision.timed))
    numbers = None
    if decision.test == "binomial":
        sizes = frame.filter(pl.col("arm") == arms[0])["n"].unique().to_list()
        numbers = critical_numbers(decision, sizes)
    rates = tuple(_rates(look, cells, decision, arms[-1]))
    statements = _statements(banks, decision, analysis)
    return OperatingCharacteristics(decision, analysis, numbers, rates, cells, table, statements)


def _statements(banks: pl.DataFrame, decision: Decision, analysis: Decidable) -> tuple[str, ...]:
    """Say what must be read with the numbers."""
    said = [EFFECT_IS_ASSUMED, _THREE_RATES, _ERROR]
    if not isinstance(analysis, ProportionAnalysis):
        curve = name_curve(analysis.estimate, analysis.at[0])
        said[1] = _TIMED_RATES.format(test=_NAMES[decision.test])
        said.append(_CURVE.format(curve=curve[:1].lower() + curve[1:]))
        if analysis.interval in INTERVALS_LEFT_OUT:
            said.append(_NO_COVERAGE.format(interval=analysis.interval))
    if banks["parameter_set"].n_unique() == 1:
        said.append(_ONE_SET)
    if banks["people"].null_count() == 0:
        said.append(_TIMED_BANK if decision.timed else _BANK)
    return tuple(said)


class _Figures:
    """The table of figures, to look one up."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._found = {tuple(row[key] for key in KEYS): row for row in table.iter_rows(named=True)}
        self.statuses: dict[tuple[str, str, str, str], list[str]] = {}
        for key in self._found:
            scenario, variant, arm, endpoint, status, _, measure = key
            if measure == "share":
                self.statuses.setdefault((scenario, variant, endpoint, arm), []).append(status)
        self.truths = table["truth"].drop_nulls().unique().sort().to_list()

    def get(
        self, cell: tuple[str, str], measure: str, *, of: tuple[str | None, ...] = (None,) * 4
    ) -> Figure | None:
        """Give a figure; `of` is its arm, endpoint, status and truth."""
        row = self._found.get((*cell, *of, measure))
        return None if row is None else figure_of(row)

    def one(
        self, cell: tuple[str, str], measure: str, *, of: tuple[str | None, ...] = (None,) * 4
    ) -> Figure:
        """Give a figure, one without a value where there is none."""
        return self.get(cell, measure, of=of) or _NONE


def _cells(
    trials: pl.DataFrame, look: _Figures, arms: tuple[str, ...], *, timed: bool
) -> Iterator[Cell]:
    """Make one cell a scenario and variant."""
    nobody, unreported = pl.col("n") == 0, pl.col("n") == 0
    decided = pl.col("arm").is_in(arms)
    if timed:
        nobody, unreported = pl.col("p_value").is_null(), pl.col("estimate").is_null()
        decided = pl.col("arm") == arms[0]
    counts = (
        trials.with_columns(trial_key=pl.struct("parameter_set", "trial"))
        .group_by(CELL, maintain_order=True)
        .agg(
            trials=pl.col("trial_key").n_unique(),
            sets=pl.col("parameter_set").n_unique(),
            undecidable=pl.col("trial_key").filter(decided & nobody).n_unique(),
        )
    )
    empty = {
        (scenario, variant, arm): int(number)
        for scenario, variant, arm, number in trials.group_by(*CELL, "arm", maintain_order=True)
        .agg(unreported.sum())
        .iter_rows()
    }
    for row in counts.iter_rows(named=True):
        cell = (row["scenario"], row["variant"])
        yield Cell(
            *cell,
            trials=row["trials"],
            parameter_sets=row["sets"],
            undecidable=row["undecidable"],
            rejecting=look.one(cell, "rejecting"),
            rejecting_in_favour=look.get(cell, "rejecting_in_favour"),
            nominal_alpha=look.one(cell, "nominal_alpha"),
            enrolled=look.one(cell, "enrolled"),
            screened=look.one(cell, "screened"),
            duration_days=look.one(cell, "duration_days"),
            arms=tuple(
                _arm(look, cell, arm, nobody)
                for (*where, arm), nobody in empty.items()
                if tuple(where) == cell
            ),
            endpoints=tuple(_endpoints(look, cell)),
        )


def _arm(look: _Figures, cell: tuple[str, str], arm: str, empty: int) -> ArmFigures:
    def one(measure: str, truth: str | None = None) -> Figure:
        return look.one(cell, measure, of=(arm, None, None, truth))

    truths = tuple(
        TruthFigures(t, one("true_rate", t), one("bias", t), one("coverage", t))
        for t in look.truths
    )
    return ArmFigures(arm, one("success_rate"), one("analysed"), one("enrolled"), empty, truths)


def _endpoints(look: _Figures, cell: tuple[str, str]) -> Iterator[EndpointFigures]:
    for (scenario, variant, endpoint, arm), statuses in sorted(look.statuses.items()):
        if (scenario, variant) != cell:
            continue
        found = [
            StatusFigures(
                status,
                look.one(cell, "share", of=(arm, endpoint, status, None)),
                *(look.get(cell, q, of=(arm, endpoint, status, None)) for q in QUARTILES),
            )
            for status in sorted(statuses)
        ]
        yield EndpointFigures(endpoint, arm, tuple(found))


def _rates(
    look: _Figures, cells: tuple[Cell, ...], decision: Decision, arm: str
) -> Iterator[ThreeRates]:
    """Set the three rates of each variant side by side."""
    for cell in cells:
        if cell.scenario == NULL_SCENARIO:
            yield ThreeRates(
                cell.variant,
                look.one((cell.scenario, cell.variant), "success_rate", of=(arm, *(None,) * 3)),
                cell.nominal_alpha,
                decision.p0,
                cell.rejecting,
            )
