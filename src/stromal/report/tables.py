"""Tables of a report as texts, ready to be written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from stromal.core import Finding
from stromal.protocol.schedule import planned_infusions
from stromal.protocol.timing import DrawPlan
from stromal.protocol.treatment import InfusionPlan
from stromal.report.numbers import DASH, as_cells, as_duration, as_median, as_number, as_percent
from stromal.report.view import StudyView
from stromal.report.words import humanise, sentence

__all__ = [
    "Table",
    "baseline_columns",
    "is_free_text",
    "tabulate_assumptions",
    "tabulate_baseline",
    "tabulate_criteria",
    "tabulate_draws",
    "tabulate_exposure",
    "tabulate_findings",
    "tabulate_infusions",
    "tabulate_plan",
    "tabulate_printed",
    "tabulate_reconciled",
    "tabulate_visits",
]

_MANY = 8


@dataclass(frozen=True)
class Table:
    """A table as it is written.

    Parameters
    ----------
    caption
        What it shows.
    columns
        Headings.
    rows
        Cells, one text a column; a row with fewer cells is a heading that spans the table.
    numeric
        Indices of columns of numbers, which stand aligned at the right.
    note
        What a reader must know.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    note: str = ""


def _numbers(count: int, first: int = 1) -> frozenset[int]:
    return frozenset(range(first, count))


def _cell(value: object) -> str:
    """Write a value of a record."""
    match value:
        case None | "":
            return DASH
        case float():
            return as_number(value)
        case list():
            return ", ".join(humanise(str(part)) for part in value) or DASH  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)


# --- baseline --------------------------------------------------------------------------------


def tabulate_baseline(view: StudyView) -> Table | None:
    """Tabulate the participants at baseline, by arm.

    1. Age, sex, weight and site stand first where they are declared, then every column that the
       records carry along; dates, days and identifiers do not.
    2. A number is given as median and range, a word as its counts. A column of words with more than
       eight different ones (free text) has no row.
    3. What nobody has is told as not recorded.
    4. A reconstruction shows no values here: those of single participants are arbitrary. What its
       source printed of them stands among the results.
    """
    people = view.context.participants
    if people.is_empty():
        return None
    arms = _arms(view)
    absent = "not shown" if view.data == "reconstruction" else "not recorded"
    rows: list[tuple[str, ...]] = []
    for column in baseline_columns(view):
        values = [people.filter(pl.col("arm") == arm)[column] for arm in arms] or [people[column]]
        everyone = people[column]
        if everyone.null_count() == everyone.len() or view.data == "reconstruction":
            rows.append((_variable(column), *([absent] * len(values))))
        elif everyone.dtype.is_numeric():
            rows.append((_variable(column), *(_median_of(v, absent) for v in values)))
        elif not is_free_text(everyone):
            rows += _counts_of(column, everyone, values, absent)
    sizes = [f"n = {people.filter(pl.col('arm') == arm).height}" for arm in arms]
    heads = [f"{view.protocol.arms[a].label} ({n})" for a, n in zip(arms, sizes, strict=True)]
    columns = ("", *(heads or [f"All (n = {people.height})"]))
    note = "Numbers are median (range); counts are n (%)."
    if view.data == "reconstruction":
        note = (
            "Values of single participants are not published. What the source printed of them "
            "together stands among the results."
        )
    return Table("Participants at baseline", columns, tuple(rows), _numbers(len(columns)), note)


def _arms(view: StudyView) -> list[str]:
    """Give the arms that participants are in, in the protocol's order."""
    found = set(view.context.participants["arm"].drop_nulls())
    return [arm for arm in view.protocol.arms if arm in found]


def baseline_columns(view: StudyView) -> list[str]:
    """Give the columns that describe participants: the known ones first."""
    people = view.context.participants
    first = ["age", "sex", "weight_kg", "site"]
    never = {"p", "participant_id", "arm", "birth_date", "day_zero_date"}
    never |= {name for name in people.columns if name.endswith(("_day", "_on"))}
    never |= {"last_contact", "complete_until"}
    others = [name for name in people.columns if name not in {*first, *never}]
    others = [name for name in others if people[name].dtype != pl.Date]
    site_is_told = people["site"].null_count() < people.height
    return [name for name in first if name != "site" or site_is_told] + others


