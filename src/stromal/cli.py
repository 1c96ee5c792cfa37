"""The same functions from a shell. Each command works on a study folder.

Heavy imports stand inside the commands, so that `stromal --help` answers at once.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from stromal import __version__
from stromal.core import Finding, RecordError, StromalError, UsageError
from stromal.terminal import err, out, working
from stromal.terminal import print_frame as _print_frame
from stromal.terminal import safe as _safe
from stromal.terminal import save as _save
from stromal.terminal import stamp as _stamp
from stromal.terminal import stamped as _stamped
from stromal.terminal import write as _write

if TYPE_CHECKING:
    import polars as pl

    from stromal.endpoints import Context
    from stromal.protocol import Protocol
    from stromal.records import TrialRecords

__all__ = ["app", "main"]

app = typer.Typer(
    name="stromal",
    help="Executable protocols for cell-therapy trials in haematology. "
    "Research software, not for decisions about a person's care.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Study = Annotated[Path, typer.Argument(help="Study folder: protocol.yaml and records/.")]
Output = Annotated[
    Optional[Path],  # noqa: UP045  (typer reads it at run time)
    typer.Option("--output", "-o", help="Write here too; .csv, .parquet or .json by the suffix."),
]
Cutoff = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--cutoff", help="Last date that is read, inclusive: YYYY-MM-DD."),
]


def main() -> None:
    """Run the command line; a user's mistake ends with its remedy and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except RecordError as error:
        for fault in error.faults:
            err.print(_safe(str(fault)), style="red", soft_wrap=True, highlight=False)
        count = len(error.faults)
        err.print(f"{count} fault{'s' if count != 1 else ''}; nothing was read.", highlight=False)
        sys.exit(1)
    except StromalError as error:
        err.print(_safe(str(error)), style="red", soft_wrap=True, highlight=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        text = f"cannot read or write{place} ({error.strerror or error})"
        err.print(_safe(text), style="red", soft_wrap=True, highlight=False)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def version_option(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False
) -> None:
    """Show the version."""
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit


@app.command()
def check(study: Study, output: Output = None) -> None:
    """Validate the protocol, read it against itself, and check the records.

    Contradictions and gaps are findings: they are told, and the exit status stays 0. A protocol or
    a record that cannot be read is an error.
    """
    from stromal.protocol import protocol_version, read_protocol
    from stromal.protocol.consistency import check_protocol
    from stromal.records import read_records

    protocol = read_protocol(study)
    out.print(f"[bold]{_safe(protocol.study.title)}[/bold]", highlight=False)
    out.print(f"Protocol version {protocol_version(protocol)}", highlight=False)
    findings = check_protocol(protocol)
    try:
        findings = [*findings, *read_records(study, protocol).findings]
    except RecordError:
        _print_findings(findings)
        raise
    if output is not None:
        import polars as pl

        columns = {field.name: pl.String for field in fields(Finding)}
        _write(pl.DataFrame([vars(finding) for finding in findings], schema=columns), output)
    _print_findings(findings)


@app.command()
def screen(study: Study, output: Output = None, cutoff: Cutoff = None) -> None:
    """Say for each participant: eligible, not eligible or cannot say, and what decided."""
    from stromal.endpoints.screening import screen as screen_participants

    _, records, context = _derived(study, cutoff)
    frame = screen_participants(context)
    _write(frame, output)
    _print_frame(frame, "Screening", records.about.data)


@app.command()
def schedule(study: Study, output: Output = None, cutoff: Cutoff = None) -> None:
    """List infusions due, given, late and missed, with planned and delivered dose."""
    from stromal.protocol.schedule import planned_infusions

    protocol, records, context = _derived(study, cutoff)
    if records["participants"].is_empty():
        frame = planned_infusions(protocol)
        _write(frame, output)
        _print_frame(frame, "Planned infusions (no participants yet)", None)
    else:
        from stromal.endpoints.exposure import list_infusions, summarize_exposure

        frame = list_infusions(context)
        _write(frame, output)
        for row in summarize_exposure(context, frame).iter_rows(named=True):
            out.print(_safe(_exposure_said(row)), highlight=False)
        _print_frame(_doses_shown(frame), "Infusions", records.about.data)


@app.command()
def derive(  # noqa: PLR0913, PLR0917  (one argument an option)
    study: Study,
    output: Output = None,
    cutoff: Cutoff = None,
    endpoint: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--endpoint", "-e", help="Only this endpoint."),
    ] = None,
    every: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--every", help="An endpoint or an outcome under every definition of the "
                     "library; -o also draws: .html, .svg or .png."),
    ] = None,
    anchor: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", help="With --every: the anchor of an outcome that the protocol "
                     "does not have."),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="With --every: also what nobody could verify.")
    ] = False,
    episodes: Annotated[
        bool, typer.Option("--episodes", help="The episodes of the states, one row an episode.")
    ] = False,
) -> None:  # fmt: skip
    """Derive every endpoint for every participant, with the records that decided."""
    import polars as pl

    protocol, records, context = _derived(study, cutoff)
    if every is not None:
        from stromal.cli_every import derive_every_command

        study_read = (protocol, records, context)
        derive_every_command(study_read, every, output, anchor=anchor, unverified=unverified)
        return
    if anchor is not None or unverified:
        raise UsageError("--from and --unverified belong to --every NAME")
    if endpoint is not None and endpoint not in protocol.endpoints:
        raise UsageError(
            f"`{endpoint}` is no endpoint of this study; there are: {', '.join(protocol.endpoints)}"
        )
    if episodes:
        _derive_episodes(context, endpoint, output)
        return
    names = [name for name in context.derived if endpoint in {None, name}]
    frames = [context.derived[name] for name in protocol.endpoints if name in names]
    if not frames or records["participants"].is_empty():
        when = "" if cutoff is None else f" up to {cutoff}"
        folder = _safe(str(_records_of(study)))
        out.print(
            f"Nothing to derive: there are no participants in {folder}{when}.", highlight=False
        )
        return
    _write(_stamped(pl.concat(frames), protocol, records), output)
    for frame in frames:
        label = protocol.endpoints[frame["endpoint"][0]].label
        shown = frame.select("participant_id", "status", "day", "day_low", "day_high", "note")
        here = frame["cause"].fill_null("") != "anchor did not happen"
        _print_frame(shown.filter(here), label, records.about.data)
        others = shown.filter(~here)["participant_id"]
        if len(others):
            few = ", ".join(others.head(6)) + (" ..." if len(others) > 6 else "")
            out.print(
                f"{len(others)} more not applicable, the moment from which days count did not "
                f"happen: {_safe(few)}",
                style="dim",
                highlight=False,
            )


