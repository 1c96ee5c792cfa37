"""Planned draws of blood against the runs of counts that they should show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from stromal.core import Finding
from stromal.protocol.consistency.view import View
from stromal.protocol.consistency.words import COUNTS, in_words, listed
from stromal.protocol.endpoints import (
    AssessedAt,
    CytopeniaEndpoint,
    Endpoint,
    RecoveryEndpoint,
    ResponseEndpoint,
    StateEndpoint,
)
from stromal.protocol.rules import RunRule
from stromal.protocol.schedule import (
    draw_days,
    largest_daily_run,
    shortest_run,
    shortest_shown_run,
)
from stromal.protocol.states import CountsHold
from stromal.protocol.timing import DrawPlan

__all__ = ["check_draws"]

_MONDAY = date(2024, 1, 1)


@dataclass(frozen=True)
class _Need:
    """Counts that a rule needs: which, how many of them, the run, and the days looked at."""

    where: str
    endpoint: str
    label: str
    analytes: tuple[str, ...]
    lines: int
    run: RunRule | None
    anchor: str
    low: int
    high: int | None


def check_draws(view: View) -> Iterator[Finding]:
    """Check the planned draws.

    1. `draws-not-stated`: endpoints need runs of counts and the plan of draws is not stated.
    2. `analyte-not-drawn`: a count that a rule needs is in no plan of draws.
    3. `draws-outside-period`: no draw is planned while the endpoint is observed.
    4. `run-cannot-be-shown`: the planned draws can never show the run, whatever the counts are. The
       plans are taken together and at their most favourable position; where they hang on the
       endpoint's own anchor by days that the plan fixes, the days themselves are tried, for each
       weekday of the anchor.
    5. `run-shown-in-part`: some of the plans show it and others, alone, cannot.
    6. `draws-end-before-start`: a plan of draws ends before it begins.
    """
    needs = [
        need
        for name, endpoint in view.protocol.endpoints.items()
        for need in _needs(name, endpoint)
    ]
    if isinstance(view.protocol.draws, str):
        yield from _not_stated(view, needs)
        return
    for index, plan in enumerate(view.protocol.draws):
        if isinstance(plan.until, int) and int(plan.until) < int(plan.start):
            yield Finding(
                "draws-end-before-start",
                "contradiction",
                f"draws.{index}",
                f"These draws begin on day {int(plan.start)} after {view.anchor(plan.from_)} and "
                f"end on day {int(plan.until)}.",
                "No draw is planned by it.",
                "Give `until` a later time; it counts from the same anchor as `start`.",
            )
    for need in needs:
        yield from _shown(view, need, view.protocol.draws)


def _needs(name: str, endpoint: Endpoint) -> Iterator[_Need]:
    """Give the counts that an endpoint needs."""
    where = f"endpoints.{name}"
    if isinstance(endpoint, RecoveryEndpoint):
        rule = endpoint.recovery
        yield _Need(f"{where}.recovery", name, "", (rule.analyte,), 1, rule, endpoint.from_, 0,
                    _day(endpoint.until))  # fmt: skip
    elif isinstance(endpoint, CytopeniaEndpoint):
        fall = endpoint.cytopenia
        analytes = tuple(dict.fromkeys(count.analyte for count in fall.counts))
        yield _Need(f"{where}.cytopenia", name, "", analytes, fall.lines, fall, endpoint.from_,
                    int(fall.start), _day(endpoint.until))  # fmt: skip
    elif isinstance(endpoint, ResponseEndpoint):
        yield from _response_needs(name, endpoint)
    elif isinstance(endpoint, StateEndpoint):
        yield from _state_needs(where, name, endpoint)


def _state_needs(where: str, name: str, endpoint: StateEndpoint) -> Iterator[_Need]:
    """Give the counts that begin and end a state."""
    state = endpoint.state
    for part, until in (("begins", endpoint.until), ("ends", None)):
        rule = getattr(state, part)
        if isinstance(rule, CountsHold):
            analytes = tuple(dict.fromkeys(count.analyte for count in rule.counts))
            yield _Need(f"{where}.state.{part}", name, "", analytes, rule.lines, rule,
                        endpoint.from_, int(state.start), _day(until))  # fmt: skip


def _response_needs(name: str, endpoint: ResponseEndpoint) -> Iterator[_Need]:
    """Give the counts that the levels of a response need."""
    assessed = endpoint.assessed
    if isinstance(assessed, AssessedAt):
        window = (0, 0) if isinstance(assessed.visit_window, str) else assessed.visit_window
        low, high = int(assessed.at) + int(window[0]), int(assessed.at) + int(window[1])
    else:
        low, high = 0, int(assessed.best_until)
    alike: dict[tuple[object, ...], list[str]] = {}
    for level_name, level in endpoint.response.levels.items():
        if level.held is None and isinstance(assessed, AssessedAt) and low == high:
            continue  # without a visit window nobody can say which draw counts
        analytes = tuple(dict.fromkeys(count.analyte for count in level.counts))
        lines = min(level.lines or len(analytes), len(analytes))
        key = (analytes, lines, None if level.held is None else level.held.model_dump_json())
        alike.setdefault(key, []).append(level_name)
    for (analytes, lines, _), names in alike.items():
        held = endpoint.response.levels[names[0]].held
        where = f"endpoints.{name}.response.levels" + (f".{names[0]}" if len(names) == 1 else "")
        label = f"{'level' if len(names) == 1 else 'levels'} {listed(names)}"
        yield _Need(where, name, label, cast("tuple[str, ...]", analytes), cast("int", lines), held,
                    assessed.from_, low if held is None else 0, high)  # fmt: skip


def _day(days: int | None) -> int | None:
    """Give a plain day."""
    return None if days is None else int(days)


def _in_words(need: _Need) -> str:
    """Say which counts a rule needs."""
    counts = listed(COUNTS[analyte] for analyte in need.analytes)
    run = need.run
    if run is None:
        return f"a value of {counts} in the window of the visit"
    if run.lasting is not None:
        gap = f", at most {in_words(run.gap)} apart" if run.gap else ""
        return f"values of {counts} over at least {in_words(run.span)}{gap}"
    if run.of == "consecutive days":
        if run.values == 1:
            return f"a value of {counts}"
        return f"a value of {counts} on each of {run.values} successive days"
    gap = f", at most {in_words(run.gap)} apart" if run.gap and run.values > 1 else ""
    if run.values == 1:
        return f"a value of {counts}"
    return f"values of {counts} on {run.values} different days{gap}"


def _remedy_draws(view: View, need: _Need) -> str:
    """Say which draws would show the rule."""
    until = f"until day {need.high}" if need.high is not None else "for as long as it is observed"
    pattern = "draws"
    run = need.run
    if run is not None and run.of == "consecutive days" and run.values > 1:
        pattern = "daily draws"
    elif run is not None and run.gap:
        pattern = f"draws at most {in_words(run.gap)} apart"
    counts = listed(COUNTS[analyte] for analyte in need.analytes)
    return f"{pattern} of {counts} from {view.anchor(need.anchor)} {until}"


def _not_stated(view: View, needs: list[_Need]) -> Iterator[Finding]:
    """Say what cannot be judged without a plan of draws, and which draws it would need."""
    told = dict.fromkeys(
        f"{need.endpoint} needs {_in_words(need)}, that is {_remedy_draws(view, need)}"
        for need in needs
        if need.run is not None and need.run.span > 0
    )
    if not told:
        return
    yield Finding(
        "draws-not-stated",
        "gap",
        "draws",
        "The protocol does not say on which days blood is drawn, so it cannot be judged whether "
        f"its rules can be shown at all: {'; '.join(told)}.",
        "With blood drawn on Monday, Wednesday and Friday a rule on consecutive days can never be "
        "met, and the participant looks like one who did not recover.",
        "Write the plan of draws under `draws`, or choose rules that read values on different days "
        "with a largest gap.",
    )


def _shown(view: View, need: _Need, plans: Sequence[DrawPlan]) -> Iterator[Finding]:
    """Compare one need with the planned draws."""
    drawn = {a: [plan for plan in plans if a in plan.analytes] for a in need.analytes}
    absent = [analyte for analyte, found in drawn.items() if not found]
    if len(need.analytes) - len(absent) < need.lines:
        yield _finding(
            view, need, "analyte-not-drawn",
            f"needs {_in_words(need)}, but no planned draw measures "
            f"{listed(COUNTS[analyte] for analyte in absent)}",
        )  # fmt: skip
        return
    near = {a: [plan for plan in drawn[a] if _near(view, need, plan)] for a in need.analytes}
    if sum(bool(found) for found in near.values()) < need.lines:
        yield _finding(
            view, need, "draws-outside-period",
            f"needs {_in_words(need)}, but no draw of it is planned "
            f"{_period_in_words(view, need)}",
        )  # fmt: skip
        return
    can = [analyte for analyte in need.analytes if _can_show(view, need, near[analyte])]
    if len(can) < need.lines:
        failing = next(analyte for analyte in need.analytes if analyte not in can)
        yield _cannot(view, need, near[failing])
    else:
        yield from _in_part(view, need, near[can[0]])


def _finding(view: View, need: _Need, rule: str, text: str) -> Finding:
    """Make a finding on a rule that the planned draws cannot show."""
    level = f" ({need.label})" if need.label else ""
    return Finding(
        rule,
        "contradiction",
        need.where,
        f"The rule of {need.endpoint}{level} {text}.",
        "The endpoint is then not evaluable, whatever happens to the participant; read as a "
        "failure it makes the treatment look useless.",
        f"Plan {_remedy_draws(view, need)}, or choose a rule that these draws can show.",
    )


def _cannot(view: View, need: _Need, plans: Sequence[DrawPlan]) -> Finding:
    """Say that, and why, planned draws cannot show a run."""
    pattern = listed(_plan_in_words(view, plan) for plan in plans)
    most = ""
    if need.run is not None and need.run.of == "consecutive days":
        longest = largest_daily_run(plans)
        if longest is not None:
            days = "1 day" if longest == 1 else f"{longest} consecutive days"
            most = f", which show at most {days}"
    text = f"needs {_in_words(need)}, but blood is drawn {pattern}{most}"
    return _finding(view, need, "run-cannot-be-shown", text)


def _in_part(view: View, need: _Need, plans: Sequence[DrawPlan]) -> Iterator[Finding]:
    """Find plans that, while they alone are in force, cannot show the run."""
    if need.run is None:
        return
    weak = [plan for plan in plans if shortest_shown_run([plan], need.run) is None]
    strong = [plan for plan in plans if plan not in weak]
    if not weak or not strong:
        return
    level = f" ({need.label})" if need.label else ""
    yield Finding(
        "run-shown-in-part",
        "gap",
        need.where,
        f"The rule of {need.endpoint}{level} needs {_in_words(need)}. It can be shown while blood "
        f"is drawn {listed(_plan_in_words(view, plan) for plan in strong)}, and cannot while it is "
        f"drawn {listed(_plan_in_words(view, plan) for plan in weak)}.",
        "Whether a participant meets the rule then depends on how long they stay under the denser "
        "plan, such as in hospital, and not on their blood alone.",
        f"Plan {_remedy_draws(view, need)}, or choose a rule that both plans can show.",
    )


def _plan_in_words(view: View, plan: DrawPlan) -> str:
    """Say when a plan draws blood."""
    if plan.every is not None:
        pattern = f"every {in_words(int(plan.every))}"
    else:
        pattern = "daily" if isinstance(plan.on, str) else f"on {listed(plan.on or [])}"
    until = view.anchor(plan.until) if isinstance(plan.until, str) else f"day {int(plan.until)}"
    return f"{pattern} from {view.anchor(plan.from_)} to {until}"


def _period_in_words(view: View, need: _Need) -> str:
    """Say on which days an endpoint is observed."""
    end = f"to {need.high}" if need.high is not None else "on"
    return f"from day {need.low} {end} after {view.anchor(need.anchor)}"


def _near(view: View, need: _Need, plan: DrawPlan) -> bool:
    """Whether a plan can be in force while the endpoint is observed, as far as is known."""
    least = view.least.get((need.anchor, plan.from_))
    if least is not None and need.high is not None and least + int(plan.start) > need.high:
        return False
    back = view.planned.get((plan.from_, need.anchor))
    ends = int(plan.until) if isinstance(plan.until, int) else None
    return back is None or ends is None or ends - back >= need.low


def _can_show(view: View, need: _Need, plans: Sequence[DrawPlan]) -> bool:
    """Whether planned draws can show what is needed."""
    if not plans:
        return False
    offsets = [view.exact(need.anchor, plan.from_) for plan in plans]
    placed = all(isinstance(plan.until, int) for plan in plans) and None not in offsets
    if not placed:
        return need.run is None or shortest_shown_run(plans, need.run) is not None
    return any(_shown_on(need, plans, offsets, weekday) for weekday in range(7))


def _shown_on(
    need: _Need, plans: Sequence[DrawPlan], offsets: Sequence[int | None], weekday: int
) -> bool:
    """Whether draws show what is needed, when the endpoint's anchor falls on a weekday."""
    days: set[int] = set()
    for plan, offset in zip(plans, offsets, strict=True):
        shift = offset or 0
        at = _MONDAY + timedelta(days=weekday + shift)
        found = draw_days(plan, anchor_date=at, last=int(plan.until))
        days |= {day + shift for day in found or ()}
    within = [day for day in sorted(days) if day >= need.low]
    if need.high is not None:
        within = [day for day in within if day <= need.high]
    return bool(within) if need.run is None else shortest_run(within, need.run) is not None
