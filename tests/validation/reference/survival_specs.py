"""What a reference case asks for, in R's notation, as outcomes that stromal analyses."""

import re
from dataclasses import dataclass

import polars as pl

from stromal.analysis import counting_process, times_to_event

COLUMNS_OF = {"bmt_kmsurv": {"time": "t2", "status": "d3"}}
"""Time and status where a case gives neither: disease-free survival of the transplantations."""


SUBSETS = {"cox_cgd_pwp_strata_enum": "enum <= 3"}
"""Rows that a case's script leaves out without its call saying so (its n does)."""


@dataclass(frozen=True)
class Formula:
    """A formula of R's package survival: who is observed from when to when, and by what."""

    start: str | None
    time: str
    status: str
    terms: tuple[str, ...]
    strata: tuple[str, ...]
    cluster: str | None


def read_formula(text):
    """Read `Surv(time, status) ~ a + b + strata(c) + cluster(d)`."""
    found = re.fullmatch(r"\s*Surv\(([^)]*)\)\s*~\s*(.*)", text)
    *start, time, status = (part.strip() for part in found[1].split(","))
    terms, strata, cluster = [], [], None
    for term in (part.strip() for part in re.split(r"\+(?![^(]*\))", found[2])):
        inside = re.fullmatch(r"(strata|cluster)\((.*)\)", term)
        if inside is None:
            terms += [term] if term != "1" else []
        elif inside[1] == "strata":
            strata += [name.strip() for name in inside[2].split(",")]
        else:
            cluster = inside[2].strip()
    return Formula(start[0] if start else None, time, status, tuple(terms), tuple(strata), cluster)


def read_expression(text):
    """Read an expression of R over columns, such as `da==1 & ta<=100`."""
    for theirs, ours in (("%%", "%"), ("==", "="), ("&", " AND "), ("|", " OR "), ('"', "'")):
        text = text.replace(theirs, ours)
    return pl.sql_expr(re.sub(r"\blog\(", "ln(", text))


def add_weights(data, weights):
    """Add the weights of a recipe such as `0.5+(i%%4)/2, i=1..137`, or of a column."""
    recipe = weights.split(",")[0].split(";")[0].strip()
    numbered = data.with_columns(pl.int_range(1, pl.len() + 1).cast(pl.Float64).alias("i"))
    return data.with_columns(numbered.select(read_expression(recipe).alias("w_"))["w_"])


def add_status(data, status):
    """Give the column of a status, made where the case writes an expression such as `cr!=0`."""
    if status in data.columns:
        return data, status
    return data.with_columns(read_expression(status).alias("status_")), "status_"


def mark_events(data, status, cause=None):
    """Give the codes of a status as R reads them: 0/1, 1/2 or false/true; or causes from 0."""
    values = sorted(data[status].drop_nulls().unique().to_list())
    if data[status].dtype == pl.Boolean:
        return {"event": True, "censored": False}
    if cause is None:
        two = max(values) == 2
        return {"event": 2 if two else 1, "censored": 1 if two else 0}
    others = [value for value in values if value not in {0, cause}]
    return {"event": cause, "censored": 0, "competing": others or None}


def outcomes_of(data, time, status, *, cause=None, entry=None, weight=None, columns=()):
    """Make outcomes of the columns that are used, without the rows that miss one."""
    data, status = add_status(data, status)
    used = [name for name in (time, status, entry, weight, *columns) if name is not None]
    kept = data.select(list(dict.fromkeys(used))).drop_nulls()
    return times_to_event(
        kept,
        time=time,
        status=status,
        entry=entry,
        weight=weight,
        **mark_events(data, status, cause),
    )


def periods_of(data, formula, *, participant, columns=(), weight=None):
    """Make periods of the columns that are used; a participant is the cluster or the id."""
    data, status = add_status(data, formula.status)
    start, stop = formula.start, formula.time
    used = [start, stop, status, *columns, *([weight] if weight else [])]
    ids = [] if participant is None else [participant]
    kept = data.select(list(dict.fromkeys([*used, *ids]))).drop_nulls()
    if participant is None:
        participant = "row_"
        kept = kept.with_columns(pl.int_range(pl.len()).alias(participant))
    return counting_process(
        kept,
        participant=participant,
        start=start,
        stop=stop,
        status=status,
        weight=weight,
        **mark_events(data, status),
    )


def spell_terms(data, formula, names=None):
    """Give a table with a column of numbers for each coefficient that R names, and the columns.

    A term is a column of numbers, or a category: R then names term and level together, the level
    that it does not name being the one compared with.
    """
    if names is None:
        names = list(formula.terms)
    columns = {}
    for name in names:
        if name in data.columns and data[name].dtype.is_numeric():
            columns[name] = data[name].cast(pl.Float64)
            continue
        bare = name.replace(" ", "")
        term = max((t for t in formula.terms if bare.startswith(t.replace(" ", ""))), key=len)
        column = re.fullmatch(r"(?:as\.)?(?:factor)\((.*)\)", term)
        if bare == term.replace(" ", ""):
            columns[name] = data.select(read_expression(re.sub(r"^I\((.*)\)$", r"\1", term)))
            columns[name] = columns[name].to_series().cast(pl.Float64)
        else:
            level = data[column[1] if column else term].cast(pl.String).str.to_lowercase()
            columns[name] = (level == name[len(term) :].lower()).cast(pl.Float64)
    spelt = {f"x{i}_": series for i, series in enumerate(columns.values())}
    return data.with_columns(**spelt), tuple(spelt)


def plain(label):
    """Write the label of a group as R does: a whole number without decimals."""
    try:
        return f"{float(label):g}"
    except ValueError:
        return label


def columns_of(case):
    """Give time and status, where the case says them or by what its data set is about."""
    spec = case["spec"]
    return {
        **COLUMNS_OF.get(case["dataset"], {}),
        **{k: spec[k] for k in ("time", "status") if k in spec},
    }
