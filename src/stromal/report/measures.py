"""What a number is of, and how it is printed: per cent, points, days, a count, a ratio."""

from __future__ import annotations

from typing import Literal

from stromal.analysis.estimate import Contrast, Estimate
from stromal.report.numbers import DASH, SPACE, as_interval, as_number, as_percent

__all__ = [
    "MEANS",
    "Scale",
    "as_limits",
    "as_value",
    "as_value_with_error",
    "scale_of",
    "scale_of_contrast",
]

Scale = Literal["percent", "points", "days", "number", "ratio"]

MEANS = ("mean cumulative function", "Ghosh-Lin mean number of events")
"""Methods whose curve is a mean number, no probability."""
_DAYS = ("restricted mean", "mean time", "time in state")
_SHARES = ("proportion", "probability", "survival", "incidence", "occupation")


def scale_of(estimate: Estimate) -> Scale:
    """Say on which scale an estimate of one group is.

    A restricted mean and a mean time are in days, a mean number of events is a number; all else is
    a probability.
    """
    if estimate.method in MEANS:
        return "number"
    return "days" if any(word in estimate.method for word in _DAYS) else "percent"


def scale_of_contrast(contrast: Contrast) -> Scale:
    """Say on which scale a difference or a ratio is."""
    measure = contrast.measure
    if "ratio" in measure.split(" of ")[0].split():
        return "ratio"
    if any(word in measure for word in _DAYS):
        return "days"
    return "points" if any(word in measure for word in _SHARES) else "number"


def as_value(value: float | None, scale: Scale) -> str:
    r"""Print a number on its scale.

    Examples
    --------
    >>> [as_value(0.5, scale).replace("\xa0", " ") for scale in ("percent", "points", "ratio")]
    ['50.0 %', '50.0 points', '0.50']
    >>> as_value(211.25, "days").replace("\xa0", " "), as_value(None, "ratio")
    ('211.2 days', '–')
    """
    return DASH if value is None else f"{_bare(value, scale)}{_unit(scale)}"


def as_limits(low: float | None, high: float | None, scale: Scale) -> str:
    r"""Print the limits of an interval on their scale; an open end as a dash.

    Examples
    --------
    >>> as_limits(-0.1, None, "points").replace("\xa0", " "), as_limits(0.5, 2.25, "ratio")
    ('−10.0 to – points', '0.50 to 2.25')
    """
    if scale == "percent":
        return as_interval(low, high)
    if low is None and high is None:
        return DASH
    shown = [DASH if bound is None else _bare(bound, scale) for bound in (low, high)]
    return f"{shown[0]} to {shown[1]}{_unit(scale)}"


def as_value_with_error(value: float | None, error: float | None, scale: Scale) -> str:
    r"""Print a number with its standard error.

    Examples
    --------
    >>> as_value_with_error(1.5, 0.25, "number"), as_value_with_error(0.5, None, "ratio")
    ('1.50 ± 0.25', '0.50')
    """
    if value is None or error is None:
        return as_value(value, scale)
    return f"{_bare(value, scale)} ± {_bare(error, scale)}{_unit(scale)}"


def _bare(value: float, scale: Scale) -> str:
    """Print a number without its unit."""
    if scale in {"percent", "points"}:
        return as_percent(value).removesuffix(f"{SPACE}%")
    if scale == "days":
        return _decimals(value, 1)
    if value and not 0.01 <= abs(value) < 100:
        return as_number(value)
    return _decimals(value, 2)


def _decimals(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}".replace("-", "−")
    return shown if round(value, digits) else f"{0:.{digits}f}"


def _unit(scale: Scale) -> str:
    return {"percent": f"{SPACE}%", "points": f"{SPACE}points", "days": f"{SPACE}days"}.get(
        scale, ""
    )
