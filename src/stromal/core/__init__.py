"""What every layer stands on: errors, units, study time and citations."""

from stromal.core.errors import (
    Fault,
    ProtocolError,
    RecordError,
    StromalError,
    UnitError,
    UsageError,
)
from stromal.core.finding import Finding
from stromal.core.source import Source
from stromal.core.units import Quantity, convert_value, parse_quantity

__all__ = [
    "Fault",
    "Finding",
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
