"""What one participant does to an estimate: left out, or weighted a little more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stromal.analysis.intervals import Floats
from stromal.analysis.survival_kernels import CENSORED, EVENT, Codes, tabulate_days

__all__ = ["Days", "arrange_days", "differentiate", "leave_out"]

_WIDE = 1e-9  # relative: a day asked for as 0.3 finds the event recorded at 0.1 + 0.2


@dataclass(frozen=True)
class Days:
    """One group of participants by distinct days.

    Parameters
    ----------
    day, at_risk, events, leaving
        The distinct days; who was at risk just before, had the event, had any event on each.
    before, free
        Probability that nothing has happened by the end of the day before, and of the day.
    growth
        What the incidence of the event grows by on the day.
    total
        Sum of D / (Y (Y - D)) over the days until then, D being any event; a day on which all
        at risk leave adds nothing.
    place, happened, mine
        One element a participant, sorted by day: which day is theirs, whether it is one of any
        event, and of the event.
    """

    day: Floats
    at_risk: Floats
    events: Floats
    leaving: Floats
    before: Floats
    free: Floats
    growth: Floats
    total: Floats
    place: Codes
    happened: Floats
    mine: Floats

    @property
    def n(self) -> int:
        """Participants."""
        return self.place.size


def arrange_days(day: Floats, status: Codes) -> Days:
    """Count the days of a group that is sorted by day."""
    days, counts = tabulate_days(day, status)
    at_risk, events = counts[:, 0].astype(np.float64), counts[:, 1].astype(np.float64)
    leaving = events + counts[:, 2]
    left = at_risk - leaving
    free = np.cumprod(left / at_risk, dtype=np.float64)
    before = _shift(free, 1.0)
    unit = np.divide(leaving, at_risk * left, out=np.zeros_like(left), where=left > 0)
    return Days(
        day=days,
        at_risk=at_risk,
        events=events,
        leaving=leaving,
        before=before,
        free=free,
        growth=before * events / at_risk,
        total=np.cumsum(unit),
        place=np.searchsorted(days, day).astype(np.int64),
        happened=(status != CENSORED).astype(np.float64),
        mine=(status == EVENT).astype(np.float64),
    )


def leave_out(data: Days, until: float, *, of: str) -> tuple[float, Floats]:
    """Give an estimate, and what it is without each participant in turn.

    Without a participant of day u, one less is at risk on every day up to u and, where it was an
    event, one less happens on u; the days after u are as they were. So three factors suffice: what
    the others do before u, on u, and everybody after. Where nobody is left after u the curve goes
    on at its height.

    Parameters
    ----------
    data
        The group.
    until
        The day of the estimate.
    of
        `survival`, `restricted mean` or `incidence`.
    """
    at = data.place
    others = np.maximum(data.at_risk - 1, 1)  # 0 at most on the last day, when nobody else leaves
    before = _shift(np.cumprod((others - data.leaving) / others, dtype=np.float64), 1.0)
    stays = before[at] * (1 - (data.leaving[at] - data.happened) / others[at])
    free = data.free[at]
    ends = free == 0
    steps = _steps(data, until)
    seen = at < steps
    if of == "restricted mean":
        width = _widths(data, until)
        area, alone = np.cumsum(data.before * width), np.cumsum(before * width)
        rest = max(until - data.day[-1], 0.0) * data.free[-1]
        whole = float(area[-1]) + rest
        more = np.where(ends, np.maximum(until - data.day[at], 0), _ratio(whole - area[at], free))
        return whole, alone[at] + stays * more
    if of == "survival":
        whole = float(_shift(data.free, 1.0, longer=True)[steps])
        early = before[min(steps, before.size - 1)]  # read only where somebody is not seen
        return whole, np.where(seen, stays * np.where(ends, 1, _ratio(whole, free)), early)
    incidence = np.cumsum(data.growth)
    whole = float(_shift(incidence, 0.0, longer=True)[steps])
    grown = _shift(np.cumsum(before * data.events / others), 0.0, longer=True)
    own = before[at] * (data.events[at] - data.mine) / others[at]
    later = stays * _ratio(whole - incidence[at], free)
    return whole, np.where(seen, grown[at] + own + later, grown[steps])


def differentiate(data: Days, until: float, *, of: str) -> tuple[float, Floats]:
    """Give an estimate and its derivative in the weight of each participant.

    With H(u) = 1[event on or before u] / (Y - D) - sum up to u, while at risk, of D / (Y (Y - D)),
    survival changes by -S(u) H(u); incidence by the sum of what this changes of the survival
    before each event, and of (own event - share at risk) S / Y; the area by the integral of
    -S H. All are sums over the days up to the participant's own, and one term after it.

    Parameters are those of `leave_out`.
    """
    at, steps = data.place, _steps(data, until)
    seen = at < steps
    jump = _ratio(data.happened, data.at_risk[at] - data.leaving[at])
    change = jump - data.total[at]
    lagged = _shift(data.total, 0.0)
    if of == "restricted mean":
        width = _widths(data, until)
        area = np.cumsum(data.before * width)
        drag = np.cumsum(data.before * lagged * width)
        rest = max(until - data.day[-1], 0.0) * data.free[-1]
        whole = float(area[-1]) + rest
        return whole, drag[at] - change * (whole - area[at])
    if of == "survival":
        whole = float(_shift(data.free, 1.0, longer=True)[steps])
        total = _shift(data.total, 0.0, longer=True)[steps]
        return whole, -whole * np.where(seen, change, -total)
    incidence = np.cumsum(data.growth)
    whole = float(_shift(incidence, 0.0, longer=True)[steps])
    drag = np.cumsum(data.growth * (lagged - 1 / data.at_risk))
    own = data.mine * data.before[at] / data.at_risk[at]
    after = own + drag[at] - change * (whole - incidence[at])
    return whole, np.where(seen, after, _shift(drag, 0.0, longer=True)[steps])


def _steps(data: Days, until: float) -> int:
    """Count the distinct days up to a day."""
    return int((data.day <= until * (1 + _WIDE)).sum())


def _widths(data: Days, until: float) -> Floats:
    """Give the time between each distinct day and the one before, until a day."""
    return np.diff(np.minimum(np.concatenate(([0.0], data.day)), until))


def _shift(values: Floats, first: float, *, longer: bool = False) -> Floats:
    """Give what a running value was before each day; or with the last one, too."""
    return np.concatenate(([first], values if longer else values[:-1]))


def _ratio(above: Floats | float, below: Floats) -> Floats:
    """Divide, giving 0 where the divisor is 0."""
    above = np.broadcast_to(np.asarray(above, dtype=np.float64), below.shape)
    return np.divide(above, below, out=np.zeros_like(below), where=below > 0)
