"""How large it is: one file a method."""

from stromal.analysis.contingency import compare_counts
from stromal.analysis.cumulative_incidence import estimate_incidence
from stromal.analysis.estimate import (
    Comparison,
    Contrast,
    Curve,
    Estimate,
    citations,
    count_at_risk,
    estimate_at,
)
from stromal.analysis.frames import counting_process, state_history, times_to_event
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_quantile, estimate_survival
from stromal.analysis.logrank import compare_survival
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.models import ModelFit
from stromal.analysis.ordered import split_outcomes
from stromal.analysis.proportions import estimate_proportion
from stromal.analysis.summaries import (
    Summary,
    estimate_potential_follow_up,
    summarize_follow_up,
    summarize_values,
)

__all__ = [
    "METHOD_SOURCES",
    "Comparison",
    "Contrast",
    "Curve",
    "Estimate",
    "ModelFit",
    "Summary",
    "citations",
    "compare_counts",
    "compare_incidence",
    "compare_survival",
    "count_at_risk",
    "counting_process",
    "estimate_at",
    "estimate_incidence",
    "estimate_potential_follow_up",
    "estimate_proportion",
    "estimate_quantile",
    "estimate_survival",
    "split_outcomes",
    "state_history",
    "summarize_follow_up",
    "summarize_values",
    "times_to_event",
]
