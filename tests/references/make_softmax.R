# Softmax regression by nnet::multinom, polished: one JSON file per case, read by
# tests/likelihood/test_references.py. Needs R with the packages nnet, MASS (data) and jsonlite.
#
# multinom stops as soon as its BFGS line search finds nothing better, up to 1e-6 from the optimum
# here even with reltol = abstol = 0. So its answer is the start of Newton steps written out below,
# with an information matrix first compared with multinom's own Hessian at multinom's own point.
#
# Two conventions differ from nnet:
# - nnet's deviance leaves out the multinomial coefficient of count rows, so counts and single rows
#   give one value. The cases hold the full log-likelihood; the coefficient is added by lgamma, and
#   is 0 for single rows and for frequency weights (which are repeats of single rows).
# - nnet takes the total of the counts for the number of observations. With the coefficient the
#   observation is the row, as in glm(binomial), so n_obs of count rows is the number of rows.
source("tests/references/case.R")
library(MASS)
library(nnet)

# Class probabilities at b, a matrix with one column of coefficients per outcome but the first;
# the offset has a column for each outcome.
probabilities <- function(b, x, offset) {
  eta <- cbind(0, x %*% b) + offset
  eta <- eta - apply(eta, 1, max)
  exp(eta) / rowSums(exp(eta))
}

# Log-likelihood without the coefficient, its gradient and the information, outcome-major.
derivatives <- function(b, x, counts, offset) {
  p <- probabilities(b, x, offset)
  total <- rowSums(counts)
  k <- ncol(counts) - 1
  gradient <- as.vector(crossprod(x, (counts - total * p)[, -1, drop = FALSE]))
  blocks <- lapply(seq_len(k), function(i) do.call(cbind, lapply(seq_len(k), function(j) {
    crossprod(x, total * p[, i + 1] * ((i == j) - p[, j + 1]) * x)
  })))
  list(loglik = sum(counts[counts > 0] * log(p[counts > 0])), gradient = gradient,
       information = do.call(rbind, blocks))
}

# Newton steps from multinom's answer until the step is lost in rounding.
polish <- function(b, x, counts, offset) {
  for (i in 1:50) {
    d <- derivatives(b, x, counts, offset)
    covariance <- inverse(d$information)
    step <- as.vector(covariance %*% d$gradient)
    if (max(abs(step) / sqrt(diag(covariance))) < 1e-12) break
    b <- b + step
  }
  stopifnot(i < 50, abs(step) < 1e-10 * pmax(abs(b), 1e-3), max(abs(b)) < 1e3)
  list(b = b, loglik = d$loglik, std_errors = sqrt(diag(covariance)), steps = i - 1)
}

# counts: rows by outcomes, the first outcome being the reference.
multinom_start <- function(x, counts, offset) {
  # With an offset, Hess = TRUE ends in an error (nnet 7.3-18): that case goes without.
  plain <- all(offset == 0)
  model <- if (plain) counts ~ x - 1 else counts ~ x - 1 + offset(offset)
  fit <- multinom(model, Hess = plain, reltol = 0, abstol = 0, maxit = 10000, trace = FALSE)
  b <- t(matrix(coef(fit), ncol = ncol(x)))
  own <- derivatives(b, x, counts, offset)
  stopifnot(!plain || max(abs(own$information - fit$Hessian)) < 1e-8 * max(abs(fit$Hessian)),
            abs(own$loglik + fit$deviance / 2) < 1e-8 * abs(own$loglik), fit$convergence == 0)
  b
}

