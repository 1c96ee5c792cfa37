"""The command `simulate`: virtual trials, and one of them as a study folder."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from stromal.core import UsageError
from stromal.terminal import err, make_folder, out, safe, save, stamp, working, write

if TYPE_CHECKING:
    from stromal.design.cluster import Cluster
    from stromal.design.grid import Grid, Setting
    from stromal.design.monte_carlo import Figure
    from stromal.design.results import Cell, OperatingCharacteristics
    from stromal.design.simulation import Budget, Run

__all__ = ["SUFFIXES", "Place", "simulate_command", "write_command"]

SUFFIXES = (".json", ".csv", ".parquet", ".svg", ".png")

_SIDES = {
    "two-sided": "two-sided",
    "greater": "one-sided (more events than expected)",
    "less": "one-sided (fewer events than expected)",
}


@dataclass(frozen=True)
class Place:
    """Where a run is done and kept; no number depends on it."""

    keep: Path | None
    workers: int | None
    cluster: Path | None


def simulate_command(
    study: Path,
    budget: Budget,
    place: Place,
    *,
    scenario: Path | None,
    grid: Path | None,
    output: Path | None,
) -> None:
    """Run virtual trials; print and write what they show."""
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"results are written as {', '.join(SUFFIXES)}; got `{output.name}`")
    from stromal.design.simulation import simulate

    settings, chosen = read_settings(study, scenario, grid)
    with _progress() as tell:
        run = simulate(settings, budget, folder=place.keep, workers=place.workers,
                       cluster=_cluster(place.cluster), progress=tell)  # fmt: skip
    if output is not None:
        _write(run, chosen, output)
    print_run(run)


def write_command(
    study: Path, budget: Budget, folder: Path, *, scenario: Path | None, number: int
) -> None:
    """Write one virtual trial as a study folder."""
    from stromal.design.scenario import SCENARIO_FILE
    from stromal.design.simulation import one_trial
    from stromal.design.study_folder import write_study

    settings, _ = read_settings(study, scenario, None)
    setting = settings[-1]
    with working("Simulating"):
        trial = one_trial(setting, budget, number)
        amendments = [(SCENARIO_FILE, cast("dict[str, object]", setting.scenario.amend))]
        records = write_study(trial, study, folder, budget.seed, amendments)
    stamp("synthetic")
    counts = [f"{records[name].height:,} {name}" for name in
              ("participants", "infusions", "measurements", "transfusions", "events")]  # fmt: skip
    out.print(f"Wrote trial {number} (seed {budget.seed}) to {safe(str(folder))}: "
              f"{', '.join(counts)}.", highlight=False)  # fmt: skip


def read_settings(
    study: Path, scenario: Path | None, grid: Path | None
) -> tuple[list[Setting], Grid | None]:
    """Read the scenario and the grid of a run."""
    from stromal.design.grid import read_grid, settings_of
    from stromal.design.scenario import read_scenario

    _, content = read_scenario(scenario or study)
    chosen = None if grid is None else read_grid(grid)
    return settings_of(study, content, chosen), chosen


def _cluster(file: Path | None) -> Cluster | None:
    """Read the description of a cluster."""
    if file is None:
        return None
    from stromal.design.cluster import LocalCluster, SlurmCluster
    from stromal.protocol.reading import validated
    from stromal.protocol.yaml_reading import read_yaml

    located = read_yaml(file, name=file.name)
    content: Any = located.data
    kind = content.get("kind") if isinstance(content, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if kind == "slurm":
        return validated(SlurmCluster, located)
    if kind == "local":
        return validated(LocalCluster, located)
    raise UsageError(f"`{file.name}` describes no cluster; write `kind: slurm` or `kind: local`")


@contextmanager
def _progress() -> Generator[Any]:
    """Show how many tasks are done, and how long the rest will take."""
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                  TimeRemainingColumn(), console=err, transient=True) as bar:  # fmt: skip
        shown: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bar.add_task(what, total=total)
            bar.update(shown[what], completed=done)

        yield tell


def _write(run: Run, grid: Grid | None, output: Path) -> None:
    """Write all numbers, the flat table, or the figure."""
    from stromal.report.design import draw_power

    suffix = output.suffix.lower()
    content = {**run.to_json(), "axes": {} if grid is None else _axes(grid)}
    if suffix == ".json":
        save(output, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    elif suffix in {".csv", ".parquet"}:
        write(run.characteristics.table, output)
    else:
        make_folder(output)
        output.write_bytes(draw_power(content, kind="svg" if suffix == ".svg" else "png"))
        out.print(f"Wrote {safe(str(output))}", highlight=False)


def _axes(grid: Grid) -> dict[str, list[str]]:
    """Give the levels of every axis in their order."""
    return {name: list(levels) for name, levels in grid.axes.items()}


# --- printing --------------------------------------------------------------------------------


def print_run(run: Run) -> None:
    """Print what virtual trials show."""
    found = run.characteristics
    stamp("synthetic")
    sets = f"{run.sets} parameter sets" if run.sets > 1 else "one parameter set"
    out.print(
        f"{run.budget.trials:,} virtual trials of each scenario and variant, {sets}, "
        f"{run.budget.bank:,} people in each bank, seed {run.budget.seed}. ± is the Monte Carlo "
        "standard error.",
        highlight=False,
    )
    if found.decision.timed:
        rule = found.decision
        test = "Gray's test" if rule.test == "gray" else "the log-rank test"
        out.print(
            f"Decision by {test} on `{safe(rule.analysis)}`, {safe(str(rule.experimental))} "
            f"against {safe(str(rule.control))}, {_SIDES[rule.side]}, alpha {rule.alpha:g}. "
            f"Rates are {safe(found.rate_name[:1].lower() + found.rate_name[1:])}.",
            highlight=False,
        )
    _print_decisions(found)
    _print_rates(found)
    _print_estimates(found)
    _print_size(found)
    if len(found.cells) <= 2:
        for cell in found.cells:
            _print_endpoints(cell)
    else:
        out.print("The distribution of every endpoint is in the .json (-o).", style="dim",
                  highlight=False)  # fmt: skip
    for cell in found.cells:
        if cell.undecidable and found.decision.timed:
            out.print(
                f"{safe(cell.scenario)}, {safe(cell.variant)}: in {cell.undecidable:,} of "
                f"{cell.trials:,} trials the test could not be computed (no event, or an arm "
                "without participants), and they do not reject.",
                highlight=False,
            )
        elif cell.undecidable:
            out.print(
                f"{safe(cell.scenario)}, {safe(cell.variant)}: in {cell.undecidable:,} of "
                f"{cell.trials:,} trials nobody could be analysed, and they do not reject. Is "
                "`follow` of the scenario shorter than the endpoint needs?",
                highlight=False,
            )
    for statement in found.statements:
        out.print(safe(statement), style="dim", highlight=False)


def _table(title: str, *columns: str, words: int = 2) -> Table:
    """Begin a table: first words, then numbers, which are never broken."""
    table = Table(title=f"[bold]{title}[/]", title_justify="left", title_style="none",
                  box=SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < words else "right",
                         overflow="fold", no_wrap=place >= words,
                         min_width=8 if place < words else None)  # fmt: skip
    return table


def _print_decisions(found: OperatingCharacteristics) -> None:
    """Print how often the trial rejects."""
    rate = found.rate_name.replace(" at ", "\nat ")
    table = _table("How often the trial rejects", "Scenario", "Variant", rate, "Rejects",
                   "Over sets\n(5 to 95 %)")  # fmt: skip
    for cell in found.cells:
        arms = "\n".join(f"{safe(arm.arm)} {show(arm.success_rate)}" if len(cell.arms) > 1
                          else show(arm.success_rate) for arm in cell.arms)  # fmt: skip
        table.add_row(safe(cell.scenario), safe(cell.variant), arms, show(cell.rejecting),
                      _spread(cell.rejecting))  # fmt: skip
    out.print(table)


def _print_rates(found: OperatingCharacteristics) -> None:
    """Print the three rates that are not the same."""
    decision = found.decision
    at = f"Nominal alpha\nat p0 {decision.p0:g}" if decision.p0 is not None else "Nominal alpha"
    table = _table("Without an effect of MSC", "Variant", "Null rate q", at, "Actual alpha",
                   words=1)  # fmt: skip
    for rates in found.rates:
        table.add_row(safe(rates.variant), show(rates.null_rate), show(rates.nominal_alpha),
                      show(rates.actual_alpha))  # fmt: skip
    out.print(table)


def _print_estimates(found: OperatingCharacteristics) -> None:
    """Print bias and coverage against each truth."""
    table = _table("The reported estimate against a truth", "Scenario", "Variant", "Truth", "Rate",
                   "Bias", "Coverage", words=3)  # fmt: skip
    for cell in found.cells:
        for arm in cell.arms:
            for truth in arm.truths:
                name = truth.truth if len(cell.arms) == 1 else f"{arm.arm}, {truth.truth}"
                table.add_row(safe(cell.scenario), safe(cell.variant), safe(name), show(truth.rate),
                              show(truth.bias, signed=True), show(truth.coverage))  # fmt: skip
    out.print(table)


def _print_size(found: OperatingCharacteristics) -> None:
    """Print expected size and duration."""
    table = _table("Size and duration", "Scenario", "Variant", "Enrolled", "Analysed",
                   "Screened\nfor one", "Years")  # fmt: skip
    for cell in found.cells:
        analysed = sum(arm.analysed.value or 0.0 for arm in cell.arms)
        table.add_row(safe(cell.scenario), safe(cell.variant), show(cell.enrolled, 1),
                      f"{analysed:.1f}", show(cell.screened, 1),
                      show(cell.duration_days, 2, divided=365.25))  # fmt: skip
    out.print(table)


def _print_endpoints(cell: Cell) -> None:
    """Print the distribution of every endpoint of one cell."""
    table = _table(f"Endpoints, scenario {safe(cell.scenario)}", "Endpoint", "Status", "Share",
                   "Median day", "Quartiles")  # fmt: skip
    arms = len({endpoint.arm for endpoint in cell.endpoints}) > 1
    for endpoint in cell.endpoints:
        name = f"{endpoint.endpoint} ({endpoint.arm})" if arms else endpoint.endpoint
        for status in endpoint.statuses:
            median, quartiles = "", ""
            if status.median is not None and status.median.value is not None:
                median = show(status.median, 1)
            low, high = status.lower_quartile, status.upper_quartile
            if low is not None and high is not None and low.value is not None:
                quartiles = f"{low.value:.0f} to {high.value:.0f}"
            table.add_row(safe(name), safe(status.status), show(status.share), median, quartiles)
            name = ""
    out.print(table)


def show(figure: Figure, digits: int = 3, *, signed: bool = False, divided: float = 1.0) -> str:
    """Show a number with its Monte Carlo standard error."""
    if figure.value is None:
        return "not known"
    value = f"{figure.value / divided:{'+' if signed else ''}.{digits}f}"
    return value if figure.se is None else f"{value} ± {figure.se / divided:.{digits}f}"


def _spread(figure: Figure) -> str:
    """Show between what the parameter sets lie."""
    if figure.spread is None:
        return ""
    return f"{figure.spread.p5:.2f} to {figure.spread.p95:.2f}"
