"""One outcome under every definition of the library: what the choice of definition moves."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

import polars as pl
from pydantic import ValidationError

from stromal.core import StromalError, UsageError
from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive_endpoint
from stromal.endpoints.rivals import (
    OWN,
    Rival,
    endpoints_of,
    family_of,
    outcomes,
    rival_definitions,
)
from stromal.protocol.definition import Definition
from stromal.protocol.endpoints import (
    Cytopenia,
    Endpoint,
    EventTimes,
    Response,
    ResponseEndpoint,
)
from stromal.protocol.library import FAMILIES
from stromal.protocol.rules import CountRule
from stromal.protocol.states import CountsHold, State

__all__ = [
    "OWN",
    "TIME_WORDS",
    "Multiverse",
    "derive_every",
    "summarize_every",
    "summarize_levels",
    "who_differs",
]

TIME_WORDS = ("event", "competing", "censored", "not_applicable", "not_evaluable")
"""Statuses of a time to an event, in the order in which they are counted."""
_SHARED = ("from_", "until", "competing", "assessed", "within")


@functools.cache
def _endpoint_models() -> dict[str, type[Any]]:
    """Give the model of an endpoint of every family that the library has definitions of."""
    union: tuple[Any, ...] = get_args(get_args(Endpoint)[0])
    models = [get_args(member)[0] for member in union]
    return {
        family: next(model for model in models if family in model.model_fields)
        for family in FAMILIES
    }


@dataclass(frozen=True)
class Multiverse:
    """One outcome of a study under every definition.

    Parameters
    ----------
    endpoint
        Name of the protocol's endpoint, or of the outcome where the protocol has none.
    label
        How it is called.
    outcome
        The outcome that the definitions share; None where the library gives them none.
    anchor
        The moment from which days count, in words.
    own
        Name of the protocol's own definition; None where the protocol has no such endpoint.
    rivals
        Every definition, the protocol's own first; `reason` says why one is not derived.
    rows
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, one row a derived definition and
        participant, in the order of `rivals`.
    """

    endpoint: str
    label: str
    outcome: str | None
    anchor: str
    own: str | None
    rivals: tuple[Rival, ...]
    rows: pl.DataFrame

    @property
    def reference(self) -> str:
        """Name the definition that the others are compared with: the own, or the first."""
        return str(self.rows["definition"].first())

    @property
    def levels(self) -> bool:
        """Whether the definitions give levels or grades, not times."""
        return any(status not in TIME_WORDS for status in self.rows["status"].drop_nulls())

    def derived(self) -> list[str]:
        """Name the definitions that are derived, in order."""
        return [rival.name for rival in self.rivals if not rival.reason]


def derive_every(
    context: Context, name: str, *, anchor: str | None = None, unverified: bool = False
) -> list[Multiverse]:
    """Derive an outcome under every definition of it.

    1. `name` is an endpoint of the protocol, or an outcome of the library: then the endpoints of
       that outcome are taken, those that share anchor, competing events and times together.
    2. The definitions are those of `rival_definitions`. Anchor, competing events, the time looked
       at and the time of assessment are the protocol's.
    3. Each definition is derived by the function that derives the endpoint itself.
    4. A definition that these records cannot show is kept with its reason and has no rows: an
       endpoint it builds on that the protocol does not have, counts that nobody measured, a scale
       that nobody assessed, a definition by which people judge (the verdicts were given under the
       protocol's own), or (without `unverified`) a definition whose sources nobody read.
    5. Where the protocol has no endpoint of the outcome, days count from `anchor`, and nothing
       competes.

    Parameters
    ----------
    context
        Protocol and records, with the protocol's endpoints derived.
    name
        Endpoint or outcome.
    anchor
        The anchor of an outcome that the protocol does not have.
    unverified
        Also derive definitions that nobody could verify.

    Returns
    -------
    list of Multiverse
        One for each set of endpoints with the same anchor, competing events and times.

    Raises
    ------
    UsageError
        The name is neither; nothing rivals it; or the anchor is missing or not one of the
        protocol's.
    """
    specs = endpoints_of(context.protocol, name)
    if specs and anchor is not None:
        first = next(iter(specs))
        raise UsageError(
            f"the protocol has the endpoint `{first}`, which says from when its days count; "
            "leave --from out"
        )
    if specs:
        return [
            _derive_group(context, group, name, unverified=unverified) for group in _groups(specs)
        ]
    return [_derive_outcome(context, name, anchor, unverified=unverified)]


def _groups(specs: dict[str, Endpoint]) -> list[dict[str, Endpoint]]:
    """Put endpoints together that differ in their definition alone."""
    groups: list[dict[str, Endpoint]] = []
    for name, spec in specs.items():
        same = next(
            (
                group
                for group in groups
                if _frame_of(next(iter(group.values()))) == _frame_of(spec)
                and type(next(iter(group.values()))) is type(spec)
            ),
            None,
        )
        if same is None:
            groups.append({name: spec})
        else:
            same[name] = spec
    return groups


def _frame_of(spec: Endpoint) -> dict[str, Any]:
    """Give what an endpoint says beside its definition."""
    return {key: vars(spec).get(key) for key in _SHARED if vars(spec).get(key) is not None}


def _derive_group(
    context: Context, specs: dict[str, Endpoint], asked: str, *, unverified: bool
) -> Multiverse:
    """Derive endpoints of the protocol that share their frame under every definition."""
    name, spec = next(iter(specs.items()))
    rivals = rival_definitions(specs)
    anchor: str = getattr(spec, "from_", "") or vars(spec)["assessed"].from_
    own, moment = rivals[0].name, _moment(context, anchor)
    label = spec.label if len(specs) == 1 else asked.replace("_", " ")
    empty = Multiverse(name, label, _outcome(rivals), moment, own, tuple(rivals), pl.DataFrame())
    return _derive_rivals(context, empty, spec, unverified=unverified)


def _moment(context: Context, anchor: str) -> str:
    """Name a moment by its label."""
    return context.protocol.anchors[anchor].label or anchor.replace("_", " ")


def _outcome(rivals: list[Rival]) -> str | None:
    """Name the outcome that the rivals of the library share, if they do."""
    return next((rival.rule.outcome for rival in rivals if rival.rule.outcome), None)


def _derive_outcome(
    context: Context, name: str, anchor: str | None, *, unverified: bool
) -> Multiverse:
    """Derive an outcome that the protocol does not have, from an anchor that the user names."""
    rivals = outcomes()[name]
    anchors = ", ".join(context.protocol.anchors)
    if anchor is None:
        raise UsageError(
            f"the protocol has no endpoint of the outcome `{name}`; say from when its days count "
            f"with --from and one of its anchors: {anchors}"
        )
    if anchor not in context.protocol.anchors:
        raise UsageError(f"`{anchor}` is no anchor of the protocol; there are: {anchors}")
    label = name.replace("_", " ")
    spec = next((made for rival in rivals if (made := _from_anchor(rival, label, anchor))), None)
    if spec is None:
        raise UsageError(
            f"`{name}` is a response, and when it is assessed is the protocol's choice; write an "
            "endpoint with `assessed` into the protocol"
        )
    empty = Multiverse(
        name, label, name, _moment(context, anchor), None, tuple(rivals), pl.DataFrame()
    )
    return _derive_rivals(context, empty, spec, unverified=unverified)


def _from_anchor(rival: Rival, label: str, anchor: str) -> Endpoint | None:
    """Make an endpoint of nothing but a definition and an anchor, where its family allows it."""
    if rival.family in {"response", "adjudicated"}:
        return None
    made: dict[str, Any] = {"label": label, rival.family: rival.rule, "from_": anchor}
    if rival.family != "graded":
        made["competing"] = []
    return cast("Endpoint", _endpoint_models()[rival.family].model_validate(made))


def _derive_rivals(
    context: Context, empty: Multiverse, spec: Endpoint, *, unverified: bool
) -> Multiverse:
    """Derive every rival that can be, and give each of the others its reason."""
    told: list[Rival] = []
    frames: list[pl.DataFrame] = []
    for rival in empty.rivals:
        reason = ""
        if rival.unverified and not rival.own and not unverified:
            reason = "nobody could verify it (its source was not found); --unverified includes it"
        if rival.family == "adjudicated" and rival.name != empty.own:
            reason = reason or _unjudged(context, empty.endpoint)
        reason = reason or _obstacle(context, rival, empty.endpoint)
        if not reason:
            rows, reason = _derive_rival(context, empty.endpoint, rival, spec)
            if rows is not None:
                frames.append(rows.with_columns(definition=pl.lit(rival.name)))
        remark = "" if reason else _unheard(context, rival.rule)
        told.append(replace(rival, reason=reason, remark=remark))
    if not frames:
        why = "; ".join(f"{rival.name}: {rival.reason}" for rival in told)
        raise UsageError(f"no definition of `{empty.endpoint}` can be derived here: {why}")
    own = empty.own if frames[0]["definition"].first() == empty.own else None
    return replace(empty, own=own, rivals=tuple(told), rows=pl.concat(frames))


def _derive_rival(
    context: Context, name: str, rival: Rival, spec: Endpoint
) -> tuple[pl.DataFrame | None, str]:
    """Derive one definition in the place of an endpoint; the reason where it cannot be."""
    made = _in_place_of(spec, rival)
    if isinstance(made, str):
        return None, made
    endpoints = {**context.protocol.endpoints, name: made}
    there = replace(context, protocol=context.protocol.model_copy(update={"endpoints": endpoints}))
    try:
        rows = derive_endpoint(there, name)
    except StromalError as error:
        return None, str(error)
    return (rows, "") if rows is not None else (None, f"stromal cannot derive {rival.family} yet")


def _in_place_of(spec: Endpoint, rival: Rival) -> Endpoint | str:
    """Put a definition in the place of an endpoint's own, or say why it does not fit."""
    if family_of(spec) == rival.family:
        return spec.model_copy(update={rival.family: rival.rule})
    model = _endpoint_models()[rival.family]
    frame = {key: value for key, value in _frame_of(spec).items() if key in model.model_fields}
    needs = [
        key
        for key, field in model.model_fields.items()
        if field.is_required() and key in _SHARED and key not in frame
    ]
    if needs == ["from_"] and isinstance(spec, ResponseEndpoint):
        frame["from_"], needs = spec.assessed.from_, []
    if needs:
        words = {"competing": "competing events", "assessed": "a time of assessment"}
        missing = " and ".join(words.get(key, key) for key in needs)
        return f"it defines {rival.family} and needs {missing}, which the endpoint does not name"
    frame |= {key: f"{frame[key]} d" for key in ("until", "within") if key in frame}
    made = {"label": spec.label, rival.family: rival.rule, **frame}
    try:
        return cast("Endpoint", model.model_validate(made))
    except ValidationError as error:
        told = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        return f"it defines {rival.family} and does not fit here: {told}"


def _obstacle(context: Context, rival: Rival, endpoint: str) -> str:
    """Say what a definition needs that these records or this protocol do not have."""
    needed = _endpoints_in(rival.rule)
    if endpoint in needed:
        return f"it builds on `{endpoint}` itself"
    missing = sorted(needed - set(context.derived))
    if missing:
        return f"it builds on the endpoint `{missing[0]}`, which the protocol does not derive"
    measured = set(context.records["measurements"]["analyte"].unique().to_list())
    told = _unmeasured(rival.rule, measured)
    if told:
        return told
    if rival.family == "graded":
        return _ungraded(context, rival, measured)
    return ""


def _unjudged(context: Context, endpoint: str) -> str:
    """Say why people's verdicts cannot be read under another definition than the protocol's."""
    verdicts = context.records["adjudications"].filter(pl.col("endpoint") == endpoint)
    if verdicts.is_empty():
        return "people judge it, and nobody has judged it here"
    return (
        f"people judge it, and the verdicts on `{endpoint}` were given under the protocol's own "
        "definition"
    )


def _endpoints_in(rule: Definition) -> set[str]:
    """Name the endpoints that a definition builds on."""
    keys = (
        ("endpoint", "graded", "after") if isinstance(rule, Cytopenia) else ("endpoint", "graded")
    )
    return {name for key, name in _texts(rule.model_dump(mode="json"), "") if key in keys}


def _texts(data: object, key: str) -> Iterator[tuple[str, str]]:
    """Yield (nearest key, text) of every text of plain data."""
    if isinstance(data, dict):
        for name, value in cast("dict[str, object]", data).items():
            yield from _texts(value, name)
    elif isinstance(data, list):
        for value in cast("list[object]", data):
            yield from _texts(value, key)
    elif isinstance(data, str):
        yield key, data


def _unheard(context: Context, rule: Definition) -> str:
    """Say which events a definition counts that nobody had: silence is read as none."""
    names: list[str] = []
    if isinstance(rule, EventTimes):
        names = [spec.event for spec in rule.events if spec.event is not None]
    recorded = set(context.records["events"]["event"].unique().to_list())
    unheard = [name for name in dict.fromkeys(names) if name not in recorded]
    if not unheard or set(names) == {"death"}:
        return ""
    return f"no {', '.join(unheard)} is recorded for anybody, which is read as none"


def _unmeasured(rule: Definition, measured: set[str]) -> str:
    """Say which counts nobody measured, where too few are left to decide."""
    for counts, lines in _counts_in(rule):
        missing = [
            count.analyte
            for count in counts
            if count.analyte not in measured and getattr(count, "or_supported", None) is None
        ]
        if len(counts) - len(missing) < lines:
            names = ", ".join(dict.fromkeys(missing))
            asks = "" if len(counts) == lines else f" and {lines} of {len(counts)} must hold"
            return f"nobody's {names} was measured{asks}"
    return ""


def _counts_in(rule: Definition) -> list[tuple[Sequence[CountRule], int]]:
    """List the counts of a rule, with how many of them must hold."""
    if isinstance(rule, CountRule):
        return [([rule], 1)]
    match rule:
        case Response():
            levels = rule.levels.values()
            return [(level.counts, level.lines or len(level.counts)) for level in levels]
        case Cytopenia():
            return [(rule.counts, rule.lines)]
        case State():
            parts = [part for part in (rule.begins, rule.ends) if isinstance(part, CountsHold)]
            return [(part.counts, part.lines) for part in parts]
        case _:
            return []


def _ungraded(context: Context, rival: Rival, measured: set[str]) -> str:
    """Say that nobody assessed what a grading needs, where that is so."""
    rule = vars(rival.rule)
    scale = str(rule["scale"])
    if scale in set(context.records["assessments"]["scale"].unique().to_list()):
        return ""
    items: list[Any] = list(rule["items"].values())
    people = context.records["participants"]
    columns = {name for name in people.columns if people[name].null_count() < people.height}
    if any(item.analyte in measured for item in items):
        return ""
    if all(item.variable is not None for item in items) and any(
        item.variable in columns for item in items
    ):
        return ""
    return f"nobody was assessed on the scale `{scale}`"


# --- summaries -------------------------------------------------------------------------------


def _beside_own(rows: pl.DataFrame) -> pl.DataFrame:
    """Set beside every row what the first definition gives for the same participant."""
    own = rows.filter(pl.col("definition") == rows["definition"].first()).select(
        "participant_id", own_status="status", own_day="day"
    )
    return rows.join(own, on="participant_id", how="left", maintain_order="left")


def summarize_every(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum up the times that the definitions give, and how far each is from the first's.

    1. `event`, `competing`, `censored`, `not_applicable`, `not_evaluable`: participants.
    2. `median_day`, `first_day`, `last_day`: of those with the event.
    3. `other_status`: participants whose status is not the one of the first definition (the
       protocol's own). Of those with the event under both: `earlier` and `later`, participants
       whose day is, and `largest_shift`, the day minus the first definition's day where that is
       farthest from 0 (of two equally far the later).

    Parameters
    ----------
    rows
        `Multiverse.rows` of a time to an event.

    Returns
    -------
    polars.DataFrame
        One row a definition, in their order.
    """
    event = pl.col("status") == "event"
    shift = pl.when(event & (pl.col("own_status") == "event")).then(
        pl.col("day") - pl.col("own_day")
    )
    return (
        _beside_own(rows)
        .with_columns(shift=shift)
        .group_by("definition", maintain_order=True)
        .agg(
            *((pl.col("status") == word).sum().alias(word) for word in TIME_WORDS),
            median_day=pl.col("day").filter(event).median(),
            first_day=pl.col("day").filter(event).min(),
            last_day=pl.col("day").filter(event).max(),
            other_status=pl.col("status").ne_missing(pl.col("own_status")).sum(),
            earlier=(pl.col("shift") < 0).sum(),
            later=(pl.col("shift") > 0).sum(),
            largest_shift=pl.col("shift").sort_by(pl.col("shift").abs(), "shift").last(),
        )
        .with_columns(
            largest_shift=pl.when(pl.col("earlier") + pl.col("later") > 0).then("largest_shift")
        )
    )


def summarize_levels(rows: pl.DataFrame) -> pl.DataFrame:
    """Count how often each definition gives a level where the first definition gives another.

    Parameters
    ----------
    rows
        `Multiverse.rows` of levels or grades.

    Returns
    -------
    polars.DataFrame
        `definition`, `own` (the level by the first definition), `level`, `n`; the definitions in
        their order.
    """
    order = pl.DataFrame(
        {"definition": rows["definition"].unique(maintain_order=True)}
    ).with_row_index("order")
    return (
        _beside_own(rows)
        .group_by("definition", own="own_status", level="status")
        .agg(n=pl.len())
        .join(order, on="definition")
        .sort("order", "own", "level")
        .select("definition", "own", "level", "n")
    )


def who_differs(rows: pl.DataFrame) -> pl.DataFrame:
    """Name the participants to whom the definitions give different things.

    1. A participant differs where two definitions give another status, or another day of an event
       or competing event; the day of censoring follows from the length of the run and is no
       difference.

    Parameters
    ----------
    rows
        `Multiverse.rows`.

    Returns
    -------
    polars.DataFrame
        `participant_id`, in the order in which they stand.
    """
    happened = pl.col("status").is_in(["event", "competing"])
    return (
        rows.with_columns(told=pl.when(happened).then("day"))
        .group_by("participant_id", maintain_order=True)
        .agg(kinds=pl.struct("status", "told").n_unique())
        .filter(pl.col("kinds") > 1)
        .select("participant_id")
    )
