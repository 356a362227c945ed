# Ridge, lasso and elastic net by glmnet, polished: one JSON file per case in penalised/, read by
# tests/likelihood/test_references_penalised.py. Needs R with the packages glmnet, MASS (data) and
# jsonlite.
#
# What is maximised is loglik - sum over columns of strength * (ratio |b| + (1 - ratio) / 2 b^2),
# loglik the sum over rows, intercepts free. That is n times what glmnet minimises, its lambda being
# strength / n, with standardize = FALSE. glmnet finds the signs and the zeros; Newton steps on the
# columns that are not zero go on to the optimum, which the conditions of Karush, Kuhn and Tucker
# certify whatever way it was found: `kkt` is their largest violation, in units of the strength, and
# `slack` how far the zeros are from moving, in the same units.
# Softmax is glmnet's symmetric form, a coefficient for each outcome, intercepts that add up to 0;
# or, where a reference is named, the form in which the reference has none.
source("tests/references/case.R")
suppressMessages(library(glmnet))
library(MASS)

# counts: rows by outcomes; b: columns by outcomes, of which `kept` have coefficients.
loglik_of <- function(p, counts) sum((counts * log(p))[counts > 0])
shares <- function(b, x, kept, outcomes) {
  eta <- matrix(0, nrow(x), outcomes)
  eta[, kept] <- x %*% matrix(b, ncol(x))
  eta <- eta - apply(eta, 1, max)
  exp(eta) / rowSums(exp(eta))
}

derivatives <- function(b, x, counts, kept) {
  p <- shares(b, x, kept, ncol(counts))
  total <- rowSums(counts)
  blocks <- lapply(kept, function(i) do.call(cbind, lapply(kept, function(j) {
    crossprod(x, total * p[, i] * ((i == j) - p[, j]) * x)
  })))
  list(loglik = loglik_of(p, counts), information = do.call(rbind, blocks),
       gradient = as.vector(crossprod(x, (counts - total * p)[, kept, drop = FALSE])))
}

# For the form with a reference, which glmnet has not: coordinate descent on the quadratic around b,
# again and again, only as far as the zeros and signs are found.
descend <- function(x, counts, kept, s, ratio) {
  b <- numeric(length(s))
  value <- function(b) {
    p <- shares(b, x, kept, ncol(counts))
    loglik_of(p, counts) - sum(s * (ratio * abs(b) + (1 - ratio) / 2 * b^2))
  }
  for (i in 1:200) {
    d <- derivatives(b, x, counts, kept)
    to <- b
    for (sweep in 1:500) {
      before <- to
      for (j in seq_along(b)) {
        slope <- d$gradient[j] - sum(d$information[j, ] * (to - b)) + d$information[j, j] * to[j]
        size <- max(abs(slope) - s[j] * ratio, 0) * sign(slope)
        to[j] <- size / (d$information[j, j] + s[j] * (1 - ratio))
      }
      if (max(abs(to - before)) < 1e-9) break
    }
    length_ <- 1
    while (value(b + length_ * (to - b)) < value(b) && length_ > 1e-6) length_ <- length_ / 2
    moved <- max(abs(to - b))
    b <- if (length_ == 1) to else b + length_ * (to - b)
    if (moved < 1e-8) break
  }
  b
}

# s: the strength of every coefficient, 0 for intercepts. The signs stay those of the start.
polish <- function(b, x, counts, kept, s, ratio) {
  sign_ <- sign(b) * (s > 0)
  active <- b != 0 | s == 0 | ratio == 0
  intercepts <- s == 0 & rep(colnames(x) == "intercept", length(kept))
  gauge <- if (length(kept) == ncol(counts)) outer(intercepts, intercepts) * sum(counts) else 0
  for (i in 1:50) {
    d <- derivatives(b, x, counts, kept)
    slope <- d$gradient - s * (ratio * sign_ + (1 - ratio) * b)
    curve <- d$information + diag(s * (1 - ratio), length(s)) + gauge
    step <- numeric(length(b))
    step[active] <- inverse(curve[active, active, drop = FALSE]) %*% slope[active]
    if (max(abs(step)) < 1e-14 * max(abs(b))) break
    b <- b + step
  }
  unit <- max(s)
  slack <- if (any(!active)) (ratio * s - abs(d$gradient))[!active] / unit else NULL
  kkt <- max(abs(slope[active])) / unit
  stopifnot(ratio == 0 | (sign(b) == sign_)[s > 0], kkt < 1e-11, abs(step) < 1e-11, slack > 1e-4)
  list(b = b, loglik = d$loglik, kkt = kkt, slack = min(slack, Inf),
       penalty = sum(s * (ratio * abs(b) + (1 - ratio) / 2 * b^2)))
}

