"""Where the methods come from: the source of each that a result can name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stromal.core import Source

__all__ = ["METHOD_SOURCES"]

METHOD_SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "proportion": Source(
            text="Brown LD, Cai TT, DasGupta A (2001), Interval estimation for a binomial "
            "proportion, Statistical Science 16(2):101-133",
            doi="10.1214/ss/1009213286",
            seen="secondary",
        ),
        "Clopper-Pearson": Source(
            text="Clopper CJ, Pearson ES (1934), The use of confidence or fiducial limits "
            "illustrated in the case of the binomial, Biometrika 26(4):404-413",
            doi="10.1093/biomet/26.4.404",
            seen="secondary",
        ),
        "Wilson": Source(
            text="Wilson EB (1927), Probable inference, the law of succession, and statistical "
            "inference, J Am Stat Assoc 22(158):209-212",
            doi="10.1080/01621459.1927.10502953",
            seen="secondary",
        ),
        "Wald": Source(
            text="Newcombe RG (1998), Two-sided confidence intervals for the single proportion: "
            "comparison of seven methods, Statistics in Medicine 17:857-872 (method 1)",
            seen="secondary",
        ),
        "Fisher's exact test": Source(
            text="Fisher RA (1935), The Design of Experiments, Oliver and Boyd, Edinburgh",
            seen="secondary",
        ),
        "chi-square test": Source(
            text="Pearson K (1900), On the criterion that a given system of deviations from the "
            "probable [...], Philosophical Magazine 50(302):157-175",
            doi="10.1080/14786440009463897",
            seen="secondary",
        ),
        "chi-square test with Yates's correction": Source(
            text="Yates F (1934), Contingency tables involving small numbers and the chi-square "
            "test, Suppl J R Stat Soc 1(2):217-235",
            doi="10.2307/2983604",
            seen="secondary",
        ),
        "Kaplan-Meier": Source(
            text="Kaplan EL, Meier P (1958), Nonparametric estimation from incomplete "
            "observations, J Am Stat Assoc 53(282):457-481",
            doi="10.1080/01621459.1958.10501452",
            seen="secondary",
        ),
        "reverse Kaplan-Meier": Source(
            text="Schemper M, Smith TL (1996), A note on quantifying follow-up in studies of "
            "failure time, Controlled Clinical Trials 17(4):343-346",
            doi="10.1016/0197-2456(96)00075-X",
            seen="secondary",
        ),
        "Greenwood": Source(
            text="Greenwood M (1926), The natural duration of cancer, Reports on Public Health "
            "and Medical Subjects 33, HMSO, London",
            seen="secondary",
        ),
        "Brookmeyer-Crowley": Source(
            text="Brookmeyer R, Crowley J (1982), A confidence interval for the median survival "
            "time, Biometrics 38(1):29-41",
            doi="10.2307/2530286",
            seen="secondary",
        ),
        "log-log": Source(
            text="Borgan O, Liestol K (1990), A note on confidence intervals and bands for the "
            "survival curve based on transformations, Scand J Stat 17:35-41",
            seen="secondary",
        ),
        "Aalen-Johansen": Source(
            text="Aalen OO, Johansen S (1978), An empirical transition matrix for "
            "non-homogeneous Markov chains based on censored observations, Scand J Stat "
            "5(3):141-150",
            seen="secondary",
        ),
        "cmprsk (Gray-Aalen)": Source(
            text="Aalen O (1978), Nonparametric estimation of partial transition probabilities "
            "in multiple decrement models, Ann Stat 6(3):534-545",
            doi="10.1214/aos/1176344198",
            seen="secondary",
        ),
        "Greenwood-type (infinitesimal jackknife)": Source(
            text="Allignol A, Schumacher M, Beyersmann J (2010), A note on variance estimation of "
            "the Aalen-Johansen estimator of the cumulative incidence function in competing "
            "risks, with a view towards left-truncated data, Biom J 52(1):126-137",
            doi="10.1002/bimj.200900039",
            seen="abstract",
        ),
        "Greenwood-type": Source(
            text="Allignol A, Schumacher M, Beyersmann J (2010), A note on variance estimation of "
            "the Aalen-Johansen estimator of the cumulative incidence function in competing "
            "risks, with a view towards left-truncated data, Biom J 52(1):126-137",
            doi="10.1002/bimj.200900039",
            seen="abstract",
        ),
        "log-rank test": Source(
            text="Mantel N (1966), Evaluation of survival data and two new rank order statistics "
            "arising in its consideration, Cancer Chemotherapy Reports 50(3):163-170",
            seen="secondary",
        ),
        "Fleming-Harrington test": Source(
            text="Harrington DP, Fleming TR (1982), A class of rank test procedures for censored "
            "survival data, Biometrika 69(3):553-566",
            doi="10.1093/biomet/69.3.553",
            seen="secondary",
        ),
        "infinitesimal jackknife": Source(
            text="Jaeckel LA (1972), The infinitesimal jackknife, Bell Laboratories Memorandum "
            "MM 72-1215-11, Murray Hill",
            seen="secondary",
        ),
        "Gray's test": Source(
            text="Gray RJ (1988), A class of K-sample tests for comparing the cumulative "
            "incidence of a competing risk, Ann Stat 16(3):1141-1154",
            doi="10.1214/aos/1176350951",
            seen="abstract",
        ),
        "exact Poisson": Source(
            text="Garwood F (1936), Fiducial limits for the Poisson distribution, Biometrika "
            "28(3/4):437-442",
            doi="10.1093/biomet/28.3-4.437",
            seen="secondary",
        ),
        "quartiles": Source(
            text="Hyndman RJ, Fan Y (1996), Sample quantiles in statistical packages, The "
            "American Statistician 50(4):361-365 (definition 7)",
            doi="10.1080/00031305.1996.10473566",
            seen="secondary",
        ),
        "restricted mean survival time": Source(
            text="Royston P, Parmar MKB (2013), Restricted mean survival time: an alternative to "
            "the hazard ratio for the design and analysis of randomized trials with a "
            "time-to-event outcome, BMC Med Res Methodol 13:152",
            doi="10.1186/1471-2288-13-152",
            seen="secondary",
        ),
        **{
            f"comparison at a fixed day, {scale}": Source(
                text="Klein JP, Logan B, Harhoff M, Andersen PK (2007), Analyzing survival curves "
                "at a fixed point in time, Statistics in Medicine 26(24):4505-4519",
                doi="10.1002/sim.2864",
                seen="secondary",
            )
            for scale in ("plain", "log", "log-log", "arcsine", "logit")
        },
        "max-combo test": Source(
            text="Lee S-H (2007), On the versatility of the combination of the weighted log-rank "
            "statistics, Comput Stat Data Anal 51(12):6557-6564",
            seen="secondary",
        ),
        "pseudo-value regression (jackknife)": Source(
            text="Andersen PK, Klein JP, Rosthoj S (2003), Generalised linear models for "
            "correlated pseudo-observations, with applications to multi-state models, "
            "Biometrika 90(1):15-27",
            doi="10.1093/biomet/90.1.15",
            seen="secondary",
        ),
        "pseudo-value regression (infinitesimal jackknife)": Source(
            text="Parner ET, Andersen PK, Overgaard M (2023), Regression models for censored "
            "time-to-event data using infinitesimal jack-knife pseudo-observations, with "
            "applications to left-truncation, Lifetime Data Anal 29(3):654-671",
            seen="secondary",
        ),
        "Mantel-Haenszel test": Source(
            text="Mantel N, Haenszel W (1959), Statistical aspects of the analysis of data from "
            "retrospective studies of disease, J Natl Cancer Inst 22(4):719-748",
            seen="secondary",
        ),
        "Mantel-Haenszel odds ratio": Source(
            text="Mantel N, Haenszel W (1959), Statistical aspects of the analysis of data from "
            "retrospective studies of disease, J Natl Cancer Inst 22(4):719-748",
            seen="secondary",
        ),
        "Robins-Breslow-Greenland": Source(
            text="Robins J, Breslow N, Greenland S (1986), Estimators of the Mantel-Haenszel "
            "variance consistent in both sparse data and large-strata limiting models, "
            "Biometrics 42(2):311-323",
            doi="10.2307/2531052",
            seen="secondary",
        ),
        "exact conditional odds ratio": Source(
            text="Agresti A (1992), A survey of exact inference for contingency tables, "
            "Statistical Science 7(1):131-153",
            doi="10.1214/ss/1177011454",
            seen="secondary",
        ),
        "mean cumulative function": Source(
            text="Lawless JF, Nadeau C (1995), Some simple robust methods for the analysis of "
            "recurrent events, Technometrics 37(2):158-168",
            seen="secondary",
        ),
        "Ghosh-Lin mean number of events": Source(
            text="Ghosh D, Lin DY (2000), Nonparametric analysis of recurrent events and death, "
            "Biometrics 56(2):554-562",
            doi="10.1111/j.0006-341X.2000.00554.x",
            seen="secondary",
        ),
        "Ghosh-Lin": Source(
            text="Ghosh D, Lin DY (2000), Nonparametric analysis of recurrent events and death, "
            "Biometrics 56(2):554-562",
            doi="10.1111/j.0006-341X.2000.00554.x",
            seen="secondary",
        ),
        "log-rank-type test of mean numbers of events": Source(
            text="Lawless JF, Nadeau C (1995), Some simple robust methods for the analysis of "
            "recurrent events, Technometrics 37(2):158-168; Ghosh D, Lin DY (2000), Biometrics "
            "56(2):554-562",
            seen="secondary",
        ),
        "state occupation": Source(
            text="Datta S, Satten GA (2001), Validity of the Aalen-Johansen estimators of stage "
            "occupation probabilities and Nelson-Aalen estimators of integrated transition hazards "
            "for non-Markov models, Statistics and Probability Letters 55(4):403-411",
            seen="secondary",
        ),
        "current survival": Source(
            text="Inferences for current chronic graft-versus-host-disease free and relapse free "
            "survival, BMC Medical Research Methodology 22 (2022)",
            doi="10.1186/s12874-022-01771-x",
            seen="abstract",
        ),
        "wild bootstrap": Source(
            text="Vilsmeier J, Schmeller S, Fürst D, Beyersmann J (2025), Non-Markov nonparametric "
            "estimation of complex multistate outcomes after hematopoietic stem cell "
            "transplantation, Biometrical Journal 67(6):e70082",
            doi="10.1002/bimj.70082",
            seen="abstract",
        ),
        "mean time in state": Source(
            text="Datta S, Satten GA (2001), Statistics and Probability Letters 55(4):403-411; the "
            "restricted mean as Royston P, Parmar MKB (2013), BMC Medical Research Methodology 13",
            seen="secondary",
        ),
        "mean time alive and well": Source(
            text="Inferences for current chronic graft-versus-host-disease free and relapse free "
            "survival, BMC Medical Research Methodology 22 (2022)",
            doi="10.1186/s12874-022-01771-x",
            seen="abstract",
        ),
        "supremum test of current survival (wild bootstrap)": Source(
            text="Vilsmeier J, Schmeller S, Fürst D, Beyersmann J (2025), Non-Markov nonparametric "
            "estimation of complex multistate outcomes after hematopoietic stem cell "
            "transplantation, Biometrical Journal 67(6):e70082",
            doi="10.1002/bimj.70082",
            seen="abstract",
        ),
        "negative binomial rates": Source(
            text="Lawless JF (1987), Negative binomial and mixed Poisson regression, Canadian "
            "Journal of Statistics 15(3):209-225",
            seen="secondary",
        ),
        "Poisson rates": Source(
            text="Lawless JF (1987), Negative binomial and mixed Poisson regression, Canadian "
            "Journal of Statistics 15(3):209-225",
            seen="secondary",
        ),
        "random-effects model": Source(
            text="Laird NM, Ware JH (1982), Random-effects models for longitudinal data, "
            "Biometrics 38(4):963-974",
            seen="secondary",
        ),
        "Jeffreys": Source(
            text="Brown LD, Cai TT, DasGupta A (2001), Interval estimation for a binomial "
            "proportion, Statistical Science 16(2):101-133",
            doi="10.1214/ss/1009213286",
            seen="secondary",
        ),
        "mid-p": Source(
            text="Lancaster HO (1961), Significance tests in discrete distributions, J Am Stat "
            "Assoc 56(294):223-234",
            seen="secondary",
        ),
        "difference of proportions": Source(
            text="Newcombe RG (1998), Interval estimation for the difference between independent "
            "proportions: comparison of eleven methods, Statistics in Medicine 17:873-890",
            seen="secondary",
        ),
        "Newcombe": Source(
            text="Newcombe RG (1998), Interval estimation for the difference between independent "
            "proportions: comparison of eleven methods, Statistics in Medicine 17:873-890 "
            "(method 10)",
            seen="secondary",
        ),
        "Miettinen-Nurminen": Source(
            text="Miettinen O, Nurminen M (1985), Comparative analysis of two rates, Statistics in "
            "Medicine 4(2):213-226",
            doi="10.1002/sim.4780040211",
            seen="secondary",
        ),
        "Agresti-Caffo": Source(
            text="Agresti A, Caffo B (2000), Simple and effective confidence intervals for "
            "proportions and differences of proportions result from adding two successes and two "
            "failures, American Statistician 54(4):280-288",
            seen="secondary",
        ),
        "Barnard's test": Source(
            text="Barnard GA (1947), Significance tests for 2 x 2 tables, Biometrika "
            "34(1-2):123-138",
            seen="secondary",
        ),
        "Boschloo's test": Source(
            text="Boschloo RD (1970), Raised conditional level of significance for the 2 x 2-table "
            "when testing the equality of two probabilities, Statistica Neerlandica 24(1):1-9",
            seen="secondary",
        ),
        "permutation log-rank test (Mantel's chi-square)": Source(
            text="Mantel N (1966), Evaluation of survival data and two new rank order statistics "
            "arising in its consideration, Cancer Chemother Rep 50(3):163-170; Fisher RA (1935), "
            "The Design of Experiments (permutation)",
            seen="secondary",
        ),
        "permutation log-rank test (scores)": Source(
            text="Hothorn T, Hornik K, van de Wiel MA, Zeileis A (2008), Implementing a class of "
            "permutation tests: the coin package, Journal of Statistical Software 28(8):1-23",
            doi="10.18637/jss.v028.i08",
            seen="secondary",
        ),
        "permutation Gray's test": Source(
            text="Gray RJ (1988), A class of K-sample tests for comparing the cumulative incidence "
            "of a competing risk, Annals of Statistics 16(3):1141-1154; Fisher RA (1935), The "
            "Design of Experiments (permutation)",
            seen="secondary",
        ),
        "permutation test of ranks": Source(
            text="Hothorn T, Hornik K, van de Wiel MA, Zeileis A (2008), Implementing a class of "
            "permutation tests: the coin package, Journal of Statistical Software 28(8):1-23; "
            "Wilcoxon F (1945), Biometrics Bulletin 1(6):80-83",
            doi="10.18637/jss.v028.i08",
            seen="secondary",
        ),
        "beta product": Source(
            text="Fay MP, Brittain EH, Proschan MA (2013), Pointwise confidence intervals for a "
            "survival distribution with small samples or heavy censoring, Biostatistics "
            "14(4):723-736",
            doi="10.1093/biostatistics/kxt016",
            seen="secondary",
        ),
        "beta-binomial posterior": Source(
            text="Gelman A, Carlin JB, Stern HS, Dunson DB, Vehtari A, Rubin DB (2013), Bayesian "
            "Data Analysis, third edition, CRC Press, chapter 2",
            seen="secondary",
        ),
        "ratio of Poisson rates": Source(
            text="Przyborowski J, Wilenski H (1940), Homogeneity of results in testing samples "
            "from Poisson series, Biometrika 31(3-4):313-323",
            seen="secondary",
        ),
        "exact conditional": Source(
            text="Przyborowski J, Wilenski H (1940), Homogeneity of results in testing samples "
            "from Poisson series, Biometrika 31(3-4):313-323; Clopper CJ, Pearson ES (1934), "
            "Biometrika 26(4):404-413",
            seen="secondary",
        ),
        "tipping point": Source(
            text="Yan X, Lee S, Li N (2009), Missing data handling methods in medical device "
            "clinical trials, Journal of Biopharmaceutical Statistics 19(6):1085-1098",
            seen="secondary",
        ),
        "holm": Source(
            text="Holm S (1979), A simple sequentially rejective multiple test procedure, "
            "Scandinavian Journal of Statistics 6(2):65-70",
            seen="secondary",
        ),
        "hochberg": Source(
            text="Hochberg Y (1988), A sharper Bonferroni procedure for multiple tests of "
            "significance, Biometrika 75(4):800-802",
            seen="secondary",
        ),
        "fixed sequence": Source(
            text="Maurer W, Hothorn LA, Lehmacher W (1995), Multiple comparisons in drug clinical "
            "trials and preclinical assays: a-priori ordered hypotheses, in: Biometrie in der "
            "chemisch-pharmazeutischen Industrie 6, Fischer, Stuttgart",
            seen="secondary",
        ),
        "robust (sandwich)": Source(
            text="White H (1982), Maximum likelihood estimation of misspecified models, "
            "Econometrica 50(1):1-25",
            doi="10.2307/1912526",
            seen="secondary",
        ),
        "Cox model": Source(
            text="Cox DR (1972), Regression models and life-tables, J R Stat Soc B 34(2):187-220",
            doi="10.1111/j.2517-6161.1972.tb00899.x",
            seen="secondary",
        ),
        "cause-specific Cox model": Source(
            text="Prentice RL, Kalbfleisch JD, Peterson AV, et al. (1978), The analysis of failure "
            "times in the presence of competing risks, Biometrics 34(4):541-554",
            doi="10.2307/2530374",
            seen="secondary",
        ),
        "efron": Source(
            text="Efron B (1977), The efficiency of Cox's likelihood function for censored data, "
            "J Am Stat Assoc 72(359):557-565",
            seen="secondary",
        ),
        "breslow": Source(
            text="Breslow N (1974), Covariance analysis of censored survival data, Biometrics "
            "30(1):89-99",
            doi="10.2307/2529620",
            seen="secondary",
        ),
        "exact": Source(
            text="Cox DR (1972), Regression models and life-tables, J R Stat Soc B 34(2):187-220",
            doi="10.1111/j.2517-6161.1972.tb00899.x",
            seen="secondary",
        ),
        "Cox model with Firth's penalty": Source(
            text="Heinze G, Schemper M (2001), A solution to the problem of monotone likelihood in "
            "Cox regression, Biometrics 57(1):114-119",
            doi="10.1111/j.0006-341X.2001.00114.x",
            seen="secondary",
        ),
        **{
            f"Fine-Gray model ({definition})": Source(
                text="Fine JP, Gray RJ (1999), A proportional hazards model for the "
                "subdistribution of a competing risk, J Am Stat Assoc 94(446):496-509",
                doi="10.1080/01621459.1999.10474144",
                seen="secondary",
            )
            for definition in ("cmprsk", "survival")
        },
        "concordance": Source(
            text="Harrell FE, Califf RM, Pryor DB, Lee KL, Rosati RA (1982), Evaluating the yield "
            "of medical tests, JAMA 247(18):2543-2546",
            seen="secondary",
        ),
        "Tsiatis": Source(
            text="Tsiatis AA (1981), A large sample study of Cox's regression model, Ann Stat "
            "9(1):93-108",
            doi="10.1214/aos/1176345335",
            seen="secondary",
        ),
        "Fine-Gray (robust, censoring estimated)": Source(
            text="Fine JP, Gray RJ (1999), A proportional hazards model for the subdistribution of "
            "a competing risk, J Am Stat Assoc 94(446):496-509",
            doi="10.1080/01621459.1999.10474144",
            seen="secondary",
        ),
        "immortal time": Source(
            text="Suissa S (2008), Immortal time bias in pharmaco-epidemiology, Am J Epidemiol "
            "167(4):492-499",
            doi="10.1093/aje/kwm324",
            seen="secondary",
        ),
        "proportional hazards check": Source(
            text="Grambsch PM, Therneau TM (1994), Proportional hazards tests and diagnostics "
            "based on weighted residuals, Biometrika 81(3):515-526",
            doi="10.1093/biomet/81.3.515",
            seen="secondary",
        ),
        "landmark": Source(
            text="Anderson JR, Cain KC, Gelber RD (1983), Analysis of survival by tumor response, "
            "J Clin Oncol 1(11):710-719",
            doi="10.1200/JCO.1983.1.11.710",
            seen="secondary",
        ),
        "time-dependent exposure": Source(
            text="Mantel N, Byar DP (1974), Evaluation of response-time data involving transient "
            "states: an illustration using heart-transplant data, J Am Stat Assoc 69(345):81-86",
            seen="secondary",
        ),
        "estimand": Source(
            text="International Council for Harmonisation (2019), E9(R1) Addendum on estimands "
            "and sensitivity analysis in clinical trials",
            seen="secondary",
        ),
    }
)
"""The source of each method, variance and interval that a result can name."""
