"""Grades from what was assessed: stages by organ, overall grades, classes, scores."""

from __future__ import annotations

import math

import polars as pl

from stromal.core import UsageError
from stromal.endpoints.three_valued import (
    Truth,
    flag,
    highest,
    is_recorded,
    judge,
    lowest,
    parts_of,
)
from stromal.protocol.grading import (
    Condition,
    Grading,
    Item,
    ItemCondition,
    Number,
    Step,
    names_in,
)

__all__ = ["grade"]


def grade(frame: pl.DataFrame, grading: Grading) -> pl.DataFrame:
    """Grade every row of a wide table, one row an assessment.

    1. Every item could be anything as long as it is not recorded; a number that is only bounded
       could be anything within its bounds. Numbers of the definition inherit what their parts
       could be; `first_known` takes the first part of which something is known.
    2. A step takes the value of its first case that is true. It could have the value of every case
       that could be true while those before it could be false. Where no case is true, or one before
       the first true one asks for a step without a value, no case of the definition covers the row.
    3. A condition on an undecided step could be what it is for any value that the step could have.
       So liver stage 4 gives grade IV whatever was not examined beside it. What is decided so holds
       however the record is completed.
    4. A step that people recorded (a column of its name, in steps that allow it) has the recorded
       value where the items allow it, or do not cover the row. A recorded value that the items rule
       out is told in `contradicts`, and the step could then be either.
    5. Items that are whole numbers by their source are rounded half up before they are compared.

    Parameters
    ----------
    frame
        One column an item (numbers in the item's unit, or its words), one a recorded step; columns
        that are absent are unknown throughout. A number known only within bounds is null and has
        its inclusive bounds in the columns `<item>:low` and `<item>:high`. Other columns are kept.
    grading
        The definition.

    Returns
    -------
    polars.DataFrame
        The columns of `frame`, then a column for each number and each step (null where it is not
        decided), `grade` (the result), `could_be` (the values the result could have, in the order
        of `grades`; empty where no case of the definition covers the row), `covered` (whether
        every completion has a value), `unknown` (items and recorded steps that were not recorded
        and could decide) and `contradicts` (steps recorded otherwise than their items say).

    Raises
    ------
    UsageError
        A column holds a word, or a recorded value, that the definition does not know, text where
        a number is needed, a number that is not finite or that the item cannot be, or a value of a
        step that cannot be recorded.
    """
    columns = [name for name in frame.columns if name not in grading.items]
    columns = [name for name in columns if name not in grading.steps]
    frame = _with_items(frame, grading)
    order = grading.order()
    for name in order:
        if name in grading.numbers:
            frame = _with_number(frame, grading, name)
        else:
            frame = _with_step(frame, grading, name)
    result = grading.result
    frame = frame.with_columns(
        grade=pl.col(result),
        could_be=_listed({value: pl.col(flag(result, value)) for value in grading.grades}),
        covered=~pl.col(flag(result, None)),
        contradicts=_listed(
            {name: pl.col(_against(name)) for name in order if name in grading.steps}
        ),
    )
    frame = frame.with_columns(unknown=_unknown(frame, grading, order))
    steps = [name for name in grading.steps if name != "grade"]
    return frame.select(
        *columns, *grading.items, *grading.numbers, *steps,
        "grade", "could_be", "covered", "unknown", "contradicts",
    )  # fmt: skip


def _listed(flags: dict[str, pl.Expr]) -> pl.Expr:
    """List the names whose columns are true."""
    return pl.concat_list(
        [pl.when(is_true).then(pl.lit(name)) for name, is_true in flags.items()]
    ).list.drop_nulls()


# --- items -----------------------------------------------------------------------------------


def _with_items(frame: pl.DataFrame, grading: Grading) -> pl.DataFrame:
    """Add what each item is and could be, and refuse what it cannot be."""
    for name, item in grading.items.items():
        if name not in frame.columns:
            kind = pl.String if item.words is not None else pl.Float64
            frame = frame.with_columns(pl.lit(None, kind).alias(name))
        if item.words is not None:
            _refuse_words(frame[name], item.words)
            word = pl.col(name).cast(pl.String)
            frame = frame.with_columns(
                word.is_not_null().alias(is_recorded(name)),
                word.fill_null(pl.lit(item.unrecorded, pl.String)).alias(name),
            )
        else:
            frame = _with_bounds(frame, name, item)
    for name, step in grading.steps.items():
        if name in frame.columns:
            if not step.may_be_recorded:
                raise UsageError(f"`{name}` is derived and cannot be recorded; leave it out")
            _refuse_words(frame[name], step.possible)
            frame = frame.with_columns(pl.col(name).cast(pl.String))
        elif step.may_be_recorded:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(name))
    return frame


