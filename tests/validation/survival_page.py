"""What the page on survival analysis says: the words of it, one entry a kind of case."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One kind of case: what is compared, by which of our functions, under which convention."""

    title: str
    functions: str
    convention: str


METHODS = {
    "km": Method(
        "Kaplan-Meier: survival, intervals, quantiles, cumulative hazard",
        "`estimate_survival`, `estimate_at`, `estimate_quantile`, `estimate_cumulative_hazard`",
        "Greenwood's variance; limits cut to 0 and 1; Brookmeyer-Crowley limits of "
        "quantiles on the "
        "scale of the interval; Nelson-Aalen with the variance d / Y^2.",
    ),
    "km_full": Method(
        "Kaplan-Meier: every step of a curve",
        "`estimate_survival`, `estimate_cumulative_hazard`",
        "As above; R's standard error there is that of the logarithm.",
    ),
    "km_weighted": Method(
        "Kaplan-Meier with case weights",
        "`estimate_survival`",
        "Infinitesimal jackknife over participants; numbers at risk are sums of weights.",
    ),
    "logrank": Method(
        "Log-rank test, weighted and stratified",
        "`compare_survival`, `score_weighted_logrank`",
        "Hypergeometric variance with the correction of ties; rho weighs with the pooled "
        "Kaplan-Meier estimate just before the day, within strata.",
    ),
    "fh_maxcombo": Method(
        "Max-combo test",
        "`score_weighted_survival`, `compare_max_combo`",
        "Fleming-Harrington weights S(t-)^rho (1 - S(t-))^gamma; scores of the second "
        "group; p by a "
        "fixed lattice rule, to 1e-6.",
    ),
    "exact_logrank": Method(
        "Exact permutation tests of survival",
        "`permute_survival`",
        "Two statistics: log-rank scores (ties get mid-ranks) and Mantel's chi-square; they are "
        "different tests with different p.",
    ),
    "rmst": Method(
        "Restricted mean survival time",
        "`estimate_restricted_mean`, `compare_restricted_means`",
        "Greenwood-type variance (survmean); the ratio on its logarithm. Where a curve ends early "
        "R draws it on at its last height, stromal gives no number.",
    ),
    "fixed_time_test": Method(
        "Survival compared on one day",
        "`compare_at_day`",
        "Klein, Logan, Harhoff and Andersen (2007), on five scales; `plain` is their naive test.",
    ),
    "cuminc": Method(
        "Cumulative incidence with cmprsk's variance, and Gray's test",
        '`estimate_incidence(variance="cmprsk")`, `compare_incidence`',
        "Aalen's and Gray's variance; Gray's test with rho and strata. At 62 participants an arm "
        "this variance and Greenwood's differ by about 2 %.",
    ),
    "aj_survfit": Method(
        "Cumulative incidence with Greenwood's variance",
        '`estimate_incidence(variance="greenwood")`, `estimate_survival`',
        "The multinomial variance, which equals the infinitesimal jackknife but for late entry; "
        'there survfit has the latter, as `variance="infinitesimal jackknife"`.',
    ),
    "cif_etm": Method(
        "Cumulative incidence with Greenwood's variance, complementary log-log limits",
        '`estimate_incidence(variance="greenwood")`',
        "As above; limits on log(-log(1 - F)).",
    ),
    "fine_gray": Method(
        "Fine-Gray model, definition of cmprsk",
        '`fit_fine_gray(definition="cmprsk")`, `estimate_subdistribution_hazard`',
        "Breslow's ties; the variance allows for the estimated censoring distribution.",
    ),
    "fine_gray_survival": Method(
        "Fine-Gray model, definition of survival",
        '`fit_fine_gray(definition="survival")`',
        "Weighted periods and a Cox model with robust variance; with tied days 1e-4 to 1e-3 from "
        "the definition above.",
    ),
    "coxph": Method(
        "Cox model, check of proportional hazards, concordance",
        "`fit_cox`, `check_proportional_hazards`, `estimate_concordance`",
        "Ties by Efron, Breslow or exactly; robust variance with clusters or case "
        "weights; the check "
        "is the score test of survival 3.0 and later.",
    ),
    "cox_basehaz": Method(
        "Baseline hazard of a Cox model",
        "`estimate_baseline_hazard`",
        "At covariates 0 (`centered=FALSE`); Efron's hazard with Efron's ties.",
    ),
    "cox_predict": Method(
        "Survival predicted by a Cox model", "`predict_survival`", "Tsiatis's variance."
    ),
    "multistate_aj": Method(
        "Occupation of states",
        "`estimate_occupation`",
        "Aalen-Johansen; infinitesimal jackknife over participants. survival 3.5-3 leaves out the "
        "variance of mixed initial states, stromal does not.",
    ),
    "mcf": Method(
        "Mean number of events that recur",
        '`estimate_mean_events(terminal="none")`',
        "Infinitesimal jackknife over participants (Lawless and Nadeau's robust variance).",
    ),
    "landmark": Method(
        "Landmark analysis",
        "`take_landmark`, then `compare_survival` and `fit_cox`",
        "Time begins at the landmark; groups are made by what had happened until then.",
    ),
    "pseudo": Method(
        "Pseudo-values",
        "`estimate_pseudo_values`",
        "The jackknife leaves participants out, the infinitesimal jackknife differentiates; they "
        "differ by the order of 1/n.",
    ),
    "pseudo_gee": Method(
        "Regression on pseudo-values",
        "`fit_pseudo_values`",
        "Jackknife pseudo-values; independence, robust (sandwich) variance without correction.",
    ),
    "tables": Method(
        "Two by two tables",
        "`compare_counts`, `estimate_odds_ratio`, `compare_stratified_counts`, "
        "`estimate_common_odds_ratio`",
        "Conditional odds ratio; Mantel-Haenszel without correction of continuity; "
        "limits by Robins, "
        "Breslow and Greenland.",
    ),
}

