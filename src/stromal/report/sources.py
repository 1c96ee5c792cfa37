"""The sources that a report stands on: definitions, methods, records, the publication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stromal.analysis.estimate import citations
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.results import Computed, Result
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
        The trial's publication, the definitions of endpoints, the methods of analysis that the
        section on statistical methods does not cite.
    """
    publication = view.protocol.study.publication
    groups = [
        ("The trial", [publication.source] if publication else []),
        ("Definitions", [s for e in view.protocol.endpoints.values() for s in sources_of(e)]),
        ("Other methods", [
            source
            for result in view.results.results
            for source in _methods(result)
            if source not in view.methods.sources
        ]),
    ]  # fmt: skip
    return [(name, [cite(s) for s in _once(found)]) for name, found in groups if found]


def _methods(result: Result) -> Iterable[Source]:
    """Give the sources of the methods that made a result."""
    yield from _of_computed(
        Computed(result.groups, result.comparisons, result.contrasts, result.models, result.tables)
    )
    for subgroup in result.subgroups:
        yield from _of_computed(subgroup.computed)


def _of_computed(computed: Computed) -> Iterable[Source]:
    """Give the sources of groups, comparisons, contrasts, models and tables."""
    for group in computed.groups:
        singles = (group.median, group.mean, group.posterior)
        for estimate in (*group.estimates, *[single for single in singles if single is not None]):
            yield from citations(estimate)
        if group.curve is not None:
            yield from citations(group.curve)
        if group.rate is not None and group.rate.interval:
            yield METHOD_SOURCES[group.rate.interval]
    for comparison in computed.comparisons:
        yield from citations(comparison)
    for contrast in computed.contrasts:
        yield from citations(contrast.estimate)
        yield from _known([contrast.test])
    for model in computed.models:
        yield from _known([model.method, model.ties, model.variance])
    yield from _known([shown.method for shown in computed.tables])


def _known(names: Iterable[str]) -> Iterable[Source]:
    """Give the sources of those names that have one."""
    return [METHOD_SOURCES[name] for name in names if name in METHOD_SOURCES]


def _once(sources: Iterable[Source]) -> list[Source]:
    """Keep the first of equal sources."""
    return list(dict.fromkeys(sources))