def _derive_episodes(context: Context, endpoint: str | None, output: Path | None) -> None:
    """Print and write the episodes of the states, or of one of them."""
    import polars as pl

    from stromal.endpoints.states import derive_episodes
    from stromal.endpoints.states import episodes as episodes_of
    from stromal.protocol.endpoints import StateEndpoint

    protocol, records = context.protocol, context.records
    found = derive_episodes(context) if endpoint is None else episodes_of(context, endpoint)
    _write(_stamped(found, protocol, records), output)
    for name, spec in protocol.endpoints.items():
        if isinstance(spec, StateEndpoint) and endpoint in {None, name}:
            shown = found.filter(pl.col("endpoint") == name).select(
                "participant_id", "episode", "from_day", "to_day", "seen_until", "ended"
            )
            _print_frame(shown, spec.label, records.about.data)
    out.print(
        "to day: the first day without it; seen until: the last day of which it is known that it "
        "held. -o FILE writes also when it was shown, its earliest days and the records.",
        style="dim",
        highlight=False,
    )
    if not any(isinstance(spec, StateEndpoint) for spec in protocol.endpoints.values()):
        out.print("The protocol has no states.", highlight=False)


@app.command()
def explain(
    study: Study,
    participant: Annotated[str, typer.Option("--participant", "-p", help="Participant's id.")],
    endpoint: Annotated[str, typer.Option("--endpoint", "-e", help="Endpoint's name.")],
    output: Output = None,
    cutoff: Cutoff = None,
) -> None:
    """Print the day-by-day reasoning for one participant and one endpoint."""
    from stromal.endpoints import explain as explain_row

    protocol, records = _read(study, cutoff)
    told = explain_row(protocol, records, participant, endpoint)
    row = told.row
    _write(told.days, output)
    _stamp(records.about.data)
    out.print(f"[bold]{_safe(participant)}: {_safe(told.label)}[/bold]", highlight=False)
    out.print(_safe(told.definition), highlight=False)
    for source in told.sources:
        out.print(f"  Source: {_safe(str(source))}", style="dim", highlight=False)
    if told.leaves_open:
        out.print(f"  Left open: {_safe(told.leaves_open)}", style="dim", highlight=False)
    _print_frame(_collapsed(told.days), "Day by day", None)
    when = "" if row["day"] is None else f" on day {row['day']}"
    dated = f" ({row['date']})" if row["date"] is not None else ""
    out.print(f"[bold]{_safe(str(row['status']))}{when}{dated}[/bold]. {_safe(row['note'])}",
              highlight=False)  # fmt: skip
    if row["day_low"] is not None or row["day_high"] is not None:
        low = "none" if row["day_low"] is None else row["day_low"]
        high = "not shown" if row["day_high"] is None else row["day_high"]
        out.print(
            f"Every missing day in its favour: day {low}. "
            f"Every missing draw against it: {'day ' if high != 'not shown' else ''}{high}.",
            highlight=False,
        )


