"""Labels never lie on each other, scales run in one direction, ticks are round."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stromal.report.timeline_layout import (
    DayScale,
    Flag,
    ValueScale,
    day_ticks,
    fit_text,
    log_ticks,
    nice_ticks,
    pack_spans,
    place_flags,
    spread,
    text_width,
    wrap_text,
)

LOW, HIGH = 100.0, 800.0
flags = st.lists(
    st.builds(Flag, x=st.integers(100, 800).map(float), width=st.integers(5, 280).map(float)),
    max_size=30,
)


@given(flags)
def test_no_text_lies_on_another(wanted):
    placed = place_flags(wanted, LOW, HIGH, margin=40)
    for one, other in itertools.combinations(placed, 2):
        apart = one.right <= other.left or other.right <= one.left
        assert apart or one.lane != other.lane


@given(flags)
def test_no_text_leaves_the_page(wanted):
    for flag, placed in zip(wanted, place_flags(wanted, LOW, HIGH, margin=40), strict=True):
        assert placed.left >= LOW
        assert placed.right <= HIGH + 40 + 1e-9
        assert placed.right - placed.left == pytest.approx(flag.width)
        assert placed.left <= flag.x <= placed.right + 1e-9


@given(st.lists(st.integers(100, 500).map(float), max_size=25), st.integers(10, 250))
def test_no_leader_crosses_a_text_below_it(places, width):
    placed = place_flags([Flag(x, float(width)) for x in places], LOW, HIGH)
    for one, other in itertools.permutations(placed, 2):
        if other.lane < one.lane and abs(one.x - other.x) >= 0.5:
            assert not other.left < one.x < other.right


def test_a_label_at_the_right_end_is_turned_over():
    (placed,) = place_flags([Flag(790, 100)], LOW, HIGH)
    assert (placed.left, placed.right) == (690, 790)


def test_labels_far_apart_share_a_lane():
    assert {flag.lane for flag in place_flags([Flag(100, 50), Flag(300, 50)], LOW, HIGH)} == {0}


def test_the_earlier_of_two_close_labels_stands_higher():
    first, second = place_flags([Flag(100, 50), Flag(120, 50)], LOW, HIGH)
    assert (first.lane, second.lane) == (1, 0)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=25))
def test_packed_spans_do_not_overlap(spans):
    edges = [(float(start), float(start + length)) for start, length in spans]
    lanes = pack_spans(edges)
    for (a, lane), (b, other) in itertools.combinations(zip(edges, lanes, strict=True), 2):
        assert lane != other or a[1] <= b[0] or b[1] <= a[0]


@given(st.lists(st.floats(0, 100), max_size=9))
def test_spread_numbers_are_apart_inside_and_in_order(wished):
    placed = spread(wished, 11, 0, 100)
    for (a, x), (b, y) in itertools.combinations(zip(wished, placed, strict=True), 2):
        assert abs(x - y) >= 11 - 1e-6
        assert (a < b) <= (x < y)
    assert all(-1e-6 <= x <= 100 + 1e-6 for x in placed)


def test_spread_leaves_what_is_apart_already():
    assert spread([10, 50, 30], 8, 0, 100) == [10, 50, 30]


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_fitted_text_fits(text, width):
    assert text_width(fit_text(text, 11, width), 11) <= max(width, text_width("…", 11))


def test_wrapping_keeps_every_word_that_fits():
    assert wrap_text("acute GVHD, overall", 10, 90) == ["acute GVHD,", "overall"]
    assert wrap_text("", 10, 90) == []


def test_a_short_history_has_a_linear_scale():
    scale = DayScale.over([0, 120], list(range(0, 121, 3)), 100, 800)
    assert scale.breaks == ()
    assert scale(60) == pytest.approx(450)


def test_late_follow_up_is_compressed_after_the_counts():
    scale = DayScale.over([0, 1461], list(range(0, 61, 2)), 100, 800)
    ((day, x),) = scale.breaks
    assert day == 63
    assert x == pytest.approx(100 + 0.72 * 700)
    assert scale(1461) < 800


def test_a_single_late_count_does_not_stretch_the_dense_part():
    scale = DayScale.over([0, 365], [*range(60), 365], 100, 800)
    assert scale.breaks[0][0] == 62


@given(st.integers(-30, 10), st.integers(1, 3000), st.lists(st.integers(0, 100), max_size=40))
def test_days_run_to_the_right(low, length, dense):
    scale = DayScale.over([low, low + length], [low + d for d in dense], 100, 800)
    days = range(low, low + length + 1, max(1, length // 50))
    places = [scale(day) for day in days]
    assert places == sorted(places)
    assert all(100 <= place <= 800 for place in places)
    ticks = day_ticks(scale)
    assert ticks == sorted(set(ticks))
    assert all(scale(b) - scale(a) >= 25 for a, b in itertools.pairwise(ticks))


def test_values_rise_on_a_logarithmic_axis_and_stay_inside():
    scale = ValueScale.over([0.1, 10, 0], 0, 100, log=True)
    assert scale(10) < scale(1) < scale(0.1) <= 100
    assert scale(1) == pytest.approx((scale(10) + scale(0.1)) / 2)
    assert scale(1e9) == pytest.approx(0)


def test_equal_values_have_a_scale_too():
    assert 0 < ValueScale.over([80, 80], 0, 100, log=False)(80) < 100
    assert 0 < ValueScale.over([], 0, 100, log=True)(3) < 100


@pytest.mark.parametrize(("low", "high"), [(0.01, 20), (5, 180), (0.3, 0.9), (1e-3, 1e4)])
def test_logarithmic_ticks_are_inside(low, high):
    ticks = log_ticks(low, high)
    assert ticks
    assert all(low <= tick <= high for tick in ticks)


@given(st.floats(0, 500), st.floats(1, 500))
def test_linear_ticks_are_few_and_inside(low, span):
    ticks = nice_ticks(low, low + span)
    assert len(ticks) <= 5
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 for tick in ticks)
