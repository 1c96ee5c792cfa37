import math

import numpy as np
import polars as pl
import pytest

from stromal.analysis.repeated import fit_random_effects, summarize_change
from stromal.core import UsageError

PEOPLE = pl.DataFrame(
    {
        "participant_id": list("ABCDEFG"),
        "arm": ["MSC"] * 5 + ["control"] * 2,
        "death_day": [None, None, 20, None, None, None, None],
        "last_day": [90, 90, 20, 12, 90, 90, 90],
    }
)
VALUES = pl.DataFrame(
    [
        ("A", -3, 10.0), ("A", 0, 12.0), ("A", 28, 20.0), ("A", 30, 22.0),
        ("B", -1, 8.0), ("B", 27, 11.0), ("B", 27, 13.0),
        ("C", 0, 9.0), ("D", 0, 7.0), ("D", 12, 9.0),
        ("E", 29, 15.0),
        ("F", 0, 10.0), ("F", 28, 9.0), ("G", 0, 4.0), ("G", 28, None),
    ],
    schema=["participant_id", "day", "value"],
    orient="row",
)  # fmt: skip
WINDOWS = {"baseline": (-7, 0), "visits": {"week 4": (25, 31)}}


def change_of(values=VALUES, people=PEOPLE, **more):
    chosen = {**WINDOWS, "several": "last", "confidence": 0.95, **more}
    return summarize_change(values, people, **chosen)


@pytest.mark.by_hand
def test_change_from_baseline_by_hand():
    # A: 22 - 12 = 10; B: mean 12 of day 27, minus 8 = 4; C died; D left on day 12; E no baseline
    row = change_of().row(0, named=True)
    counts = {"n": 5, "no_baseline": 1, "measured": 2, "dead": 1, "left": 1, "missing": 0}
    assert {name: row[name] for name in counts} == counts
    assert (row["arm"], row["visit"], row["baseline_mean"]) == ("MSC", "week 4", 10)
    assert (row["mean"], row["median"]) == (7, 7)
    assert row["sd"] == pytest.approx(math.sqrt(18))
    # Student's 0.975 quantile with one degree of freedom is 12.7062; the standard error is 3
    assert row["low"] == pytest.approx(7 - 3 * 12.706204736, abs=1e-6)
    control = change_of().row(1, named=True)
    assert (control["measured"], control["missing"], control["mean"]) == (1, 1, -1)
    assert (control["sd"], control["low"]) == (None, None)


@pytest.mark.parametrize(("several", "mean"), [("first", 7.0), ("last", 7.0), ("mean", 7.0)])
def test_which_of_several_days_stands(several, mean):
    # first: A 20 - 10 = 10, B 4; last: A 22 - 12 = 10; mean: A 21 - 11 = 10
    values = VALUES.with_columns(
        value=pl.when((pl.col("participant_id") == "A") & (pl.col("day") == 30))
        .then({"first": 99.0, "last": 22.0, "mean": 22.0}[several])
        .otherwise(pl.col("value"))
    )
    assert change_of(values, several=several)["mean"][0] == mean


def test_the_reasons_add_up_at_every_visit():
    table = change_of(visits={"day 12": (12, 12), "week 4": (25, 31), "week 12": (80, 88)})
    assert table["visit"].to_list() == ["day 12", "week 4", "week 12"] * 2
    reasons = ["no_baseline", "measured", "dead", "left", "missing"]
    assert table.select(pl.sum_horizontal(reasons)).to_series().to_list() == table["n"].to_list()
    first = table.row(0, named=True)  # on day 12 nobody has died or left: D is measured
    assert (first["measured"], first["dead"], first["left"], first["missing"]) == (1, 0, 0, 3)
    last = table.row(2, named=True)
    assert (last["measured"], last["mean"], last["missing"]) == (0, None, 2)