@app.command()
def reconcile(study: Study, output: Output = None, cutoff: Cutoff = None) -> None:
    """Set adjudicated verdicts beside derived ones: agreement, and every difference."""
    import polars as pl

    from stromal.analysis.agreement import estimate_agreement
    from stromal.endpoints.reconcile import reconcile as reconcile_verdicts

    protocol, records, context = _derived(study, cutoff)
    frame = reconcile_verdicts(context)
    _write(_stamped(frame, protocol, records), output)
    if frame.is_empty():
        out.print("No derived endpoint has an adjudication.", highlight=False)
        return
    _stamp(records.about.data)
    for (name,), rows in frame.group_by("endpoint", maintain_order=True):
        judged = rows.drop_nulls("adjudicated")
        found = estimate_agreement(judged.select("derived", "adjudicated").rows())
        kappa = "not defined" if found.kappa is None else f"{found.kappa:.3f}"
        days = rows.filter(pl.col("agree"))
        out.print(
            f"{_safe(protocol.endpoints[str(name)].label)}: {found.same} of {found.n} verdicts the "
            f"same (Cohen's kappa {kappa}); {days.height} of {rows.height} agree with their day.",
            highlight=False,
        )
        _print_frame(
            found.table.rename({"first": "derived", "second": "adjudicated"}), "Verdicts", None
        )
        other = rows.filter(~pl.col("agree").fill_null(value=False))
        if not other.is_empty():
            shown = other.select("participant_id", "assessor", "difference", "basis")
            _print_frame(shown, "Differences", None)


@app.command()
def analyze(
    study: Study,
    output: Output = None,
    cutoff: Cutoff = None,
    lock: Annotated[
        bool, typer.Option("--lock", help="Lock the analysis on these records and this cut-off.")
    ] = False,
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write analysis data, a row a participant and endpoint: .csv, .parquet "
                     "or .json."),
    ] = None,
) -> None:  # fmt: skip
    """Compute the protocol's analyses.

    Once locked, `analyze` and `report` refuse records, a protocol or a cut-off that have changed.
    """
    from stromal.cli_analyze import analyze_command

    analyze_command(study, _date(cutoff), output, lock=lock, data=data)


@app.command()
def simulate(  # noqa: PLR0913, PLR0917  (one argument an option)
    study: Study,
    trials: Annotated[int, typer.Option(help="Trials of each scenario and variant.")] = 2000,
    seed: Annotated[int, typer.Option(help="The seed: the same seed gives the same numbers.")] = 1,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Write here: .json (all), .csv, .parquet, .svg, .png."),
    ] = None,
    grid: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A file of scenarios and variants to be tried side by side."),
    ] = None,
    scenario: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Another scenario file than the study's own."),
    ] = None,
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--write", help="Write one trial as a study folder, and simulate no others."),
    ] = None,
    trial: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Which trial --write writes; the first, 0, where absent."),
    ] = None,
    sets: Annotated[int, typer.Option(help="Calibrated parameter sets to use, at most.")] = 50,
    bank: Annotated[int, typer.Option(help="People in the bank of each parameter set.")] = 250,
    keep: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Keep results in this folder; a run that was stopped goes on from it."),
    ] = None,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Processes; all processors where absent."),
    ] = None,
    cluster: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Run on the cluster that this file describes (stromal[cluster])."),
    ] = None,
) -> None:
    """Do the trial thousands of times with virtual participants, and say what it would show.

    `scenario.yaml` in the study folder says what is assumed. Nobody has measured the effect of MSC:
    it is a scenario.
    """
    from stromal.cli_simulate import Place, simulate_command, write_command
    from stromal.design.simulation import Budget

    budget = Budget(trials=trials, sets=sets, bank=bank, seed=seed)
    if folder is not None and grid is not None:
        raise UsageError("--write writes a trial of the scenario, without a grid; leave one out")
    if folder is None and trial is not None:
        raise UsageError("--trial says which trial --write writes; name a folder with --write")
    if folder is not None:
        write_command(study, budget, folder, scenario=scenario, number=trial or 0)
        return
    place = Place(keep, workers, cluster)
    simulate_command(study, budget, place, scenario=scenario, grid=grid, output=output)


