# Gaussian regression by lm: one JSON file per case, read by tests/likelihood/test_references.py.
# Needs R with the package jsonlite.
#
# estkit estimates the variance by maximum likelihood (divisor n), lm by the divisor n - p. So the
# standard errors here are lm's times sqrt((n - p) / n). logLik, AIC and BIC are R's as they stand:
# they are taken at the maximum likelihood variance and count sigma as a parameter.
source("tests/references/case.R")

gaussian_case <- function(name, description, source, columns, y, call, intercept = TRUE,
                          weights = NULL, offset = NULL) {
  x <- design(columns, intercept)
  rows <- repeats(weights, nrow(x))
  check_rank(sweep(x, 2, sqrt(colSums(x^2)), "/")[unique(rows), , drop = FALSE])
  xr <- x[rows, , drop = FALSE]
  yr <- y[rows]
  or <- if (is.null(offset)) rep(0, length(rows)) else as.numeric(offset[rows])
  fit <- lm(yr ~ xr - 1, offset = or, tol = 1e-12)
  n <- nobs(fit)
  divisor <- (n - ncol(x)) / n
  sigma <- sqrt(sum(residuals(fit)^2) / n)
  stopifnot(all(is.finite(coef(fit))),
            all.equal(sum(dnorm(residuals(fit), sd = sigma, log = TRUE)), as.numeric(logLik(fit))))
  expected <- list(
    names = colnames(x), params = unname(coef(fit)),
    std_errors = unname(sqrt(diag(vcov(fit)) * divisor)), sigma = one(sigma),
    loglik = one(as.numeric(logLik(fit))), aic = one(AIC(fit)), bic = one(BIC(fit)),
    n_obs = one(n))
  data <- list(columns = columns, y = y)
  data$weights <- weights
  data$offset <- offset
  write_case(name, list(
    description = one(description), source = one(source), tool = one("R stats::lm"),
    version = one(versions("jsonlite")),
    call = one(paste0(call, "; standard errors times sqrt((n - p) / n)")), family = one("Gaussian"),
    options = setNames(list(), character()), data = data, intercept = one(intercept),
    expected = expected))
}

base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

gaussian_case(
  "gaussian_cars", "Stopping distance of 50 cars by speed",
  paste0(base, "cars; Ezekiel (1930), Methods of Correlation Analysis"),
  list(speed = cars$speed), cars$dist, "lm(dist ~ speed)")
gaussian_case(
  "gaussian_cars_no_intercept", "Stopping distance by speed and its square, through the origin",
  paste0(base, "cars; Ezekiel (1930), Methods of Correlation Analysis"),
  list(speed = cars$speed, speed_squared = cars$speed^2), cars$dist,
  "lm(dist ~ speed + I(speed^2) - 1)", intercept = FALSE)

swiss_columns <- c("Agriculture", "Examination", "Education", "Catholic", "Infant.Mortality")
swiss_source <- paste0(base, "swiss; Mosteller and Tukey (1977), Data Analysis and Regression")
gaussian_case(
  "gaussian_swiss", "Fertility in 47 Swiss provinces by five indicators", swiss_source,
  as.list(swiss[swiss_columns]), swiss$Fertility, "lm(Fertility ~ ., swiss)")
gaussian_case(
  "gaussian_swiss_offset", "The provinces with the slope of education held at -1 by an offset",
  swiss_source, as.list(swiss[c("Agriculture", "Catholic")]), swiss$Fertility,
  "lm(Fertility ~ Agriculture + Catholic + offset(-Education), swiss)", offset = -swiss$Education)

gaussian_case(
  "gaussian_stackloss", "Loss of ammonia on 21 days by three columns",
  paste0(base, "stackloss; Brownlee (1965), Statistical Theory and Methodology"),
  as.list(stackloss[1:3]), stackloss$stack.loss, "lm(stack.loss ~ ., stackloss)")

# Nearly collinear columns of sizes from 1 to 1e5 (condition 5e9): where normal equations lose all.
gaussian_case(
  "gaussian_longley", "Employment in the USA in 16 years by six nearly collinear columns",
  paste0(base, "longley; Longley (1967), Journal of the American Statistical Association 62"),
  as.list(longley[1:6]), longley$Employed, "lm(Employed ~ ., longley, tol = 1e-12)")

sprays <- as.data.frame(table(count = InsectSprays$count, spray = InsectSprays$spray))
sprays <- sprays[sprays$Freq > 0, ]
gaussian_case(
  "gaussian_insectsprays", paste("Insects on 72 plots by spray, equal plots as one row with a",
                                 "frequency weight; lm saw the 72"),
  paste0(base, "InsectSprays; Beall (1942), Biometrika 32"), dummies("spray", sprays$spray),
  as.integer(as.character(sprays$count)), "lm(count ~ spray, InsectSprays)", weights = sprays$Freq)
