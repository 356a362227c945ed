# Profile-likelihood intervals by root finding: one JSON file per case in profile/, read by
# tests/likelihood/test_references_profile.py. Needs R with the packages nnet, MASS (data) and
# jsonlite.
#
# A limit is where twice the fall of the log-likelihood, maximised over the other coefficients (and
# the Gaussian variance), is the quantile of chi-squared. MASS's confint interpolates with a spline;
# here uniroot goes to the last digits, on maxima found by Newton steps, and another maximiser (glm
# or lm with the coefficient held by an offset, optim for softmax) must find the same fall there.
source("tests/references/case.R")
source("tests/references/binomial.R")
library(MASS)

# at(b): log-likelihood, gradient and information; b: the maximum.
limits <- function(b, at, level) {
  wanted <- qchisq(level, 1)
  top <- at(b)
  covariance <- inverse(top$information)
  one_side <- function(j, sign_) {
    rest <- setdiff(seq_along(b), j)
    error <- sqrt(covariance[j, j])
    path <- covariance[, j] / error^2
    held_at <- function(u) {  # u: how many standard errors away
      held <- b + sign_ * u * error * path
      if (!length(rest)) return(at(held)$loglik)
      part <- function(r) {
        held[rest] <<- r
        d <- at(held)
        list(loglik = d$loglik, gradient = d$gradient[rest],
             information = d$information[rest, rest, drop = FALSE])
      }
      newton(held[rest], part)$loglik
    }
    root <- sqrt(wanted)
    above <- function(u) sqrt(2 * max(top$loglik - held_at(u), 0)) - root
    b[j] + sign_ * error * uniroot(above, root * c(0.5, 1.5), extendInt = "upX",
                                   tol = 1e-13)$root
  }
  t(vapply(seq_along(b), function(j) c(one_side(j, -1), one_side(j, 1)), c(0, 0)))
}

# fall(j, value): twice the fall, by the other maximiser, with coefficient j held at value.
write_profile <- function(name, description, source, columns, y, call, family, options, level,
                          names_, b, found, fall, tool) {
  for (j in seq_along(b)) for (side in 1:2) {
    stopifnot(abs(fall(j, found[j, side]) - qchisq(level, 1)) < 1e-7)
  }
  write_case(name, list(
    description = one(description), source = one(source), tool = one(paste("R uniroot on", tool)),
    version = one(versions("nnet", "MASS", "jsonlite")), call = one(call), family = one(family),
    options = lapply(options, one), data = list(columns = columns, y = y), level = one(level),
    expected = list(names = names_, params = unname(b), limits = unname(found))), kind = "profile")
}

tight <- glm.control(epsilon = 1e-14, maxit = 200)
binomial_case <- function(name, description, source, columns, y, call, link, level = 0.95) {
  x <- design(columns)
  counts <- if (is.matrix(y)) y else cbind(y, 1 - y)
  at <- function(b) {
    binomial_derivatives(b, x, counts, rep(1, nrow(x)), rep(0, nrow(x)), links[[link]])
  }
  top <- glm(counts ~ x - 1, family = binomial(link), control = tight)
  best <- newton(unname(coef(top)), at)
  fall <- function(j, value) {
    rest <- x[, -j, drop = FALSE]
    held <- glm(counts ~ rest - 1, family = binomial(link), control = tight,
                offset = x[, j] * value)
    2 * as.numeric(logLik(top) - logLik(held))
  }
  write_profile(paste0("binomial_", name, "_", link), description, source, columns, y, call,
                "Binomial", list(link = link), level, colnames(x), best$b,
                limits(best$b, at, level), fall, "glm")
}

gaussian_case <- function(name, description, source, columns, y, call, level = 0.95) {
  x <- design(columns)
  n <- nrow(x)
  top <- lm(y ~ x - 1, tol = 1e-12)
  b <- unname(coef(top))
  fall <- function(j, value) {
    rest <- x[, -j, drop = FALSE]
    2 * as.numeric(logLik(top) - logLik(lm(y ~ rest - 1, offset = x[, j] * value, tol = 1e-12)))
  }
  error <- sqrt(diag(vcov(top)) * (n - ncol(x)) / n)
  root <- sqrt(qchisq(level, 1))
  found <- t(vapply(seq_along(b), function(j) vapply(c(-1, 1), function(sign_) {
    above <- function(u) sqrt(max(fall(j, b[j] + sign_ * u * error[j]), 0)) - root
    b[j] + sign_ * error[j] * uniroot(above, root * c(0.5, 1.5), extendInt = "upX",
                                      tol = 1e-13)$root
  }, 0), c(0, 0)))
  # The same in closed form: the residual sum of squares is a parabola.
  closed <- sqrt(n * expm1(root^2 / n)) * error
  stopifnot(apart(found, cbind(b - closed, b + closed), cbind(error, error)) < 1e-10)
  write_profile(paste0("gaussian_", name), description, source, columns, y, call, "Gaussian",
                list(), level, colnames(x), b, found, fall, "lm")
}