def is_free_text(values: pl.Series) -> bool:
    """Whether a column holds more different words than a table would list."""
    return not values.dtype.is_numeric() and values.n_unique() > _MANY


def _variable(column: str) -> str:
    known = {"age": "Age, years", "sex": "Sex", "weight_kg": "Weight, kg", "site": "Site"}
    return known.get(column, sentence(humanise(column)))


def _median_of(values: pl.Series, absent: str) -> str:
    """Give median and range, and how many are missing."""
    there: list[float] = values.drop_nulls().cast(pl.Float64).sort().to_list()
    if not there:
        return absent
    said = as_median(float(values.cast(pl.Float64).median() or 0.0), there[0], there[-1])  # type: ignore[arg-type]
    missing = values.null_count()
    return said + (f"; {missing} {absent}" if missing else "")


def _counts_of(
    column: str, everyone: pl.Series, values: Sequence[pl.Series], absent: str
) -> list[tuple[str, ...]]:
    """Give a heading and one row a level."""
    rows: list[tuple[str, ...]] = [(_variable(column),)]
    for level in sorted(everyone.drop_nulls().cast(pl.String).unique()):
        cells = [_share(int((v.cast(pl.String) == level).sum()), v.len()) for v in values]
        rows.append((f"\u2003{humanise(level)}", *cells))
    if everyone.null_count():
        cells = [_share(v.null_count(), v.len()) for v in values]
        rows.append((f"\u2003{absent}", *cells))
    return rows


def _share(count: int, whole: int) -> str:
    return f"{count}" + (f" ({as_percent(count / whole)})" if whole and count else "")


def tabulate_criteria(view: StudyView) -> Table:
    """Tabulate the criteria of eligibility, how each is judged, and how it was."""
    population = view.protocol.population
    has_records = view.data not in {None, "reconstruction"}
    rows: list[tuple[str, ...]] = []
    for kind, group in (("Inclusion", population.inclusion), ("Exclusion", population.exclusion)):
        if not group:
            continue
        rows.append((kind,))
        for criterion in group:
            how = "by rule" if criterion.rule else "attested" if criterion.attested else "narrative"
            judged = view.criteria.filter(pl.col("criterion") == criterion.id)["judged"]
            counts = [str(int((judged == word).sum())) for word in ("yes", "no", "unknown")]
            rows.append((criterion.text, how, *(counts if has_records else ())))
    columns = ("Criterion", "Judged", *(("Holds", "Does not", "Unknown") if has_records else ()))
    note = (
        "By rule: judged from the records. Attested: a person said so. Narrative: left to people, "
        "and without weight in the verdict unless somebody attested it."
    )
    return Table("Criteria of eligibility", columns, tuple(rows), _numbers(len(columns), 2), note)


# --- exposure --------------------------------------------------------------------------------


def tabulate_exposure(view: StudyView) -> Table | None:
    """Tabulate planned and delivered infusions and doses, by arm and product.

    None for a reconstruction: the infusions of its participants are arbitrary, and what its source
    printed of them stands among the results.
    """
    if view.exposure.is_empty() or view.data == "reconstruction":
        return None
    heads: list[str] = []
    columns: list[list[str]] = []
    names = (
        "Participants", "of whom infused", "Infusions planned (required)", "Infusions given",
        "of these early", "of these late", "of these extra", "Missed",
        "Not due (treatment not begun, death, withdrawal)", "Still due", "Cannot say",
        "Infusions per infused participant, median (range)",
        "Planned dose", "Delivered cells per kg and infusion, median (range)",
        "Delivered cells per infusion, median (range)",
    )  # fmt: skip
    for row in view.exposure.to_dicts():
        arm = view.protocol.arms[row["arm"]].label if row["arm"] else "no arm"
        heads.append(f"{arm}: {humanise(row['product'])}")
        columns.append(_exposure_of(view, row))
    rows = tuple(zip(names, *columns, strict=True))
    return Table(
        "Infusions planned and given", ("", *heads), rows, _numbers(len(heads) + 1),
        "An infusion without a stated window is neither early nor late.",
    )  # fmt: skip