softmax_case <- function(name, description, source, columns, y, call, reference = NULL,
                         intercept = TRUE, weights = NULL, offset = NULL) {
  x <- design(columns, intercept)
  outcomes <- if (is.list(y)) names(y) else as.character(sort(unique(y), method = "radix"))
  if (!is.null(reference)) outcomes <- c(reference, setdiff(outcomes, reference))
  if (is.list(y)) {
    counts <- do.call(cbind, y[outcomes])
    kept <- repeats(NULL, nrow(x))
  } else {
    counts <- outer(as.character(y), outcomes, "==") * 1
    kept <- repeats(weights, nrow(x))
  }
  check_rank(x[unique(kept), ])
  xr <- unname(x)[kept, , drop = FALSE]
  counts <- counts[kept, ]
  or <- matrix(0, nrow(x), length(outcomes))
  if (!is.null(offset)) or <- unname(do.call(cbind, offset[outcomes]))
  or <- or[kept, ]
  best <- polish(multinom_start(xr, counts, or), xr, counts, or)
  coefficient <- sum(lgamma(rowSums(counts) + 1)) - sum(lgamma(counts + 1))
  loglik <- best$loglik + coefficient
  terms <- paste(rep(outcomes[-1], each = ncol(x)), colnames(x), sep = ":")
  expected <- c(
    list(names = terms, params = as.vector(best$b), std_errors = best$std_errors,
         loglik = one(loglik)),
    lapply(criteria(loglik, length(best$b), nrow(counts)), one), list(n_obs = one(nrow(counts))))
  data <- list(columns = columns, y = y)
  data$weights <- weights
  data$offset <- offset
  options <- setNames(list(), character())
  options$reference <- if (!is.null(reference)) one(reference)
  write_case(name, list(
    description = one(description), source = one(source), tool = one("R nnet::multinom, polished"),
    version = one(versions("nnet", "MASS", "jsonlite")),
    call = one(paste0(call, "; reltol = 0, abstol = 0, maxit = 10000; ",
                      "Newton steps from its answer to the optimum: ", best$steps,
                      "; standard errors from the Hessian there; ",
                      "multinomial coefficient of counts added by lgamma")),
    family = one("Softmax"), options = options, data = data, intercept = one(intercept),
    expected = expected))
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- one outcome a row ---

race <- c("white", "black", "other")[birthwt$race]
softmax_case(
  "softmax_birthwt", "Race of 189 mothers by four columns", paste0(
    mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression"),
  as.list(birthwt[c("age", "lwt", "smoke", "low")]), race,
  "multinom(race ~ age + lwt + smoke + low)")

iris_source <- paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59")
softmax_case(
  "softmax_iris", "Species of 150 irises by sepal width (with both sepal columns setosa separates)",
  iris_source, list(sepal_width = iris$Sepal.Width), as.character(iris$Species),
  "multinom(Species ~ Sepal.Width)")
softmax_case(
  "softmax_iris_reference", "The irises by sepal length, with the last species as the reference",
  iris_source, list(sepal_length = iris$Sepal.Length), as.character(iris$Species),
  "multinom(relevel(Species, 'virginica') ~ Sepal.Length)", reference = "virginica")

softmax_case(
  "softmax_infert", "Number of induced abortions (0, 1, 2) of 248 women, whole numbers as labels",
  paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83"),
  as.list(infert[c("age", "parity", "spontaneous", "case")]), as.integer(infert$induced),
  "multinom(induced ~ age + parity + spontaneous + case)")

softmax_case(
  "softmax_pima", "Two outcomes only, diabetes in 200 Pima women: softmax is the binomial model",
  paste0(mass, "Pima.tr; Smith et al (1988), US National Institute of Diabetes"),
  as.list(Pima.tr[c("glu", "bmi", "age")]), as.character(Pima.tr$type),
  "multinom(type ~ glu + bmi + age)")

softmax_case(
  "softmax_cars93", "Drive train of 93 cars by price and weight, no intercept",
  paste0(mass, "Cars93; Lock (1993), Journal of Statistics Education 1"),
  list(price = Cars93$Price, tonnes = Cars93$Weight / 2000), as.character(Cars93$DriveTrain),
  "multinom(DriveTrain ~ Price + I(Weight / 2000) - 1)", intercept = FALSE)

# --- frequency weights and counts of the same survey, another reference, four outcomes ---

unordered <- function(x) factor(as.character(x), levels(x))
housing_source <- paste0(mass, "housing; Madsen (1976), Scandinavian Journal of Statistics 3")
housing_columns <- function(rows) {
  c(dummies("influence", rows$Infl), dummies("type", rows$Type), dummies("contact", rows$Cont))
}
softmax_case(
  "softmax_housing", paste("Satisfaction of 1681 Copenhagen tenants in 72 rows, frequency weights;",
                           "multinom saw each row repeated weight times"), housing_source,
  housing_columns(housing), as.character(housing$Sat),
  "multinom(as.character(Sat) ~ Infl + Type + Cont) on housing[rep(1:72, housing$Freq), ]",
  weights = housing$Freq)

satisfaction <- split(housing$Freq, unordered(housing$Sat))
groups <- housing[housing$Sat == "Low", ]
softmax_case(
  "softmax_housing_counts", "The tenants as counts, 24 groups by Low, Medium, High", housing_source,
  housing_columns(groups), satisfaction,
  "multinom(cbind(Low, Medium, High) ~ Infl + Type + Cont), 24 rows")
softmax_case(
  "softmax_housing_counts_reference", "The tenants as counts with Medium as the reference",
  housing_source, housing_columns(groups), satisfaction,
  "multinom(cbind(Medium, Low, High) ~ Infl + Type + Cont), 24 rows", reference = "Medium")

hair <- as.data.frame(HairEyeColor)
heads <- hair[hair$Eye == "Brown", ]
softmax_case(
  "softmax_eyes", "Eye colour of 592 students, counts, 8 groups by four outcomes",
  paste0(base, "HairEyeColor; Snee (1974), The American Statistician 28"),
  c(dummies("hair", heads$Hair), dummies("sex", heads$Sex)), split(hair$Freq, hair$Eye),
  "multinom(cbind(Brown, Blue, Hazel, Green) ~ Hair + Sex), 8 rows")

# An offset has a column for each outcome, in the order of the outcomes, the reference among them.
high_contact <- as.integer(groups$Cont == "High")
softmax_case(
  "softmax_housing_offset", "The tenants as counts, the effect of high contact held by an offset",
  housing_source, c(dummies("influence", groups$Infl), dummies("type", groups$Type)), satisfaction,
  paste("multinom(cbind(Medium, Low, High) ~ Infl + Type + offset((Cont == 'High') * m)), 24 rows,",
        "m with 0.25, -0.5, 0.125 in the columns Medium, Low, High"),
  reference = "Medium",
  offset = lapply(c(Low = -0.5, Medium = 0.25, High = 0.125), function(m) 0 + m * high_contact))
