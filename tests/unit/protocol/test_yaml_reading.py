"""What the YAML reader refuses, and that it refuses it quickly."""

import time
import tracemalloc
from pathlib import Path

import pytest

from stromal.core import ProtocolError
from stromal.protocol.yaml_reading import MAX_BYTES, MAX_DEPTH, read_yaml


def refusal(tmp_path: Path, content: str | bytes):
    file = tmp_path / "protocol.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ProtocolError) as error:
        read_yaml(file, name="protocol.yaml")
    return error.value.faults


def data(tmp_path: Path, content: str):
    file = tmp_path / "protocol.yaml"
    file.write_text(content, encoding="utf-8")
    return read_yaml(file).data


def bounded(act):
    """Run and check that neither time nor memory runs away."""
    tracemalloc.start()
    began = time.perf_counter()
    result = act()
    took = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 20
    assert peak < 200_000_000
    return result


def test_a_bomb_of_nested_aliases(tmp_path):
    # each level names the one before ten times: 10^9 values when expanded
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    (fault,) = bounded(lambda: refusal(tmp_path, "\n".join(lines)))
    assert (fault.line, fault.column) == (1, "5")
    assert "anchor or alias" in fault.found


def test_a_million_aliases(tmp_path):
    content = "a: 1\nb: [" + "*a," * 600_000 + "]"  # an alias without its anchor, too
    assert len(content) < MAX_BYTES
    (fault,) = bounded(lambda: refusal(tmp_path, content))
    assert fault.line == 2


def test_a_million_nested_aliases_in_a_file_that_is_too_large(tmp_path):
    lines = ["a0: &a0 x", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 1_000_000))]
    (fault,) = bounded(lambda: refusal(tmp_path, "\n".join(lines)))
    assert "bytes" in fault.found


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth(tmp_path, opening):
    (fault,) = bounded(lambda: refusal(tmp_path, "a: " * (opening != "- ") + opening * 50_000))
    assert "too many levels" in fault.found
    assert f"at most {MAX_DEPTH} levels" in fault.expected


def test_a_depth_that_is_allowed(tmp_path):
    depth = MAX_DEPTH - 1
    found = data(tmp_path, "a: " + "[" * depth + "]" * depth)
    for _ in range(depth - 1):
        (found,) = found["a"] if isinstance(found, dict) else found
    assert found == []


def test_equal_keys(tmp_path):
    faults = refusal(tmp_path, "a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n'a': 3\n")
    assert [(f.line, f.column) for f in faults] == [(2, "17"), (3, "1"), (4, "1")]
    assert "first on line 1" in faults[1].expected


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("a: !!python/object/apply:os.system [echo]", "!!python/object/apply:os.system"),
        ("a: !!python/name:os.system {}", "!!python/name:os.system"),
        ("a: !mine 1", "!mine"),
        ("a: !!str 1", "!!str"),
        ("a: !!binary aGVsbG8=", "!!binary"),
        ("a: !!set {b}", "!!set"),
        ("!!map {a: 1}", "!!map"),
    ],
)
def test_tags(tmp_path, content, shown):
    (fault,) = refusal(tmp_path, content)
    assert fault.found == f"the tag {shown}"
    assert fault.line == 1


def test_another_version_of_yaml(tmp_path):
    (fault,) = refusal(tmp_path, "%YAML 1.1\n---\na: NO\n")
    assert "another version" in fault.found
    assert data(tmp_path, "%YAML 1.2\n---\na: NO\n") == {"a": "NO"}


def test_bytes_that_are_not_utf8(tmp_path):
    (fault,) = refusal(tmp_path, b"a: 1\nb: caf\xe9\n")
    assert (fault.line, fault.found) == (2, "byte 0xe9 is not UTF-8")
    assert "not UTF-8" in refusal(tmp_path, "a: 1".encode("utf-16"))[0].found


def test_a_byte_order_mark_is_no_key(tmp_path):
    assert data(tmp_path, "\ufeffa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "line"),
    [("a:\n\tb: 1", 2), ("a: [1, 2\nb: 3", 2), ("a: 1\n---\nb: 2", 2), ('a: "x', 1), ("a: b: c", 1),
     ("a: \x00", 0)],
)  # fmt: skip
def test_syntax(tmp_path, content, line):
    (fault,) = refusal(tmp_path, content)
    assert fault.line == line
    assert fault.found.startswith("not YAML")


def test_keys_that_are_not_text(tmp_path):
    (fault,) = refusal(tmp_path, "? [a]\n: 1\n")
    assert fault.found == "a key that is not text"


def test_a_number_without_end(tmp_path):
    (fault,) = refusal(tmp_path, "a: 1\nb: " + "9" * 100_000)
    assert (fault.line, fault.found) == (2, "a number of 100,000 digits")


def test_too_large(tmp_path):
    (fault,) = refusal(tmp_path, b"a" * (MAX_BYTES + 1))
    assert "2,000,001 bytes" in fault.found


def test_absent(tmp_path):
    with pytest.raises(ProtocolError, match="cannot be read"):
        read_yaml(tmp_path / "nothing.yaml")


def test_values_by_yaml_1_2(tmp_path):
    found = data(
        tmp_path,
        "no: no\nyes: YES\noff: off\nt: true\nf: False\nn: null\nz: ~\ne: 1e6\no: 0o17\nx: 0x1F\n"
        "d: 2024-01-01\nt2: 12:30:45\nq: '5'\ni: -.inf\nlead: 012\nsign: +7\nempty:\n",
    )
    assert found == {
        "no": "no", "yes": "YES", "off": "off", "t": True, "f": False, "n": None, "z": None,
        "e": 1e6, "o": 15, "x": 31, "d": "2024-01-01", "t2": "12:30:45", "q": "5",
        "i": float("-inf"), "lead": 12, "sign": 7, "empty": None,
    }  # fmt: skip


def test_places(tmp_path):
    file = tmp_path / "protocol.yaml"
    file.write_text("a:\n  - {b: 1}\n  - c: 2\n", encoding="utf-8")
    located = read_yaml(file)
    assert located.keys["a", 0, "b"] == (2, 6)
    assert located.values["a", 0, "b"] == (2, 9)
    assert located.values["a", 1, "c"] == (3, 8)
    fault = located.fault(("a", 1, "absent", "deeper"), "x", "y", "z")
    assert (fault.line, fault.column) == (3, "5")
    assert located.fault((), "x", "y", "z").line == 1


@pytest.mark.parametrize(
    "content",
    ["a: [" + "1," * 900_000 + "1]\n", "".join(f"k{i}: 1\n" for i in range(150_000))],
)
def test_very_many_parts_are_refused_quickly(tmp_path, content):
    found = bounded(lambda: refusal(tmp_path, content))
    assert [fault.found for fault in found] == ["too many keys and values"]
