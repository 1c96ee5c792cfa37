"""The report's section on virtual trials: what they would show, in words, tables and a figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from stromal.design.monte_carlo import Figure as Number
from stromal.design.results import ArmFigures, Cell
from stromal.report.design import MOST_VARIANTS, draw_power
from stromal.report.design_content import SIMULATED_FILE, Simulated
from stromal.report.design_words import (
    describe_budget,
    describe_decision,
    describe_effect,
    describe_match,
    describe_scenario,
    describe_undefined,
    name_rate,
    undefined_variants,
)
from stromal.report.numbers import DASH, as_interval, as_mean, as_percent, as_with_error
from stromal.report.tables import Table
from stromal.report.view import StudyView
from stromal.report.words import humanise

__all__ = ["DesignSection", "show_design"]

_ERROR = "± is the Monte Carlo standard error: that of having simulated so many sets and trials."


@dataclass(frozen=True)
class DesignSection:
    """What the report says of virtual trials.

    Parameters
    ----------
    notices
        Whether it belongs to this study and protocol: a sentence, and whether it is a warning.
    budget, rule
        How much was simulated; the rule, with its critical number.
    scenarios
        Name, text, and what each assumes of MSC.
    undefined
        Where the wording has no defined power; empty where it has everywhere.
    tables
        Power and alpha; size and duration; estimates.
    critical, variants
        Listings that stand folded; None where they say nothing new.
    picture
        The figure; None where there are more variants than one figure shows.
    statements
        What must be read with the numbers.
    """

    notices: tuple[tuple[bool, str], ...]
    budget: str
    rule: str
    scenarios: tuple[tuple[str, str, str], ...]
    undefined: str
    tables: tuple[Table, ...]
    critical: Table | None
    variants: Table | None
    picture: Markup | None
    statements: tuple[str, ...]


def show_design(view: StudyView, simulated: Simulated) -> DesignSection:
    """Gather what the report says of virtual trials of a study.

    The numbers are those of the file; nothing is computed but their writing.
    """
    drawn = None
    if max(len(simulated.variants), len(simulated.scenarios)) <= MOST_VARIANTS:
        drawn = draw_power(simulated, kind="svg").decode().split("\n", 1)[1]
    return DesignSection(
        notices=tuple(describe_match(simulated, view.protocol, view.version)),
        budget=describe_budget(simulated),
        rule=describe_decision(simulated),
        scenarios=tuple(
            (describe_scenario(s.scenario), s.text, describe_effect(s)) for s in simulated.scenarios
        ),
        undefined=describe_undefined(simulated),
        tables=(_rejecting(simulated), _sizes(simulated), _estimates(simulated)),
        critical=_critical(simulated),
        variants=_variants(simulated, view.version),
        picture=None if drawn is None else Markup(drawn),  # noqa: S704  (our own figure, escaped)
        statements=tuple(simulated.statements),
    )


def _share(number: Number) -> str:
    return as_with_error(number.value, number.se)


def _spread(number: Number) -> str:
    """Write between what the parameter sets lie."""
    return DASH if number.spread is None else as_interval(number.spread.p5, number.spread.p95)


def _rejecting(simulated: Simulated) -> Table:
    """Tabulate power, null rate, nominal and actual alpha of every variant."""
    at = simulated.decision.p0
    nominal = "Nominal alpha" if at is None else f"Nominal alpha at {as_percent(at)}"
    columns = ("Variant", "Power", "5 to 95 % of sets", "Null rate q", nominal, "Actual alpha",
               "5 to 95 % of sets")  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for one in simulated.effects:
        if len(simulated.effects) > 1:
            rows.append((f"Scenario: {humanise(one.scenario)}",))
        rows += [_rates(simulated, simulated.cell(one.scenario, v.variant))
                 for v in simulated.variants]  # fmt: skip
    if not simulated.effects:
        rows = [_rates(simulated, simulated.cell(s.scenario, v.variant))
                for s in simulated.scenarios for v in simulated.variants]  # fmt: skip
    note = (
        f"{_ERROR} The null rate q is the rate that the scenario without effect gives as "
        "it is measured. The nominal alpha is that of the rule; the actual alpha is the share of "
        "null trials that reject."
    )
    timed = simulated.decision.timed
    if timed:
        note += (
            f" Rates are {_curve(simulated)}. The nominal alpha of this test is its level, which "
            "an asymptotic test keeps in large trials."
        )
    undecided = sum(cell.undecidable for cell in simulated.cells)
    if undecided:
        why = "the test could not be computed" if timed else "an arm had nobody analysed"
        note += f" In {undecided:,} of all trials {why}: they do not reject."
    return Table("How often the trial rejects", columns, tuple(rows), frozenset(range(1, 7)), note)


def _curve(simulated: Simulated) -> str:
    """Name the curve within a sentence."""
    name = name_rate(simulated)
    return name[:1].lower() + name[1:]


def _rates(simulated: Simulated, cell: Cell) -> tuple[str, ...]:
    """Write one variant's power beside its rates without an effect."""
    told = simulated.rate(cell.variant)
    power = (DASH, DASH)
    if cell.variant in {name for name, _ in undefined_variants(simulated)}:
        power = ("not defined", DASH)
    elif simulated.effects:
        power = (_share(cell.rejecting), _spread(cell.rejecting))
    return (
        cell.variant, *power, _share(told.null_rate), _share(told.nominal_alpha),
        _share(told.actual_alpha), _spread(told.actual_alpha),
    )  # fmt: skip


