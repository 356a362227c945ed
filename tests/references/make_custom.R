# Log-likelihoods of the user's own, maximised by bbmle's mle2: one JSON file per case in custom/,
# read by tests/likelihood/test_references_custom.py, where the same functions stand in Python.
# Needs R with the packages bbmle, numDeriv, MASS (data) and jsonlite.
#
# mle2 ends where optim ends, so Newton steps on numerical derivatives go on until they are lost in
# rounding. Standard errors are of numDeriv's Hessian there. A profile limit is where twice the fall
# of the log-likelihood, maximised over the other parameters by mle2 with this one fixed, is the
# quantile of chi-squared; bbmle's own confint, which interpolates, must find about the same.
source("tests/references/case.R")
suppressMessages(library(bbmle))
library(MASS)

tight <- function(start) {
  list(reltol = 1e-15, maxit = 1000, parscale = pmax(abs(unlist(start)), 0.01))
}
LEVEL <- 0.95

# minus: a function of named parameters; start: a named list.
custom_case <- function(name, description, source, data, call, start, minus) {
  of <- function(t) do.call(minus, as.list(setNames(t, names(start))))
  fitted <- mle2(minus, start = start, method = "BFGS", control = tight(start))
  at <- function(t) {
    list(loglik = -of(t), gradient = -numDeriv::grad(of, t), information = numDeriv::hessian(of, t))
  }
  t <- coef(fitted)
  for (i in 1:5) {
    d <- at(t)
    t <- t + solve(d$information, d$gradient)
  }
  d <- at(t)
  covariance <- solve(d$information)
  errors <- sqrt(diag(covariance))
  stopifnot(abs(solve(d$information, d$gradient)) < 1e-8 * errors,
            abs(t - coef(fitted)) < 1e-3 * errors, abs(logLik(fitted) - d$loglik) < 1e-6)
  limits <- t(vapply(seq_along(t), function(j) vapply(c(-1, 1), function(sign_) {
    above <- function(u) {
      value <- t[j] + sign_ * u * errors[j]
      held <- setNames(as.list(value), names(start)[j])
      rest <- as.list(t + (value - t[j]) * covariance[, j] / covariance[j, j])[-j]
      names(rest) <- names(start)[-j]
      near <- mle2(minus, start = rest, fixed = held, method = "BFGS", control = tight(rest))
      sqrt(2 * max(d$loglik - as.numeric(logLik(near)), 0)) - sqrt(qchisq(LEVEL, 1))
    }
    t[j] + sign_ * errors[j] * uniroot(above, c(1.2, 2.2), extendInt = "upX", tol = 1e-11)$root
  }, 0), c(0, 0)))
  own <- suppressWarnings(confint(fitted, level = LEVEL))
  stopifnot(abs(own - limits) < 0.03 * errors)
  write_case(name, list(
    description = one(description), source = one(source), tool = one("bbmle mle2"),
    version = one(versions("bbmle", "numDeriv", "MASS", "jsonlite")), call = one(call),
    family = one("Likelihood"), data = data, start = lapply(start, one), level = one(LEVEL),
    expected = list(names = names(start), params = unname(t), std_errors = unname(errors),
                    loglik = one(d$loglik), limits = unname(limits))), kind = "custom")
}

x <- 0:10
y <- c(26, 17, 13, 12, 20, 5, 9, 8, 5, 4, 8)
custom_case(
  "hyperbola", "Counts that fall like a hyperbola in x", "Help page of R package bbmle (GPL), mle2",
  list(x = x, y = y), "mle2(y ~ dpois(lambda = ymax / (1 + x / xhalf)))",
  list(ymax = 25, xhalf = 3),
  function(ymax, xhalf) -sum(dpois(y, ymax / (1 + x / xhalf), log = TRUE)))

treated <- subset(Puromycin, state == "treated")
custom_case(
  "michaelis", "Rate of an enzyme over concentration, normal errors",
  "R datasets (public data): Puromycin; Bates and Watts (1988), Nonlinear Regression, p. 269",
  list(x = treated$conc, y = treated$rate),
  "mle2(rate ~ dnorm(mean = vmax * conc / (k + conc), sd = exp(log_sd)))",
  list(vmax = 200, k = 0.05, log_sd = 2),
  function(vmax, k, log_sd) {
    -sum(dnorm(treated$rate, vmax * treated$conc / (k + treated$conc), exp(log_sd), log = TRUE))
  })

male <- as.integer(quine$Sex == "M")
aboriginal <- as.integer(quine$Eth == "A")
custom_case(
  "absences", "Days absent from school, negative binomial regression",
  "R package MASS (GPL-2 | GPL-3), public data: quine; Aitkin (1978)",
  list(x = list(male = male, aboriginal = aboriginal), y = quine$Days),
  "mle2(Days ~ dnbinom(mu = exp(level + b_male * male + b_ab * ab), size = exp(log_size)))",
  list(level = 2.5, b_male = 0, b_aboriginal = 0, log_size = 0),
  function(level, b_male, b_aboriginal, log_size) {
    mu <- exp(level + b_male * male + b_aboriginal * aboriginal)
    -sum(dnbinom(quine$Days, mu = mu, size = exp(log_size), log = TRUE))
  })

found <- as.numeric(discoveries)
custom_case(
  "discoveries", "Great discoveries in each year from 1860 to 1959, zero-inflated Poisson",
  "R datasets (public data): discoveries; McNeil (1977), Interactive Data Analysis",
  list(y = found),
  "mle2(minuslogl = -sum(log(plogis(logit_none) * (y == 0) + (1 - plogis) * dpois(y, rate))))",
  list(logit_none = -2, rate = 3),
  function(logit_none, rate) {
    none <- plogis(logit_none)
    -sum(log(none * (found == 0) + (1 - none) * dpois(found, rate)))
  })