SOURCES = {
    "aml": "Maintenance in acute myeloid leukaemia (Miller 1981), R package survival",
    "bmt_kmsurv": "Bone marrow transplantation (Copelan 1991; Klein and Moeschberger 1997), R "
    "package "
    "KMsurv; `cr` is 1 relapse, 2 death in remission",
    "bmt_kmsurv_ms": "The same as states: acute and chronic GVHD, relapse, death",
    "bmt_kmsurv_td": "The same as periods: GVHD and platelet recovery as covariates that change",
    "cgd": "Chronic granulomatous disease, infections that recur (Fleming and Harrington 1991), R "
    "package survival",
    "late16": "Sixteen invented participants who enter late; "
    "`tests/validation/reference/invented` has them and the script in R",
    "mgus2": "Monoclonal gammopathy (Kyle 2002), R package survival; `event` is 1 "
    "progression, 2 death",
    "small9": "Nine invented participants",
    "veteran": "Lung cancer trial (Kalbfleisch and Prentice 1980), R package survival",
}

HEAD = """# Survival analysis against other programs

This page is made by `make validation`; do not edit it. It runs the same table as
`tests/validation/reference/test_survival_reference.py`, which fails
where a number is off, where a value is neither compared nor listed below, or where this page
lacks a case.

**Reference.** {program}, with {packages}. Each call printed its numbers at full precision (17
digits). Numbers and data other than `late16` are not part of the project; where they are absent
their cases are skipped and this page is what they gave.

**Tolerance.** A number agrees where it is off by at most 1e-8 of itself plus 1e-12; exceptions
are listed (their tolerance is of the number, or absolute below 1). The differences below are
absolute and rounded up to a power of ten, 1e-12 being the least, so that the page does not depend
on the machine.

**In all:** {cases} cases of {kinds} kinds, {numbers} numbers compared, none outside its
tolerance.
"""

TAIL = """## What differs by convention

- **Ties.** Days that differ by less than 1e-8 of the mean day are one day, as in survival; cmprsk
  takes floating numbers as they are.
- **Two variances of an incidence**, both published, cmprsk's and Greenwood's: a result always
  names its own.
- **Two definitions of Fine-Gray**, cmprsk's and survival's: they treat ties and the estimated
  censoring distribution differently; a result names its own.
- **What cannot be computed** (one group, no events, an empty margin, a curve that ends before the
  day asked for) is empty with the reason, where R prints a statistic of 0, p = 1, or draws the
  curve on.
- **Limits of a probability of 0 or 1** that has no error: R gives the probability, NaN, NA or (in
  summaries before a group's first day) 0; stromal gives the probability or none. Where both are of
  these they are not compared.
- **A limit that rises again**, which late entry can bring: R's quantile sorts it, stromal takes
  the first day on which it crosses.
- **Start of a multistate curve.** `survfit(start.time=s)` counts transitions on day s; stromal,
  like etm, those after it.
- **The first level.** R orders a factor by its levels, stromal sorts: the sign of a difference
  follows; where a case does not name its groups the test matches them by their numbers.
- **Columns.** Where a case's call does not name them: the transplantations are analysed for
  disease-free survival (`t2`, `d3`), the landmark's model has the disease groups `g2` and `g3`
  beside GVHD, and the model of gap times keeps the first three infections of a participant (its n
  says so).

## What is not validated here

- What no case of this set covers: Firth's correction, Ghosh and Lin's mean with death as terminal
  event, negative binomial rates, random-effects models, permutations of Gray's test and of ranks,
  beta-product intervals, intervals of a difference of proportions, current GVHD-free survival.
  Their tests say what evidence they have: by hand, published, or properties alone.
- Late entry (left truncation) on real data: sixteen invented participants stand for it.
- Interval-censored times (Turnbull) are not offered.
- Other programs than R: nothing here was compared with SAS or Stata.
- More than 1,384 participants; the same kernels run on larger data, which changes rounding only.
- Whether a method fits a trial. Agreement with a program shows that the number is the one the
  method defines, not that the method is right.
"""
