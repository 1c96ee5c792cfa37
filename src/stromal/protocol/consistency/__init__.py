"""The protocol read against itself: contradictions, gaps and remarks, from general rules."""

from __future__ import annotations

from stromal.core import Finding
from stromal.protocol.consistency.analyses import check_analyses
from stromal.protocol.consistency.design import check_design
from stromal.protocol.consistency.draws import check_draws
from stromal.protocol.consistency.estimands import check_estimands
from stromal.protocol.consistency.families import check_endpoints
from stromal.protocol.consistency.gradings import check_gradings
from stromal.protocol.consistency.levels import check_levels
from stromal.protocol.consistency.population import check_population
from stromal.protocol.consistency.states import check_states
from stromal.protocol.consistency.time_frames import check_time_frames
from stromal.protocol.consistency.treatment import check_treatment
from stromal.protocol.consistency.view import view_of
from stromal.protocol.protocol import Protocol

__all__ = ["check_protocol"]

_WEIGHTS = ("contradiction", "gap", "remark")
_TOPICS = (
    check_population,
    check_time_frames,
    check_draws,
    check_levels,
    check_endpoints,
    check_states,
    check_gradings,
    check_analyses,
    check_estimands,
    check_treatment,
    check_design,
)


def check_protocol(protocol: Protocol) -> list[Finding]:
    """Read a protocol against itself.

    1. Every rule looks at the protocol's content alone, never at its id or registration number.
    2. Published facts that rules compare with (earliest diagnosis of a condition, thresholds) come
       from the data files beside the definitions, each with its source.
    3. What is not known raises no contradiction: a finding rests on what the protocol says.

    Returns
    -------
    list of Finding
        Contradictions first, then gaps, then remarks; within them by the parts of the protocol in
        the order of the language. `where` is a path such as `endpoints.platelet_response.response`,
        list entries by their number from 0.
    """
    view = view_of(protocol)
    parts = list(Protocol.model_fields)
    found = [finding for topic in _TOPICS for finding in topic(view)]

    def place(finding: Finding) -> tuple[int, int]:
        return _WEIGHTS.index(finding.weight), parts.index(finding.where.split(".")[0])

    return sorted(dict.fromkeys(found), key=place)
