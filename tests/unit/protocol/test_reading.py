"""Reading protocols: every fault with its place, canonical form, JSON Schema."""

import json
import os
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from stromal.core import ProtocolError
from stromal.protocol import (
    Protocol,
    canonical_json,
    json_schema,
    protocol_version,
    read_protocol,
)
from stromal.protocol.library import FAMILIES, TABLES, definitions
from stromal.protocol.protocol import references
from stromal.protocol.timing import ParticipantAnchor
from stromal.protocol.treatment import Dose, InfusionPlan
from stromal.protocol.yaml_reading import read_yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
SNAPSHOTS = REPOSITORY / "tests" / "snapshots" / "protocol"
CLEAN = (HERE / "data" / "clean.yaml").read_text(encoding="utf-8")
STUDIES = sorted(path.parent for path in (REPOSITORY / "studies").glob("*/protocol.yaml"))


def write(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    text = CLEAN
    for old, new in edits:
        assert old in text, f"the clean protocol has no {old!r}"
        text = text.replace(old, new)
    file = tmp_path / "protocol.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(tmp_path: Path, *edits: tuple[str, str]) -> list[str]:
    with pytest.raises(ProtocolError) as error:
        read_protocol(write(tmp_path, *edits))
    return [str(fault) for fault in error.value.faults]


def test_malformed_protocol():
    with pytest.raises(ProtocolError) as error:
        read_protocol(SNAPSHOTS / "malformed")
    snapshot = SNAPSHOTS / "malformed" / "expected.txt"
    text = str(error.value) + "\n"
    if os.environ.get("STROMAL_WRITE_SNAPSHOTS"):
        snapshot.write_text(text, encoding="utf-8")
    assert snapshot.read_text(encoding="utf-8") == text


def test_one_fault_one_message():
    with pytest.raises(ProtocolError) as error:
        read_protocol(SNAPSHOTS / "malformed")
    places = [(fault.line, fault.column, fault.found) for fault in error.value.faults]
    assert len(places) == len({place[:2] for place in places})


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (("day_zero: transplant", "day_zer0: transplant"),
         ["Did you mean `day_zero`?", "`day_zero` is missing"]),
        (("from: first_msc\n    until: 1 a", "from: first_mcs\n    until: 1 a"),
         ["`first_mcs` is no anchor of this protocol", "enrolment, first_msc, transplant",
          "Did you mean `first_msc`?"]),
        (("endpoint: overall_survival\n    at", "endpoint: over_survival\n    at"),
         ["`over_survival` is no endpoint", "Did you mean `overall_survival`?"]),
        (("set: infused\n    interval: clopper", "set: treated\n    interval: clopper"),
         ["`treated` is no analysis set", "one of: infused"]),
        (("infuse:\n      - {product: msc", "infuse:\n      - {product: mcs"),
         ["`mcs` is no product", "Did you mean `msc`?"]),
        (("rule: {endpoint: pgf,", "rule: {endpoint: gpf,"), ["`gpf` is no endpoint"]),
        (("until: 70 d, on: [Mon", "until: discharge, on: [Mon"), ["`discharge` is no anchor"]),
        (("{definition: OS}", "{definition: OX}"), ["`OX` is not in the library", "NRM, OS, "]),
        (("{definition: OS}", "{definition: CIBMTR_ANC}"), ["`CIBMTR_ANC` defines recovery"]),
        (("{definition: OS}", "{definition: OS, events: [death]}"),
         ["`events` beside `definition: OS`"]),
        (("every: 7 d", "every: 7"), ["expected a time with its unit"]),
        (("every: 7 d", "every: 7 moons"), ["unit 'moons' is not known"]),
        (("every: 7 d", "every: 1e300 d"), ["at most 200 years"]),
        (("every: 7 d", "every: 1e999 d"), ["not a finite number"]),
        (("below: 0.5 10*9/L", "below: 0.5 g/L"), ["ANC is compared in 10*9/L", "'g/L'"]),
        (("below: 0.5 10*9/L", "below: 0.5"), ["'0.5' has no unit"]),
        (("enrolment: 30\n", "enrolment: true\n"), ["`design.enrolment` is true"]),
        (("times: 4", "times: 100000000"), ["a number less than or equal to 1000"]),
        (("lasting: 14 d", "run: 1000000000\n      of: values on different days"),
         ["a number less than or equal to 3660"]),
        (("stromal: 1", "stromal: true"), ["`stromal` is true"]),
        (("stromal: 1", "stromal: 2"), ["`stromal` is 2; expected 1"]),
        (("enrolment: 30\n", "enrolment: .nan\n"), ["a finite number"]),
        (("enrolment: 30\n", "enrolment: 30.5\n"), ["a whole number"]),
        (("attested: true", "attested: false"), ["attested` is false; expected true"]),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path, edit, parts):
    told = "\n".join(faults(tmp_path, edit))
    for part in parts:
        assert part in told


