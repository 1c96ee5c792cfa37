"""Write docs/validation/survival.md: run every reference case and tell how far numbers are off."""

import json
import math
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "validation" / "survival.md"
sys.path.insert(0, str(ROOT / "tests"))

from validation.reference.conftest import SHARED, read_cases, read_data  # noqa: E402
from validation.reference.survival_cases import KINDS  # noqa: E402
from validation.reference.survival_differences import (  # noqa: E402
    DEFAULT,
    NOT_COMPARED,
    TOLERANCES,
    compare_values,
)
from validation.reference.survival_specs import (  # noqa: E402
    columns_of,
    mark_events,
    read_expression,
    read_formula,
)
from validation.survival_page import HEAD, METHODS, SOURCES, TAIL  # noqa: E402


def main():
    """Write the page, or fail where a number does not agree."""
    path = SHARED / "reference" / "survival.json"
    if not path.exists():
        sys.exit(f"the reference values {path} are not here; the page stays as it is")
    meta = json.loads(path.read_text())["meta"]
    PAGE.write_text(compose(meta, read_cases()))


def compose(meta, cases):
    """Give the text of the page."""
    rows = {case["id"]: compare_case(case) for case in cases}
    packages = ", ".join(f"{name} {version}" for name, version in meta["packages"].items())
    kinds = list(dict.fromkeys(case["kind"] for case in cases))
    head = HEAD.format(
        program=meta["R"],
        packages=packages,
        cases=len(cases),
        kinds=len(kinds),
        numbers=sum(sum(one.numbers for one in found) for found in rows.values()),
    )
    parts = [head, tabulate_data(cases), *(tell_kind(kind, cases, rows) for kind in kinds)]
    return "\n".join([*parts, tell_exceptions(cases, rows), TAIL])


def compare_case(case):
    """Compare a case; refuse to write a page with a number that is off."""
    found = compare_values(case, KINDS[case["kind"]](case, read_data(case["dataset"])))
    off = [one.name for one in found if not one.agrees]
    if off:
        sys.exit(f"{case['id']}: {', '.join(off)} outside the tolerance; the page is not written")
    return found


def tabulate_data(cases):
    """Tell the data sets."""
    lines = ["## Data", "", "| data set | rows | what it is |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {len(read_data(name))} | {SOURCES[name]} |"
        for name in sorted({case["dataset"] for case in cases})
    ]
    return "\n".join([*lines, ""])


def tell_kind(kind, cases, rows):
    """Tell one kind: its method, and a row for each case."""
    method = METHODS[kind]
    lines = [f"## {method.title}", "", f"**By** {method.functions}. {method.convention}", ""]
    lines += ["| case | call | data set | rows | events | numbers | off by at most | tolerance |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for case in (case for case in cases if case["kind"] == kind):
        found = rows[case["id"]]
        call = case["r_call"].replace("|", "\\|").replace("`", "'")
        n, events = count_events(case)
        numbers = sum(one.numbers for one in found)
        off = magnitude(max(one.absolute for one in found if one.tolerance == DEFAULT))
        lines.append(
            f"| `{case['id']}` | `{call}` | `{case['dataset']}` | {n} | {events} | {numbers} | "
            f"{off} | {power(DEFAULT)} |"
        )
    return "\n".join([*lines, ""])


def magnitude(difference):
    """Round a difference up to a power of ten, 1e-12 being the least that is told."""
    return f"1e{max(-12, math.ceil(math.log10(difference)))}" if difference > 0 else "1e-12"


def power(tolerance):
    """Write a tolerance as 1e-8."""
    return f"{tolerance:.0e}".replace("e-0", "e-")


def count_events(case):
    """Count the rows of a case and its events: of its cause, or entries into any state."""
    data, spec = read_data(case["dataset"]), case["spec"]
    if spec.get("filter"):
        data = data.filter(read_expression(spec["filter"]))
    if "event" in spec:
        return len(data), int(data[spec["event"]].is_in(case["values"]["states"]).sum())
    if "formula" in spec:
        formula = read_formula(spec["formula"])
        status = formula.status
    else:
        status = columns_of(case)["status"]
    event = mark_events(data, status, spec.get("cause"))["event"]
    values = data[status].drop_nulls()
    if case["kind"] in {"cuminc", "aj_survfit"}:  # all causes are compared
        return len(data), int((values != 0).sum())
    return len(data), int((values == event).sum())


def tell_exceptions(cases, rows):
    """Tell the values with another tolerance, and those that are not compared."""
    lines = ["## Exceptions", ""]
    lines += ["| kind | value | off by at most | tolerance | why |", "|---|---|---|---|---|"]
    for (kind, name), (tolerance, why) in TOLERANCES.items():
        found = [one for case in cases if case["kind"] == kind for one in rows[case["id"]]]
        off = magnitude(max((one.absolute for one in found if one.name == name), default=0.0))
        lines.append(f"| {METHODS[kind].title} | `{name}` | {off} | {power(tolerance)} | {why} |")
    lines += [
        f"| {METHODS[kind].title} | `{name}` | not compared | | {why} |"
        for (kind, name), (_, why) in NOT_COMPARED.items()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
