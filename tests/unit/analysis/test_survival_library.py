import ast
from pathlib import Path

import numpy as np
import pytest

from stromal.analysis import survival_library
from stromal.analysis.survival_library import (
    CoxData,
    expand_subdistribution,
    fit_coxph,
    predict_curves,
    quietly,
)
from stromal.core import UsageError

PACKAGE = Path(survival_library.__file__).parent.parent


def test_nothing_else_imports_the_library():
    doors = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                names += [str(node.args[0].value)] if called == "import_module" else []
            if any(name.split(".")[0] == "survival" for name in names):
                doors.append(file.name)
    assert doors == ["survival_library.py"]


def test_what_the_library_warns_of_is_text():
    def warn():
        import warnings  # noqa: PLC0415

        warnings.warn("not so fast", stacklevel=1)
        return 3

    assert quietly(warn) == (3, ("not so fast",))


def test_what_the_library_refuses_is_told():
    def refuse():
        raise ValueError("stop before start ")

    with pytest.raises(UsageError, match=r"cannot be fitted: stop before start$"):
        quietly(refuse)


def test_strata_come_back_in_their_order():
    data = CoxData(
        stop=np.array([5.0, 6, 1, 2, 3]),
        event=np.ones(5),
        columns=np.array([[0.0], [1], [1], [0], [1]]),
        strata=np.array([1, 1, 0, 0, 0]),
    )
    first, second = predict_curves(fit_coxph(data, ties="breslow"), [0.0])
    assert first["time"].tolist() == [1, 2, 3]
    assert second["time"].tolist() == [5, 6]


@pytest.mark.by_hand
@pytest.mark.parametrize("status", [[1, 2, 0, 1], [1, 2, 1, 1], [1, 0, 1, 0]])
def test_weighted_periods(status):
    rows = expand_subdistribution(np.array([1.0, 2, 3, 4]), status, groups=None)
    for person, word in enumerate(status):
        mine = rows.row == person
        assert rows.event[mine].sum() == (word == 1)
        assert rows.weight[mine][0] == 1
        assert rows.stop[mine].max() == (4 if word == 2 else person + 1)
    if status == [1, 2, 0, 1]:  # one of two is censored on day 3, so day 4 has the weight 1/2
        assert rows.weight[(rows.row == 1) & (rows.stop == 4)].tolist() == [0.5]
