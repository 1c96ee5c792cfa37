"""The language of analyses: what is refused at reading, and estimands against endpoints."""

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stromal.core import ProtocolError
from stromal.protocol import read_protocol
from stromal.protocol.consistency import check_protocol
from stromal.protocol.estimability import not_estimable

STUDY = Path(__file__).resolve().parents[3] / "studies" / "worked-examples-2"
SURVIVAL = {
    "label": "Overall survival",
    "role": "primary",
    "set": "grafted",
    "estimate": "survival",
    "endpoint": "overall_survival",
    "at": ["100 d"],
    "interval": "log-log",
    "confidence": 0.95,
}
HAZARDS = {key: SURVIVAL[key] for key in ("label", "role", "set", "endpoint", "confidence")} | {
    "estimate": "hazards",
    "model": "cox",
    "ties": "efron",
    "by": "arm",
}


def protocol_with(tmp_path, **analyses):
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda _: True
    content = yaml.load(STUDY / "protocol.yaml")
    joined = analyses.pop("multiplicity", None)
    content["analyses"] = copy.deepcopy(analyses)
    if joined:
        content["multiplicity"] = joined
    yaml.dump(content, tmp_path / "protocol.yaml")
    return read_protocol(tmp_path)


def test_infused_against_not_infused_is_refused_with_the_explanation(tmp_path):
    with pytest.raises(ProtocolError, match=r"immortal time.*landmark"):
        protocol_with(tmp_path, os=SURVIVAL | {"by_infusion": "msc", "compare": ["log-rank"]})


@pytest.mark.parametrize(
    "spec",
    [
        SURVIVAL | {"by_infusion": "msc", "landmark": "30 d", "compare": ["log-rank"]},
        {**HAZARDS, "by": None, "by_infusion": "msc"},
        {**HAZARDS, "model": "fine-gray", "definition": "cmprsk", "ties": "breslow"},
        {**HAZARDS, "penalty": "firth", "ties": "breslow", "covariates": ["age"]},
    ],
)
def test_what_is_possible_is_read(tmp_path, spec):
    spec = {key: value for key, value in spec.items() if value is not None}
    assert protocol_with(tmp_path, one=spec).analyses["one"].endpoint == "overall_survival"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (SURVIVAL | {"by": "arm", "by_infusion": "msc"}, "both make groups"),
        (SURVIVAL | {"by": "arm", "compare": ["weighted log-rank"]}, "go together"),
        (SURVIVAL | {"by": "arm", "compare": ["max-combo"], "strata": ["site"]}, "log-rank"),
        (SURVIVAL | {"by_infusion": "mesenchym", "landmark": "30 d"}, "is no product"),
        (HAZARDS | {"model": "fine-gray"}, "definition"),
        (HAZARDS | {"definition": "cmprsk"}, "definition"),
        (HAZARDS | {"penalty": "firth"}, "breslow"),
        ({k: v for k, v in HAZARDS.items() if k != "by"}, "a model needs"),
        (
            {
                **{k: v for k, v in HAZARDS.items() if k != "by"},
                "model": "fine-gray",
                "definition": "survival",
                "by_infusion": "msc",
            },
            "no subdistribution hazard",
        ),
    ],
)
def test_what_is_impossible_is_refused(tmp_path, spec, said):
    with pytest.raises(ProtocolError, match=said):
        protocol_with(tmp_path, one=spec)


def test_joined_tests_name_analyses_once(tmp_path):
    plan = {"method": "holm", "alpha": 0.05, "analyses": ["one", "two"]}
    both = {"one": SURVIVAL, "two": SURVIVAL | {"role": "secondary"}}
    protocol = protocol_with(tmp_path, **both, multiplicity=plan)
    assert protocol.multiplicity.analyses == ["one", "two"]
    with pytest.raises(ProtocolError, match="twice"):
        protocol_with(tmp_path, **both, multiplicity=plan | {"analyses": ["one", "one"]})
    with pytest.raises(ProtocolError, match="is no analysis"):
        protocol_with(tmp_path, **both, multiplicity=plan | {"analyses": ["one", "three"]})


def test_several_primary_analyses_that_are_joined_are_no_gap(tmp_path):
    both = {"one": SURVIVAL, "two": dict(SURVIVAL)}
    plan = {"method": "holm", "alpha": 0.05, "analyses": ["one", "two"]}
    rules = {f.rule for f in check_protocol(protocol_with(tmp_path, **both))}
    assert "several-primary-analyses" in rules
    rules = {f.rule for f in check_protocol(protocol_with(tmp_path, **both, multiplicity=plan))}
    assert "several-primary-analyses" not in rules


def estimand(*events):
    return {"treatment": "MSC or none", "intercurrent": list(events)}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "death", "handled": "composite"}, None),
        ({"event": "relapse", "handled": "treatment policy"}, None),
        ({"event": "relapse", "handled": "hypothetical"}, None),
        ({"event": "death", "handled": "treatment policy"}, "nothing left to observe"),
        ({"event": "death", "handled": "hypothetical"}, "a world without death"),
        ({"event": "relapse", "handled": "composite"}, "not among the endpoint's events"),
        ({"event": "relapse", "handled": "while alive"}, "not among the endpoint's competing"),
        ({"event": "relapse", "handled": "principal stratum"}, "stratum cannot be found"),
    ],
)
def test_estimands_of_overall_survival(tmp_path, event, said):
    spec = SURVIVAL | {"estimand": estimand(event)}
    protocol = protocol_with(tmp_path, os=spec)
    found = not_estimable(protocol, protocol.analyses["os"])
    assert [said in why for why in found] == ([] if said is None else [True])
    rules = [f.rule for f in check_protocol(protocol)]
    assert ("estimand-not-estimated" in rules) == (said is not None)


def test_a_competing_event_that_the_estimand_forgets_is_a_gap(tmp_path):
    spec = {
        **SURVIVAL,
        "estimate": "cumulative incidence",
        "endpoint": "neutrophil_recovery",
        "variance": "greenwood",
        "at": ["30 d"],
        "estimand": estimand({"event": "relapse", "handled": "treatment policy"}),
    }
    found = check_protocol(protocol_with(tmp_path, recovery=spec))
    (gap,) = [f for f in found if f.rule == "competing-event-not-in-estimand"]
    assert "death" in gap.what


def test_an_event_stands_once_in_an_estimand(tmp_path):
    event = {"event": "death", "handled": "composite"}
    with pytest.raises(ProtocolError, match="stands twice"):
        protocol_with(tmp_path, os=SURVIVAL | {"estimand": estimand(event, event)})
