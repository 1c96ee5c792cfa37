"""The statistical methods of a study in words, each with the number of its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stromal import __version__
from stromal.analysis.method_sentences import Used, describe_used
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.results import Result, Results
from stromal.core import Source
from stromal.protocol import Protocol
from stromal.protocol.endpoints import UndefinedEndpoint

__all__ = ["Methods", "describe_methods"]

_KEY = re.compile(r"\[\[([^\]]+)\]\]")


@dataclass(frozen=True)
class Methods:
    """The methods of a study's analyses.

    Parameters
    ----------
    text
        Paragraphs, separated by empty lines; `[1]` refers to the first source. Empty where the
        protocol has no analyses.
    sources
        The publications, in the order of their numbers, each once.
    """

    text: str
    sources: tuple[Source, ...]


def describe_methods(protocol: Protocol, results: Results) -> Methods:
    """Describe the methods that the protocol's analyses use, as a statistician would write them.

    1. Of each method: estimator, variance, construction and level of the interval, test, strata,
       and how competing events and missing results are treated. Each is said once; where analyses
       differ, their labels say which is which.
    2. Landmarks, exposures that change, estimands, subgroups and multiplicity follow, then the
       software.
    3. Every method with a source in `METHOD_SOURCES` has its number. Equal sources have one number.
    4. An analysis that is withheld as a whole, or whose endpoint has no definition, is not spoken
       of. Without results (no records) the plan is described, as the protocol has it; the number of
       arrangements of a permutation test is then left out.

    Parameters
    ----------
    protocol
        The protocol.
    results
        What `analyze` gave of it.
    """
    used = _used(protocol, results)
    if not used:
        return Methods("", ())
    paragraphs = [
        *describe_used(protocol, used),
        f"The analyses {'are' if not results.results else 'were'} made with stromal {__version__}.",
    ]
    sources: list[Source] = []
    number = _numbering(sources)
    text = "\n\n".join(_KEY.sub(number, paragraph) for paragraph in paragraphs if paragraph)
    text = re.sub(r"\[([\d, ]+)\] \[([\d, ]+)\]", r"[\1, \2]", text)
    return Methods(re.sub(r" (?=[.,;)])", "", text), tuple(sources))


def _used(protocol: Protocol, results: Results) -> list[Used]:
    """Give the analyses that are spoken of, with their results."""
    by_id = {result.id: result for result in results.results}
    used: list[Used] = []
    for name, spec in protocol.analyses.items():
        endpoint = protocol.endpoints.get(spec.endpoint or "")
        if isinstance(endpoint, UndefinedEndpoint):
            continue
        result = by_id.get(name)
        if (results.results and result is None) or (result is not None and not _computed(result)):
            continue
        used.append(Used(spec, endpoint, result))
    return used


def _computed(result: Result) -> bool:
    """Whether an analysis has given anything."""
    return bool(result.groups or result.models or result.tables)


def _numbering(sources: list[Source]) -> Callable[[re.Match[str]], str]:
    """Give the function that turns names of methods into numbers, and gathers their sources."""

    def number(found: re.Match[str]) -> str:
        numbers: list[int] = []
        for source in _known(found[1].split("|")):
            if source not in sources:
                sources.append(source)
            numbers.append(sources.index(source) + 1)
        return f"[{', '.join(map(str, sorted(set(numbers))))}]" if numbers else ""

    return number


def _known(names: Iterable[str]) -> list[Source]:
    """Give the sources of those names that have one."""
    return [METHOD_SOURCES[name] for name in names if name in METHOD_SOURCES]
