"""The page on analysis: its examples run, its keys are those of the language."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stromal.analysis.analyze import analyze
from stromal.endpoints.derive import derive_all
from stromal.protocol import json_schema, read_protocol
from stromal.records import read_records
from support.two_arm_study import two_arm_study

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "analysis.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def definitions():
    """The analyses of the language by their `estimate`."""
    found = {}
    for definition in json_schema()["$defs"].values():
        kind = definition.get("properties", {}).get("estimate", {}).get("const")
        if kind:
            found[kind] = definition
    return found


def words_of(node):
    """Every word that a part of the schema allows as a value."""
    if isinstance(node, dict):
        own = node.get("enum", []) + ([node["const"]] if "const" in node else [])
        return {str(word) for word in own} | {w for value in node.values() for w in words_of(value)}
    return {word for part in node for word in words_of(part)} if isinstance(node, list) else set()


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_example_is_computed(text, tmp_path):
    content = YAML(typ="safe").load(text)
    two_arm_study(tmp_path, content["analyses"], content.get("multiplicity"))
    protocol = read_protocol(tmp_path)
    results = analyze(derive_all(protocol, read_records(tmp_path, protocol)))
    assert [result.id for result in results.results] == list(content["analyses"])
    assert not any(result.withheld for result in results.results)
    assert bool(results.multiplicity) == ("multiplicity" in content)


def test_the_python_example_prints_what_the_page_says():
    (code,) = blocks("python")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/analysis.md", "exec"), {})  # noqa: S102  (our own page)
    assert printed.getvalue() == blocks("text")[1]


@pytest.mark.parametrize("kind", sorted(definitions()))
def test_the_table_names_every_key_and_every_word(kind):
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` |")]
    definition = definitions()[kind]
    common = {"label", "role", "set", "by", "subgroups", "estimand", "assumed", "estimate",
              "compare", "by_infusion", "landmark", "confidence"}  # fmt: skip
    keys = set(definition["properties"]) - common
    if kind == "change":
        keys -= {"endpoint"}
    missing = {key for key in keys if f"`{key}`" not in row}
    assert not missing
    for key in ("interval", "compare", "variance"):
        if kind == "summary" and key == "interval":
            continue
        words = words_of(definition["properties"].get(key, {}))
        assert not {word for word in words if f"`{word}`" not in row}, key
