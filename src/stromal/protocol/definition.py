"""What every definition carries: its name, its sources, and what they leave open."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stromal.core import Source
from stromal.protocol.fields import Model, Name, Text

__all__ = ["Definition"]


class Definition(Model):
    """A rule with its name and where it comes from."""

    definition: Annotated[
        Name | None, Field(description="name of the library's definition; the rule is its content")
    ] = None
    title: Text | None = None
    outcome: Annotated[
        Name | None,
        Field(description="what it defines; definitions with the same outcome are rivals"),
    ] = None
    sources: list[Source] = []
    leaves_open: Annotated[
        Text | None, Field(description="what the source does not say and stromal chose")
    ] = None