def _refuse_words(column: pl.Series, words: list[str]) -> None:
    """Refuse a word that the definition does not know."""
    text = column.cast(pl.String).drop_nulls()
    wrong = text.filter(~text.is_in(words))
    if wrong.len():
        raise UsageError(f"`{column.name}` is one of {', '.join(words)}; got {wrong[0]!r}")


def _with_bounds(frame: pl.DataFrame, name: str, item: Item) -> pl.DataFrame:
    """Add the number, and between which numbers it lies."""
    number = frame[name].cast(pl.Float64, strict=False).fill_nan(None)
    given = frame[name]
    wrong = given.filter(
        given.is_not_null() & (number.is_null() | number.is_infinite().fill_null(value=False))
    )
    if wrong.len() and not (wrong.dtype.is_float() and wrong.is_nan().all()):
        raise UsageError(f"`{name}` is a number in {item.unit}; got {wrong[0]!r}")
    value = pl.lit(number).alias(name)

    def bound(end: str, infinite: float) -> pl.Expr:
        column = f"{name}:{end}"
        given = [pl.col(column).cast(pl.Float64)] if column in frame.columns else []
        return pl.coalesce(value, *given, pl.lit(infinite))

    ends = [value, bound("low", -math.inf), bound("high", math.inf)]
    if item.limits:
        _refuse_impossible(frame.select(low=ends[1], high=ends[2]), name, item)
    if item.whole:
        ends = [(end + 0.5).floor() for end in ends]
    low, high = lowest(name), highest(name)
    return frame.with_columns(
        ends[0].alias(name), ends[1].alias(low), ends[2].alias(high)
    ).with_columns((pl.col(low).is_finite() | pl.col(high).is_finite()).alias(is_recorded(name)))


def _refuse_impossible(ends: pl.DataFrame, name: str, item: Item) -> None:
    """Refuse a number, or a bound, that leaves nothing of what the item can be."""
    least = -math.inf if item.least is None else item.least
    most = math.inf if item.most is None else item.most
    for end, outside in (("high", pl.col("high") < least), ("low", pl.col("low") > most)):
        wrong = ends.filter(outside)[end]
        if wrong.len():
            raise UsageError(f"`{name}` is {item.limits}; got {wrong[0]:g}")


# --- numbers ---------------------------------------------------------------------------------


def _with_number(frame: pl.DataFrame, grading: Grading, name: str) -> pl.DataFrame:
    """Add a derived number: between which numbers it lies, and itself where it is one."""
    low, high = _range_of(grading, grading.numbers[name])
    # rounded: 3.3 / 2.2 is 1.5, and not the binary number just below it
    frame = frame.with_columns(
        low.round_sig_figs(12).alias(lowest(name)), high.round_sig_figs(12).alias(highest(name))
    )
    low, high = pl.col(lowest(name)), pl.col(highest(name))
    return frame.with_columns(
        pl.when((low == high) & low.is_finite()).then(low).alias(name),
        (low.is_finite() | high.is_finite()).alias(is_recorded(name)),
    )


def _ends(grading: Grading, part: str | float) -> tuple[pl.Expr, pl.Expr]:
    """Give between which numbers a part lies: a constant, a number, or a step's value."""
    if not isinstance(part, str):
        return pl.lit(float(part)), pl.lit(float(part))
    step = grading.steps.get(part)
    if step is None:
        return pl.col(lowest(part)), pl.col(highest(part))
    values = [
        pl.when(pl.col(flag(part, value))).then(pl.lit(float(value))) for value in step.possible
    ]
    covered = ~pl.col(flag(part, None))
    return (
        pl.when(covered).then(pl.min_horizontal(values)).otherwise(pl.lit(-math.inf)),
        pl.when(covered).then(pl.max_horizontal(values)).otherwise(pl.lit(math.inf)),
    )


