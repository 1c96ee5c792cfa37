"""The analyses of a protocol, computed from derived endpoints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from stromal.analysis.contingency import compare_counts
from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.determined import keep_determined
from stromal.analysis.estimate import Comparison, Curve, Estimate, estimate_at
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_quantile, estimate_survival
from stromal.analysis.logrank import compare_survival
from stromal.analysis.proportions import estimate_proportion
from stromal.analysis.published import compare_printed, read_published
from stromal.analysis.rates import Rate, TimeInState, estimate_rate
from stromal.analysis.results import Bound, Group, Result, Results, Withheld
from stromal.analysis.summaries import summarize_values
from stromal.core import UsageError
from stromal.endpoints.analysis_sets import analysis_set
from stromal.endpoints.bounded import bounded_times
from stromal.endpoints.burden import event_rates
from stromal.endpoints.context import Context
from stromal.endpoints.describe import describe_endpoint, leaves_open, sources_of
from stromal.endpoints.outcome import TIME_STATUSES, TimeToEvent
from stromal.endpoints.states import days_in_state
from stromal.protocol import protocol_version
from stromal.protocol.analyses import (
    Analysis,
    CumulativeIncidenceAnalysis,
    ProportionAnalysis,
    SummaryAnalysis,
    SurvivalAnalysis,
)
from stromal.protocol.endpoints import EventCountEndpoint, StateEndpoint

__all__ = ["analysed_rows", "analyze"]

_FEW = 20
_TESTS = {
    "fisher": "fisher",
    "chi-square": "chi-square",
    "chi-square with Yates": "chi-square yates",
}


def analyze(context: Context, study: Path | None = None) -> Results:
    """Compute every analysis that the protocol declares.

    1. Participants of the analysis set; those outside it are listed with the reason.
    2. Those without a result for the endpoint (`not_applicable`, `not_evaluable`) are listed too:
       they are in no denominator, and no time to event.
    3. The estimates, then the comparisons, by the methods that the analysis names. With
       `with_bounds` the curves of the earliest and of the latest possible days stand beside the
       main one, of the same participants; comparisons use the derived days alone.
    4. For reconstructed records only what the published numbers determine is given
       (`published.yaml` of the study folder says what); the rest is withheld, or shown as a range.

    Parameters
    ----------
    context
        Protocol, records and derived endpoints (`stromal.endpoints.derive.derive_all`).
    study
        The study folder, for its `published.yaml`.

    Raises
    ------
    UsageError
        An analysis asks for something its endpoint does not have.
    """
    published = read_published(study) if study is not None else None
    has_records = context.records.about.data is not None
    analyses = context.protocol.analyses if has_records else {}
    results = tuple(_Analyst(context, name, spec).result() for name, spec in analyses.items())
    if context.records.about.data == "reconstruction":
        results = tuple(keep_determined(result, published, study) for result in results)
    return Results(
        study=context.protocol.study.id,
        protocol_version=protocol_version(context.protocol),
        data=context.records.about.data,
        results=results,
        printed=compare_printed(published, results) if published and has_records else (),
    )


def analysed_rows(context: Context, name: str) -> pl.DataFrame:
    """Give whom an analysis is of, with what was derived: its rows before anything is estimated.

    Returns
    -------
    polars.DataFrame
        `p`, `participant_id`, `group`, `status`, `day`, `cause`, of the participants of the set who
        have a result, as `analyze` takes them.
    """
    return _Analyst(context, name, context.protocol.analyses[name]).rows()[0]


@dataclass(frozen=True)
class _Analyst:
    """One analysis, and what it is computed from."""

    context: Context
    name: str
    spec: Analysis

    def result(self) -> Result:
        """Compute the analysis."""
        spec, protocol = self.spec, self.context.protocol
        endpoint = protocol.endpoints.get(spec.endpoint) if spec.endpoint else None
        if spec.endpoint is not None and spec.endpoint not in self.context.derived:
            return self._undefined()
        rows, excluded = self.rows()
        groups = [self._group(group, label, part) for group, label, part in self._groups(rows)]
        return Result(
            id=self.name,
            label=spec.label,
            role=spec.role,
            kind=spec.estimate,
            endpoint=spec.endpoint or "",
            endpoint_label=endpoint.label if endpoint else "",
            definition=describe_endpoint(endpoint, protocol.anchors) if endpoint else "",
            sources=sources_of(endpoint) if endpoint else (),
            set=spec.set,
            set_label=protocol.analysis_sets[spec.set].label,
            groups=tuple(groups),
            comparisons=tuple(self._comparisons(rows, groups)),
            excluded=excluded,
            note=leaves_open(endpoint) if endpoint else "",
        )

    def _undefined(self) -> Result:
        """Say that nothing can be computed because the endpoint has no definition."""
        protocol = self.context.protocol
        endpoint = protocol.endpoints[str(self.spec.endpoint)]
        return Result(
            id=self.name, label=self.spec.label, role=self.spec.role, kind=self.spec.estimate,
            endpoint=str(self.spec.endpoint), endpoint_label=endpoint.label,
            definition=describe_endpoint(endpoint, protocol.anchors), sources=(), set=self.spec.set,
            set_label=protocol.analysis_sets[self.spec.set].label, groups=(), comparisons=(),
            excluded=pl.DataFrame(schema={"participant_id": pl.String, "reason": pl.String}),
            withheld=(Withheld("the whole analysis", "the endpoint is not defined"),),
        )  # fmt: skip

    def rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the rows analysed (with `group`), and who is not, with the reason."""
        members, excluded = analysis_set(self.context, self.spec.set)
        people = self.context.participants.join(members, on="participant_id", how="semi")
        rows = people.select("p", "participant_id", group=self._by())
        reasons = [excluded.select("participant_id", "reason")]
        if self.spec.endpoint is not None:
            derived = self.context.derived[self.spec.endpoint]
            rows = rows.join(
                derived.select("participant_id", "status", "day", "cause", "count")
                if "count" in derived.columns
                else derived.select("participant_id", "status", "day", "cause"),
                on="participant_id",
                how="left",
            )
            without = (
                pl.col("status").is_in(["not_applicable", "not_evaluable"])
                | pl.col("status").is_null()
            )
            reasons.append(_reasons(rows.filter(without)))
            rows = rows.filter(~without)
        ungrouped = rows.filter(pl.col("group").is_null())
        reasons.append(
            ungrouped.select("participant_id", reason=pl.lit(f"{self.spec.by} is not recorded"))
        )
        return rows.drop_nulls("group"), pl.concat(reasons)

    def _by(self) -> pl.Expr:
        """Give the column that makes the groups."""
        by = self.spec.by
        if by is None:
            return pl.lit("all")
        if by not in self.context.participants.columns:
            raise UsageError(
                f"analysis `{self.name}` is by `{by}`, which is no column of the participants "
                "table; use `arm` or a column that is there"
            )
        return pl.col(by).cast(pl.String)

    def _groups(self, rows: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
        """Split rows into groups: arms in the protocol's order, other groups by name."""
        if self.spec.by is None:
            return [("all", "All", rows)]
        arms = self.context.protocol.arms
        found = rows["group"].unique().to_list()
        order = [a for a in arms if a in found] if self.spec.by == "arm" else sorted(found)
        return [
            (group, arms[group].label if self.spec.by == "arm" else group,
             rows.filter(pl.col("group") == group))
            for group in order
        ]  # fmt: skip

    def _group(self, group: str, label: str, rows: pl.DataFrame) -> Group:
        """Compute one group."""
        levels: dict[str, int] = {}
        if self.spec.endpoint is not None:
            counts = rows["status"].value_counts().sort("status")
            levels = dict(zip(counts["status"].to_list(), counts["count"].to_list(), strict=True))
        base = Group(group, label, rows.height, levels)
        spec = self.spec
        match spec:
            case ProportionAnalysis():
                successes = int(rows["status"].is_in(spec.of).sum())
                estimate = estimate_proportion(
                    successes, rows.height, interval=spec.interval, confidence=spec.confidence
                )
                return replace(base, estimates=(estimate,))
            case SurvivalAnalysis() | CumulativeIncidenceAnalysis():
                return self._timed_group(base, rows)
            case SummaryAnalysis():
                values = self._values(rows, spec)
                per_participant = spec.exposure != "cells per kg"
                return replace(
                    base,
                    n=len(values) - values.count(None) if per_participant else rows.height,
                    summary=summarize_values(values),
                    values=_few(values),
                    rate=self._rate(rows, spec),
                    time_in_state=self._time_in_state(rows, spec),
                )

    def _timed_group(self, base: Group, rows: pl.DataFrame) -> Group:
        """Compute a group's curve, and those of the bounds of its days where they are asked for."""
        curve, estimates, median = self._timed(self._outcomes(rows))
        bounds: tuple[Bound, ...] = ()
        if getattr(self.spec, "with_bounds", None):
            sides: tuple[Literal["low", "high"], ...] = ("low", "high")
            times = bounded_times(self.context, str(self.spec.endpoint))
            bounds = tuple(Bound(side, *self._timed(_bounded(rows, times, side))) for side in sides)
        return replace(base, curve=curve, estimates=estimates, median=median, bounds=bounds)

    def _timed(self, outcomes: TimeToEvent) -> tuple[Curve, tuple[Estimate, ...], Estimate | None]:
        """Compute a curve, its values at the named days, and the median of a survival."""
        spec = self.spec
        median: Estimate | None = None
        if isinstance(spec, SurvivalAnalysis):
            curve: Curve = estimate_survival(
                outcomes, interval=spec.interval, confidence=spec.confidence
            )
            days = tuple(float(day) for day in spec.at)
            median = estimate_quantile(curve, 0.5)
        elif isinstance(spec, CumulativeIncidenceAnalysis):
            curve = estimate_incidence(
                outcomes,
                variance=spec.variance,
                interval=spec.interval,
                confidence=spec.confidence,
            )
            days = tuple(float(day) for day in spec.at)
        else:
            raise UsageError(f"analysis `{self.name}` has no curve")
        return curve, estimate_at(curve, days), median

    def _outcomes(self, rows: pl.DataFrame) -> TimeToEvent:
        """Give times to event; a response has none."""
        others = sorted(set(rows["status"].to_list()) - set(TIME_STATUSES))
        if others:
            raise UsageError(
                f"analysis `{self.name}` needs a time to event; endpoint `{self.spec.endpoint}` "
                f"has the statuses {', '.join(others)}: use `estimate: proportion`"
            )
        return TimeToEvent(rows.select("participant_id", "day", "status", arm="group"))

    def _values(self, rows: pl.DataFrame, spec: SummaryAnalysis) -> list[float | None]:
        """Give the numbers that a summary is of."""
        context = self.context
        if spec.endpoint is not None:
            return self._of_endpoint(rows, spec).cast(pl.Float64).to_list()
        people = context.participants.join(rows.select("p"), on="p", how="semi")
        if spec.variable is not None:
            return _numeric(people, spec.variable, self.name)
        if spec.follow_up is not None:
            days = people.select("p", "last_contact_day").join(
                context.anchor(spec.follow_up), on="p"
            )
            return days.select(
                (pl.col("last_contact_day") - pl.col("anchor_day")).cast(pl.Float64)
            ).to_series().to_list()  # fmt: skip
        infusions = context.records["infusions"].filter(pl.col("product") == spec.product)
        mine = infusions.join(people.select("participant_id"), on="participant_id", how="semi")
        if spec.exposure == "infusions":
            per = people.select("participant_id").join(
                mine.group_by("participant_id").len(), on="participant_id", how="left"
            )
            return per["len"].fill_null(0).cast(pl.Float64).to_list()
        per_kg = pl.coalesce("cells_per_kg", pl.col("cells") / pl.col("weight_kg"))
        return mine.select(per_kg.cast(pl.Float64)).to_series().to_list()

    def _of_endpoint(self, rows: pl.DataFrame, spec: SummaryAnalysis) -> pl.Series:
        """Give days in a state, counts, or the days of an event."""
        if spec.time_in_state is not None:
            return self._state_days(rows, spec)["days"]
        if self._counting(spec) is not None:
            return rows["count"]
        return rows.filter(pl.col("status").is_in(spec.of))["day"]

    def _counting(self, spec: SummaryAnalysis) -> EventCountEndpoint | None:
        """Give the endpoint of a summary of counts; the interval of another is refused."""
        endpoint = self.context.protocol.endpoints[str(spec.endpoint)]
        found = endpoint if isinstance(endpoint, EventCountEndpoint) and not spec.of_days else None
        if spec.interval is not None and (found is None or found.event_count.per is None):
            raise UsageError(
                f"analysis `{self.name}` asks for the interval of a rate; endpoint "
                f"`{spec.endpoint}` counts nothing `per` a time: add `per: 30 d` to it, or leave "
                "`interval` and `confidence` out"
            )
        return found

    def _rate(self, rows: pl.DataFrame, spec: SummaryAnalysis) -> Rate | None:
        """Estimate the rate of a group, where the endpoint counts `per` a time."""
        if spec.endpoint is None or spec.time_in_state is not None:
            return None
        endpoint = self._counting(spec)
        if endpoint is None or endpoint.event_count.per is None:
            return None
        observed = event_rates(self.context, spec.endpoint).join(
            rows.select("participant_id", counted="count"), on="participant_id"
        )
        events = int(observed["count"].sum())
        rate = estimate_rate(
            events,
            int(observed["exposure_days"].sum()),
            n=int((observed["exposure_days"] > 0).sum()),
            per=int(endpoint.event_count.per),
            confidence=spec.confidence,
        )
        unseen = int(observed["counted"].sum()) - events
        if not unseen:
            return rate
        verb = "is" if unseen == 1 else "are"
        said = f"{unseen} more on days that were not observed {verb} not in the rate"
        return replace(rate, note="; ".join(part for part in (rate.note, said) if part))

    def _state_days(self, rows: pl.DataFrame, spec: SummaryAnalysis) -> pl.DataFrame:
        """Count the days in a state of the participants of a group."""
        name, window = str(spec.endpoint), spec.time_in_state
        if window is None or not isinstance(self.context.protocol.endpoints[name], StateEndpoint):
            raise UsageError(
                f"analysis `{self.name}` asks for the time in a state; endpoint `{name}` is none"
            )
        found = days_in_state(self.context, name, int(window[0]), int(window[1]))
        return rows.select("participant_id").join(
            found, on="participant_id", how="left", maintain_order="left"
        )

    def _time_in_state(self, rows: pl.DataFrame, spec: SummaryAnalysis) -> TimeInState | None:
        """Add up the days of a group in a state, and those of which it is known."""
        window = spec.time_in_state
        if window is None:
            return None
        found = self._state_days(rows, spec)
        return TimeInState(
            int(window[0]),
            int(window[1]),
            n=int((found["known_days"] > 0).sum()),
            days=int(found["days"].sum()),
            known_days=int(found["known_days"].sum()),
        )

    def _comparisons(self, rows: pl.DataFrame, groups: list[Group]) -> list[Comparison]:
        """Run the comparisons that the analysis names."""
        spec = self.spec
        tests = getattr(spec, "compare", [])
        if not tests:
            return []
        if spec.by is None:
            raise UsageError(
                f"analysis `{self.name}` compares but has one group; add `by`, such as `by: arm`"
            )
        if isinstance(spec, ProportionAnalysis):
            table = {
                group.label: [
                    group.estimates[0].events or 0,
                    group.n - (group.estimates[0].events or 0),
                ]
                for group in groups
            }
            return [_compare_table(table, _TESTS[test]) for test in spec.compare]
        outcomes = self._outcomes(rows)
        if isinstance(spec, SurvivalAnalysis):
            return [compare_survival(outcomes) for _ in spec.compare]
        return [compare_incidence(outcomes) for _ in tests]


def _compare_table(table: dict[str, list[int]], test: str) -> Comparison:
    """Compare counts of groups; one group alone cannot be compared."""
    if len(table) < 2:
        empty = pl.DataFrame(schema={"group": pl.String, "n": pl.Int64, "events": pl.Int64})
        return Comparison(test, None, None, None, empty, "only one group has participants")
    return compare_counts(table, test=test)  # pyright: ignore[reportArgumentType]


def _bounded(rows: pl.DataFrame, times: pl.DataFrame, side: str) -> TimeToEvent:
    """Give the times of rows with one bound of each day in its place."""
    return TimeToEvent(
        rows.select("participant_id", arm="group").join(
            times.select("participant_id", day=f"{side}_day", status=f"{side}_status"),
            on="participant_id",
            how="left",
            maintain_order="left",
        )
    )


def _reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Say why participants have no result."""
    return rows.select(
        "participant_id",
        reason=pl.format(
            "{}: {}",
            pl.col("status").fill_null("not derived").str.replace("_", " "),
            pl.col("cause").fill_null("no reason recorded"),
        ),
    )


def _numeric(people: pl.DataFrame, variable: str, analysis: str) -> list[float | None]:
    """Read a baseline column as numbers."""
    if variable not in people.columns:
        raise UsageError(
            f"analysis `{analysis}` summarises `{variable}`, which is no column of the "
            "participants table"
        )
    try:
        return people[variable].cast(pl.Float64, strict=True).to_list()
    except pl.exceptions.InvalidOperationError as error:
        raise UsageError(
            f"analysis `{analysis}` summarises `{variable}`, which holds words; summarise a column "
            "of numbers"
        ) from error


def _few(values: list[float | None]) -> tuple[float, ...]:
    """Give the numbers in order where they are few enough to be listed."""
    present = sorted(value for value in values if value is not None)
    return tuple(present) if len(present) <= _FEW else ()
