# Sandwich covariances by the package sandwich: one JSON file per case in robust/, read by
# tests/likelihood/test_references_robust.py. Needs R with the packages sandwich, MASS (data) and
# jsonlite.
#
# With n rows, k coefficients and G groups: HC0 has no factor, HC1 has n / (n - k), and cluster is
# vcovCL(type = "HC1"), which has G / (G - 1) * (n - 1) / (n - k). The outer layers ("bread") of
# sandwich are the inverse expected information; `observed` holds the same with the observed one.
# For logit and gaussian they are equal. Rows of weight w were given to glm w times.
source("tests/references/case.R")
source("tests/references/binomial.R")
library(sandwich)
library(MASS)

kinds <- c("HC0", "HC1", "cluster")
errors <- function(covariances) lapply(covariances, function(v) unname(sqrt(diag(v))))

robust_case <- function(name, description, source, columns, y, groups, call, link = NULL,
                        options = list(), weights = NULL) {
  x <- design(columns)
  check_rank(x)
  rows <- repeats(weights, nrow(x))
  xr <- x[rows, ]
  binary <- !is.null(link)
  response <- if (is.character(y)) as.integer(y == options$success) else y * 1
  yr <- response[rows]
  family_ <- if (binary) binomial(link) else gaussian()
  tight <- glm.control(epsilon = 1e-14, maxit = 100)
  fit <- glm(yr ~ xr - 1, family = family_, control = tight)
  fit <- glm(yr ~ xr - 1, family = family_, control = tight, start = coef(fit))
  own <- list(vcovHC(fit, type = "HC0"), vcovHC(fit, type = "HC1"),
              vcovCL(fit, cluster = groups[rows], type = "HC1"))
  names(own) <- kinds
  bread_ <- inverse(crossprod(xr))
  scores <- residuals(fit) * xr
  if (binary) {
    at <- binomial_derivatives(coef(fit), xr, cbind(yr, 1 - yr), rep(1, length(rows)),
                               rep(0, length(rows)), links[[link]])
    bread_ <- inverse(at$information)
    scores <- estfun(fit)
    stopifnot(abs(at$gradient) < 1e-7 * sqrt(diag(at$information)))
  }
  n <- length(rows)
  k <- ncol(x)
  count <- length(unique(groups[rows]))
  sums <- rowsum(scores, groups[rows])
  middles <- list(crossprod(scores), crossprod(scores) * n / (n - k),
                  crossprod(sums) * count / (count - 1) * (n - 1) / (n - k))
  observed <- setNames(lapply(middles, function(m) bread_ %*% m %*% bread_), kinds)
  if (!binary || link == "logit") for (kind in kinds) {
    stopifnot(apart(sqrt(diag(own[[kind]])), sqrt(diag(observed[[kind]]))) < 1e-9)
  }
  data <- list(columns = columns, y = y, groups = groups)
  data$weights <- weights
  write_case(name, list(
    description = one(description), source = one(source), tool = one("R sandwich"),
    version = one(versions("sandwich", "MASS", "jsonlite")),
    call = one(paste0(call, "; vcovHC(type = 'HC0'), vcovHC(type = 'HC1'), vcovCL(type = 'HC1')")),
    family = one(if (binary) "Binomial" else "Gaussian"),
    options = if (binary) lapply(c(list(link = link), options), one) else list(), data = data,
    expected = list(names = colnames(x), params = unname(coef(fit)), std_errors = errors(own),
                    observed = errors(observed), n_groups = one(count), n_obs = one(n))),
    kind = "robust")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

for (link in c("logit", "probit")) robust_case(
  paste0("binomial_birthwt_", link), "Low birth weight of 189 babies, grouped by mother's age",
  paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression"),
  as.list(birthwt[c("lwt", "smoke", "ht", "ui")]), birthwt$low, as.integer(birthwt$age),
  paste0("glm(low ~ lwt + smoke + ht + ui, binomial('", link, "'))"), link)
for (link in c("logit", "probit", "cloglog")) robust_case(
  paste0("binomial_bacteria_", link), "H. influenzae at 220 visits, grouped by child",
  paste0(mass, "bacteria; Dr A. Leach, Menzies School of Health Research, Darwin"),
  c(as.list(bacteria["week"]), dummies("treatment", bacteria$trt)), as.character(bacteria$y),
  as.character(bacteria$ID), paste0("glm(y == 'y' ~ week + trt, binomial('", link, "'))"), link,
  options = list(success = "y"))
titanic <- as.data.frame(Titanic)
robust_case(
  "binomial_titanic_logit", "Survival of 2201 people in 32 rows, frequency weights (8 of them 0)",
  paste0(base, "Titanic; Dawson (1995), Journal of Statistics Education 3"),
  c(dummies("sex", titanic$Sex), dummies("age", titanic$Age)), as.character(titanic$Survived),
  paste(titanic$Class, titanic$Sex), paste(
    "glm(Survived == 'Yes' ~ Sex + Age, binomial) on titanic[rep(1:32, titanic$Freq), ],",
    "grouped by class and sex"), "logit",
  options = list(success = "Yes"), weights = titanic$Freq)
robust_case(
  "gaussian_chicks", "Weight of 50 chicks on up to 12 days by diet, grouped by chick",
  paste0(base, "ChickWeight; Crowder and Hand (1990), Analysis of Repeated Measures"),
  c(list(days = ChickWeight$Time), dummies("diet", ChickWeight$Diet)), ChickWeight$weight,
  as.integer(as.character(ChickWeight$Chick)), "glm(weight ~ Time + Diet)")
