"""What every layer stands on: errors, units, study time and citations."""

from typing import TYPE_CHECKING, Any

from stromal.core.errors import (
    Fault,
    PlanError,
    ProtocolError,
    RecordError,
    StromalError,
    UnitError,
    UsageError,
)
from stromal.core.finding import Finding
from stromal.core.units import Quantity, convert_value, parse_quantity

if TYPE_CHECKING:
    from stromal.core.source import Source

__all__ = [
    "Fault",
    "Finding",
    "PlanError",
    "ProtocolError",
    "Quantity",
    "RecordError",
    "Source",
    "StromalError",
    "UnitError",
    "UsageError",
    "convert_value",
    "parse_quantity",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import `Source`, and with it pydantic, only where it is used: the shell starts sooner."""
    if name == "Source":
        from stromal.core.source import Source  # noqa: PLC0415

        return Source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
