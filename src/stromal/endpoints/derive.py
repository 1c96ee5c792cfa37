"""All endpoints of a protocol, in the order in which they build on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.adjudicated import derive_adjudicated
from stromal.endpoints.context import Context
from stromal.endpoints.cytopenia import derive_cytopenia
from stromal.endpoints.failure import derive_failure
from stromal.endpoints.graded import derive_graded
from stromal.endpoints.outcome import DERIVED_COLUMNS
from stromal.endpoints.recovery import derive_recovery
from stromal.endpoints.response import derive_response
from stromal.endpoints.states import derive_state
from stromal.endpoints.survival import derive_time_to_event
from stromal.endpoints.toxicity import derive_chain, derive_event_count
from stromal.protocol import Protocol
from stromal.protocol.endpoints import (
    AdjudicatedEndpoint,
    ChainEndpoint,
    CytopeniaEndpoint,
    Endpoint,
    EventCountEndpoint,
    EventSpec,
    FailureEndpoint,
    GradedEndpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
    TimeToEventEndpoint,
    provisos_of,
)
from stromal.protocol.provisos import EndpointProviso
from stromal.records import TrialRecords

__all__ = ["built_on", "derive", "derive_all", "derive_endpoint", "order_of_derivation"]

_FAMILIES: dict[type, Callable[[Context, str, Any], pl.DataFrame]] = {
    RecoveryEndpoint: derive_recovery,
    CytopeniaEndpoint: derive_cytopenia,
    FailureEndpoint: derive_failure,
    ResponseEndpoint: derive_response,
    TimeToEventEndpoint: derive_time_to_event,
    AdjudicatedEndpoint: derive_adjudicated,
    EventCountEndpoint: derive_event_count,
    ChainEndpoint: derive_chain,
    GradedEndpoint: derive_graded,
    StateEndpoint: derive_state,
}


def derive(protocol: Protocol, records: TrialRecords) -> pl.DataFrame:
    """Derive every endpoint of the protocol for every participant.

    Endpoints that are not defined have no rows. The order of rows is that of the endpoints in the
    protocol, then of the participants table.

    Returns
    -------
    polars.DataFrame
        The columns of `stromal.endpoints.outcome.DERIVED_COLUMNS`, with `anchor_day` (the
        endpoint's anchor, in days from day zero) and `count` (for event counts).

    Raises
    ------
    UsageError
        Endpoints build on each other in a circle.
    """
    context = derive_all(protocol, records)
    frames = [context.derived[name] for name in protocol.endpoints if name in context.derived]
    if not frames:
        return pl.DataFrame(schema={**DERIVED_COLUMNS, "anchor_day": pl.Int32, "count": pl.Int32})
    return pl.concat(frames)


def derive_all(
    protocol: Protocol, records: TrialRecords, *, only: Iterable[str] | None = None
) -> Context:
    """Derive every endpoint and give the context that holds them, for what builds on it.

    With `only` these endpoints, and those they build on, are derived.
    """
    context = Context(protocol, records)
    for name in order_of_derivation(protocol) if only is None else built_on(protocol, only):
        rows = derive_endpoint(context, name)
        if rows is not None:
            context = context.with_derived(name, rows)
    return context


def derive_endpoint(context: Context, name: str) -> pl.DataFrame | None:
    """Derive one endpoint of the context's protocol; None where nothing can derive its family."""
    endpoint = context.protocol.endpoints[name]
    family = _FAMILIES.get(type(endpoint))
    return None if family is None else family(context, name, endpoint)


def order_of_derivation(protocol: Protocol) -> list[str]:
    """Order the endpoints so that each comes after those it builds on.

    Raises
    ------
    UsageError
        They build on each other in a circle, or one builds on an endpoint that is not defined.
    """
    needs = {name: _needs(endpoint) for name, endpoint in protocol.endpoints.items()}
    for name, needed in needs.items():
        undefined = [n for n in needed if type(protocol.endpoints[n]) not in _FAMILIES]
        if undefined:
            raise UsageError(
                f"endpoint `{name}` builds on `{undefined[0]}`, which the protocol does not define"
            )
    order: list[str] = []
    while len(order) < len(needs):
        ready = [name for name in needs if name not in order and needs[name] <= set(order)]
        if not ready:
            circle = ", ".join(sorted(set(needs) - set(order)))
            raise UsageError(
                f"the endpoints {circle} build on each other in a circle; none can come first"
            )
        order.extend(ready)
    return order


def built_on(protocol: Protocol, names: Iterable[str]) -> list[str]:
    """Name these endpoints and all that they build on, in the order of derivation."""
    order, wanted = order_of_derivation(protocol), set(names)
    for name in reversed(order):
        wanted |= _needs(protocol.endpoints[name]) if name in wanted else set()
    return [name for name in order if name in wanted]


def _needs(endpoint: Endpoint) -> set[str]:
    """Name the endpoints that an endpoint builds on."""
    specs: list[EventSpec] = list(getattr(endpoint, "competing", []))
    needed: set[str] = set()
    if isinstance(endpoint, TimeToEventEndpoint):
        specs += endpoint.time_to_event.events
    if isinstance(endpoint, CytopeniaEndpoint):
        needed.update(endpoint.cytopenia.after_all)
    if isinstance(endpoint, FailureEndpoint) and endpoint.failure.endpoint is not None:
        needed.add(endpoint.failure.endpoint)
    provisos = provisos_of(endpoint)
    needed |= {part.endpoint for part in provisos if isinstance(part, EndpointProviso)}
    return needed | {spec.endpoint for spec in specs if spec.endpoint is not None}
