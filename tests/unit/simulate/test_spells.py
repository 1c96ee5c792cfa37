"""Spells: how often they begin, when, how long they last and what they do."""

import numpy as np
import pytest

from stromal.core import UsageError
from stromal.simulate.assumptions import MOST_SPELLS, Effect, Spell
from stromal.simulate.course_kernels import NEVER, SPELL_UNTIL
from stromal.simulate.marrow_kernels import OUTPUT
from stromal.simulate.population import draw_cohort, spells_of, with_effect
from support.courses import SAFE, go_on, lived

PEOPLE = 400


def onsets(spells, days=20, people=PEOPLE, **more):
    """Give who began which spell on which day."""
    course, _ = lived(range(people), days, planned=0, spells=spells, **more)
    return np.array([(course.onset >> k) & 1 for k in range(len(spells))]) == 1


def test_a_spell_begins_as_often_as_said_and_in_its_days_alone():
    """Once each: 1 - 0.95^10 begin it; a second kind of its own numbers, to 4 standard errors."""
    spell = Spell(name="gvhd", rate=0.05, start="5 d", until="14 d", lasting="3 d")
    found = onsets([spell, spell.model_copy(update={"name": "other"})])
    expected = 1 - 0.95**10
    error = np.sqrt(expected * (1 - expected) / PEOPLE)
    for kind in found:
        assert not kind[:, :5].any()
        assert not kind[:, 15:].any()
        assert kind[:, 5].any()
        assert kind[:, 14].any()
        assert (kind.sum(axis=1) <= 1).all()
        assert abs(kind.any(axis=1).mean() - expected) < 4 * error
    one, two = found.any(axis=2)
    assert abs((one & two).mean() - expected**2) < 4 * expected / np.sqrt(PEOPLE)


def test_more_kinds_than_one_draw_of_numbers_holds():
    """Numbers come four at a time: kind 4 has others than kind 0, and bits up to the seventh."""
    spell = Spell(name="x", rate=0.1, until="100 d", lasting="2 d")
    found = onsets([spell.model_copy(update={"name": f"x{k}"}) for k in range(MOST_SPELLS)], 8, 60)
    assert all(kind.any() for kind in found)
    assert len({kind.tobytes() for kind in found}) == MOST_SPELLS
    with pytest.raises(UsageError, match="at most 8 spells; got 9"):
        spells_of([spell] * 9)


@pytest.mark.by_hand
def test_a_spell_comes_back_only_where_it_can_and_not_while_it_lasts():
    """Certain every day: once, or every fifth day where it lasts four."""
    always = Spell(name="cmv", rate=1.0, start="2 d", until="13 d", lasting="4 d")
    again = always.model_copy(update={"again": True})
    once, often = onsets([always, again], 20, 3)
    assert (once == (np.arange(20) == 2)).all()
    assert (often == np.isin(np.arange(20), [2, 7, 12])).all()


@pytest.mark.by_hand
def test_a_spell_wears_the_marrow_for_as_many_days_as_it_lasts():
    """Certain on day 3 for 4 days: the output differs by exp(-4 w), growth being set to 0."""
    spell = Spell(name="drug", rate=1.0, start="3 d", until="3 d", lasting="4 d", wear=0.1)
    outputs = {}
    for until in (3, 5, 7, 12):
        cohort = draw_cohort(1, 0, range(3))
        cohort.marrows[:, 0] = 0.0
        start = cohort.states[:, OUTPUT].copy()
        go_on(cohort, 0, until, planned=0, spells=[spell])
        outputs[until] = cohort.states[:, OUTPUT] / start
        assert (cohort.memory[:, SPELL_UNTIL] == (NEVER if until == 3 else 7)).all()
    for until, days in ((3, 0), (5, 2), (7, 4), (12, 4)):
        assert outputs[until] == pytest.approx(np.exp(-0.1 * days), rel=1e-6)


def test_a_spell_lowers_the_counts_of_whoever_has_it():
    spell = Spell(name="gvhd", rate=0.04, start="5 d", until="20 d", lasting="15 d", wear=0.5)
    worn, _ = lived(range(40), 40, planned=0, spells=[spell])
    spared, _ = lived(range(40), 40, planned=0)
    began = worn.onset.any(axis=1)
    assert 5 < began.sum() < 35
    assert np.array_equal(worn.true_anc[~began], spared.true_anc[~began])
    lower = worn.true_anc[began] - spared.true_anc[began]
    for own, onset in zip(lower, worn.onset[began], strict=True):
        day = int(np.flatnonzero(onset)[0])
        assert (own[: day + 1] == 0).all()
        assert own[-1] < 0


def test_a_spell_adds_danger_for_as_many_days_as_it_lasts():
    """Begun by all on day 0 for 5 days at 0.05 a day: 1 - 0.95^5 die, on days 1 to 5."""
    spell = Spell(name="gvhd", rate=1.0, until="0 d", lasting="5 d", danger=0.05)
    course, _ = lived(range(PEOPLE), 15, planned=0, hazards=SAFE, spells=[spell])
    died = course.death[course.death != NEVER]
    expected = 1 - 0.95**5
    assert set(died) == {1, 2, 3, 4, 5}
    share = died.size / PEOPLE
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / PEOPLE)


def test_msc_make_a_spell_rarer_by_the_ratio():
    """At full support, and above it, the chance is 0.4 of 0.3 (4 standard errors)."""
    spell = Spell(name="gvhd", rate=0.3, until="0 d", lasting="5 d", msc_ratio=0.4)
    for dose, chance in ((0.0, 0.3), (1.0, 0.12), (3.0, 0.12), (0.5, 0.3 * 0.4**0.5)):
        cohort = with_effect(draw_cohort(1, 0, range(PEOPLE)), Effect(effect=0.0))
        course = go_on(cohort, 0, 1, planned=0, spells=[spell], doses=dose)
        share = (course.onset[:, 0] == 1).mean()
        assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / PEOPLE)
