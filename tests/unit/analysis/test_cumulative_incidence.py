import pytest

from stromal.analysis import METHOD_SOURCES, citations, estimate_at, estimate_incidence
from stromal.core import UsageError

VARIANCES = ("cmprsk", "greenwood")
INTERVALS = ("linear", "log", "log-log", "complementary log-log")


def curve_of(outcomes, variance="cmprsk", interval="linear", of="event"):
    return estimate_incidence(
        outcomes, variance=variance, interval=interval, confidence=0.95, of=of
    )


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("interval", INTERVALS)
def test_before_the_first_event(make_outcomes, variance, interval):
    curve = curve_of(make_outcomes([5, 20, 30], "XEC"), variance, interval)
    limits = (0, 0) if interval == "linear" else (None, None)
    for e in estimate_at(curve, (0, 5, 19)):
        assert (e.value, e.standard_error, (e.low, e.high)) == (0.0, 0.0, limits)
        assert "no event yet" in e.note


def test_after_the_last_observation(make_outcomes):
    open_end = curve_of(make_outcomes([10, 20, 30], "EXC"))
    assert estimate_at(open_end, (31,))[0].value is None
    # everybody has had an event of one kind or the other: it stays
    closed = curve_of(make_outcomes([10, 20, 30], "EXE"))
    assert estimate_at(closed, (31,))[0].value == pytest.approx(2 / 3)


@pytest.mark.parametrize("variance", VARIANCES)
def test_nobody_has_the_event(make_outcomes, variance):
    curve = curve_of(make_outcomes([10, 20, 30], "XXC"), variance)
    assert curve.events == 0
    assert curve.frame["estimate"].to_list() == [0, 0, 0]


def test_everybody_has_the_event_at_once(make_outcomes):
    (e,) = estimate_at(curve_of(make_outcomes([10, 10, 10], "EEE")), (10,))
    assert (e.value, e.standard_error) == (1.0, 0.0)
    assert "everybody at risk" in e.note


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("mark", "ECX")
def test_one_participant(make_outcomes, variance, mark):
    (e,) = estimate_at(curve_of(make_outcomes([3], mark), variance), (3,))
    assert e.value == (1.0 if mark == "E" else 0.0)
    # cmprsk's formula calls a single event certain of its variance 1
    assert e.standard_error == (1.0 if (variance, mark) == ("cmprsk", "E") else 0.0)


def test_nobody(make_outcomes):
    (e,) = estimate_at(curve_of(make_outcomes([], "")), (3,))
    assert (e.value, e.note) == (None, "not estimable: no participants")


def test_the_competing_events_have_an_incidence_too(make_outcomes):
    outcomes = make_outcomes([1, 2, 3, 4], "EXCX")
    exchanged = make_outcomes([1, 2, 3, 4], "XECE")
    assert curve_of(outcomes, of="competing").frame.equals(curve_of(exchanged).frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variance": "aalen"}, "cmprsk, greenwood, infinitesimal"),
        ({"interval": "plain"}, "linear, log, log-log"),
        ({"of": "relapse"}, "event, competing"),
    ],
)
def test_unknown_choices_are_refused(make_outcomes, change, message):
    with pytest.raises(UsageError, match=message):
        curve_of(make_outcomes([1, 2], "EX"), **change)


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_variance_has_a_source_of_its_own(make_outcomes, variance):
    curve = curve_of(make_outcomes([1, 2], "EX"), variance)
    assert METHOD_SOURCES[curve.variance] in citations(curve)
    assert len(citations(curve)) == 2