def _exposure_of(view: StudyView, row: dict[str, Any]) -> list[str]:
    """Give one column of the exposure."""
    mine = view.infusions.filter(
        pl.col("arm").eq_missing(pl.lit(row["arm"])) & (pl.col("product") == row["product"])
    )
    doses = mine["planned_dose"].drop_nulls().unique(maintain_order=True).to_list()
    counts = [
        row[name]
        for name in ("participants", "infused", "planned", "given", "early", "late", "extra",
                     "missed", "not_due", "due", "cannot_say")
    ]  # fmt: skip
    per = as_median(row["infusions_median"], row["infusions_min"], row["infusions_max"])
    return [
        *(DASH if count is None else str(count) for count in counts),
        per,
        "; ".join(_powers(dose) for dose in doses) or DASH,
        _cells_median(row, "per_kg"),
        _cells_median(row, "cells"),
    ]


def _powers(text: str) -> str:
    """Write powers of ten as people do: `1 x 10^6` is 1 × 10⁶."""
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    found = re.sub(r"10\^(\d+)", lambda power: "10" + power[1].translate(raised), text)
    return found.replace(" x 10", " × 10")


def _cells_median(row: dict[str, Any], name: str) -> str:
    """Give median and range of a dose in millions of cells."""
    if not row[f"{name}_n"]:
        return DASH
    said = as_cells(row[f"{name}_median"])
    if row[f"{name}_min"] != row[f"{name}_max"]:
        said += f" ({as_cells(row[f'{name}_min'])} to {as_cells(row[f'{name}_max'])})"
    return f"{said}, n = {row[f'{name}_n']}"


def tabulate_infusions(view: StudyView) -> Table | None:
    """List every infusion that was given or had a day on which it was due."""
    if view.infusions.is_empty():
        return None
    rows = [
        (
            row["participant_id"],
            humanise(row["product"]),
            _cell(row["number"]),
            _cell(row["due_day"]),
            _cell(row["given_day"]),
            row["state"],
            as_cells(row["planned_per_kg"]),
            as_cells(row["delivered_per_kg"]),
            as_cells(row["delivered_cells"]),
            row["note"] or "",
        )
        for row in view.infusions.to_dicts()
        if row["due_day"] is not None or row["given_day"] is not None
    ]
    columns = ("Participant", "Product", "No.", "Due", "Given", "State", "Planned/kg", "Given/kg",
               "Cells given", "Note")  # fmt: skip
    note = f"Days count from {_day_zero(view)}."
    return Table(
        "Every infusion", columns, tuple(rows), frozenset({2, 3, 4, 6, 7, 8}), note
    )  # fmt: skip


def _day_zero(view: StudyView) -> str:
    name = view.protocol.day_zero
    return view.protocol.anchors[name].label or humanise(name)


def _anchor(view: StudyView, name: str) -> str:
    anchor = view.protocol.anchors.get(name)
    return (anchor.label if anchor else None) or humanise(name)


# --- the plan --------------------------------------------------------------------------------


def tabulate_plan(view: StudyView) -> Table | None:
    """Tabulate the infusions that the protocol plans."""
    plan = planned_infusions(view.protocol)
    if plan.is_empty():
        return None
    rows: list[tuple[str, ...]] = []
    for row in plan.to_dicts():
        due = row["due_after"]
        window = DASH
        if row["earliest"] is not None:
            window = f"day {as_number(row['earliest'])} to {as_number(row['latest'])}"
        rows.append((
            view.protocol.arms[row["arm"]].label, humanise(row["product"]), str(row["number"]),
            _required(view, row),
            "not stated" if due is None else f"day {due} from {_anchor(view, row['anchor'])}",
            window, _powers(row["dose"]),
        ))  # fmt: skip
    columns = ("Arm", "Product", "No.", "Required", "Due", "Window", "Dose")
    return Table("Planned infusions", columns, tuple(rows), frozenset({2}))


def _required(view: StudyView, row: dict[str, Any]) -> str:
    """Say whether a planned infusion is required; where their number is not stated, that."""
    plans: list[InfusionPlan] = view.protocol.arms[row["arm"]].infuse
    if plans[int(row["plan"])].times == "not stated":
        return "number of infusions not stated"
    return "if needed" if row["optional"] else "yes"


def tabulate_draws(view: StudyView) -> Table | None:
    """Tabulate the draws of blood that the protocol plans; a row says so where it plans none."""
    draws = view.protocol.draws
    rows: list[tuple[str, ...]] = []
    if isinstance(draws, str):
        rows.append(("not stated", DASH, DASH, DASH))
    else:
        rows += [_draw(view, plan) for plan in draws]
    columns = ("Analytes", "From", "Until", "On")
    return Table("Planned draws of blood", columns, tuple(rows))