def test_place_of_a_fault_whose_key_is_called_like_its_kind(tmp_path):
    (told,) = faults(tmp_path, ("  enrolment: {participant: enrolled",
                                ("  later: {anchor: transplant, plus: 100}\n"
                                "  enrolment: {participant: enrolled")))  # fmt: skip
    assert "`anchors.later.plus`" in told


def test_deeply_nested_rules_with_a_fault_end(tmp_path):
    rule = "{all: [" * 25 + "{variable: age, above: 5 parsecs}" + "]}" * 25
    (told,) = faults(tmp_path, ("{variable: age, from: 18 a, to: 65 a}", rule))
    assert "unit 'parsecs' is not known" in told


def test_all_faults_at_once(tmp_path):
    told = faults(tmp_path, ("every: 7 d", "every: 7"), ("kind: single arm", "kind: one arm"),
                  ("masking: open label", "mask: open label"))  # fmt: skip
    assert len(told) == 4  # every, kind, mask unknown, masking missing


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a\n", "word", "3"])
def test_no_mapping(tmp_path, content):
    file = tmp_path / "protocol.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ProtocolError, match="no mapping of keys"):
        read_protocol(tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(ProtocolError, match=r"protocol\.yaml: cannot be read"):
        read_protocol(tmp_path)


# --- canonical form --------------------------------------------------------------------------


def test_version_does_not_see_spelling(tmp_path):
    version = protocol_version(read_protocol(write(tmp_path)))
    assert len(version) == 64
    reordered = CLEAN.split("\nday_zero: transplant\n")
    moved = reordered[0] + reordered[1] + "\nday_zero: transplant\n"
    for text in (
        "# a comment\n" + CLEAN,
        CLEAN.replace("every: 7 d", "every: 1 wk"),
        CLEAN.replace("at: 8 wk, visit", "at: 56 d, visit"),
        CLEAN.replace('individual_data: "yes"', "individual_data: 'yes'"),
        CLEAN.replace("confidence: 0.95", "confidence: 9.5e-1"),
        moved,
    ):  # fmt: skip
        assert text != CLEAN
        file = tmp_path / "protocol.yaml"
        file.write_text(text, encoding="utf-8")
        assert protocol_version(read_protocol(file)) == version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("every: 7 d", "every: 8 d"),
        ("at_least: 50 10*9/L", "above: 50 10*9/L"),
        ("{definition: OS}", "{definition: DFS}"),
        ("label: MSC\n", "label: Msc\n"),
        ("competing: [death, relapse]", "competing: [relapse, death]"),
    ],
)
def test_version_sees_meaning(tmp_path, old, new):
    before = protocol_version(read_protocol(write(tmp_path)))
    assert protocol_version(read_protocol(write(tmp_path, (old, new)))) != before


def test_version_sees_which_level_is_the_best(tmp_path):
    lines = CLEAN.splitlines(keepends=True)
    begin = lines.index("        CR:\n")
    swapped = lines[:begin] + lines[begin + 3 : begin + 6] + lines[begin : begin + 3]
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / "protocol.yaml"
    file.write_text("".join(swapped + lines[begin + 6 :]), encoding="utf-8")
    first, second = read_protocol(write(tmp_path)), read_protocol(file.parent)
    assert protocol_version(first) != protocol_version(second)
    assert list(second.endpoints["platelet_response"].response.levels) == ["PR", "CR"]


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_canonical_form_reads_back(study):
    protocol = read_protocol(study)
    text = canonical_json(protocol)
    again = Protocol.model_validate(json.loads(text))
    assert again == protocol
    assert canonical_json(again) == text


def test_version_holds_the_content_of_the_library(tmp_path):
    text = canonical_json(read_protocol(write(tmp_path)))
    assert '"definition":"OS"' in text
    assert "death of any cause" in text


# --- JSON Schema -----------------------------------------------------------------------------


