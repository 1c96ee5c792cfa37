"""Failure by a fixed day: what did not come although the participant was alive and observed."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context, derived_frame
from stromal.endpoints.kernels import FAIL, PASS
from stromal.endpoints.provisos import happened, judge_provisos
from stromal.endpoints.recovery import recovery_series
from stromal.protocol.endpoints import FailureEndpoint, RecoveryEndpoint, provisos_of
from stromal.protocol.provisos import AssessmentProviso

__all__ = ["LONGEST_SILENCE", "days_of_failure", "derive_failure"]

LONGEST_SILENCE = 6
"""Most days in a row without a count that still show that a count never rose (our choice).

Six days lie between weekly draws. A count that rose and fell again within them is held to be
implausible; in a longer silence a graft may have been gained and lost.
"""


def derive_failure(context: Context, name: str, endpoint: FailureEndpoint) -> pl.DataFrame:
    """Derive failure by a fixed day, for every participant.

    1. The endpoint (such as neutrophil recovery) did not happen by day `by`, where it is known so:
       its own row says that it came later or not at all, or a count on day `by` or later ends every
       run that might have begun. Silence is not failure: counts must lie no more than
       `LONGEST_SILENCE` days without a count apart, from the anchor to the first count on day `by`
       or later.
    2. A proviso of `or` that holds (donor cells absent) is failure too, whatever the endpoint says.
       The provisos of `provided` must hold besides. All are judged for day `by`, in three-valued
       logic; see `stromal.endpoints.provisos.judge_provisos`.
    3. Failure is an `event` on day `by`, not on the day on which it was noticed.
    4. A competing event on or before day `by`, before the endpoint happened: `competing`. One that
       competes with the endpoint alone ends what is known of it: `not_evaluable` where it came
       before day `by`.
    5. Who is shown not to fail is `competing` too, with the endpoint as the cause on the day on
       which it happened (or day `by`, where provisos alone show it): failure by that day has then
       become impossible, and such participants stay in the denominator.
    6. Who never fell below the threshold of the recovery: `not_applicable`.
    7. Counts that end before day `by` without recovery: `censored` on the last day on which
       recovery could still have been seen to begin. Otherwise `not_evaluable`, and the cause names
       what is not known.

    `day_low` is day `by` for an event; `day_high` too, unless a run fits between two counts, where
    it may have come and gone unseen.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a participant.

    Raises
    ------
    UsageError
        The rule builds on an endpoint that is not derived.
    """
    rule = endpoint.failure
    by = int(rule.by)
    competing = context.first_events(endpoint.competing, endpoint.from_)
    frame = (
        context.anchor(endpoint.from_)
        .join(competing.rename({"day": "competing_day", "record_id": "competing_id"}), on="p",
              how="left")
        .join(_not_reached(context, endpoint), on="p")
        .sort("p")
    )  # fmt: skip
    runs = frame.select(
        k="p", p="p", onset=pl.lit(by, pl.Int32), end=pl.lit(by, pl.Int32)
    )  # fmt: skip
    either = judge_provisos(context, endpoint.from_, rule.or_, runs, needed="any")
    besides = judge_provisos(context, endpoint.from_, rule.provided, runs, needed="all")
    frame = frame.with_columns(
        either=either["holds"],
        either_yes=either["yes"],
        either_unknown=either["unknown"],
        either_no=either["no"],
        besides=besides["holds"],
        besides_no=besides["no"],
        besides_unknown=besides["unknown"],
        proviso_records=pl.Series(either["records"]),
        other_records=pl.Series(besides["records"]),
    ).with_columns(failed=(pl.col("not_reached") | pl.col("either")) & pl.col("besides"))
    rows = _decide(frame, endpoint)
    return derived_frame(context, name, rule.definition or rule.title or "spelled out", rows)


def _not_reached(context: Context, endpoint: FailureEndpoint) -> pl.DataFrame:
    """Say whether the endpoint did not come by the day.

    Returns
    -------
    polars.DataFrame
        `p`, `not_reached` (null where it is unknown), `at` (when it happened), `unfallen`, `ended`
        (day on which the counts end before the day), `missing` (what is not known), `unseen`
        (whether it could have begun unseen), `reached_by` (ids of the counts that decided).
    """
    name, by = endpoint.failure.endpoint, int(endpoint.failure.by)
    people = context.participants.select("p", "participant_id").sort("p")
    if name is None:
        return people.select(
            "p",
            not_reached=pl.lit(value=False),
            at=pl.lit(None, pl.Int32),
            unfallen=pl.lit(value=False),
            ended=pl.lit(None, pl.Int32),
            missing=pl.lit(None, pl.String),
            unseen=pl.lit(value=False),
            reached_by=pl.lit([], pl.List(pl.String)),
        )
    if name not in context.derived:
        raise UsageError(
            f"the failure is that of the endpoint `{name}`, which is not derived; declare an "
            "endpoint of that name, or spell the rule out with another"
        )
    plain = name.replace("_", " ")
    rows = context.derived[name].select(
        "participant_id", "status", "cause", "because", "anchor_day", ended_on="day"
    )
    frame = (
        people.join(rows, on="participant_id", how="left")
        .join(happened(context, name, endpoint.from_), on="p")
        .join(_counts(context, endpoint), on="p", how="left")
        .join(context.anchor(endpoint.from_).rename({"anchor_day": "own"}), on="p")
        .sort("p")
    )
    # nothing after the competing event of the endpoint was read: it says nothing of later days
    closed = pl.col("ended_on") + pl.col("anchor_day") - pl.col("own")
    competing = (pl.col("status") == "competing").fill_null(value=False)
    reached = (pl.col("at") <= by).fill_null(value=False)
    known = pl.when(competing).then(closed).otherwise("free_until")
    late = (known >= by).fill_null(value=False)
    ended_by_count = (pl.col("last_failure") >= by).fill_null(value=False)
    censored = pl.col("status") == "censored"
    unbroken = (pl.col("silence") <= LONGEST_SILENCE).fill_null(value=True)
    shown = late | ended_by_count
    short = censored & ~shown & ~reached
    return frame.select(
        "p",
        not_reached=pl.when(reached)
        .then(pl.lit(value=False))
        .when(shown & unbroken)
        .then(pl.lit(value=True)),
        at="at",
        unfallen=(pl.col("status") == "not_applicable") & pl.col("at").is_not_null(),
        ended=pl.when(short).then(pl.col("free_until")),
        missing=pl.when(~reached & shown & ~unbroken)
        .then(
            pl.format(
                "{} may have come and gone unseen: {} days in a row without a count",
                pl.lit(plain), "silence",
            )
        )
        .when(~reached & ~shown)
        .then(
            pl.format(
                "{} by day {} is not known{}", pl.lit(plain), pl.lit(by),
                pl.when(pl.col("cause").is_not_null() & ~censored)
                .then(pl.format(" ({})", "cause")).otherwise(pl.lit("")),
            )
        ),
        unseen=(pl.col("silence") >= pl.col("fits")).fill_null(value=False),
        reached_by=pl.when(reached).then("because").otherwise("last_records"),
    )  # fmt: skip


def _counts(context: Context, endpoint: FailureEndpoint) -> pl.DataFrame:
    """Give `last_failure`, `silence`, `fits` and `last_records` of the counts of a recovery.

    `last_failure`: last day with a count that ends every run. `silence`: most days in a row without
    a count, from the anchor to the first count on day `by` or later (else to the last). `fits`:
    days into which a run fits.
    """
    spec = context.protocol.endpoints[endpoint.failure.endpoint or ""]
    if not isinstance(spec, RecoveryEndpoint):
        return pl.DataFrame(
            schema={"p": pl.Int64, "last_failure": pl.Int32, "silence": pl.Int32,
                    "fits": pl.Int32, "last_records": pl.List(pl.String)}
        )  # fmt: skip
    by = int(endpoint.failure.by)
    series, _ = recovery_series(context, spec)
    told = (
        series.rows.with_row_index("row")
        .filter(pl.col("status").is_in([PASS, FAIL]) & (pl.col("counted") > 0))
        .join(_shift(context, endpoint, spec), on="p", maintain_order="left")
        .select("p", "row", "status", day=pl.col("day") + pl.col("shift"))
        .with_columns(before=pl.col("day").shift(1).over("p").fill_null(0))
    )
    failing = pl.col("status") == FAIL
    needed = (pl.col("before") < by) & (pl.col("day") >= 0)
    found = told.group_by("p", maintain_order=True).agg(
        last_failure=pl.col("day").filter(failing).max(),
        silence=(pl.col("day") - pl.col("before") - 1).filter(needed).max(),
        fits=pl.lit(spec.recovery.span + 1),
        row=pl.col("row").filter(failing & (pl.col("day") >= by)).first(),
    )
    ended = found.drop_nulls("row")
    records = ended.select("p", last_records=series.records(ended["row"].to_numpy()))
    return found.drop("row").join(records, on="p", how="left", maintain_order="left")


def days_of_failure(context: Context, endpoint: FailureEndpoint) -> pl.DataFrame:
    """Give the counts of the recovery that did not come, and what was assessed, day by day.

    Returns
    -------
    polars.DataFrame
        `part` (empty), `day` (from the endpoint's anchor), `seen`, `verdict`, `records`.
    """
    rule = endpoint.failure
    assessments = context.dated("assessments", endpoint.from_)
    scales = [part.assessment for part in provisos_of(endpoint)
              if isinstance(part, AssessmentProviso)]  # fmt: skip
    seen = [
        assessments.filter(pl.col("scale").is_in(scales)).select(
            part=pl.lit(""),
            day=pl.col("day").cast(pl.Int32),
            seen=pl.concat_str("scale", "item", "value", separator=" ", ignore_nulls=True),
            verdict=pl.lit("assessed"),
            records=pl.concat_list("record_id"),
        )
    ]
    spec = context.protocol.endpoints.get(rule.endpoint or "")
    if isinstance(spec, RecoveryEndpoint):
        series, _ = recovery_series(context, spec)
        words = {PASS: "recovered", FAIL: "not recovered"}
        days = series.told.join(_shift(context, endpoint, spec), on="p")
        seen.append(
            days.select(
                part=pl.lit(""),
                day=(pl.col("day") + pl.col("shift")).cast(pl.Int32),
                seen="reason",
                verdict=pl.col("status").replace_strict(
                    words, default="open", return_dtype=pl.String
                ),
                records="records",
            )
        )
    return pl.concat(seen).sort("day", maintain_order=True)


def _shift(context: Context, endpoint: FailureEndpoint, spec: RecoveryEndpoint) -> pl.DataFrame:
    """Give `p`, `shift`: what is added to days of the recovery to count from the failure's own."""
    return (
        context.anchor(spec.from_)
        .rename({"anchor_day": "other"})
        .join(context.anchor(endpoint.from_).rename({"anchor_day": "own"}), on="p")
        .select("p", shift=pl.col("other") - pl.col("own"))
    )


def _decide(frame: pl.DataFrame, endpoint: FailureEndpoint) -> pl.DataFrame:
    """Choose each participant's status and say why."""
    rule = endpoint.failure
    by = int(rule.by)
    reached = (pl.col("at") <= by).fill_null(value=False)
    first = pl.col("competing_day").is_not_null() & (pl.col("competing_day") <= by)
    first &= ~(reached & (pl.col("at") <= pl.col("competing_day")))
    unfallen = pl.col("unfallen") & ~pl.col("failed").fill_null(value=False)
    # a proviso of `or` that is not known leaves open who recovered
    no = (~pl.col("failed")).fill_null(value=False)
    status = (
        pl.when(pl.col("anchor_day").is_null())
        .then(pl.lit("not_applicable"))
        .when(first)
        .then(pl.lit("competing"))
        .when(pl.col("failed").fill_null(value=False))
        .then(pl.lit("event"))
        .when(no & unfallen)
        .then(pl.lit("not_applicable"))
        .when(no)
        .then(pl.lit("competing"))
        .when(pl.col("ended").is_not_null())
        .then(pl.lit("censored"))
        .otherwise(pl.lit("not_evaluable"))
    )
    plain = (rule.endpoint or "").replace("_", " ")
    frame = frame.with_columns(status=status, by_event=first, reached=reached)
    is_ = {word: pl.col("status") == word for word in ("event", "competing", "censored")}
    shown = is_["competing"] & ~pl.col("by_event")
    recovered = shown & pl.col("reached")
    against = pl.concat_str(
        pl.when(pl.col("either_no") != "").then("either_no"),
        pl.when(pl.col("besides_no") != "").then("besides_no"),
        separator=", ",
        ignore_nulls=True,
    )
    unknown = pl.concat_str(
        pl.when(pl.col("not_reached").is_null()).then("missing"),
        pl.when(pl.col("either").is_null()).then("either_unknown"),
        pl.when(pl.col("besides").is_null()).then("besides_unknown"),
        separator=", ",
        ignore_nulls=True,
    )
    records = pl.concat_list(
        pl.col("reached_by").fill_null(pl.lit([], pl.List(pl.String))),
        "proviso_records",
        "other_records",
    ).list.unique(maintain_order=True)
    frame = frame.with_columns(
        day=pl.when(is_["event"])
        .then(pl.lit(by, pl.Int32))
        .when(is_["competing"] & pl.col("by_event"))
        .then("competing_day")
        .when(recovered)
        .then("at")
        .when(shown)
        .then(pl.lit(by, pl.Int32))
        .when(is_["censored"])
        .then("ended"),
        cause=pl.when(is_["event"])
        .then(pl.lit(None, pl.String))
        .when(is_["competing"] & pl.col("by_event"))
        .then("name")
        .when(recovered)
        .then(pl.lit(rule.endpoint))
        .when(shown)
        .then(against)
        .when(is_["censored"])
        .then(pl.lit("end of counts"))
        .when(pl.col("anchor_day").is_null())
        .then(pl.lit("anchor did not happen"))
        .when(pl.col("status") == "not_applicable")
        .then(pl.lit("never below the threshold"))
        .otherwise(unknown),
        because=pl.when(is_["competing"] & pl.col("by_event"))
        .then(pl.concat_list("competing_id"))
        .when(is_["event"] | shown)
        .then(records),
    )
    return frame.with_columns(
        day_low=pl.when(is_["event"]).then("day"),
        day_high=pl.when(is_["event"] & ~pl.col("unseen")).then("day"),
        note=_note(is_, plain, by),
    ).select(
        "p", "anchor_day", "status", "day", "day_low", "day_high", "cause", "because", "note"
    )  # fmt: skip


def _note(is_: dict[str, pl.Expr], plain: str, by: int) -> pl.Expr:
    """Write one sentence a physician understands."""
    not_reached = pl.col("not_reached").fill_null(value=False)
    return (
        pl.when(is_["event"] & not_reached)
        .then(pl.lit(f"No {plain} by day {by}."))
        .when(is_["event"])
        .then(pl.format("Failure by day {}: {}.", pl.lit(by), "either_yes"))
        .when(is_["competing"] & pl.col("by_event"))
        .then(pl.format("{} on day {}, before day {}.", pl.col("name").str.replace_all("_", " "),
                        "day", pl.lit(by)))
        .when(is_["competing"] & pl.col("reached"))
        .then(pl.format("{} on day {}: no failure by day {}.", pl.lit(plain), "day", pl.lit(by)))
        .when(is_["competing"])
        .then(pl.format("No failure by day {}: {}.", pl.lit(by), "cause"))
        .when(is_["censored"])
        .then(pl.format("No {} so far; the counts end before day {}.", pl.lit(plain), pl.lit(by)))
        .when(pl.col("anchor_day").is_null())
        .then(pl.lit("The moment from which days count did not happen."))
        .when(pl.col("status") == "not_applicable")
        .then(pl.lit("The counts never fell below the threshold."))
        .otherwise(pl.format("Not evaluable: {}.", "cause"))
    )  # fmt: skip