def _draw(view: StudyView, plan: DrawPlan) -> tuple[str, ...]:
    start = f"{_anchor(view, plan.from_)}" + (f" + {as_duration(plan.start)}" if plan.start else "")
    until = (
        f"{as_duration(plan.until)} after {_anchor(view, plan.from_)}"
        if isinstance(plan.until, int)
        else _anchor(view, plan.until)
    )
    on = "daily" if plan.on == "daily" else ", ".join(plan.on or [])
    return ", ".join(plan.analytes), start, until, on or f"every {as_duration(plan.every or 0)}"


def tabulate_visits(view: StudyView) -> Table | None:
    """Tabulate the planned visits."""
    rows = tuple(
        (
            visit.label or humanise(visit.id),
            f"{as_duration(visit.at)} after {_anchor(view, visit.from_)}",
            visit.window
            if isinstance(visit.window, str)
            else f"{as_number(visit.window[0])} to {as_number(visit.window[1])} days",
            ", ".join(visit.assess) or DASH,
        )
        for visit in view.protocol.visits
    )
    return Table("Planned visits", ("Visit", "At", "Window", "Assessed"), rows) if rows else None


def tabulate_assumptions(view: StudyView) -> Table | None:
    """Tabulate what the protocol had to choose because its source leaves it open."""
    rows = tuple((a.id, a.text, a.reason) for a in view.protocol.assumptions)
    return Table("Assumptions", ("Name", "Assumed", "Because"), rows) if rows else None


# --- beside each other -----------------------------------------------------------------------


def tabulate_printed(view: StudyView) -> Table | None:
    """Set published numbers beside the computed ones."""
    words = {True: "yes", False: "NO", None: "not computed"}
    rows = tuple(
        (p.what, p.printed, p.computed or DASH, words[p.reproduced], p.note)
        for p in view.results.printed
    )
    columns = ("Number", "Printed", "Computed here", "Reproduced", "Note")
    return Table("Published numbers beside computed ones", columns, rows) if rows else None


def tabulate_reconciled(view: StudyView) -> Table | None:
    """Set adjudications beside derived results."""
    words = {True: "yes", False: "NO", None: "cannot say"}
    rows = tuple(
        (
            row["participant_id"],
            view.protocol.endpoints[row["endpoint"]].label,
            _with_day(row["derived"], row["derived_day"]),
            _with_day(row["adjudicated"], row["adjudicated_day"]),
            _cell(row["assessor"]),
            words[row["agree"]],
            row["difference"] or "",
        )
        for row in view.reconciled.to_dicts()
    )
    columns = ("Participant", "Endpoint", "Derived", "Adjudicated", "By", "Agree", "Difference")
    note = (
        "Neither is preferred: people adjudicate, stromal derives. Days from the endpoint's anchor."
    )
    return replace(Table("Adjudicated beside derived", columns, rows), note=note) if rows else None


def _with_day(status: str | None, day: int | None) -> str:
    said = humanise(status or "") or DASH
    return said if day is None else f"{said}, day {day}"


def _place(finding: Finding) -> str:
    """Say where a finding is; a path may break after its dots."""
    said = " ".join(part for part in (finding.participant_id, finding.where) if part)
    return said.replace(".", ".\u200b")


def tabulate_findings(
    caption: str, findings: Iterable[Finding], *, individual: bool = True
) -> Table | None:
    """List findings; without individual data those on participants are counted by their rule."""
    order = {"contradiction": 0, "gap": 1, "remark": 2}
    listed = sorted(findings, key=lambda finding: (order[finding.weight], finding))
    rows: list[tuple[str, ...]] = []
    if individual:
        rows = [
            (f.weight, _place(f), f.what, f.why,
             f.remedy)
            for f in listed
        ]  # fmt: skip
        columns = ("Weight", "Where", "Found", "Why it matters", "What would resolve it")
    else:
        counts: dict[tuple[str, str], int] = {}
        for f in listed:
            counts[f.weight, f.rule] = counts.get((f.weight, f.rule), 0) + 1
        rows = [(weight, rule, str(count)) for (weight, rule), count in counts.items()]
        columns = ("Weight", "Rule", "Findings")
    return Table(caption, columns, tuple(rows)) if rows else None