# One fit for each strength. factors: how strongly each column is penalised, by its name.
penalised_case <- function(name, description, source, columns, y, call, family, strengths, ratio,
                           options = list(), reference = NULL, weights = NULL, factors = NULL) {
  x <- design(columns)
  binary <- family == "Binomial"
  outcomes <- if (binary) 0:1 else as.character(sort(unique(y), method = "radix"))
  single <- if (is.character(y) && binary) as.integer(y == options$success) else y
  counts <- if (is.matrix(y)) y[, 2:1] else outer(as.character(single), outcomes, "==") * 1
  w <- if (is.null(weights)) rep(1, nrow(x)) else weights
  counts <- w * counts
  kept <- if (binary) 2 else setdiff(seq_along(outcomes), match(reference, outcomes))
  factor_ <- if (is.null(factors)) rep(1, ncol(x) - 1) else factors
  n <- sum(counts)
  fits <- lapply(strengths, function(strength) {
    s <- rep(c(0, strength * factor_), length(kept))
    if (binary || is.null(reference)) {
      # glmnet goes down a path; the strength wanted is its last
      path <- strength * mean(factor_) / n * 2^(8:0)
      fit <- glmnet(x[, -1, drop = FALSE], counts, tolower(if (binary) family else "multinomial"),
                    alpha = ratio, lambda = path, standardize = FALSE, thresh = 1e-15,
                    maxit = 1e8, penalty.factor = factor_)
      last <- coef(fit, s = min(path))
      start <- unlist(lapply(if (binary) list(last) else last, as.vector))
    } else {
      start <- descend(x, counts, kept, s, ratio)
    }
    best <- polish(start, x, counts, kept, s, ratio)
    stopifnot(max(abs(start - best$b)) < 1e-4)
    best
  })
  ways <- if (is.matrix(y)) sum(lchoose(rowSums(y), y[, 1])) else 0
  take <- function(what) vapply(fits, `[[`, 0, what)
  labels_ <- if (binary) colnames(x) else {
    paste(rep(outcomes[kept], each = ncol(x)), colnames(x), sep = ":")
  }
  expected <- list(
    names = labels_, params = do.call(rbind, lapply(fits, `[[`, "b")),
    loglik = take("loglik") + ways,
    objective = take("loglik") + ways - take("penalty"), kkt = take("kkt"), slack = take("slack"),
    n_obs = one(if (is.matrix(y)) nrow(x) else sum(w)))
  data <- list(columns = columns, y = y)
  data$weights <- weights
  kind <- if (ratio == 1) "L1" else if (ratio == 0) "L2" else "ElasticNet"
  penalty <- list(kind = one(kind), strengths = strengths, ratio = one(ratio))
  if (!is.null(factors)) penalty$factors <- as.list(setNames(factors, colnames(x)[-1]))
  if (!is.null(factors)) penalty$factors <- lapply(penalty$factors, one)
  if (!binary && is.null(reference)) options$symmetric <- TRUE
  options$reference <- reference
  write_case(paste0(tolower(family), "_", name), list(
    description = one(description), source = one(source),
    tool = one(if (is.null(reference)) "R glmnet, polished" else "R, own solver"),
    version = one(versions("glmnet", "MASS", "jsonlite")),
    call = one(paste0(call, if (is.null(reference)) paste0(
      ", alpha = ", ratio, ", lambda = strength / n, standardize = FALSE, thresh = 1e-15)"),
      "; Newton steps on the columns that are not 0 to the optimum")),
    family = one(family), options = lapply(options, one),
    penalty = penalty, data = data, expected = expected), kind = "penalised")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- binomial ---

race <- factor(birthwt$race, 1:3, c("white", "black", "other"))
birthwt_source <- paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression")
birthwt_columns <- c(lapply(birthwt[c("age", "lwt")], `/`, 10), dummies("race", race),
                     birthwt[c("smoke", "ptl", "ht", "ui", "ftv")])
for (ratio in c(1, 0.5, 0)) penalised_case(
  paste0("birthwt_", c("l2", "net", "l1")[1 + 2 * ratio]),
  "Low birth weight of 189 babies, ages and weights in tens", birthwt_source, birthwt_columns,
  birthwt$low, "glmnet(x, low, 'binomial'", "Binomial", c(20, 5, 1, 0.1), ratio)
penalised_case(
  "birthwt_factors", "The babies, race free and age penalised four times as strongly",
  birthwt_source, birthwt_columns, birthwt$low, "glmnet(x, low, 'binomial', penalty.factor",
  "Binomial", c(4, 1), 1, factors = c(4, 1, 0, 0, 1, 1, 1, 1, 1))

pima_columns <- as.list(Pima.tr[c("npreg", "glu", "bp", "skin", "bmi", "ped", "age")])
penalised_case(
  "pima_l1", "Diabetes in 200 Pima women, columns of very different scales",
  paste0(mass, "Pima.tr; Smith et al (1988), US National Institute of Diabetes"), pima_columns,
  as.character(Pima.tr$type), "glmnet(x, type, 'binomial'", "Binomial", c(100, 10, 1), 1,
  options = list(success = "Yes"))

dose <- rep(0:5, 2)
dead <- c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16)
penalised_case(
  "budworm_net", "Tobacco budworms killed of 20 at six doses of two sexes, counts",
  paste0("Documentation of R package MASS (dose.p), public data: ",
         "Collett (1991), Modelling Binary Data, p. 75"),
  list(male = rep(1:0, each = 6), log2dose = dose), cbind(dead, 20 - dead, deparse.level = 0),
  "glmnet(x, cbind(alive, dead), 'binomial'", "Binomial", c(30, 5, 1), 0.7)
