# Conditional logistic regression by survival::clogit, polished: one JSON file per case in
# conditional/, read by tests/likelihood/test_references_conditional.py. Needs R with the packages
# survival, MASS (data) and jsonlite.
#
# The likelihood of a stratum is exact: the cases it has, among all choices of as many of its rows.
# Newton steps go on from clogit's answer; they count the choices one by one, which clogit does not.
# Strata in which all rows or none are cases say nothing; they stay in the data.
source("tests/references/case.R")
suppressMessages(library(survival))

# Of one stratum: the sums of the columns over every choice of as many rows as there are cases.
choices <- function(x, offset, case) {
  chosen <- combn(length(case), sum(case))
  list(sums = t(apply(chosen, 2, function(rows) colSums(x[rows, , drop = FALSE]))),
       offsets = apply(chosen, 2, function(rows) sum(offset[rows])),
       own = colSums(x[case == 1, , drop = FALSE]), own_offset = sum(offset[case == 1]))
}

derivatives <- function(b, strata) {
  parts <- lapply(strata, function(s) {
    sums <- matrix(s$sums, ncol = length(b))
    eta <- as.vector(sums %*% b) + s$offsets
    top <- max(eta)
    share <- exp(eta - top) / sum(exp(eta - top))
    mean_ <- colSums(share * sums)
    centred <- sweep(sums, 2, mean_)
    list(loglik = sum(s$own * b) + s$own_offset - top - log(sum(exp(eta - top))),
         gradient = s$own - mean_, information = crossprod(centred, share * centred))
  })
  total <- function(what) Reduce(`+`, lapply(parts, `[[`, what))
  list(loglik = total("loglik"), gradient = total("gradient"), information = total("information"))
}

conditional_case <- function(name, description, source, columns, case, strata, call,
                             offset = NULL) {
  x <- design(columns, intercept = FALSE)
  o <- if (is.null(offset)) rep(0, nrow(x)) else offset
  fit <- clogit(case ~ x + offset(o) + strata(strata), method = "exact",
                control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 100))
  rows <- split(seq_along(case), strata)
  telling <- Filter(function(r) sum(case[r]) > 0 && sum(case[r]) < length(r), rows)
  within <- lapply(telling, function(r) choices(x[r, , drop = FALSE], o[r], case[r]))
  best <- newton(unname(coef(fit)), function(b) derivatives(b, within))
  stopifnot(apart(coef(fit), best$b, best$std_errors) < 1e-7,
            apart(sqrt(diag(vcov(fit))), best$std_errors) < 1e-7,
            apart(fit$loglik[2], best$loglik) < 1e-10)
  data <- list(columns = columns, y = case, groups = strata)
  data$offset <- offset
  write_case(paste0("conditional_", name), list(
    description = one(description), source = one(source),
    tool = one("R survival::clogit, polished"), version = one(versions("survival", "jsonlite")),
    call = one(paste0(call, ", method = 'exact'); Newton steps to the optimum; standard errors ",
                      "from the observed information there; n_obs counts the rows, n_strata the ",
                      "strata with cases and others")),
    family = one("ConditionalLogit"), options = list(), data = data,
    expected = list(names = colnames(x), params = best$b, std_errors = best$std_errors,
                    loglik = one(best$loglik), null_loglik = one(derivatives(0 * best$b,
                                                                             within)$loglik),
                    aic = one(2 * ncol(x) - 2 * best$loglik), n_obs = one(nrow(x)),
                    n_strata = one(length(telling)))), kind = "conditional")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- one case in a stratum ---

infert_source <- paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83")
conditional_case(
  "infert", "Infertility after abortion, 83 cases with two controls each (one with one)",
  infert_source, as.list(infert[c("spontaneous", "induced")]), infert$case,
  as.integer(infert$stratum), "clogit(case ~ spontaneous + induced + strata(stratum)")
conditional_case(
  "infert_offset", "The women, the effect of an induced abortion held at 1 by an offset",
  infert_source, as.list(infert["spontaneous"]), infert$case, as.integer(infert$stratum),
  "clogit(case ~ spontaneous + offset(induced) + strata(stratum)", offset = infert$induced)

# --- several cases in a stratum, strata that say nothing among them ---

babies <- MASS::birthwt
babies <- babies[babies$age >= 23, ]
conditional_case(
  "birthwt", "Low birth weight of 95 babies of mothers of 23 and older, within years of age",
  paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression"),
  c(list(stones = babies$lwt / 14), babies[c("smoke", "ht", "ui")]), babies$low,
  as.integer(babies$age), "clogit(low ~ I(lwt / 14) + smoke + ht + ui + strata(age)")
pupils <- MASS::quine
conditional_case(
  "quine", "Pupils absent for more than 10 days by sex and speed, within age and origin",
  paste0(mass, "quine; Quine, in Aitkin (1978), JRSS A 141"),
  c(dummies("sex", pupils$Sex), dummies("learner", pupils$Lrn)), as.integer(pupils$Days > 10),
  paste(pupils$Eth, pupils$Age), "clogit(Days > 10 ~ Sex + Lrn + strata(Eth, Age)")
visits <- MASS::bacteria
conditional_case(
  "bacteria", "H. influenzae at up to five visits by drug, weeks compared, labels as strata",
  paste0(mass, "bacteria; Dr A. Leach, Menzies School of Health Research, Darwin"),
  list(week = visits$week, week_squared = visits$week^2), as.integer(visits$y == "y"),
  as.character(visits$ID), "clogit(y == 'y' ~ week + I(week^2) + strata(ID)")