def _range_of(grading: Grading, number: Number) -> tuple[pl.Expr, pl.Expr]:
    """Compute between which numbers a derived number lies."""
    if number.first_known is not None:
        known = [
            pl.col(part).is_not_null() if part in grading.steps else pl.col(is_recorded(part))
            for part in number.first_known
        ]
        ends = [_ends(grading, part) for part in number.first_known]
        low, high = (
            pl.coalesce(
                *(pl.when(k).then(end[i]) for k, end in zip(known, ends, strict=True)),
                pl.lit(infinite),
            )
            for i, infinite in enumerate((-math.inf, math.inf))
        )
        return low, high
    names = number.sum or number.product or number.quotient or number.highest or number.lowest or ()
    ends = [_ends(grading, part) for part in names]
    lows, highs = [end[0] for end in ends], [end[1] for end in ends]
    if number.sum is not None:
        return pl.sum_horizontal(lows), pl.sum_horizontal(highs)
    if number.highest is not None:
        return pl.max_horizontal(lows), pl.max_horizontal(highs)
    if number.lowest is not None:
        return pl.min_horizontal(lows), pl.min_horizontal(highs)
    if number.quotient is not None:
        return _positive(lows, highs, lows[0] / highs[1], highs[0] / lows[1], lows[1] > 0)
    low, high = lows[0], highs[0]
    for other_low, other_high in zip(lows[1:], highs[1:], strict=True):
        low, high = low * other_low, high * other_high
    return _positive(lows, highs, low, high, pl.lit(value=True))


def _positive(
    lows: list[pl.Expr], highs: list[pl.Expr], low: pl.Expr, high: pl.Expr, more: pl.Expr
) -> tuple[pl.Expr, pl.Expr]:
    """Keep the ends of a product or quotient where they hold: of known, or not negative, parts."""
    known = pl.all_horizontal([a == b for a, b in zip(lows, highs, strict=True)])
    positive = pl.all_horizontal([end >= 0 for end in lows]) & more
    # a known part that is not positive is fine in a product, and as what is divided
    exact = known & (more | (lows[-1] < 0))
    sound = exact | positive
    return (
        pl.when(sound & low.is_not_nan()).then(low).otherwise(pl.lit(-math.inf)),
        pl.when(sound & high.is_not_nan()).then(high).otherwise(pl.lit(math.inf)),
    )


# --- steps -----------------------------------------------------------------------------------


def _case(step: str, index: int, what: str) -> str:
    """Name the column that says whether a case could be true, false or undefined."""
    return f"{step}\x1e{index}{what}"


def _against(step: str) -> str:
    """Name the column that says whether a recorded value contradicts the items."""
    return f"{step}\x1e!"


def _truth_of_case(step: str, index: int) -> Truth:
    """Give the columns of a case that was judged."""
    return Truth(*(pl.col(_case(step, index, what)) for what in "tfu"))


def _with_step(frame: pl.DataFrame, grading: Grading, name: str) -> pl.DataFrame:
    """Add a step: for each value whether it is still possible, and the value where it is one."""
    step = grading.steps[name]
    frame = frame.with_columns(
        column.alias(_case(name, index, what))
        for index, case in enumerate(step.cases)
        for what, column in zip("tfu", _columns(grading, case.when), strict=True)
    )
    possible, uncovered = _derived(name, step)
    against = pl.lit(value=False)
    if step.may_be_recorded:
        given = pl.col(name)
        is_given = given.is_not_null()
        allowed = pl.coalesce(
            *(pl.when(given == value).then(could) for value, could in possible.items()),
            pl.lit(value=False),
        )
        some = pl.any_horizontal(possible.values())
        against = is_given & some & ~allowed
        possible = {
            value: pl.when(is_given & (allowed | ~some))
            .then(given == value)
            .when(is_given)
            .then(could | (given == value))
            .otherwise(could)
            for value, could in possible.items()
        }
        uncovered = uncovered & ~(is_given & (allowed | ~some))
    frame = frame.with_columns(
        *(could.alias(flag(name, value)) for value, could in possible.items()),
        uncovered.alias(flag(name, None)),
        against.alias(_against(name)),
    )
    count = pl.sum_horizontal(pl.col(flag(name, value)).cast(pl.Int32) for value in possible)
    value = pl.coalesce(
        *(pl.when(pl.col(flag(name, value))).then(pl.lit(value)) for value in possible)
    )
    decided = (count == 1) & ~pl.col(flag(name, None))
    return frame.with_columns(pl.when(decided).then(value).alias(name))