titanic <- as.data.frame(Titanic)
penalised_case(
  "titanic_l1", "Survival of 2201 people in 32 rows, frequency weights (8 of them 0)",
  paste0(base, "Titanic; Dawson (1995), Journal of Statistics Education 3"),
  c(dummies("class", titanic$Class), dummies("sex", titanic$Sex), dummies("age", titanic$Age)),
  as.character(titanic$Survived), "glmnet(x, Survived, 'binomial', weights = Freq", "Binomial",
  c(50, 10, 1), 1, options = list(success = "Yes"), weights = titanic$Freq)
two <- iris[iris$Species != "virginica", ]
for (ratio in c(1, 0)) penalised_case(
  paste0("iris_", c("l2", "l1")[1 + ratio]), "Two species of irises, completely separated",
  paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59"),
  setNames(as.list(two[1:4]), c("sepal_length", "sepal_width", "petal_length", "petal_width")),
  as.integer(two$Species == "versicolor"), "glmnet(x, Species, 'binomial'", "Binomial",
  c(10, 1, 0.1), ratio)

set.seed(20)
wide <- round(matrix(rnorm(30 * 60), 30), 2)
hit <- as.integer(wide[, 1] - wide[, 2] + round(rnorm(30), 2) > 0)
wide_columns <- setNames(as.list(as.data.frame(wide)), paste0("x", 0:59))
for (ratio in c(1, 0.5)) penalised_case(
  paste0("wide_", c("net", "l1")[2 * ratio]), "Sixty columns for thirty rows", paste0(
    "Made here: set.seed(20), normal columns rounded to two decimals"), wide_columns, hit,
  "glmnet(x, hit, 'binomial'", "Binomial", c(4, 2, 1), ratio)

# --- softmax, symmetric and with a reference ---

iris_columns <- setNames(as.list(iris[1:4]),
                         c("sepal_length", "sepal_width", "petal_length", "petal_width"))
iris_source <- paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59")
for (ratio in c(1, 0.5, 0)) penalised_case(
  paste0("iris_", c("l2", "net", "l1")[1 + 2 * ratio]), "Species of 150 irises by four columns",
  iris_source, iris_columns, as.character(iris$Species), "glmnet(x, Species, 'multinomial'",
  "Softmax", c(20, 5, 1), ratio)
for (ratio in c(1, 0.5, 0)) penalised_case(
  paste0("iris_reference_", c("l2", "net", "l1")[1 + 2 * ratio]),
  "The irises with virginica as the reference, which has no coefficients", iris_source,
  iris_columns, as.character(iris$Species), "coordinate descent on the quadratic, again and again",
  "Softmax", c(20, 5, 1), ratio, reference = "virginica")
cars_columns <- list(price = Cars93$Price / 10, horsepower = Cars93$Horsepower / 100,
                     length = Cars93$Length / 100, mpg = Cars93$MPG.city / 10,
                     manual = as.integer(Cars93$Man.trans.avail == "Yes"))
for (ratio in c(1, 0)) penalised_case(
  paste0("cars93_", c("l2", "l1")[1 + ratio]), "Drive train of 93 cars by five columns",
  paste0(mass, "Cars93; Lock (1993), Journal of Statistics Education 1"), cars_columns,
  as.character(Cars93$DriveTrain), "glmnet(x, DriveTrain, 'multinomial'", "Softmax", c(5, 1, 0.3),
  ratio)
