"""Numbers as they are printed: the only place where anything is rounded."""

from __future__ import annotations

from datetime import date

__all__ = [
    "DASH",
    "SPACE",
    "as_cells",
    "as_count",
    "as_date",
    "as_day",
    "as_duration",
    "as_interval",
    "as_mean",
    "as_median",
    "as_number",
    "as_p",
    "as_percent",
    "as_range",
    "as_with_error",
]

DASH = "–"
SPACE = "\u00a0"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def as_percent(share: float | None, digits: int = 1) -> str:
    r"""Print a proportion in per cent.

    Examples
    --------
    >>> as_percent(0.274), as_percent(None)
    ('27.4\xa0%', '–')
    """
    return DASH if share is None else f"{_round(100 * share, digits)}{SPACE}%"


def as_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    r"""Print an interval of proportions in per cent; an open end as a dash.

    Examples
    --------
    >>> as_interval(0.0433, 0.7772)
    '4.3 to 77.7\xa0%'
    """
    if low is None and high is None:
        return DASH
    shown = [DASH if bound is None else _round(100 * bound, digits) for bound in (low, high)]
    return f"{shown[0]} to {shown[1]}{SPACE}%"


def as_with_error(share: float | None, error: float | None) -> str:
    r"""Print a proportion with its standard error.

    Examples
    --------
    >>> as_with_error(0.889, 0.105)
    '88.9 ± 10.5\xa0%'
    """
    if share is None or error is None:
        return as_percent(share)
    return f"{_round(100 * share, 1)} ± {as_percent(error)}"


def as_mean(
    value: float | None, error: float | None, digits: int = 1, *, signed: bool = False
) -> str:
    """Print a number to so many decimals, with its standard error.

    Examples
    --------
    >>> as_mean(68, 0.04), as_mean(-0.0312, None, 3), as_mean(1.5, 0.25, 2, signed=True)
    ('68.0 ± 0.0', '−0.031', '+1.50 ± 0.25')
    """
    if value is None:
        return DASH
    said = ("+" if signed and round(value, digits) > 0 else "") + _round(value, digits)
    return said if error is None else f"{said} ± {_round(error, digits)}"


def as_p(p: float | None) -> str:
    r"""Print a p value with three decimals; below 0.001 as such.

    Examples
    --------
    >>> [as_p(p).replace("\xa0", " ") for p in (0.0467, 0.00004, 1, None)]
    ['p = 0.047', 'p < 0.001', 'p = 1.000', 'p: –']
    """
    if p is None:
        return f"p: {DASH}"
    said = "p > 0.999" if 0.9995 <= p < 1 else f"p = {p:.3f}"
    said = "p < 0.001" if p < 0.001 else said
    return said.replace(" ", SPACE)


def as_number(value: float | None, digits: int = 3) -> str:
    r"""Print a number with three significant figures; whole numbers whole.

    Examples
    --------
    >>> as_number(20.0), as_number(2.6667), as_number(1461.0), as_number(0.0421)
    ('20', '2.67', '1461', '0.0421')
    >>> as_number(8.7612e-07).replace("\xa0", " ")
    '8.76 × 10⁻⁷'
    """
    if value is None:
        return DASH
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value)}".replace("-", "−")
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.1f}".removesuffix(".0").replace("-", "−")
    said = f"{value:.{digits}g}"
    if "e" in said:
        head, power = said.split("e")
        said = f"{head}{SPACE}×{SPACE}10{str(int(power)).translate(_RAISED)}"
    return said.replace("-", "−")


def as_cells(value: float | None) -> str:
    r"""Print a number of cells (or cells per kg) in millions.

    Examples
    --------
    >>> as_cells(2.7e6)
    '2.7\xa0×\xa010⁶'
    """
    return DASH if value is None else f"{as_number(value / 1e6)}{SPACE}×{SPACE}10⁶"


def as_count(part: int, whole: int) -> str:
    r"""Print a count of a whole with its percentage.

    Examples
    --------
    >>> as_count(3, 9), as_count(0, 0)
    ('3 of 9 (33.3\xa0%)', '0 of 0')
    """
    return f"{part} of {whole}" + (f" ({as_percent(part / whole)})" if whole else "")


def as_median(median: float | None, low: float | None, high: float | None, unit: str = "") -> str:
    """Print a median with its range.

    Examples
    --------
    >>> as_median(20, 12, 31, "days")
    '20 (12 to 31) days'
    """
    if median is None and low is None:
        return DASH
    if median is None:
        return f"range {as_number(low)} to {as_number(high)}" + (f" {unit}" if unit else "")
    shown = "" if low is None and high is None else f" ({as_number(low)} to {as_number(high)})"
    return f"{as_number(median)}{shown}" + (f" {unit}" if unit else "")


def as_range(low: float, high: float) -> str:
    """Print the range of a statistic.

    Examples
    --------
    >>> as_range(0.10253509, 0.51460116)
    '0.103 to 0.515'
    """
    return f"{as_number(low)} to {as_number(high)}"


def as_day(day: float | None) -> str:
    """Print a day.

    Examples
    --------
    >>> as_day(12.0), as_day(None)
    ('day 12', '–')
    """
    return DASH if day is None else f"day{SPACE}{as_number(day)}".replace(SPACE, " ")


def as_duration(days: float) -> str:
    """Print a time after an anchor as a protocol would write it.

    Examples
    --------
    >>> as_duration(1461), as_duration(183), as_duration(56), as_duration(40)
    ('4 years', '6 months', '8 weeks', '40 days')
    """
    for length, name, least in ((365.25, "year", 1), (30.4375, "month", 3)):
        count = round(days / length)
        if count >= least and abs(days - count * length) <= 0.51 and count <= 24:
            return f"{count} {name}{'' if count == 1 else 's'}"
    if days % 7 == 0 and 28 < days <= 182:
        return f"{int(days // 7)} weeks"
    return f"{as_number(days)} day{'' if days == 1 else 's'}"


def as_date(day: date | None) -> str:
    """Print a date as people write it.

    Examples
    --------
    >>> as_date(date(2024, 1, 8)), as_date(None)
    ('8 January 2024', '–')
    """
    return DASH if day is None else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _round(value: float, digits: int) -> str:
    """Round to decimals, and never print a negative zero."""
    return f"{value:.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"
