"""What the choice of a definition moves, as tables for the terminal and for a page."""

from __future__ import annotations

import hashlib
import json

import polars as pl

from stromal.analysis.agreement import estimate_agreement
from stromal.endpoints.multiverse import (
    TIME_WORDS,
    Multiverse,
    summarize_every,
    summarize_levels,
    who_differs,
)
from stromal.endpoints.rivals import Rival

__all__ = [
    "definition_version",
    "judged_rows",
    "kappa_with_reference",
    "level_order",
    "tabulate_levels",
    "tabulate_participants",
    "tabulate_rows",
    "tabulate_times",
    "tabulate_transitions",
    "underived",
    "unjudged",
]

_NO_LEVEL = ("not_applicable", "not_evaluable")


def definition_version(rival: Rival) -> str:
    """Give the first 12 digits of the SHA-256 of what a definition says (canonical JSON)."""
    content = rival.rule.model_dump(mode="json", by_alias=True, exclude_none=True)
    told = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def tabulate_rows(multiverse: Multiverse) -> pl.DataFrame:
    """Give every derived row, and one row for each definition that is not derived.

    The columns of the derived rows, then `definition_version`, `own` (whether an endpoint of the
    protocol uses the definition) and `outcome`. A definition that is not derived has no
    participant, the status `not_derived` and its reason as the note.
    """
    missing = [rival for rival in multiverse.rivals if rival.reason]
    rows = multiverse.rows
    if missing:
        extra = pl.DataFrame(
            {
                "endpoint": [multiverse.endpoint] * len(missing),
                "definition": [rival.name for rival in missing],
                "status": ["not_derived"] * len(missing),
                "note": [rival.reason for rival in missing],
            }
        )
        rows = pl.concat([rows, extra], how="diagonal")
    about = pl.DataFrame(
        {
            "definition": [rival.name for rival in multiverse.rivals],
            "definition_version": [definition_version(rival) for rival in multiverse.rivals],
            "own": [rival.own for rival in multiverse.rivals],
        }
    )
    return rows.join(about, on="definition", how="left", maintain_order="left").with_columns(
        outcome=pl.lit(multiverse.outcome, pl.String)
    )


def underived(multiverse: Multiverse) -> list[tuple[str, str]]:
    """List the definitions that are not derived, each with its reason."""
    return [(rival.name, rival.reason) for rival in multiverse.rivals if rival.reason]


def _marked(multiverse: Multiverse, name: str) -> str:
    """Mark the definition that the others are compared with."""
    return f"{name} *" if name == multiverse.reference else name