@app.command()
def report(
    study: Study,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output", "-o", help="The report (.html), or only the numbers (.json). "
            "Default: report.html in the working folder. The numbers stand beside it: "
            "results.json, or NAME.json beside NAME.html.",
        ),
    ] = None,
    cutoff: Cutoff = None,
    individual: Annotated[
        bool, typer.Option(help="Show data of single participants (timelines, listings).")
    ] = True,
) -> None:  # fmt: skip
    """Write the report: one self-contained HTML file, and its numbers as JSON beside it."""
    target = output or Path("report.html")
    if target.suffix.lower() not in {".html", ".json"}:
        raise UsageError(f"a report is written as .html or .json; got `{target.name}`")
    from stromal.report.design_content import read_simulated
    from stromal.report.html import render_report
    from stromal.report.view import build_view

    simulated = read_simulated(study) if target.suffix.lower() == ".html" else None
    with working("Deriving and analysing"):
        view = build_view(study, data_cutoff=_date(cutoff))
    if target.suffix.lower() == ".html":
        with working("Drawing"):
            page = render_report(view, individual=individual, simulated=simulated)
        _save(target, page)
        beside = "results" if target.stem == "report" else target.stem
        target = target.with_name(f"{beside}.json")
    _write_json(view, target, individual=individual)


@app.command()
def definitions(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[NAME | compare A B | compare OUTCOME]",
            help="One in words, how two differ, or all of an outcome side by side.",
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Write the content here too: .json or .yaml."),
    ] = None,
) -> None:
    """List the library of published definitions, print one in words, or compare them."""
    from stromal.cli_definitions import definitions_command

    definitions_command(names or [], output)


@app.command()
def schema(output: Output = None) -> None:
    """Print the JSON Schema of protocol files, for editors."""
    import json

    from stromal.protocol import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if output is None:
        sys.stdout.write(text + "\n")
    else:
        _save(output, text + "\n")


@app.command()
def demo(
    studies: Annotated[Path, typer.Argument(help="Folder of study folders.")] = Path("studies"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to fill.")] = Path("demo"),
) -> None:
    """Build every study's report and an index page."""
    folders = sorted(path.parent for path in studies.glob("*/protocol.yaml"))
    if not folders:
        raise UsageError(f"no study folder (with protocol.yaml) in {studies}")
    from rich.progress import track

    from stromal.report.design_content import read_simulated
    from stromal.report.html import render_report
    from stromal.report.index import render_index
    from stromal.report.view import build_view

    views: list[Any] = []
    for folder in track(folders, description="Reports", console=out, transient=True):
        shown = _with_records(folder, output / "virtual")
        view, simulated = build_view(shown), read_simulated(shown)
        page = render_report(view, individual=True, simulated=simulated)
        _save(output / f"{folder.name}.html", page)
        _write_json(view, output / f"{folder.name}.json")
        views.append(view)
    _save(output / "index.html", render_index(views))


def _with_records(study: Path, place: Path) -> Path:
    """Give the study, or where it has no records and a scenario, one virtual trial of it."""
    from stromal.design.scenario import SCENARIO_FILE

    if _records_of(study).exists() or not (study / SCENARIO_FILE).is_file():
        return study
    from stromal.cli_simulate import write_command
    from stromal.design.simulation import Budget

    write_command(study, Budget(), place / study.name, scenario=None, number=0)
    return place / study.name


def _read(study: Path, cutoff: str | None) -> tuple[Protocol, TrialRecords]:
    """Read protocol and records."""
    from stromal.protocol import read_protocol
    from stromal.records import read_records

    protocol = read_protocol(study)
    return protocol, read_records(study, protocol, data_cutoff=_date(cutoff))


def _derived(study: Path, cutoff: str | None) -> tuple[Protocol, TrialRecords, Context]:
    """Read a study and derive its endpoints."""
    from stromal.endpoints import derive_all

    protocol, records = _read(study, cutoff)
    with working("Deriving"):
        return protocol, records, derive_all(protocol, records)


def _records_of(study: Path) -> Path:
    """Name the folder in which a study's records are looked for."""
    from stromal.records.files import RECORDS_FOLDER

    return (study.parent if study.is_file() else study) / RECORDS_FOLDER


def _date(text: str | None) -> date | None:
    """Read an ISO date."""
    if text is None:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
            raise UsageError(f"`{text}` is not a date; write it as YYYY-MM-DD")
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"`{text}` is not a date; write it as YYYY-MM-DD") from error