softmax_case <- function(name, description, source, columns, y, call, level = 0.95) {
  x <- design(columns)
  outcomes <- sort(unique(y), method = "radix")
  counts <- outer(y, outcomes, "==") * 1
  k <- length(outcomes) - 1
  at <- function(b) {
    e <- exp(cbind(0, x %*% matrix(b, ncol(x))))
    p <- e / rowSums(e)
    blocks <- lapply(1:k, function(i) do.call(cbind, lapply(1:k, function(j) {
      crossprod(x, p[, i + 1] * ((i == j) - p[, j + 1]) * x)
    })))
    list(loglik = sum((counts * log(p))[counts > 0]), information = do.call(rbind, blocks),
         gradient = as.vector(crossprod(x, (counts - p)[, -1])))
  }
  top <- nnet::multinom(counts ~ x - 1, reltol = 0, abstol = 0, maxit = 10000, trace = FALSE)
  best <- newton(as.vector(t(matrix(coef(top), ncol = ncol(x)))), at)
  # multinom holds no single coefficient: optim goes down from where the others were
  fall <- function(j, value) {
    held <- function(r) append(r, value, j - 1)
    low <- optim(best$b[-j], function(r) -at(held(r))$loglik, function(r) -at(held(r))$gradient[-j],
                 method = "BFGS", control = list(reltol = 1e-16, maxit = 1000))
    2 * (best$loglik + low$value)
  }
  terms <- paste(rep(outcomes[-1], each = ncol(x)), colnames(x), sep = ":")
  write_profile(paste0("softmax_", name), description, source, columns, y, call, "Softmax",
                list(reference = outcomes[1]), level, terms, best$b, limits(best$b, at, level),
                fall, "multinom's log-likelihood")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

race <- factor(birthwt$race, 1:3, c("white", "black", "other"))
babies <- c(birthwt[c("age", "lwt")], dummies("race", race),
            birthwt[c("smoke", "ptl", "ht", "ui", "ftv")])
for (link in c("logit", "probit")) binomial_case(
  "birthwt", "Low birth weight of 189 babies, nine columns, outcome 0/1",
  paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression"), babies,
  birthwt$low, paste0("glm(low ~ age + lwt + race + smoke + ptl + ht + ui + ftv, binomial('", link,
                      "'))"), link)
dead <- c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16)
for (link in c("logit", "cloglog")) binomial_case(
  "budworm", "Tobacco budworms killed of 20 at six doses of two sexes, counts, level 0.99",
  paste0("Documentation of R package MASS (dose.p), public data: ",
         "Collett (1991), Modelling Binary Data, p. 75"),
  list(male = rep(1:0, each = 6), log2dose = rep(0:5, 2)),
  cbind(dead, 20 - dead, deparse.level = 0),
  paste0("glm(cbind(dead, 20 - dead) ~ male + log2dose, binomial('", link, "'))"), link,
  level = 0.99)
binomial_case(
  "mtcars", "Manual gear box of 32 cars, nearly separated: far from symmetric",
  paste0(base, "mtcars; Henderson and Velleman (1981), Biometrics 37"), as.list(mtcars["wt"]),
  mtcars$am, "glm(am ~ wt, binomial)", "logit")

gaussian_case(
  "swiss", "Fertility in 47 Swiss provinces by five indicators",
  paste0(base, "swiss; Mosteller and Tukey (1977), Data Analysis and Regression"),
  as.list(swiss[c("Agriculture", "Examination", "Education", "Catholic", "Infant.Mortality")]),
  swiss$Fertility, "lm(Fertility ~ ., swiss)")
softmax_case(
  "iris", "Species of 150 irises by sepal width",
  paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59"),
  list(sepal_width = iris$Sepal.Width), as.character(iris$Species),
  "multinom(Species ~ Sepal.Width)")
softmax_case(
  "infert", "Number of induced abortions (0, 1, 2) of 248 women",
  paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83"),
  as.list(infert[c("age", "parity", "spontaneous")]),
  c("none", "one", "two")[infert$induced + 1], "multinom(induced ~ age + parity + spontaneous)")
