"""The sources that a report stands on: definitions, methods, records, the publication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stromal.analysis.estimate import citations
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.results import Result
from stromal.core import Source
from stromal.endpoints.describe import sources_of
from stromal.report.view import StudyView

__all__ = ["Cited", "cite", "list_sources"]


@dataclass(frozen=True)
class Cited:
    """A source as it is written: text, a link that is safe to follow or none, how it was read."""

    text: str
    link: str
    shown: str
    seen: str


def cite(source: Source) -> Cited:
    """Write a source; only web addresses become links.

    Examples
    --------
    >>> cite(Source(text="A", doi="10.1000/1", seen="abstract")).link
    'https://doi.org/10.1000/1'
    >>> cite(Source(text="A", url="javascript:alert(1)", seen="abstract")).link
    ''
    """
    if source.doi:
        return Cited(source.text, f"https://doi.org/{source.doi}", f"doi:{source.doi}", source.seen)
    url = source.url or ""
    link = url if url.startswith(("https://", "http://")) else ""
    return Cited(source.text, link, url, source.seen)


def list_sources(view: StudyView) -> list[tuple[str, list[Cited]]]:
    """List every source once, by what it stands for.

    Returns
    -------
    list of (str, list of Cited)
        The trial's publication, the definitions of endpoints, the methods of analysis.
    """
    publication = view.protocol.study.publication
    groups = [
        ("The trial", [publication.source] if publication else []),
        ("Definitions", [s for e in view.protocol.endpoints.values() for s in sources_of(e)]),
        ("Methods", [s for result in view.results.results for s in _methods(result)]),
    ]
    return [(name, [cite(s) for s in _once(found)]) for name, found in groups if found]


def _methods(result: Result) -> Iterable[Source]:
    """Give the sources of the methods that made a result."""
    for group in result.groups:
        for estimate in group.estimates:
            yield from citations(estimate)
        if group.curve is not None:
            yield from citations(group.curve)
        if group.rate is not None and group.rate.interval:
            yield METHOD_SOURCES[group.rate.interval]
    for comparison in result.comparisons:
        yield from citations(comparison)


def _once(sources: Iterable[Source]) -> list[Source]:
    """Keep the first of equal sources."""
    return list(dict.fromkeys(sources))
