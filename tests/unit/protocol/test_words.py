"""Conditions in plain text."""

import pytest

from stromal.protocol.consistency.published import conditions, thresholds
from stromal.protocol.consistency.words import (
    bare_mentions,
    in_words,
    level,
    listed,
    mentions,
    same_words,
)


@pytest.mark.parametrize(
    ("text", "qualifiers"),
    [
        ("severe aplastic anemia", {"severe"}),
        ("Severe Aplastic Anaemia", {"severe"}),
        ("non-severe aplastic anaemia", {"non-severe"}),
        ("Non Severe aplastic anaemia", {"non-severe"}),
        ("nonsevere aplastic anemia", {"non-severe"}),
        ("non\u2011severe aplastic anaemia", {"non-severe"}),
        ("aplastic anaemia that is not severe", {"non-severe"}),
        ("aplastic anaemia, severe", {"severe"}),
        ("severe or very severe acquired aplastic anaemia", {"severe", "very severe"}),
        ("severe infection, aplastic anaemia", set()),
        ("SAA", {"severe"}),
        ("vSAA", {"very severe"}),
        ("NSAA", {"non-severe"}),
        ("AA", set()),
        ("severe refractory aplastic anaemia", {"severe"}),
    ],
)
def test_qualifiers(text, qualifiers):
    found = mentions(text)
    assert [m.condition for m in found] == ["aplastic_anaemia"]
    assert found[0].qualifiers == qualifiers


@pytest.mark.parametrize(
    "text", ["SAAR", "aplasticanaemia", "isaa", "a poor graft functionary", "PGFR", "anaemia"]
)
def test_word_boundaries(text):
    assert mentions(text) == []


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("No severe aplastic anaemia", True),
        ("Patients without any history of severe aplastic anaemia", True),
        ("Anaemia other than aplastic anaemia", True),
        ("not responding to treatment for severe aplastic anaemia", False),
        ("No infection; severe aplastic anaemia", False),
        ("Severe aplastic anaemia, not in remission", False),
    ],
)
def test_negation(text, negated):
    assert [m.negated for m in mentions(text)] == [negated]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Severe aplastic anemia (SAA)", 1),
        ("1. Severe Aplastic Anemia (SAA); 2. liver failure", 1),
        ("Patients with a diagnosis of aplastic anaemia", 1),
        ("Pregnancy, severe aplastic anaemia or cirrhosis", 1),
        ("Severe aplastic anaemia with a matched sibling donor", 0),
        ("History of ATG for severe aplastic anaemia", 0),
        ("No severe aplastic anaemia", 0),
    ],
)
def test_a_condition_that_stands_alone(text, count):
    assert len(bare_mentions(text)) == count


def test_spellings_of_gvhd_are_one():
    for text in ("acute graft versus host disease", "acute graft-vs-host disease", "aGVHD",
                 "Acute GVHD"):  # fmt: skip
        assert [m.condition for m in mentions(text)] == ["acute_gvhd"], text


def test_levelling_is_stable():
    for text in ("Non-Severe Aplastic Anemia (NSAA)", "hematopoietic", "tumor", "haemoglobin"):
        assert level(level(text)) == level(text)


def test_same_words():
    assert same_words("poor graft function", "Poor Graft Function of any kind")
    assert not same_words("graft", "grafting")
    assert not same_words("", "anything")


def test_lists_and_durations():
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed("abc")] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert [in_words(1), in_words(7), in_words(14)] == ["1 day", "7 days", "2 weeks (14 days)"]


@pytest.mark.by_hand
def test_earliest_diagnosis_of_poor_graft_function():
    # day 28 with 3 successive days: 28, 29, 30; day 28 with 14 days: day 42; 3 months: day 90
    rules = conditions()["poor_graft_function"].onset
    assert sorted({rule.day for rule in rules if rule.day is not None}) == [30, 42, 90]
    assert conditions()["poor_graft_function"].earliest == 30
    assert any(rule.day is None for rule in rules)


def test_published_data_name_their_sources_and_bounds():
    for condition in conditions().values():
        assert condition.words
        assert all(rule.source.text for rule in condition.onset)
        for name, qualifier in condition.qualifiers.items():
            for other in qualifier.opposed_to:
                assert name in condition.qualifiers[other].opposed_to
            assert qualifier.kind_of in {None, *condition.qualifiers}
        assert set(condition.abbreviations.values()) <= {"none", *condition.qualifiers}
    for threshold in thresholds().values():
        for published in threshold.published:
            assert (published.above is None) != (published.at_least is None)
