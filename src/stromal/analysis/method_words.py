"""Words for the methods that a protocol can name, with the keys of their sources."""

from __future__ import annotations

__all__ = [
    "DIFFERENCES",
    "FITTED",
    "INTERVALS",
    "PROPORTION_INTERVALS",
    "TESTS",
    "TIES",
    "VARIANCES",
]

PROPORTION_INTERVALS = {
    "clopper-pearson": "confidence intervals by Clopper and Pearson's exact method "
    "[[Clopper-Pearson]]",
    "wilson": "confidence intervals by Wilson's score method [[Wilson]]",
    "wald": "confidence intervals by Wald's method [[Wald]]",
    "jeffreys": "intervals from Jeffreys's prior [[Jeffreys]]",
    "mid-p": "mid-p confidence intervals [[mid-p]]",
}
DIFFERENCES = {
    "miettinen-nurminen": "Miettinen and Nurminen [[Miettinen-Nurminen]]",
    "newcombe": "Newcombe [[Newcombe]]",
    "agresti-caffo": "Agresti and Caffo [[Agresti-Caffo]]",
    "wald": "Wald",
}
INTERVALS = {
    "plain": "on the plain scale",
    "linear": "on the plain scale",
    "log": "on the log scale",
    "log-log": "on the log-log scale [[log-log]]",
    "complementary log-log": "on the complementary log-log scale [[log-log]]",
    "logit": "on the logit scale",
    "arcsine": "on the arcsine scale",
}
VARIANCES = {
    "cmprsk": "the variance of Aalen as the R package cmprsk has it [[cmprsk (Gray-Aalen)]]",
    "greenwood": "the Greenwood-type variance [[Greenwood-type (infinitesimal jackknife)]]",
}
TESTS = {
    "fisher": "Fisher's exact test [[Fisher's exact test]]",
    "boschloo": "Boschloo's test [[Boschloo's test]]",
    "barnard": "Barnard's test [[Barnard's test]]",
    "chi-square": "the chi-square test [[chi-square test]]",
    "chi-square with Yates": "the chi-square test with Yates's correction "
    "[[chi-square test with Yates's correction]]",
    "log-rank": "the log-rank test [[log-rank test]]",
    "weighted log-rank": "the log-rank test with Fleming and Harrington's weight "
    "[[Fleming-Harrington test]]",
    "max-combo": "the max-combo test of the weights (0, 0), (0, 1), (1, 0) and (1, 1) "
    "[[max-combo test]]",
    "permutation log-rank": "the permutation log-rank test "
    "[[permutation log-rank test (Mantel's chi-square)]]",
    "at each time": "[[comparison at a fixed day, log-log]]",
    "gray": "Gray's test [[Gray's test]]",
    "permutation gray": "the permutation test with Gray's statistic [[permutation Gray's test]]",
}
TIES = {
    "efron": "ties by Efron's method [[efron]]",
    "breslow": "ties by Breslow's method [[breslow]]",
    "exact": "ties by the exact partial likelihood [[exact]]",
}
FITTED = {
    "cox": "Hazard ratios come from Cox's proportional-hazards model [[Cox model]]",
    "firth": "Hazard ratios come from Cox's model with Firth's penalty "
    "[[Cox model with Firth's penalty]]",
    "cause-specific": "Cause-specific hazard ratios come from Cox's model, with competing events "
    "censored [[cause-specific Cox model|Cox model]],",
    "fine-gray cmprsk": "Subdistribution hazard ratios come from Fine and Gray's model as the R "
    "package cmprsk defines it [[Fine-Gray model (cmprsk)]],",
    "fine-gray survival": "Subdistribution hazard ratios come from Fine and Gray's model as the R "
    "package survival defines it, by weighted periods [[Fine-Gray model (survival)]],",
}