def _print_findings(findings: Sequence[Finding]) -> None:
    """Print findings, the gravest first."""
    if not findings:
        out.print("No findings.", highlight=False)
    style = {"contradiction": "bold red", "gap": "bold yellow", "remark": "bold cyan"}
    for finding in findings:
        whom = f" {finding.participant_id}" if finding.participant_id else ""
        place = _safe(f"{finding.where}{whom}")
        out.print(f"[{style[finding.weight]}]{finding.weight}[/] {place}", highlight=False)
        for text in (finding.what, finding.why, f"-> {finding.remedy}"):
            out.print(f"    {_safe(text)}", highlight=False)
    counts = {weight: sum(f.weight == weight for f in findings) for weight in style}
    plural = [f"{n} {weight}{'s' if n != 1 else ''}" for weight, n in counts.items()]
    out.print(f"{len(findings)} findings: {', '.join(plural)}.", style="bold", highlight=False)


def _exposure_said(row: dict[str, Any]) -> str:
    """Say one arm's exposure to one product in a sentence."""
    said = (
        f"{row['product']} in arm {row['arm']}: {row['infused']} of {row['participants']} "
        f"participants infused; {row['given']} infusions given ({row['late']} late, "
        f"{row['extra']} extra), {row['missed']} missed"
    )
    if row["infusions_median"] is None:
        return f"{said}."
    return (
        f"{said}; {row['infusions_min']} to {row['infusions_max']} per participant infused "
        f"(median {row['infusions_median']:g})."
    )


def _doses_shown(infusions: pl.DataFrame) -> pl.DataFrame:
    """Keep what a coordinator reads: infusions with a day, doses in 10^6 per kg."""
    import polars as pl

    dose = {
        f"{kind} 10^6/kg": (pl.col(f"{kind}_per_kg") / 1e6).round(3)
        for kind in ("planned", "delivered")
    }
    return infusions.filter(
        pl.col("due_day").is_not_null() | pl.col("given_day").is_not_null()
    ).select(
        participant="participant_id",
        product="product",
        no="number",
        due="due_day",
        given="given_day",
        state="state",
        note="note",
        **dose,
    )


def _collapsed(days: pl.DataFrame) -> pl.DataFrame:
    """Join successive days on which nothing was measured into one line, and mark the deciding."""
    import polars as pl

    quiet = pl.col("seen").str.contains("not drawn|not measured") & (pl.col("verdict") == "open")
    same = (quiet & quiet.shift(1) & (pl.col("seen") == pl.col("seen").shift(1))).fill_null(
        value=False
    )
    shown = (
        days.with_columns(block=(~same).cum_sum())
        .group_by("block", maintain_order=True)
        .agg(
            level=pl.col("part").first(),
            day=pl.when(pl.len() > 1)
            .then(pl.format("{} to {}", pl.col("day").first(), pl.col("day").last()))
            .otherwise(pl.col("day").first().cast(pl.String)),
            date=pl.col("date").first(),
            seen=pl.col("seen").first(),
            verdict=pl.col("verdict").first(),
            decided=pl.when(pl.col("decided").any()).then(pl.lit("*")).otherwise(pl.lit("")),
        )
        .drop("block")
    )
    return shown if (shown["level"].fill_null("") != "").any() else shown.drop("level")


def _write_json(view: Any, output: Path | None, *, individual: bool = True) -> None:  # noqa: ANN401
    """Write all numbers of a study as JSON."""
    from stromal.cli_analyze import write_results

    write_results(view, output, individual=individual)


if __name__ == "__main__":
    main()
