"""How large it is: one file a method.

The functions take times to an event, periods or histories of states, made from a polars or pandas
frame by `times_to_event`, `counting_process` and `state_history`; nobody needs a protocol for them.
"""

from stromal.analysis.batch import Batch, BatchAnalysis, analyze_batch, read_batch
from stromal.analysis.beta_binomial import Posterior, compare_posteriors, estimate_posterior
from stromal.analysis.beta_product import bound_survival
from stromal.analysis.contingency import compare_counts
from stromal.analysis.cox import check_proportional_hazards, estimate_concordance, fit_cox
from stromal.analysis.cox_curves import estimate_baseline_hazard, predict_survival
from stromal.analysis.cumulative_hazard import estimate_cumulative_hazard
from stromal.analysis.cumulative_incidence import estimate_incidence, estimate_incidences
from stromal.analysis.current_survival import (
    CurrentStates,
    band_current_survival,
    compare_current_curves,
    compare_current_survival,
    compare_current_time,
    estimate_current_survival,
)
from stromal.analysis.estimate import (
    Comparison,
    Contrast,
    Curve,
    Estimate,
    citations,
    count_at_risk,
    estimate_at,
)
from stromal.analysis.event_rates import fit_event_rates
from stromal.analysis.fine_gray import estimate_subdistribution_hazard, fit_fine_gray
from stromal.analysis.firth import fit_firth
from stromal.analysis.fixed_time import compare_at_day
from stromal.analysis.frames import counting_process, state_history, times_to_event
from stromal.analysis.gray import compare_incidence
from stromal.analysis.kaplan_meier import estimate_quantile, estimate_survival
from stromal.analysis.landmark import Landmark, take_landmark
from stromal.analysis.logrank import compare_survival
from stromal.analysis.max_combo import compare_max_combo
from stromal.analysis.method_sources import METHOD_SOURCES
from stromal.analysis.models import ModelFit
from stromal.analysis.multiplicity import adjust_p_values
from stromal.analysis.multistate import (
    compare_occupation,
    compare_time_in_state,
    count_transitions,
    estimate_occupation,
    estimate_time_in_state,
)
from stromal.analysis.ordered import split_outcomes
from stromal.analysis.permutation import permute_incidence, permute_ranks, permute_survival
from stromal.analysis.proportion_difference import estimate_difference
from stromal.analysis.proportions import estimate_proportion
from stromal.analysis.pseudo_values import estimate_pseudo_values, fit_pseudo_values
from stromal.analysis.rates import compare_rates, estimate_rate
from stromal.analysis.recurrent import (
    compare_mean_curves,
    compare_mean_events,
    estimate_mean_events,
)
from stromal.analysis.repeated import fit_random_effects, summarize_change
from stromal.analysis.restricted_mean import compare_restricted_means, estimate_restricted_mean
from stromal.analysis.stratified_counts import (
    compare_stratified_counts,
    estimate_common_odds_ratio,
    estimate_odds_ratio,
)
from stromal.analysis.summaries import (
    Summary,
    estimate_potential_follow_up,
    summarize_follow_up,
    summarize_values,
)
from stromal.analysis.time_dependent import check_immortal_time, split_at_exposure
from stromal.analysis.tipping_point import TippingPoint, find_tipping_point
from stromal.endpoints.outcome import CountingProcess, StateHistory, TimeToEvent

__all__ = [
    "METHOD_SOURCES",
    "Batch",
    "BatchAnalysis",
    "Comparison",
    "Contrast",
    "CountingProcess",
    "CurrentStates",
    "Curve",
    "Estimate",
    "Landmark",
    "ModelFit",
    "Posterior",
    "StateHistory",
    "Summary",
    "TimeToEvent",
    "TippingPoint",
    "adjust_p_values",
    "analyze_batch",
    "band_current_survival",
    "bound_survival",
    "check_immortal_time",
    "check_proportional_hazards",
    "citations",
    "compare_at_day",
    "compare_counts",
    "compare_current_curves",
    "compare_current_survival",
    "compare_current_time",
    "compare_incidence",
    "compare_max_combo",
    "compare_mean_curves",
    "compare_mean_events",
    "compare_occupation",
    "compare_posteriors",
    "compare_rates",
    "compare_restricted_means",
    "compare_stratified_counts",
    "compare_survival",
    "compare_time_in_state",
    "count_at_risk",
    "count_transitions",
    "counting_process",
    "estimate_at",
    "estimate_baseline_hazard",
    "estimate_common_odds_ratio",
    "estimate_concordance",
    "estimate_cumulative_hazard",
    "estimate_current_survival",
    "estimate_difference",
    "estimate_incidence",
    "estimate_incidences",
    "estimate_mean_events",
    "estimate_occupation",
    "estimate_odds_ratio",
    "estimate_posterior",
    "estimate_potential_follow_up",
    "estimate_proportion",
    "estimate_pseudo_values",
    "estimate_quantile",
    "estimate_rate",
    "estimate_restricted_mean",
    "estimate_subdistribution_hazard",
    "estimate_survival",
    "estimate_time_in_state",
    "find_tipping_point",
    "fit_cox",
    "fit_event_rates",
    "fit_fine_gray",
    "fit_firth",
    "fit_pseudo_values",
    "fit_random_effects",
    "permute_incidence",
    "permute_ranks",
    "permute_survival",
    "predict_survival",
    "read_batch",
    "split_at_exposure",
    "split_outcomes",
    "state_history",
    "summarize_change",
    "summarize_follow_up",
    "summarize_values",
    "take_landmark",
    "times_to_event",
]