def _grouped(
    simulated: Simulated, write: Callable[[Cell], Iterator[tuple[str, ...]]]
) -> tuple[tuple[str, ...], ...]:
    """Write the rows of every scenario under its name."""
    rows: list[tuple[str, ...]] = []
    for one in simulated.scenarios:
        rows.append((f"Scenario: {describe_scenario(one.scenario)}",))
        for variant in simulated.variants:
            rows += write(simulated.cell(one.scenario, variant.variant))
    return tuple(rows)


def _sizes(simulated: Simulated) -> Table:
    """Tabulate size and duration."""

    def write(cell: Cell) -> Iterator[tuple[str, ...]]:
        analysed = " / ".join(
            as_mean(arm.analysed.value, arm.analysed.se) for arm in _decided(simulated, cell)
        )
        yield (
            cell.variant, as_mean(cell.enrolled.value, cell.enrolled.se), analysed,
            as_mean(cell.screened.value, cell.screened.se), _years(cell.duration_days),
        )  # fmt: skip

    columns = ("Variant", "Enrolled", "Analysed", "Screened for one", "Years")
    arms = simulated.decided_arms
    note = f"{_ERROR} Means of trials. Years run from the first enrolment to the last contact."
    if len(arms) > 1:
        note += f" Analysed: {' / '.join(humanise(arm) for arm in arms)}."
    return Table("Size and duration", columns, _grouped(simulated, write), frozenset(range(1, 5)),
                 note)  # fmt: skip


def _years(days: Number) -> str:
    """Write a time in years."""
    error = None if days.se is None else days.se / 365.25
    return as_mean(None if days.value is None else days.value / 365.25, error, 2)


def _estimates(simulated: Simulated) -> Table:
    """Tabulate the reported estimate against each truth."""

    def write(cell: Cell) -> Iterator[tuple[str, ...]]:
        name = cell.variant
        for arm in _decided(simulated, cell):
            for truth in arm.truths:
                which = truth.truth if len(simulated.decided_arms) == 1 else (
                    f"{humanise(arm.arm)}, {truth.truth}")  # fmt: skip
                yield (name, _share(arm.success_rate), which, _share(truth.rate),
                       _points(truth.bias), _share(truth.coverage))  # fmt: skip
                name = ""

    columns = ("Variant", name_rate(simulated), "Truth", "Its rate", "Bias, points", "Coverage")
    shown = simulated.analysis
    interval = f"{as_percent(shown.confidence, 0)} {shown.interval} interval"
    note = (
        f"{_ERROR} Latent: the rule on the true daily counts of the same course. Measured daily: "
        "the same people drawn daily, none missed. Bias is the mean reported estimate less the "
        f"truth, in percentage points; coverage the share of trials whose {interval} holds the "
        "truth of the same parameter set."
    )
    if simulated.decision.timed:
        note += (
            f" All are of {_curve(simulated)}; a truth is that curve of many people, who leave as "
            "those of a trial do."
        )
    empty = sum(a.without_estimate for c in simulated.cells for a in _decided(simulated, c))
    if empty:
        of = "curves that do not reach the day" if simulated.decision.timed else "nobody"
        note += f" {empty:,} estimates of {of} are in neither."
    return Table("The reported estimate against the truth", columns, _grouped(simulated, write),
                 frozenset({1, 3, 4, 5}), note)  # fmt: skip


def _points(bias: Number) -> str:
    """Write a difference of shares in percentage points."""
    error = None if bias.se is None else 100 * bias.se
    return as_mean(None if bias.value is None else 100 * bias.value, error, signed=True)


def _decided(simulated: Simulated, cell: Cell) -> list[ArmFigures]:
    """Give the arms that the decision is on, in its order."""
    arms = {arm.arm: arm for arm in cell.arms}
    return [arms[name] for name in simulated.decided_arms]


def _critical(simulated: Simulated) -> Table | None:
    """List the rule over all numbers analysed, where there are more than a sentence tells."""
    numbers = simulated.critical_numbers or []
    if len(numbers) < 4:
        return None
    rows = tuple(
        (
            str(row.n),
            DASH if row.rejects_from is None else str(row.rejects_from),
            DASH if row.rejects_up_to is None else str(row.rejects_up_to),
            as_percent(row.nominal_alpha, 2),
        )
        for row in sorted(numbers, key=lambda row: row.n)
    )
    columns = ("Analysed", "Rejects from", "Rejects up to", "Nominal alpha")
    return Table("The rule by number analysed", columns, rows, frozenset(range(4)))


def _variants(simulated: Simulated, version: str) -> Table:
    """List the variants with their levels and the versions of their protocols."""
    rows = tuple(
        (
            one.variant,
            *simulated.place(one),
            f"`{one.protocol_version[:12]}`",
            "yes" if one.protocol_version == version else "no",
        )
        for one in simulated.variants
    )
    axes = tuple(humanise(axis) for axis in simulated.levels)
    columns = ("Variant", *axes, "Protocol version", "That of this folder")
    note = f"From {SIMULATED_FILE}; results {simulated.checksum[:12]}."
    return Table("Protocols that were simulated", columns, rows, note=note)
