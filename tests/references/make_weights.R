# Analytic and sampling weights: one JSON file per case in weights/, read by
# tests/likelihood/test_references_weights.py. Needs R with the packages sandwich, MASS (data) and
# jsonlite.
#
# Analytic weights are those of lm, whose standard errors are taken times sqrt((n - p) / n) (divisor
# n of the variance), and of glm for shares. Standard errors under sampling weights are those of
# survey::svyglm with independent rows or clusters, written with sandwich: n / (n - 1) times HC0 of
# the weighted scores, or vcovCL(type = "HC0"), which has the factor G / (G - 1).
source("tests/references/case.R")
library(sandwich)
library(MASS)

tight <- glm.control(epsilon = 1e-14, maxit = 100)

weights_case <- function(name, description, source, columns, y, weights, kind, fit, call,
                         std_errors, criteria, groups = NULL) {
  expected <- c(list(names = c("intercept", names(columns)), params = unname(coef(fit)),
                     std_errors = unname(std_errors)), criteria)
  data <- list(columns = columns, y = y, weights = weights, kind = one(kind))
  data$groups <- groups
  write_case(name, list(
    description = one(description), source = one(source), tool = one("R stats, sandwich"),
    version = one(versions("sandwich", "MASS", "jsonlite")), call = one(call),
    family = one(if (inherits(fit, "glm")) "Binomial" else "Gaussian"), data = data,
    expected = expected), kind = "weights")
}

whole <- function(fit) {
  list(loglik = one(as.numeric(logLik(fit))), aic = one(AIC(fit)), n_obs = one(nobs(fit)))
}

base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- analytic ---------------------------------------------------------------------------------

chicks <- "ChickWeight; Crowder and Hand (1990), Analysis of Repeated Measures"
means <- aggregate(cbind(weight = ChickWeight$weight, count = 1),
                   list(Time = ChickWeight$Time, Diet = ChickWeight$Diet), sum)
means$weight <- means$weight / means$count
columns <- list(Time = means$Time, Time_squared = means$Time^2, protein = 1 * (means$Diet == 3))
fit <- lm(means$weight ~ do.call(cbind, columns), weights = means$count)
n <- nobs(fit)
weights_case(
  "gaussian_chicks", "Mean weight of the chicks of a diet at an age, by the number weighed",
  paste0(base, chicks), columns, means$weight, means$count, "analytic", fit,
  "lm(weight ~ Time + I(Time^2) + (Diet == 3), weights = count)",
  sqrt(diag(vcov(fit)) * (n - length(coef(fit))) / n),
  c(whole(fit), list(sigma = one(sqrt(sum(means$count * residuals(fit)^2) / n)))))

share <- menarche$Menarche / menarche$Total
fit <- glm(share ~ menarche$Age, binomial, weights = menarche$Total, control = tight)
weights_case(
  "binomial_menarche", "Share of girls of an age who have reached menarche, by their number",
  "R package MASS (GPL-2 | GPL-3), public data: menarche; Milicer and Szczotka (1966)",
  list(Age = menarche$Age), share, menarche$Total, "analytic", fit,
  "glm(Menarche / Total ~ Age, binomial, weights = Total)", sqrt(diag(vcov(fit))), whole(fit))

# --- sampling ---------------------------------------------------------------------------------

# As if mothers of small babies had been sampled three times as often, and smokers half as often.
stands_for <- ifelse(birthwt$low == 1, 1, 3) * ifelse(birthwt$smoke == 1, 2, 1)
columns <- list(age = birthwt$age, lwt = birthwt$lwt, smoke = birthwt$smoke)
x <- do.call(cbind, columns)
fit <- glm(birthwt$low ~ x, quasibinomial, weights = stands_for, control = tight)
fit <- glm(birthwt$low ~ x, quasibinomial, weights = stands_for, control = tight,
           start = coef(fit))
n <- nobs(fit)
weights_case(
  "binomial_birthwt", "Low birth weight, as if sampled by outcome and smoking",
  "R package MASS (GPL-2 | GPL-3), public data: birthwt; weights made up, see the script",
  columns, birthwt$low, stands_for, "sampling", fit,
  "glm(low ~ age + lwt + smoke, quasibinomial, weights = w); sandwich() * n / (n - 1)",
  sqrt(diag(sandwich(fit)) * n / (n - 1)), list(n_obs = one(n)))

stands_for <- c(5, 2, 1, 3)[ChickWeight$Diet]
chick <- as.integer(as.character(ChickWeight$Chick))
columns <- list(Time = ChickWeight$Time, protein = 1 * (ChickWeight$Diet == 3))
fit <- lm(ChickWeight$weight ~ do.call(cbind, columns), weights = stands_for)
weights_case(
  "gaussian_chicks_clusters", "Weights of chicks sampled by diet, each weighed several times",
  paste0(base, chicks, "; weights made up, see the script"), columns, ChickWeight$weight,
  stands_for, "sampling", fit,
  "lm(weight ~ Time + (Diet == 3), weights = w); vcovCL(cluster = Chick, type = 'HC0')",
  sqrt(diag(vcovCL(fit, cluster = chick, type = "HC0"))), list(n_obs = one(nobs(fit))),
  groups = chick)
