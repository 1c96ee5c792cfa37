"""One recovery under every definition of the library of its kind: what the choice moves."""

from __future__ import annotations

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.recovery import derive_recovery
from stromal.protocol.endpoints import Recovery, RecoveryEndpoint
from stromal.protocol.library import definitions

__all__ = ["OWN", "derive_every", "rival_definitions", "summarize_every"]

OWN = "as the protocol has it"


def rival_definitions(endpoint: RecoveryEndpoint) -> dict[str, Recovery]:
    """Give the rules of the library that define the same recovery: same analyte, same threshold.

    The protocol's own rule stands first, under its library name, or as `OWN` where it is spelled
    out and no definition of the library says the same.
    """
    own = endpoint.recovery
    library = {
        name: Recovery.model_validate(content)
        for name, (family, content) in definitions().items()
        if family == "recovery"
    }
    rivals = {
        name: rule
        for name, rule in library.items()
        if rule.analyte == own.analyte and _threshold(rule) == _threshold(own)
    }
    same = next((name for name, rule in rivals.items() if _content(rule) == _content(own)), OWN)
    return {same: own} | {name: rule for name, rule in rivals.items() if name != same}


def _threshold(rule: Recovery) -> float | None:
    """Give the count that has to be reached, whatever the operator."""
    at_least = rule.in_unit("at_least")
    return rule.in_unit("above") if at_least is None else at_least


def _content(rule: Recovery) -> dict[str, object]:
    """Give what a rule does, without its name and its sources."""
    return rule.model_dump(exclude={"definition", "title", "sources", "leaves_open"})


def derive_every(context: Context, endpoint: str) -> pl.DataFrame:
    """Derive a recovery under every definition of its kind.

    1. The definitions are those of `rival_definitions`; anchor, competing events and the time
       looked at are the protocol's.
    2. Each is derived by the function that derives the endpoint itself.

    Parameters
    ----------
    context
        Protocol and records.
    endpoint
        Name of an endpoint of the family `recovery`.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a definition and
        participant; `definition` is the definition's name, the protocol's own first.

    Raises
    ------
    UsageError
        The protocol has no such endpoint, or it is of another family.
    """
    spec = context.protocol.endpoints.get(endpoint)
    recoveries = [
        name
        for name, other in context.protocol.endpoints.items()
        if isinstance(other, RecoveryEndpoint)
    ]
    if not isinstance(spec, RecoveryEndpoint):
        there = ", ".join(recoveries) or "none"
        raise UsageError(
            f"`{endpoint}` is no recovery of this study, and only recoveries have rival "
            f"definitions in the library; there are: {there}"
        )
    return pl.concat(
        derive_recovery(context, endpoint, spec.model_copy(update={"recovery": rule})).with_columns(
            definition=pl.lit(name)
        )
        for name, rule in rival_definitions(spec).items()
    )


def summarize_every(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum up what the definitions give, and how far each is from the protocol's own.

    1. `event`, `competing`, `censored`, `not_applicable`, `not_evaluable`: participants.
    2. `median_day`, `first_day`, `last_day`: of those with the event.
    3. `other_status`, `other_day`: participants whose status, or whose day of the event, is not
       the one that the protocol's own definition (the first) gives.

    Parameters
    ----------
    rows
        What `derive_every` gives.

    Returns
    -------
    polars.DataFrame
        One row a definition, in their order.
    """
    own = rows.filter(pl.col("definition") == rows["definition"].first()).select(
        "participant_id", own_status="status", own_day="day"
    )
    event = pl.col("status") == "event"
    both = event & (pl.col("own_status") == "event")
    return (
        rows.join(own, on="participant_id", how="left", maintain_order="left")
        .group_by("definition", maintain_order=True)
        .agg(
            *(
                (pl.col("status") == word).sum().alias(word)
                for word in ("event", "competing", "censored", "not_applicable", "not_evaluable")
            ),
            median_day=pl.col("day").filter(event).median(),
            first_day=pl.col("day").filter(event).min(),
            last_day=pl.col("day").filter(event).max(),
            other_status=(pl.col("status") != pl.col("own_status")).sum(),
            other_day=(both & (pl.col("day") != pl.col("own_day"))).sum(),
        )
    )