def test_participants_may_be_shuffled_and_have_no_days():
    shuffled = change_of(VALUES.reverse(), PEOPLE.reverse())
    assert shuffled.equals(change_of())
    bare = change_of(people=PEOPLE.select("participant_id", "arm"))
    assert bare["missing"].to_list() == [2, 1]


def test_nobody_has_no_rows():
    assert change_of(VALUES.clear(), PEOPLE.clear()).height == 0


@pytest.mark.parametrize(
    ("values", "people", "more", "match"),
    [
        (VALUES.drop("day"), PEOPLE, {}, "no column 'day'"),
        (VALUES, PEOPLE.drop("arm"), {}, "no column 'arm'"),
        (VALUES, pl.concat([PEOPLE, PEOPLE]), {}, "stands twice"),
        (VALUES, PEOPLE.head(3), {}, "is none of the participants"),
        (VALUES, PEOPLE, {"several": "nearest"}, "choose `first`, `last` or `mean`"),
        (VALUES, PEOPLE, {"baseline": (0, -7)}, "turn it round"),
        (VALUES, PEOPLE, {"visits": {"baseline": (1, 2)}}, "another name"),
        (VALUES.with_columns(value=pl.lit(math.inf)), PEOPLE, {}, "not finite"),
    ],
)
def test_tables_it_cannot_read_are_refused(values, people, more, match):
    with pytest.raises(UsageError, match=match):
        change_of(values, people, **more)


EIGHT = {
    ("P1", "MSC"): [(7, 8.72), (14, 9.27), (28, 10.56)],
    ("P2", "MSC"): [(7, 11.42), (14, 12.37), (28, 12.06), (56, 13.65)],
    ("P3", "MSC"): [(7, 7.85), (14, 6.79), (28, 9.15), (56, 9.59)],
    ("P4", "MSC"): [(14, 11.28), (28, 12.12), (56, 12.35)],
    ("P5", "control"): [(7, 13.22), (14, 12.33), (28, 13.7), (56, 13.77)],
    ("P6", "control"): [(7, 8.57), (28, 9.35), (56, 9.98)],
    ("P7", "control"): [(7, 11.06), (14, 10.27), (28, 10.48), (56, 10.05)],
    ("P8", "control"): [(7, 8.24), (14, 7.45)],
}


def measured(data=None):
    rows = [
        (who, arm, day, value)
        for (who, arm), series in (data or EIGHT).items()
        for day, value in series
    ]
    return pl.DataFrame(rows, schema=["participant_id", "arm", "day", "value"], orient="row")


def fit_of(table=None, random="random intercept", **more):
    chosen = {"by": "arm", "confidence": 0.95, "references": {"arm": "control"}, **more}
    return fit_random_effects(measured() if table is None else table, random=random, **chosen)


@pytest.mark.reference
def test_random_intercept_against_lme4():
    """lme4 1.1-31 (R 4.2): lmer(value ~ day * arm + (1 | id), REML = TRUE)."""
    fit = fit_of()
    rows = fit.coefficients
    assert rows["term"].to_list() == [
        "intercept", "day", "arm: MSC against control", "arm: MSC against control x day",
    ]  # fmt: skip
    assert rows["coefficient"].to_list() == pytest.approx(
        [9.9939371108564, 0.0101036167304, -0.5146884400732, 0.0316039473894], abs=1e-7
    )
    assert rows["standard_error"].to_list() == pytest.approx(
        [1.04291231023651, 0.00927339518919, 1.47697531952284, 0.01319485131867], rel=1e-6
    )
    assert "intercept 2.0115, residual 0.591602" in fit.note
    assert "restricted log-likelihood -42.437803" in fit.note
    assert (fit.n, fit.events, fit.converged, fit.scale) == (8, 27, True, "difference")
    assert rows["ratio"].to_list() == [None] * 4


