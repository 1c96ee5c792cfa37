"""Tests that share one error rate."""

from __future__ import annotations

from stromal.analysis.multiplicity import adjust_p_values, explain_missing_p
from stromal.analysis.results import Adjusted, Result
from stromal.protocol import Protocol

__all__ = ["join_tests"]


def join_tests(protocol: Protocol, results: tuple[Result, ...]) -> tuple[tuple[Adjusted, ...], str]:
    """Adjust the first test of each analysis that `multiplicity` names.

    Returns
    -------
    adjusted
        In the order in which the protocol names them; empty without `multiplicity`.
    joined
        Method and alpha in words.
    """
    plan = protocol.multiplicity
    if plan is None:
        return (), ""
    by_id = {result.id: result for result in results}
    tests = [_first_test(by_id[name]) for name in plan.analyses]
    p_values = [p for _, p in tests]
    adjusted = adjust_p_values(p_values, method=plan.method)
    missing = explain_missing_p(p_values, method=plan.method)
    said = f"{plan.method.capitalize()}'s method" if plan.method != "fixed sequence" else (
        "a fixed sequence"
    )  # fmt: skip
    return tuple(
        Adjusted(by_id[name].label, test, p, value, value is not None and value <= plan.alpha)
        for name, (test, p), value in zip(plan.analyses, tests, adjusted, strict=True)
    ), f"{said}, two-sided alpha {plan.alpha:g}" + (f". {missing}" if missing else "")


def _first_test(result: Result) -> tuple[str, float | None]:
    """Give the first test of an analysis and its p: of groups, of a difference, of a model."""
    if result.comparisons:
        return result.comparisons[0].method, result.comparisons[0].p_value
    for contrast in result.contrasts:
        if contrast.p_value is not None:
            return contrast.test or contrast.measure, contrast.p_value
    terms = [
        row
        for model in result.models[:1]
        for row in model.coefficients.iter_rows(named=True)
        if row["term"] != "intercept"
    ]
    if terms:
        row = terms[0]
        return f"{result.models[0].method}: {row['term']}", row["p_value"]
    return "no test", None
