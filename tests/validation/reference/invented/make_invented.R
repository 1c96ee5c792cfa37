# Reference values of late entry on sixteen invented participants: Rscript make_invented.R, in this folder.
library(survival)
late <- read.csv("late16.csv")
text <- function(x) {
  if (is.null(x)) return("null")
  if (is.list(x)) {
    if (is.null(names(x))) return(paste0("[", paste(sapply(x, text), collapse = ", "), "]"))
    return(paste0("{", paste(sprintf('"%s": %s', names(x), sapply(x, text)), collapse = ", "), "}"))
  }
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, text), collapse = ", "), "]"))
  one <- function(v) if (is.character(v)) sprintf('"%s"', v) else if (is.finite(v)) sprintf("%.17g", v) else "null"
  if (length(x) == 1 && !inherits(x, "AsIs")) return(one(x))
  paste0("[", paste(sapply(unclass(x), one), collapse = ", "), "]")
}
cases <- list()
add <- function(id, kind, call, spec, values)
  cases[[length(cases) + 1]] <<- list(id = id, dataset = "late16", kind = kind, r_call = call, spec = spec, values = values)
strata <- function(s) if (is.null(s$strata)) rep("all", length(s$time)) else as.character(s$strata)
rows <- function(x) if (is.matrix(x)) x else matrix(x, 1)
days <- c(6, 12, 17, 20)
for (group in c("1", "arm")) for (conf in c("log", "plain")) {
  call <- sprintf("survfit(Surv(entry,time,died)~%s, data=late16, conf.type='%s')", group, conf)
  fit <- survfit(as.formula(sprintf("Surv(entry,time,died)~%s", group)), data = late, conf.type = conf)
  s <- summary(fit, times = days); q <- quantile(fit, c(.25, .5, .75))
  add(sprintf("late_km_%s_%s", group, conf), "km", call,
      list(time = "time", status = "died", group = group, entry = "entry", conf_type = conf, conf_level = .95, probs = c(.25, .5, .75)),
      list(strata = strata(s), time = s$time, n_risk = s$n.risk, surv = s$surv, std_err_surv = s$std.err, lower = s$lower,
           upper = s$upper, cumhaz = s$cumhaz, std_err_cumhaz = s$std.chaz, quantile = rows(q$quantile),
           quantile_lower = rows(q$lower), quantile_upper = rows(q$upper)))
}
for (group in c("1", "arm")) {
  late$state <- factor(late$status)
  fit <- survfit(as.formula(sprintf("Surv(entry,time,state)~%s", group)), data = late, id = id, conf.type = "log")
  s <- summary(fit, times = days)
  add(sprintf("late_aj_%s", group), "aj_survfit", sprintf("survfit(Surv(entry,time,factor(status))~%s, id=id, conf.type='log')", group),
      list(time = "time", status = "status", group = group, entry = "entry", conf_type = "log"),
      list(strata = strata(s), states = fit$states, time = s$time, n_risk = s$n.risk, pstate = s$pstate, std_err = s$std.err,
           lower = s$lower, upper = s$upper))
}
for (ties in c("efron", "breslow")) {
  formula <- "Surv(entry,time,died) ~ arm + age"
  fit <- coxph(as.formula(formula), data = late, ties = ties, control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 60))
  add(sprintf("late_cox_%s", ties), "coxph", sprintf("coxph(%s, data=late16, ties='%s')", formula, ties),
      list(formula = formula, ties = ties),
      list(coef = I(as.vector(coef(fit))), names = I(names(coef(fit))), se = I(sqrt(diag(fit$var))), loglik = fit$loglik,
           score_test = fit$score, wald_test = as.vector(fit$wald.test), n = fit$n, nevent = fit$nevent,
           concordance = as.vector(summary(fit)$concordance)))
}
fit <- survfit(Surv(entry, time, died) ~ arm, data = late)
mean <- survival:::survmean(fit, rmean = 20)$matrix[, c("rmean", "se(rmean)")]
away <- mean[2, 1] - mean[1, 1]; error <- sqrt(sum(mean[, 2]^2))
add("late_rmst", "rmst", "survmean(survfit(Surv(entry,time,died)~arm), rmean=20)",
    list(time = "time", status = "died", group = "arm", entry = "entry", tau = 20),
    list(groups = rownames(mean), rmst = as.vector(mean[, 1]), se = as.vector(mean[, 2]), diff_2_minus_1 = as.vector(away),
         se_diff = error, ci_diff = as.vector(away) + c(-1, 1) * qnorm(.975) * error, p_diff = 2 * pnorm(-abs(as.vector(away)) / error),
         log_ratio = as.vector(log(mean[2, 1] / mean[1, 1])), se_log_ratio = sqrt(sum((mean[, 2] / mean[, 1])^2))))
meta <- list(R = R.version.string, packages = list(survival = as.character(packageVersion("survival"))))
lines <- paste0("  ", sapply(cases, text), collapse = ",\n")
writeLines(paste0('{"meta": ', text(meta), ',\n"cases": [\n', lines, "\n]}"), "invented.json")
