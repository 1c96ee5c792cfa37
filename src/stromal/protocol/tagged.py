"""Tagged unions by the key that is present, so that one fault gives one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

__all__ = ["key_of"]


def key_of(value: Any, keys: Sequence[str]) -> str | None:  # noqa: ANN401
    """Give the one key of `keys` that a mapping (or model) has; None where it is not exactly one.

    Examples
    --------
    >>> key_of({"recovery": {}, "from": "transplant"}, ["recovery", "response"])
    'recovery'
    """
    if isinstance(value, BaseModel):
        present = [key for key in keys if getattr(value, key, None) is not None]
    elif isinstance(value, Mapping):
        present = [key for key in keys if key in cast("Mapping[str, Any]", value)]
    else:
        return None
    return present[0] if len(present) == 1 else None
