"""The report of a study as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from stromal import __version__
from stromal.endpoints.describe import describe_endpoint, leaves_open, sources_of
from stromal.report import tables
from stromal.report.design_content import Simulated
from stromal.report.design_tables import show_design
from stromal.report.figures import STAMPS
from stromal.report.flow import trace_flow
from stromal.report.numbers import as_date, as_day, as_number, as_range
from stromal.report.result_tables import tabulate_multiplicity
from stromal.report.results import show_result
from stromal.report.safety import tabulate_chains, tabulate_events
from stromal.report.sources import cite, list_sources
from stromal.report.tables import Table
from stromal.report.timeline import draw_history
from stromal.report.timeline_data import Decision, History, collect_history
from stromal.report.view import StudyView, spell_definition, spell_reason
from stromal.report.words import humanise, sentence, spell_out

__all__ = ["MOST_TIMELINES", "page_environment", "render_report"]

MOST_TIMELINES = 500
"""Most participants whose timelines a report draws."""
_ROLES = {
    "primary": "Primary results",
    "secondary": "Secondary results",
    "descriptive": "Descriptive results",
    "safety": "Safety results",
    "exploratory": "Exploratory results",
}


@dataclass(frozen=True)
class Person:
    """One participant's part of the report."""

    participant_id: str
    key: str
    line: str
    notes: tuple[str, ...]
    picture: Markup
    decisions: Table


