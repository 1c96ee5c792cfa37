"""What is planned: the protocol language, its checks and its library of definitions."""

from stromal.protocol.protocol import Protocol
from stromal.protocol.reading import (
    PROTOCOL_FILE,
    canonical_json,
    json_schema,
    protocol_version,
    read_protocol,
)

__all__ = [
    "PROTOCOL_FILE",
    "Protocol",
    "canonical_json",
    "json_schema",
    "protocol_version",
    "read_protocol",
]
