"""The command `analyze`: the analyses of a protocol, their lock, analysis data."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from stromal.core import UsageError
from stromal.terminal import out, safe, save, stamp, working, write

if TYPE_CHECKING:
    from stromal.report.view import StudyView

__all__ = ["analyze_command", "write_results"]


def analyze_command(
    study: Path, cutoff: date | None, output: Path | None, *, lock: bool, data: Path | None
) -> None:
    """Compute the analyses, print them, and write what is asked for."""
    _refuse_suffixes(output, data)
    view = _compute(study, cutoff, lock=lock)
    if lock and view.lock is not None:
        from stromal.records.lock import write_lock

        out.print(f"Locked: {safe(str(write_lock(study, view.lock)))}", highlight=False)
    write_results(view, output)
    if data is not None:
        from stromal.analysis.analysis_data import analysis_data

        write(analysis_data(view.context), data)
    _print(view)


def write_results(view: StudyView, output: Path | None, *, individual: bool = True) -> None:
    """Write all numbers of a study as JSON."""
    if output is None:
        return
    _refuse_suffixes(output, None)
    import json

    from stromal.report.results_json import results_to_json

    content = results_to_json(view, individual=individual)
    save(output, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _refuse_suffixes(output: Path | None, data: Path | None) -> None:
    """Refuse files that cannot be written so, before anything is computed."""
    from stromal.records.writing import SUFFIXES

    if output is not None and output.suffix.lower() != ".json":
        raise UsageError(f"results are written as .json; got `{output.name}`")
    if data is not None and data.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"analysis data are written as {', '.join(SUFFIXES)}; got `{data.name}`: give the file "
            "one of these suffixes"
        )


def _compute(study: Path, cutoff: date | None, *, lock: bool) -> StudyView:
    """Derive and analyse, and show on a terminal which analysis is under way."""
    from stromal.report.view import build_view

    with working("Deriving and analysing") as status:
        return build_view(
            study,
            data_cutoff=cutoff,
            lock=lock,
            progress=lambda what: status.update(f"{safe(what)} ..."),
        )


def _print(view: StudyView) -> None:
    """Print every analysis, the tests that share an error rate, and the methods."""
    from stromal.report.text import result_rows

    stamp(view.records.about.data)
    if view.lock is not None:
        until = view.records.data_cutoff
        read = "everything in the records" if until is None else f"read up to {until} inclusive"
        out.print(
            f"Locked analysis: {read}; checksum of the records {view.lock.checksum[:12]}.",
            highlight=False,
        )
    if not view.results.results:
        out.print("No analyses: the study has no records.", highlight=False)
    table = Table("Analysis", "Group", "n", "Result", title="Analyses", title_justify="left")
    for row in result_rows(view.results):
        table.add_row(*(safe(cell) for cell in row))
    out.print(table)
    _print_methods(view)


def _print_methods(view: StudyView) -> None:
    """Print the methods in words, and the sources to which their numbers refer."""
    if not view.methods.text:
        return
    out.print("\n[bold]Statistical methods[/bold]", highlight=False)
    out.print(safe(view.methods.text), highlight=False)
    out.print()
    for number, source in enumerate(view.methods.sources, start=1):
        out.print(safe(f"[{number}] {source}"), style="dim", highlight=False)
