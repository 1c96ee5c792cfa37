"""States in words: what begins or ends one, an episode, a first onset."""

from __future__ import annotations

import polars as pl

from stromal.endpoints.runs import describe_count
from stromal.protocol.states import CountsHold, EventHappens, GradeHolds, StateRule, Transfused

__all__ = ["describe_rule", "episode_note", "onset_columns"]


def describe_rule(rule: StateRule) -> str:  # noqa: PLR0911  (one return a rule)
    """Say shortly what begins or ends a state."""
    match rule:
        case CountsHold(counts=counts):
            said = ", ".join(describe_count(count) for count in counts)
            return said if len(counts) == 1 else f"at least {rule.lines} of {said}"
        case Transfused(none_for=None):
            product = rule.transfused.replace("_", " ")
            return (
                f"at least {rule.at_least} {rule.of} of {product} within {int(rule.within or 0)} "
                "days"
            )
        case Transfused():
            product = rule.transfused.replace("_", " ")
            return f"no transfusion of {product} for {int(rule.none_for or 0)} days"
        case GradeHolds():
            return f"{rule.graded.replace('_', ' ')} {' or '.join(rule.is_)}"
        case EventHappens(events="ended"):
            return "the event has ended"
        case EventHappens():
            grade = f" of grade {rule.grade_at_least} or more" if rule.grade_at_least else ""
            return f"{' or '.join(rule.events).replace('_', ' ')}{grade}"
        case _:
            return "the counts that began it are no longer held"


def episode_note() -> pl.Expr:
    """Say an episode in one sentence."""
    seen = pl.when(pl.col("seen_until") < pl.col("to_day") - 1).then(
        pl.format("; last known to hold on day {}", "seen_until")
    ).otherwise(pl.lit(""))  # fmt: skip
    unknown = pl.col("ended") == "still open when last seen"
    ended = pl.col("ended")
    how = pl.when(ended.str.starts_with("competing")).then(
        pl.format("closed by {}, not resolved,", ended.str.strip_prefix("competing: "))
    ).when(ended == "death").then(pl.lit("closed by death, not resolved,")).otherwise(
        pl.lit("resolved")
    )  # fmt: skip
    return (
        pl.when(unknown)
        .then(
            pl.format(
                "From day {}; not shown to have ended, known to hold up to day {}.",
                "from_day", "seen_until",
            )
        )
        .otherwise(pl.format("From day {}; {} on day {}{}.", "from_day", how, "to_day", seen))
    )  # fmt: skip


def onset_columns(said: str) -> list[pl.Expr]:
    """Say day, cause, records and note of a first onset by its status."""
    is_ = {
        word: pl.col("status") == word
        for word in ("event", "competing", "censored", "not_applicable")
    }
    name = pl.col("name").str.replace_all("_", " ")
    return [
        pl.when(is_["event"])
        .then("from_day")
        .when(is_["competing"])
        .then("competing_day")
        .when(is_["censored"])
        .then("free")
        .alias("day"),
        pl.lit(None, pl.Int32).alias("day_low"),
        pl.lit(None, pl.Int32).alias("day_high"),
        pl.when(is_["competing"])
        .then("name")
        .when(is_["censored"])
        .then(pl.lit("end of what is known"))
        .when(is_["not_applicable"])
        .then(pl.lit("anchor did not happen"))
        .when(is_["event"])
        .then(pl.lit(None))
        .otherwise(pl.lit("nothing is known from the first day on"))
        .alias("cause"),
        pl.when(is_["event"])
        .then("because")
        .when(is_["competing"])
        .then(pl.concat_list("record_id"))
        .alias("because"),
        pl.when(is_["event"])
        .then(
            pl.format(
                "{}: {}",
                pl.lit(said[0].upper() + said[1:]),
                pl.col("from_note").str.replace("^From", "from"),
            )
        )
        .when(is_["competing"])
        .then(pl.format("{} on day {} before {}.", name, "competing_day", pl.lit(said)))
        .when(is_["censored"])
        .then(pl.format("Without {} up to day {}.", pl.lit(said), "free"))
        .when(is_["not_applicable"])
        .then(pl.lit("The moment from which days count did not happen."))
        .otherwise(pl.lit(f"The records cannot tell whether there was {said}."))
        .alias("note"),
    ]
