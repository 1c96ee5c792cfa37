"""How large it is: one file a method."""

from stromal.analysis.contingency import compare_counts
from stromal.analysis.estimate import (
    METHOD_SOURCES,
    Comparison,
    Curve,
    Estimate,
    citations,
    count_at_risk,
    estimate_at,
)
from stromal.analysis.proportions import estimate_proportion

__all__ = [
    "METHOD_SOURCES",
    "Comparison",
    "Curve",
    "Estimate",
    "citations",
    "compare_counts",
    "count_at_risk",
    "estimate_at",
    "estimate_proportion",
]