@cache
def page_environment() -> Environment:
    """Make the environment in which pages are written: everything is escaped."""
    environment = Environment(
        loader=PackageLoader("stromal.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast("dict[str, Any]", environment.filters)  # pyright: ignore[reportUnknownMemberType]
    filters |= {"humanise": humanise, "sentence": sentence, "day": as_date, "ticks": _ticks}
    return environment


def _ticks(text: str) -> Markup:
    """Write what stands between backticks as code, everything escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def read_asset(name: str) -> str:
    """Read a style sheet or script that pages carry inside."""
    return (files("stromal.report") / "templates" / name).read_text(encoding="utf-8")


def script_policy(script: str) -> str:
    """Give the content security policy of a page: nothing is loaded, only our script runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def render_report(
    view: StudyView, *, individual: bool = True, simulated: Simulated | None = None
) -> str:
    """Write the report of a study as one self-contained HTML page.

    1. The page holds its styles, its script and its figures; it loads nothing, and its content
       security policy lets nothing else run.
    2. Every text of the protocol and of the records is escaped.
    3. With `individual`, each participant's timeline and listings are shown, under a warning where
       the protocol's sharing plan forbids sharing them. Of a reconstruction they are never shown,
       and of more than `MOST_TIMELINES` participants neither: no browser shows such a page.
    4. With `simulated`, a section shows what virtual trials would show, stamped as synthetic.
    5. What was not observed says so at every heading, table and figure, and on every printed page.
    6. The same study gives the same bytes.

    Parameters
    ----------
    view
        The study, computed by `build_view`.
    individual
        Whether data of single participants are shown.
    simulated
        What virtual trials of the study showed; see `stromal.report.design_content`.
    """
    named = individual and view.has_individuals and view.context.size <= MOST_TIMELINES
    script = read_asset("timeline.js")
    page = page_environment().get_template("report.html.j2")
    blocks = [show_result(view, result, individual=named) for result in view.results.results]
    roles = [
        (role, title, [block for block in blocks if block.result.role == role])
        for role, title in _ROLES.items()
        if any(block.result.role == role for block in blocks)
    ]
    return page.render(
        view=view,
        protocol=view.protocol,
        study=view.protocol.study,
        stamp=STAMPS.get(view.data or "", ""),
        individual=named,
        forbidden=named and not view.shares_individuals,
        withheld_individuals=_why_no_individuals(view, individual=individual),
        roles=roles,
        primary=[block for block in blocks if block.result.role == "primary"],
        flow=trace_flow(view),
        facts=_facts(view),
        endpoints=_endpoints(view),
        tables=_tables(view, named=named),
        sets=_sets(view, named=named),
        people=_people(view) if named else [],
        design=None if simulated is None else show_design(view, simulated),
        synthetic=STAMPS["synthetic"],
        methods=[part for part in view.methods.text.split("\n\n") if part],
        references=[cite(source) for source in view.methods.sources],
        sources=list_sources(view),
        as_range=as_range,
        version=__version__,
        style=Markup(read_asset("report.css")),  # noqa: S704  (our own file)
        script=Markup(script),  # noqa: S704  (our own file)
        policy=script_policy(script),
    )


def _why_no_individuals(view: StudyView, *, individual: bool) -> str:
    """Say why histories of participants are not shown; empty where they are."""
    if view.data is None:
        return ""
    if view.data == "reconstruction":
        return (
            "Histories of single participants are not shown: individual data were never published, "
            "and who had what on which day is arbitrary in a reconstruction."
        )
    if view.context.size > MOST_TIMELINES:
        return (
            "Histories of single participants are not shown: there are more than "
            f"{MOST_TIMELINES}. The commands derive and explain show each."
        )
    return "" if individual else "This report was made without data of single participants."


def _facts(view: StudyView) -> list[tuple[str, str]]:
    """Give the first facts of a study, name and value."""
    design, study = view.protocol.design, view.protocol.study
    registered = ", ".join(
        f"{r.registry} {r.id}" + (" (probable)" if r.certainty == "probable" else "")
        for r in study.registrations
    )
    allocation = design.allocation.method if design.allocation else ""
    found = [
        ("Conditions", ", ".join(study.conditions)),
        ("Design", f"{design.kind}, {design.masking}"),
        ("Allocation", allocation),
        ("Phase", study.phase),
        ("Planned size", f"{design.enrolment} (basis: {design.basis_of_size})"),
        ("Arms", "; ".join(arm.label for arm in view.protocol.arms.values())),
        ("Registered", registered or "not stated"),
        ("Published", study.publication.source.text if study.publication else ""),
        ("Individual data", f"sharing: {view.protocol.sharing.individual_data}"),
    ]
    return [(name, value) for name, value in found if value]


def _endpoints(view: StudyView) -> list[dict[str, Any]]:
    """Give every endpoint with its definition in words, its sources and what stays open."""
    return [
        {
            "name": name,
            "label": endpoint.label,
            "definition": spell_definition(
                view.protocol, describe_endpoint(endpoint, view.protocol.anchors)
            ),
            "as_written": endpoint.as_written,
            "open": leaves_open(endpoint),
            "sources": [cite(source) for source in sources_of(endpoint)],
            "time_frame": endpoint.time_frame.text if endpoint.time_frame else None,
            "assumed": endpoint.assumed,
        }
        for name, endpoint in view.protocol.endpoints.items()
    ]


def _tables(view: StudyView, *, named: bool) -> dict[str, Table | None]:
    """Make every table of the report; None where there is nothing to show."""
    has_rows = view.data not in {None, "reconstruction"}
    return {
        "criteria": tables.tabulate_criteria(view),
        "baseline": tables.tabulate_baseline(view),
        "plan": tables.tabulate_plan(view),
        "draws": tables.tabulate_draws(view),
        "visits": tables.tabulate_visits(view),
        "exposure": tables.tabulate_exposure(view),
        "infusions": tables.tabulate_infusions(view) if named else None,
        "events": tabulate_events(view) if has_rows else None,
        "chains": tabulate_chains(view, individual=named) if has_rows else None,
        "multiplicity": tabulate_multiplicity(view.results),
        "printed": tables.tabulate_printed(view),
        "reconciled": tables.tabulate_reconciled(view) if named else None,
        "record_findings": tables.tabulate_findings(
            "Findings in the records", view.records.findings, individual=named
        ),
        "assumptions": tables.tabulate_assumptions(view),
        "screening": _screening(view) if named else None,
    }


def _screening(view: StudyView) -> Table:
    """List the verdict on every participant."""
    rows = tuple(
        (row["participant_id"], row["verdict"], spell_out(row["note"] or "", []))
        for row in view.screening.to_dicts()
    )
    return Table("Eligibility of every participant", ("Participant", "Verdict", "Note"), rows)


def _sets(view: StudyView, *, named: bool) -> list[dict[str, Any]]:
    """Give every analysis set with its size and whom it leaves out, and why."""
    found: list[dict[str, Any]] = []
    for name, (members, excluded) in view.sets.items():
        listed = tuple(
            (row["participant_id"], spell_reason(view.protocol, row["reason"]))
            for row in excluded.to_dicts()
        )
        found.append(
            {
                "label": view.protocol.analysis_sets[name].label,
                "n": members.height,
                "reasons": Counter(reason for _, reason in listed).most_common(),
                "table": Table("Left out", ("Participant", "Because"), listed)
                if named and listed
                else None,
            }
        )
    return found


# --- participants ----------------------------------------------------------------------------


def _people(view: StudyView) -> list[Person]:
    """Make every participant's part: a line, the timeline, the derived results in words."""
    return [
        _person(view, row, number)
        for number, row in enumerate(view.context.participants.to_dicts(), start=1)
    ]


def _person(view: StudyView, row: dict[str, Any], number: int) -> Person:
    """Make one participant's part."""
    history = collect_history(view.context, row["participant_id"], view.infusions)
    verdict = view.screening.filter(pl.col("participant_id") == row["participant_id"])
    eligible = verdict["verdict"][0] if verdict.height else ""
    return Person(
        participant_id=row["participant_id"],
        key=f"participant-{number}",
        line=_person_line(view, row, eligible),
        notes=_person_notes(view, row),
        picture=Markup(draw_history(history)),  # noqa: S704  (our own, escaped)
        decisions=_decision_table(history),
    )


def _person_line(view: StudyView, row: dict[str, Any], eligible: str) -> str:
    """Describe a participant in one line: arm, baseline, what the records say besides."""
    arm = view.protocol.arms[row["arm"]].label if row["arm"] else "no arm recorded"
    words = {"age": "age {} years", "weight_kg": "{} kg"}
    parts = [arm, f"screening: {eligible}"]
    for column in tables.baseline_columns(view):
        value = row[column]
        if value is None or tables.is_free_text(view.context.participants[column]):
            continue
        shown = as_number(value) if isinstance(value, float) else humanise(str(value))
        template = words.get(column, "{}" if column == "sex" else f"{humanise(column)}: {{}}")
        parts.append(template.replace("{}", shown))
    return " · ".join(parts)


def _person_notes(view: StudyView, row: dict[str, Any]) -> tuple[str, ...]:
    """Give what the participants table says of a participant in free text."""
    people = view.context.participants
    return tuple(
        f"{sentence(humanise(column))}: {row[column]}"
        for column in tables.baseline_columns(view)
        if row[column] is not None and column != "site" and tables.is_free_text(people[column])
    )


def _decision_table(history: History) -> Table:
    """List the derived results of a participant with what decided each."""
    rows = tuple(_decision_row(decision, history.anchor) for decision in history.decisions)
    columns = ("Endpoint", "Result", "Day", "Earliest to latest", "Why", "Decided by")
    return Table("Derived results", columns, rows)


def _decision_row(decision: Decision, zero: str) -> tuple[str, ...]:
    """Write one derived result; its day names its anchor where that is not day zero."""
    shift = (decision.day or 0) - (decision.own_day or 0)
    bounds = [None if d is None else d - shift for d in (decision.low, decision.high)]
    day = ""
    if decision.own_day is not None:
        day = as_day(decision.own_day)
        day += "" if decision.anchor == zero else f" from {decision.anchor}"
    between = ""
    if any(bound is not None for bound in bounds):
        low, high = (None if bound is None else as_number(bound) for bound in bounds)
        between = f"{low or 'no lower bound'} to {high or 'no upper bound'}"
    deciding = _by_day(decision.deciding)
    shown = "; ".join(deciding if len(deciding) <= 8 else (*deciding[:4], "…", *deciding[-3:]))
    return decision.label, humanise(decision.status), day, between, decision.note, shown


def _by_day(deciding: tuple[str, ...]) -> tuple[str, ...]:
    """Join what decided on one day, so that the day is said once."""
    found: list[str] = []
    for said in deciding:
        day, colon, rest = said.partition(": ")
        if colon and found and found[-1].startswith(f"{day}: "):
            found[-1] += f", {rest}"
        else:
            found.append(said)
    return tuple(found)