@pytest.mark.reference
def test_random_slope_against_nlme():
    """nlme 3.1-162 (R 4.2): lme(value ~ day * arm, random = ~ day | id, method = "REML",
    control = lmeControl(opt = "optim", tolerance = 1e-12, msTol = 1e-14)).
    """
    fit = fit_of(random="random intercept and slope")
    rows = fit.coefficients
    assert rows["coefficient"].to_list() == pytest.approx(
        [9.9699663661450, 0.0112810721713, -0.4832389924881, 0.0308499723731], abs=1e-6
    )
    assert rows["standard_error"].to_list() == pytest.approx(
        [1.0808995553449, 0.0105085161376, 1.5307497964367, 0.0148643639962], rel=1e-5
    )
    assert "intercept 2.09633, slope 0.0102554, their correlation -0.3889" in fit.note
    assert "residual 0.562351; restricted log-likelihood -42.295262" in fit.note
    assert fit.converged


@pytest.mark.by_hand
def test_balanced_data_have_the_slope_of_the_means():
    # two values each on days 0 and 10: the slope is the mean difference / 10, and its error that of
    # the differences 1, 3, 5 (deviation 2) / 10
    data = {("A", "x"): [(0, 1.0), (10, 2.0)], ("B", "x"): [(0, 7.0), (10, 10.0)],
            ("C", "x"): [(0, 4.0), (10, 9.0)]}  # fmt: skip
    fit = fit_of(measured(data), by=None, references=None)
    slope = fit.coefficients.row(1, named=True)
    assert slope["coefficient"] == pytest.approx(0.3)
    assert slope["standard_error"] == pytest.approx(2 / math.sqrt(3) / 10, rel=1e-6)
    assert slope["low"] == pytest.approx(0.3 - 1.959964 * 2 / math.sqrt(3) / 10, rel=1e-5)


def test_units_of_time_and_shuffled_rows_change_nothing_else():
    one = fit_of(random="random intercept and slope").coefficients
    moved = (
        measured()
        .with_columns(day=pl.col("day") / 7 + 100)
        .sample(fraction=1, shuffle=True, seed=2)
    )
    other = fit_of(moved, random="random intercept and slope").coefficients
    for term, factor in ((1, 7), (3, 7)):
        for column in ("coefficient", "standard_error"):
            assert other[column][term] == pytest.approx(one[column][term] * factor, rel=1e-5)


def test_a_singular_fit_is_told():
    rng = np.random.default_rng(1)
    data = {
        (f"P{i}", "x"): [
            (d, float(5 + 0.1 * d + e)) for d, e in zip((0, 7, 14), errors, strict=True)
        ]
        for i, errors in enumerate(rng.permuted(np.tile([-1.0, 0, 1.0], (6, 1)), axis=1))
    }
    fit = fit_of(measured(data), by=None, references=None)
    assert "the fit is singular" in fit.note
    assert "intercept 0" in fit.note or "intercept 1" in fit.note


def test_it_is_never_called_what_it_is_not():
    fit = fit_of()
    assert fit.method == "random-effects model"
    assert "MMRM" not in f"{fit.method}{fit.note}{fit.variance}"


def test_rows_without_a_value_are_left_out_and_told():
    table = measured().with_columns(
        value=pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise(pl.col("value"))
    )
    fit = fit_of(table)
    assert fit.events == 26
    assert "1 rows without value left out" in fit.note


@pytest.mark.parametrize(
    ("table", "more", "match"),
    [
        (measured(), {"random": "random slope"}, "choose `random intercept`"),
        (measured().drop("value"), {}, "no column 'value'"),
        (measured().filter(pl.col("participant_id") == "P2"), {"by": None}, "two participants"),
        (measured().unique("participant_id"), {"by": None}, "one of them measured twice"),
        (measured().with_columns(day=pl.lit(3)), {"by": None}, "different days"),
        (measured().head(5), {}, "arm"),
        (measured().with_columns(value=pl.lit(math.nan)), {"by": None}, "not finite"),
        (
            measured().with_columns(value=pl.col("day") * 2.0),
            {"by": None},
            "on the lines exactly",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(table, more, match):
    with pytest.raises(UsageError, match=match):
        fit_of(table, references=None, **more)
