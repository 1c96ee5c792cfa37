"""What the records mean: endpoints derived from counts, events and assessments."""

from stromal.endpoints.context import Context
from stromal.endpoints.derive import derive, derive_all
from stromal.endpoints.describe import describe_endpoint
from stromal.endpoints.explain import Explanation, explain
from stromal.endpoints.outcome import DERIVED_COLUMNS, TIME_STATUSES, TimeToEvent

__all__ = [
    "DERIVED_COLUMNS",
    "TIME_STATUSES",
    "Context",
    "Explanation",
    "TimeToEvent",
    "derive",
    "derive_all",
    "describe_endpoint",
    "explain",
]