def tabulate_times(multiverse: Multiverse) -> pl.DataFrame:
    """Sum up a time to an event under each definition, in words short enough for a terminal."""
    found = summarize_every(multiverse.rows)
    statuses = [
        word
        for word in TIME_WORDS
        if word in {"event", "competing", "censored"} or found[word].sum() > 0
    ]
    rows: list[dict[str, object]] = []
    for row in found.iter_rows(named=True):
        days = ""
        if row["median_day"] is not None:
            days = f"{row['median_day']:g} ({row['first_day']} to {row['last_day']})"
        own = row["definition"] == multiverse.reference
        rows.append(
            {
                "definition": _marked(multiverse, str(row["definition"])),
                **{word.replace("_", " "): row[word] for word in statuses},
                "median day (range)": days,
                "other status": None if own else row["other_status"],
                "earlier": None if own else row["earlier"],
                "later": None if own else row["later"],
                "largest shift": ""
                if row["largest_shift"] is None
                else f"{row['largest_shift']:+d} d",
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def level_order(multiverse: Multiverse, definition: str) -> list[str]:
    """List the levels that one definition can give, the best or least severe first."""
    rule = next(rival.rule for rival in multiverse.rivals if rival.name == definition)
    if hasattr(rule, "grades"):
        levels = [str(grade) for grade in vars(rule)["grades"]]
    elif hasattr(rule, "otherwise"):
        levels = [*map(str, vars(rule)["levels"]), str(vars(rule)["otherwise"])]
    else:
        levels = []
    seen = multiverse.rows.filter(pl.col("definition") == definition)["status"].drop_nulls()
    return [*levels, *sorted(set(seen.to_list()) - set(levels) - set(_NO_LEVEL))]


def kappa_with_reference(multiverse: Multiverse, definition: str) -> tuple[int, int, float | None]:
    """Give who is judged under both a definition and the first, who the same, and Cohen's kappa.

    Kappa is None where the two do not know the same levels (I to IV against A to D: there is
    nothing to agree on by name), or where it is not defined.
    """
    rows = multiverse.rows.filter(~pl.col("status").is_in(_NO_LEVEL))
    one = rows.filter(pl.col("definition") == multiverse.reference)
    other = rows.filter(pl.col("definition") == definition)
    pairs = one.join(other, on="participant_id").select("status", "status_right").rows()
    found = estimate_agreement(pairs)
    same_words = set(level_order(multiverse, multiverse.reference)) == set(
        level_order(multiverse, definition)
    )
    return found.n, found.same, found.kappa if same_words else None


def tabulate_levels(multiverse: Multiverse) -> pl.DataFrame:
    """Count the levels that each definition gives, and its agreement with the first."""
    found = summarize_levels(multiverse.rows)
    rows: list[dict[str, object]] = []
    for name in multiverse.derived():
        counts = dict(
            found.filter(pl.col("definition") == name)
            .group_by("level")
            .agg(pl.col("n").sum())
            .iter_rows()
        )
        order = [*level_order(multiverse, name), *_NO_LEVEL]
        told = [f"{level.replace('_', ' ')}: {counts[level]}" for level in order if level in counts]
        n, same, kappa = kappa_with_reference(multiverse, name)
        own = name == multiverse.reference
        rows.append(
            {
                "definition": _marked(multiverse, name),
                "participants": ", ".join(told),
                "the same": "" if own else f"{same} of {n}",
                "kappa": "" if own else "not defined" if kappa is None else f"{kappa:.2f}",
            }
        )
    return pl.DataFrame(rows)


def tabulate_transitions(multiverse: Multiverse) -> pl.DataFrame:
    """Count the participants that get another level than by the first definition."""
    found = summarize_levels(judged_rows(multiverse)).filter(
        pl.col("own").ne_missing(pl.col("level"))
    )
    return found.select(
        "definition",
        by_reference=pl.col("own").str.replace_all("_", " "),
        by_this=pl.col("level").str.replace_all("_", " "),
        participants="n",
    ).rename({"by_reference": "by the reference *", "by_this": "by this definition"})


def unjudged(multiverse: Multiverse) -> list[tuple[str, str]]:
    """Give the definitions under which nobody can be judged, with the most common note.

    They say nothing about what the choice of a definition moves, and are left out of who differs.
    The reference is never one of them.
    """
    silent = pl.col("status") == "not_evaluable"
    found = (
        multiverse.rows.filter(
            pl.col("status") != "not_applicable", pl.col("definition") != multiverse.reference
        )
        .group_by("definition", maintain_order=True)
        .agg(none=silent.all(), said=pl.col("note").drop_nulls().mode().sort().first())
        .filter("none")
    )
    return [(name, (said or "").rstrip(".")) for name, _, said in found.iter_rows()]


def judged_rows(multiverse: Multiverse) -> pl.DataFrame:
    """Give the rows of the definitions under which somebody can be judged."""
    silent = [name for name, _ in unjudged(multiverse)]
    return multiverse.rows.filter(~pl.col("definition").is_in(silent))


def tabulate_participants(multiverse: Multiverse) -> pl.DataFrame:
    """Say of each participant that differs what it is under which definitions.

    One row for each participant and distinct answer: `participant`, `status and day` (with the
    earliest and latest day that the record allows), `under` (the definitions). The answer of the
    first definition stands first.
    """
    rows = judged_rows(multiverse)
    differing = rows.join(who_differs(rows), on="participant_id", how="semi", maintain_order="left")
    bounds = pl.when(
        pl.col("day_low").is_not_null() & (pl.col("day_low") < pl.col("day"))
        | (pl.col("day_high") > pl.col("day"))
    ).then(
        pl.format(
            " ({} to {})",
            pl.col("day_low").cast(pl.String).fill_null("?"),
            pl.col("day_high").cast(pl.String).fill_null("not shown"),
        )
    )
    timed = pl.col("day").is_not_null() & pl.col("status").is_in(TIME_WORDS)
    told = pl.when(timed).then(
        pl.format("{} day {}{}", "status", "day", bounds.fill_null(""))
    ).otherwise("status")  # fmt: skip
    marked = pl.when(pl.col("definition") == multiverse.reference).then(
        pl.format("{} *", "definition")
    ).otherwise("definition")  # fmt: skip
    order = differing["participant_id"].unique(maintain_order=True).to_frame().with_row_index("at")
    return (
        differing.with_columns(
            told=told.str.replace_all("_", " ").fill_null("no verdict"), name=marked
        )
        .with_row_index("place")
        .group_by("participant_id", "told")
        .agg(under=pl.col("name").sort_by("place"), place=pl.col("place").min())
        .join(order, on="participant_id")
        .sort("at", "place")
        .select(
            participant="participant_id",
            **{"status and day": pl.col("told")},
            under=pl.col("under").list.join(", "),
        )
    )