def _columns(grading: Grading, when: Condition | str) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Judge the condition of a case."""
    if isinstance(when, str):
        return pl.lit(value=True), pl.lit(value=False), pl.lit(value=False)
    truth = judge(grading, when)
    undefined = pl.lit(value=False) if truth.undefined is None else truth.undefined
    return truth.true, truth.false, undefined


def _derived(name: str, step: Step) -> tuple[dict[str, pl.Expr], pl.Expr]:
    """Say which values the cases allow, and whether no case may cover the row."""
    if step.values:
        return {value: pl.lit(value=True) for value in step.possible}, pl.lit(value=False)
    reached = pl.lit(value=True)
    uncovered = pl.lit(value=False)
    possible = {value: pl.lit(value=False) for value in step.possible}
    for index, case in enumerate(step.cases):
        truth = _truth_of_case(name, index)
        possible[case.value] = possible[case.value] | (reached & truth.true)
        uncovered = uncovered | (reached & pl.col(_case(name, index, "u")))
        reached = reached & truth.false
    return possible, uncovered | reached


# --- what is not known -----------------------------------------------------------------------


def _unknown(frame: pl.DataFrame, grading: Grading, order: list[str]) -> pl.Series:
    """List what is not recorded and could decide, for each row that is not decided.

    A step is asked for where a condition that is not decided, in a case that can be reached, looks
    at it. A step that may be recorded is named itself where none of its items is known.
    """
    undecided = frame[grading.result].is_null()
    rows = frame.filter(undecided)
    asked: dict[str, pl.Expr] = {grading.result: pl.lit(value=True)}
    named: dict[str, pl.Expr] = {}
    for name in reversed(order):
        if name not in asked:
            continue
        rows = rows.with_columns((asked[name] & pl.col(name).is_null()).alias(f"{name}\x1easked"))
        ask = pl.col(f"{name}\x1easked")
        step = grading.steps.get(name)
        if step is None:
            for part in grading.numbers[name].parts:
                _ask(asked, part, ask)
            continue
        if step.may_be_recorded:
            alone = _nothing_known(grading, name)
            named[name] = ask & alone
            ask = ask & ~alone
        reached = pl.lit(value=True)
        for index, case in enumerate(step.cases):
            truth = _truth_of_case(name, index)
            if not isinstance(case.when, str):
                open_ = f"{name}\x1e{index}open"
                rows = rows.with_columns((ask & reached & ~truth.decided).alias(open_))
                _follow(grading, case.when, pl.col(open_), asked)
            reached = reached & truth.false
    for name in grading.items:
        if name in asked:
            named[name] = asked[name] & pl.col(name).is_null()
    order_of = [*grading.steps, *grading.items]
    flags = {name: named[name] for name in order_of if name in named}
    found = rows.select(_listed(flags))[:, 0] if flags and rows.height else None
    lists = pl.Series(dtype=pl.List(pl.String)) if found is None else found
    index = undecided.cast(pl.Int64).cum_sum() - 1
    return (
        pl.DataFrame({"i": index.set(~undecided, None)})
        .join(pl.DataFrame({"i": pl.Series(range(lists.len()), dtype=pl.Int64), "u": lists}),
              on="i", how="left", maintain_order="left")
        .select(pl.col("u").fill_null(pl.lit([], pl.List(pl.String))))["u"]
    )  # fmt: skip


def _ask(asked: dict[str, pl.Expr], name: str, where: pl.Expr) -> None:
    """Note that something is asked for."""
    asked[name] = asked[name] | where if name in asked else where


def _follow(
    grading: Grading, condition: Condition, where: pl.Expr, asked: dict[str, pl.Expr]
) -> None:
    """Ask for what a condition compares, where it is not decided."""
    where = where & ~judge(grading, condition).decided
    if isinstance(condition, ItemCondition):
        for name in names_in(condition):
            _ask(asked, name, where)
    for part in parts_of(condition):
        _follow(grading, part, where, asked)


def _nothing_known(grading: Grading, name: str) -> pl.Expr:
    """Say whether nothing of a step's own items was recorded (baseline variables apart)."""
    items: set[str] = set()
    ahead = [name]
    while ahead:
        part = ahead.pop()
        if part in grading.items:
            items |= {part} if grading.items[part].variable is None else set()
        else:
            ahead += grading.needed(part)
    return ~pl.any_horizontal(
        [pl.lit(value=False), *(pl.col(is_recorded(item)) for item in sorted(items))]
    )
