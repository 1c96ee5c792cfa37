"""Sentences about methods. `[[name]]` stands for the source of a key of `METHOD_SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stromal.analysis.method_words import (
    DIFFERENCES,
    FITTED,
    INTERVALS,
    PROPORTION_INTERVALS,
    TESTS,
    TIES,
    VARIANCES,
)
from stromal.analysis.results import Result
from stromal.protocol import Protocol
from stromal.protocol.analyses import (
    Analysis,
    CumulativeIncidenceAnalysis,
    ProportionAnalysis,
    SummaryAnalysis,
    SurvivalAnalysis,
)
from stromal.protocol.analysis_base import TimedAnalysis
from stromal.protocol.endpoints import Endpoint, EventSpec
from stromal.protocol.model_analyses import (
    ChangeAnalysis,
    CurrentSurvivalAnalysis,
    HazardsAnalysis,
    MeanEventsAnalysis,
    OccupationAnalysis,
    RestrictedMeanAnalysis,
)

__all__ = ["Used", "describe_used"]


@dataclass(frozen=True)
class Used:
    """An analysis that is spoken of; its result is `None` in a plan."""

    spec: Analysis
    endpoint: Endpoint | None
    result: Result | None


def describe_used(protocol: Protocol, used: Sequence[Used]) -> list[str]:
    """Describe analyses, a paragraph a topic; an empty text where a topic does not occur."""
    paragraphs = [
        [*_proportions(used), *_missing(used)],
        [*_survival(used), *_restricted_means(used)],
        _incidences(used),
        _hazards(used),
        [*_mean_events(used), *_states(used)],
        [*_changes(used), *_summaries(used)],
        [*_landmarks(used), *_bounds(used), *_estimands(used), *_subgroups(used)],
        _multiplicity(protocol, used),
    ]
    return [" ".join(dict.fromkeys(paragraph)) for paragraph in paragraphs]


def _of(used: Sequence[Used], kind: type) -> list[Used]:
    """Give the analyses of one kind."""
    return [one for one in used if isinstance(one.spec, kind)]


def _each(used: Sequence[Used], say: Callable[[Used], str]) -> str:
    """Say what holds for analyses: once, or with their labels where they differ."""
    said: dict[str, list[str]] = {}
    for one in used:
        said.setdefault(say(one), []).append(one.spec.label)
    said.pop("", None)
    if len(said) <= 1 and sum(map(len, said.values())) == len(used):
        return next(iter(said), "")
    return _listed(f"{phrase} ({'; '.join(labels)})" for phrase, labels in said.items())


def _listed(parts: Iterable[str]) -> str:
    """Join parts with commas and `and`."""
    found = list(dict.fromkeys(parts))
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + f" and {found[-1]}"


def _level(spec: object) -> str:
    """Say the level of the intervals of an analysis."""
    return f"{100 * vars(spec)['confidence']:g} %"


def _compared(used: Sequence[Used], what: str) -> list[str]:
    """Say by which tests groups are compared."""
    tested = [one for one in used if one.spec.tests]
    if not tested:
        return []
    return [f"{what} are compared by {_each(tested, _tests)}."]


def _tests(one: Used) -> str:
    """Name the tests of an analysis."""
    strata: list[str] = getattr(one.spec, "strata", None) or []
    within = f", stratified by {_listed(map(_plain, strata))}" if strata else ""
    return _listed(_test(one, test) for test in one.spec.tests) + within


def _test(one: Used, test: str) -> str:
    """Name a test, with its weight or the number of arrangements."""
    said = TESTS[test]
    if test == "at each time":
        scale = next(iter(_scales(one)), "log-log")
        return f"survival on each named day {INTERVALS[scale].split(' [[')[0]} {said}"
    weight = getattr(one.spec, "weight", None)
    if test == "weighted log-rank" and weight:
        said += f" (rho {weight[0]:g}, gamma {weight[1]:g})"
    if test.startswith("permutation"):
        said += "".join(f" ({note})" for note in _arrangements(one))
    return said


def _scales(one: Used) -> list[str]:
    """Say on which scale survival was compared on a day, once it has been."""
    tests = one.result.comparisons if one.result else ()
    start = "comparison at a fixed day, "
    return [test.method.removeprefix(start) for test in tests if test.method.startswith(start)]


def _arrangements(one: Used) -> list[str]:
    """Say how many arrangements a permutation test tried, once it has."""
    tests = one.result.comparisons if one.result else ()
    notes = [test.note for test in tests if test.method.startswith("permutation")]
    return list(dict.fromkeys(note for note in notes if note))[:1]


# --- proportions -----------------------------------------------------------------------------


def _proportions(used: Sequence[Used]) -> list[str]:
    """Describe proportions, their tests, differences, posteriors, tipping points."""
    found = [(one, one.spec) for one in used if isinstance(one.spec, ProportionAnalysis)]
    if not found:
        return []
    mine = [one for one, _ in found]
    intervals = {
        one.spec.label: f"{_level(spec)} {PROPORTION_INTERVALS[spec.interval]}"
        for one, spec in found
    }
    given = _each(mine, lambda one: intervals[one.spec.label])
    said = [f"Proportions [[proportion]] are given with {given}."]
    said += _compared(mine, "Proportions of groups")
    differences = {
        one.spec.label: DIFFERENCES[spec.difference] for one, spec in found if spec.difference
    }
    if differences:
        some = [one for one in mine if one.spec.label in differences]
        words = _each(some, lambda one: differences[one.spec.label])
        said.append(
            f"The difference of two proportions is given with the interval of {words} "
            "[[difference of proportions]]."
        )
    for one, spec in found:
        if spec.prior is not None:
            beta = f"beta({spec.prior.responses:g}, {spec.prior.others:g})"
            said.append(
                f"A Bayesian estimate of the proportion stands beside it ({one.spec.label}): the "
                f"prior is {beta} ({spec.prior.source.rstrip('.')}), the interval the equal-tailed "
                f"{_level(spec)} credible interval [[beta-binomial posterior]]."
            )
    if any(spec.tipping_point for _, spec in found):
        said.append(
            "A tipping-point analysis gives participants without a result every possible result in "
            "turn [[tipping point]]."
        )
    return said


def _missing(used: Sequence[Used]) -> list[str]:
    """Say what becomes of those without a result."""
    said: list[str] = []
    assessed = [one for one in used if getattr(one.endpoint, "assessed", None) is not None]
    words = {"no response": "as no response", "not in set": "in no denominator"}
    for key, what in (("missing", "A missing response"), ("death", "Death before the assessment")):
        if assessed:
            counted = _each(
                assessed, lambda one, key=key: words[vars(vars(one.endpoint)["assessed"])[key]]
            )
            said.append(f"{what} counts {counted}.")
    if any(one.spec.endpoint for one in used):
        said.append(
            "Participants whose endpoint cannot be derived are in no denominator and in no curve; "
            f"they are listed with the reason. Nothing {'else ' if assessed else ''}is imputed."
        )
    return said


# --- times -----------------------------------------------------------------------------------


def _survival(used: Sequence[Used]) -> list[str]:
    """Describe Kaplan-Meier curves and their tests."""
    mine = _of(used, SurvivalAnalysis)
    if not mine:
        return []

    def interval(one: Used) -> str:
        word = str(vars(one.spec)["interval"])
        if word == "beta product":
            return f"beta product {_level(one.spec)} confidence intervals [[beta product]]"
        return (
            f"Greenwood's variance [[Greenwood]] and pointwise {_level(one.spec)} confidence "
            f"intervals {INTERVALS[word]}"
        )

    return [
        (
            "Probabilities to be without the event are Kaplan-Meier estimates [[Kaplan-Meier]] "
            f"with {_each(mine, interval)}; medians have the intervals of Brookmeyer and Crowley "
            "[[Brookmeyer-Crowley]]."
        ),
        *_compared(mine, "Curves of groups"),
    ]


def _restricted_means(used: Sequence[Used]) -> list[str]:
    """Describe restricted means."""
    mine = _of(used, RestrictedMeanAnalysis)
    if not mine:
        return []
    until = _each(mine, lambda one: f"day {int(vars(one.spec)['until'])}")
    level = _each(mine, lambda one: _level(one.spec))
    said = (
        f"The mean time without the event up to {until} is the area under the Kaplan-Meier curve "
        f"[[restricted mean survival time]], with Greenwood's variance [[Greenwood]] and normal "
        f"{level} confidence intervals"
    )
    compared = [one for one in mine if one.spec.tests]
    if compared:
        kinds = _each(compared, lambda one: _listed(f"{word}s" for word in one.spec.tests))
        said += f"; {kinds} of groups are tested by Wald's test"
    return [f"{said}."]


def _incidences(used: Sequence[Used]) -> list[str]:
    """Describe cumulative incidences: competing events, variance, interval, test."""
    mine = _of(used, CumulativeIncidenceAnalysis)
    if not mine:
        return []

    def scale(one: Used) -> str:
        return f"{_level(one.spec)} confidence intervals {INTERVALS[vars(one.spec)['interval']]}"

    competing = _each(mine, lambda one: _competing(one.endpoint))
    apart = f" ({competing})" if competing else ""
    variance = _each(mine, lambda one: VARIANCES[vars(one.spec)["variance"]])
    return [
        (
            "Cumulative incidences are Aalen-Johansen estimates [[Aalen-Johansen]]: competing "
            f"events{apart} are events of their own and do not censor. They have {variance}, and "
            f"pointwise {_each(mine, scale)}."
        ),
        *_compared(mine, "Cumulative incidences of groups"),
    ]


def _competing(endpoint: Endpoint | None) -> str:
    """Name the events that compete with an endpoint."""
    events: list[EventSpec] = getattr(endpoint, "competing", None) or []
    return _listed(_event(event) for event in events) if events else ""


def _event(event: EventSpec) -> str:
    """Name an event."""
    return _plain(event.event or f"{event.endpoint}")


def _hazards(used: Sequence[Used]) -> list[str]:
    """Describe models of hazards: ties, variance, strata, exposure, their check."""
    found = [(one, one.spec) for one in used if isinstance(one.spec, HazardsAnalysis)]
    if not found:
        return []
    models: dict[str, list[Used]] = {}
    for one, spec in found:
        name = spec.penalty or spec.model
        models.setdefault(f"{name} {spec.definition or ''}".strip(), []).append(one)
    said = [f"{FITTED[name]} {_each(mine, _fit)}." for name, mine in models.items()]
    changing = [
        (one, spec) for one, spec in found if spec.by_infusion and spec.landmark is None
    ]  # fmt: skip
    for one, spec in changing:
        said.append(
            f"The infusion of {_plain(spec.by_infusion or '')} enters as an exposure that changes "
            f"on its day [[time-dependent exposure]] ({one.spec.label}): until then a participant "
            "counts as not infused."
        )
    if any(_checked(spec) for _, spec in found):
        said.append(
            "Proportional hazards are checked by the correlation of scaled Schoenfeld residuals "
            "with time [[proportional hazards check]]."
        )
    if any(spec.missing == "leave out" for _, spec in found):
        who = _listed(one.spec.label for one, spec in found if spec.missing == "leave out")
        said.append(f"Participants without a covariate are left out of the model ({who}).")
    return said


def _checked(spec: HazardsAnalysis) -> bool:
    """Whether proportional hazards are checked."""
    return spec.model != "fine-gray" and spec.penalty is None and spec.ties != "exact"


def _fit(one: Used) -> str:
    """Say ties, intervals and strata of a model."""
    spec = vars(one.spec)
    kind = "profile likelihood" if spec["penalty"] else "Wald"
    strata = _listed(map(_plain, spec["strata"])) if spec["strata"] else ""
    within = f", stratified by {strata}" if strata else ""
    return f"with {TIES[spec['ties']]} and {_level(one.spec)} {kind} intervals{within}"


# --- what recurs, states, repeated measurements ----------------------------------------------


def _mean_events(used: Sequence[Used]) -> list[str]:
    """Describe mean numbers of events that recur."""
    found = [(one, one.spec) for one in used if isinstance(one.spec, MeanEventsAnalysis)]
    if not found:
        return []
    mine = [one for one, _ in found]
    ends = {
        one.spec.label: (
            "as the mean cumulative function [[mean cumulative function]]"
            if spec.terminal == "none recorded"
            else f"with {_plain(spec.terminal)} as the end after which none can come, which is no "
            "censoring [[Ghosh-Lin mean number of events]]"
        )
        for one, spec in found
    }
    said = [
        (
            "Mean numbers of events that recur are estimated "
            f"{_each(mine, lambda one: ends[one.spec.label])}, with the infinitesimal jackknife "
            "variance over participants [[infinitesimal jackknife]] and "
            f"{_each(mine, lambda one: _level(one.spec))} confidence intervals on the log scale."
        )
    ]
    if any("difference at each time" in one.spec.tests for one in mine):
        said.append("Differences of mean numbers on the named days are tested by Wald's test.")
    if any("negative binomial" in one.spec.tests for one in mine):
        said.append(
            "Rates of groups are compared by a negative binomial model with the logarithm of the "
            "time under observation as offset [[negative binomial rates]]."
        )
    return said


def _states(used: Sequence[Used]) -> list[str]:
    """Describe state occupation and current survival."""
    said: list[str] = []
    occupied, current = _of(used, OccupationAnalysis), _of(used, CurrentSurvivalAnalysis)
    if occupied:
        intervals = _each(
            occupied,
            lambda one: (
                f"{_level(one.spec)} confidence intervals {INTERVALS[vars(one.spec)['interval']]}"
            ),
        )
        said.append(
            "The probability to be in a state that comes and goes is the Aalen-Johansen estimate "
            "of state occupation [[state occupation]], with the infinitesimal jackknife variance "
            f"[[infinitesimal jackknife]] and {intervals}."
        )
        if any(vars(one.spec)["mean_until"] for one in occupied):
            said.append("The mean time in the state is the area under it.")
    if current:
        level = _each(current, lambda one: _level(one.spec))
        said.append(
            "Current survival (to be without the end and in none of the states at that time) is "
            "estimated so that who recovers counts again [[current survival]], with "
            f"{level} confidence intervals."
        )
        if any(one.spec.tests for one in current):
            said.append("Its differences on the named days are tested by Wald's test.")
    return said


def _changes(used: Sequence[Used]) -> list[str]:
    """Describe changes from baseline and their models."""
    found = [one.spec for one in used if isinstance(one.spec, ChangeAnalysis)]
    if not found:
        return []
    analytes = _listed(spec.analyte for spec in found)
    said = [f"{analytes} are described at each visit as change from baseline."]
    if len(found) == 1:
        said = [f"{analytes} is described at each visit as change from baseline."]
    said.append(
        "Who died, left or was not measured is counted beside the mean of those measured at both "
        "times, and is not in it."
    )
    models = list(dict.fromkeys(spec.model for spec in found if spec.model))
    if models:
        said.append(
            f"A random-effects model ({_listed(models)}) is fitted by restricted maximum "
            "likelihood [[random-effects model]]; it is no mixed model for repeated measures with "
            "an unstructured covariance."
        )
    return said


def _summaries(used: Sequence[Used]) -> list[str]:
    """Describe summaries and rates."""
    found = [one.spec for one in used if isinstance(one.spec, SummaryAnalysis)]
    if not found:
        return []
    said = ["Numbers are summarised by median, quartiles [[quartiles]] and range."]
    rates = [one for one in used if getattr(one.spec, "interval", None) == "exact Poisson"]
    if rates:
        level = _each(rates, lambda one: _level(one.spec))
        said.append(
            f"Rates are all events over all observed days, with exact Poisson {level} confidence "
            "intervals [[exact Poisson]], which take events for independent."
        )
    return said


# --- across analyses -------------------------------------------------------------------------


def _landmarks(used: Sequence[Used]) -> list[str]:
    """Describe landmark analyses."""
    found = [
        (one, one.spec.landmark)
        for one in used
        if isinstance(one.spec, TimedAnalysis) and one.spec.landmark is not None
    ]
    if not found:
        return []
    which = _listed(f"{one.spec.label}: day {int(day)}" for one, day in found)
    return [
        (
            f"Landmark analyses [[landmark]] ({which}) are of participants still at risk after "
            "that day, in the groups in which they are on it, and count from it."
        )
    ]


def _bounds(used: Sequence[Used]) -> list[str]:
    """Describe the curves of earliest and latest days."""
    if not any(getattr(one.spec, "with_bounds", None) for one in used):
        return []
    return [
        (
            "Beside a curve stand those of the earliest and of the latest days that the records "
            "allow; tests use the derived days."
        )
    ]


def _estimands(used: Sequence[Used]) -> list[str]:
    """Describe how intercurrent events are handled."""
    events = [
        f"{event.words}: {event.handled}"
        for one in used
        if one.spec.estimand is not None
        for event in one.spec.estimand.intercurrent
    ]
    if not any(one.spec.estimand is not None for one in used):
        return []
    handled = f", with the intercurrent events ({_listed(events)})" if events else ""
    return [f"Estimands are spelled out as ICH E9(R1) asks [[estimand]]{handled}."]


def _subgroups(used: Sequence[Used]) -> list[str]:
    """Say that subgroups describe."""
    columns = [_plain(column) for one in used for column in one.spec.subgroups or []]
    if not columns:
        return []
    return [
        (
            f"Subgroups by {_listed(columns)} are described by the same methods and not tested, "
            "neither against each other nor against the whole."
        )
    ]


def _multiplicity(protocol: Protocol, used: Sequence[Used]) -> list[str]:
    """Say which tests share an error rate, or that none do."""
    plan = protocol.multiplicity
    if plan is not None:
        name = "a fixed sequence" if plan.method == "fixed sequence" else (
            f"{plan.method.capitalize()}'s method"
        )  # fmt: skip
        labels = [protocol.analyses[key].label for key in plan.analyses]
        return [
            (
                f"The first tests of {_listed(labels)} share a two-sided error rate of "
                f"{plan.alpha:g} by {name} [[{plan.method}]]. Other p values are two-sided and not "
                "adjusted."
            )
        ]
    if any(one.spec.tests for one in used):
        return ["P values are two-sided and not adjusted for multiplicity."]
    return []


def _plain(name: str) -> str:
    """Write a name of the protocol as words."""
    return name.replace("_", " ")