def test_json_schema_is_one():
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    json.dumps(schema)
    named = set(schema["$defs"])
    seen: set[str] = set()

    def walk(part):
        if isinstance(part, dict):
            reference = part.get("$ref")
            if reference is not None:
                assert reference.startswith("#/$defs/")
                seen.add(reference.removeprefix("#/$defs/"))
            for kind in ("anyOf", "oneOf"):
                assert kind not in part or part[kind]
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(schema)
    assert seen == named


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_json_schema_accepts_what_is_read(study):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(json_schema())
    data = read_yaml(study / "protocol.yaml").data
    jsonschema.validate(data, json_schema())


# --- library and references ------------------------------------------------------------------


def test_library_definitions_are_whole():
    found = definitions()
    assert {"OS", "DFS", "CIBMTR_ANC", "ASTCT_2021_ANC"} <= set(found)
    for name, (family, content) in found.items():
        rule = FAMILIES[family].model_validate(content)
        assert rule.definition == name
        assert rule.title
        assert rule.sources, name
        if any(source.seen == "unverified" for source in rule.sources):
            assert rule.leaves_open, name


def test_the_index_of_the_library_is_its_files():
    folder = REPOSITORY / "src" / "stromal" / "protocol" / "definitions"
    whole = {
        (name, content["family"])
        for path in folder.glob("*.yaml")
        if path.name not in TABLES
        for name, content in read_yaml(path).data.items()
    }
    assert set(definitions().families.items()) == whole


@pytest.mark.parametrize(
    ("family", "name"), [("time_to_event", "OS"), ("cytopenia", "TANG_2018_PGF")]
)
def test_a_misused_definition_is_one_fault(tmp_path, family, name):
    """What stands in its place while the rest is read names no endpoint of the protocol."""
    assert definitions()[name][0] == family
    if family == "time_to_event":
        told = faults(tmp_path, ("{definition: OS}", "{definition: OX}"))
    else:
        told = faults(tmp_path, ("time_to_event: {definition: OS}", "cytopenia: {definition: OX}"))
    assert len(told) == 1


def test_tables_of_the_check_are_no_definitions():
    assert not {"poor_graft_function", "haemoglobin_recovery"} & set(definitions())
    folder = REPOSITORY / "src" / "stromal" / "protocol" / "definitions"
    assert all((folder / name).is_file() for name in TABLES)


def test_references_of_a_protocol():
    protocol = read_protocol(HERE / "data" / "clean.yaml")
    found = {(kind, name) for _, kind, name in references(protocol)}
    assert ("anchor", "transplant") in found
    assert ("endpoint", "pgf") in found
    assert ("product", "msc") in found
    assert ("analysis set", "infused") in found
    assert not [name for kind, name in found if kind == "product" and name == "platelets"]


def test_very_many_unknown_keys_are_told_in_time(tmp_path):
    (tmp_path / "protocol.yaml").write_text(
        "stromal: 1\n" + "".join(f"k{i}: 1\n" for i in range(9_000)), encoding="utf-8"
    )
    began = time.perf_counter()
    with pytest.raises(ProtocolError) as error:
        read_protocol(tmp_path)
    assert time.perf_counter() - began < 10
    assert 400 < len(error.value.faults) <= 500


def test_a_word_of_digits_is_to_be_quoted(tmp_path):
    study = "stromal: 1\nstudy: {id: a, title: b, conditions: [c], phase: 1}\n"
    (tmp_path / "protocol.yaml").write_text(study, encoding="utf-8")
    with pytest.raises(ProtocolError, match='Put it in quotes: "1"'):
        read_protocol(tmp_path)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"per_kg": "0 /kg"}, "`per_kg` is above 0"),
        ({"per_kg": "-1e6 /kg"}, "`per_kg` is above 0"),
        ({"fixed": 0}, "`fixed` is above 0"),
        ({"per_kg": "1e6 /kg", "cap": 0}, "`cap` is above 0"),
    ],
)
def test_a_dose_is_above_zero(plan, said):
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Dose).validate_python(plan)


@pytest.mark.parametrize("every", ["0 d", "-7 d"])
def test_infusions_come_one_after_another(every):
    plan = {"product": "msc", "dose": {"per_kg": "1e6 /kg"}, "first": "transplant",
            "every": every, "times": 3, "window": "not stated"}  # fmt: skip
    with pytest.raises(ValidationError, match="at least 1 d"):
        InfusionPlan.model_validate(plan)


def test_a_moment_is_not_called_like_the_end_of_follow_up():
    with pytest.raises(ValidationError, match="name the moment otherwise"):
        ParticipantAnchor.model_validate({"participant": "last_contact"})
