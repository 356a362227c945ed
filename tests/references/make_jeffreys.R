# Binomial and softmax regression under Jeffreys' prior (Firth), by brglm2, polished: one JSON file
# per case in jeffreys/, read by tests/likelihood/test_references_jeffreys.py. Needs R with the
# packages brglm2, MASS (data), numDeriv and jsonlite.
#
# What is maximised is loglik + log|I| / 2 with I the expected information: brglm2's "MPL_Jeffreys",
# which for the logit and softmax is its "AS_mean" too, Firth's reduction of the bias. Newton steps
# on that sum, its Hessian by differences of the gradient written out below, go on from brglm2's
# answer. Standard errors are brglm2's: roots of the diagonal of the inverse of I there.
# The log-likelihood holds the binomial or multinomial coefficient; penalised is the sum.
source("tests/references/case.R")
suppressMessages(library(brglm2))
library(MASS)

# Probability, its derivative, and log-derivative of the weight p'^2 / (p q), of each link.
links <- list(
  logit = list(p = plogis, d = dlogis, relative = function(e) 1 - 2 * plogis(e)),
  probit = list(p = pnorm, d = dnorm, relative = function(e) {
    -2 * e - dnorm(e) / pnorm(e) + dnorm(e) / pnorm(-e)
  }),
  cloglog = list(p = function(e) -expm1(-exp(e)), d = function(e) exp(e - exp(e)),
                 relative = function(e) {
                   2 * (1 - exp(e)) - exp(e - exp(e)) / -expm1(-exp(e)) + exp(e)
                 }))

# The gradient of log|I| / 2 is the sum over rows of leverage / 2 times that log-derivative.
binomial_at <- function(x, won, total, link) function(b) {
  eta <- as.vector(x %*% b)
  p <- link$p(eta)
  weight <- total * link$d(eta)^2 / (p * (1 - p))
  information <- crossprod(x, weight * x)
  leverage <- weight * rowSums((x %*% inverse(information)) * x)
  slope <- (won - total * p) * link$d(eta) / (p * (1 - p)) + leverage / 2 * link$relative(eta)
  loglik <- sum(dbinom(won, total, p, log = TRUE))
  list(gradient = as.vector(crossprod(x, slope)), fisher = information, loglik = loglik)
}

# b: outcome-major, the first outcome being the reference; the sum of log|I| by its derivative.
softmax_at <- function(x, counts) {
  k <- ncol(counts) - 1
  total <- rowSums(counts)
  shares <- function(b) {
    e <- exp(cbind(0, x %*% matrix(b, ncol(x))))
    e / rowSums(e)
  }
  fisher <- function(p) {
    blocks <- lapply(1:k, function(i) do.call(cbind, lapply(1:k, function(j) {
      crossprod(x, total * p[, i + 1] * ((i == j) - p[, j + 1]) * x)
    })))
    do.call(rbind, blocks)
  }
  function(b) {
    p <- shares(b)
    information <- fisher(p)
    covariance <- inverse(information)
    # The derivative of I along each coefficient, exactly: a third moment of the outcome.
    tilt <- vapply(seq_along(b), function(r) {
      outcome <- (r - 1) %/% ncol(x) + 2
      column <- x[, (r - 1) %% ncol(x) + 1]
      moved <- p * ((col(p) == outcome) - p[, outcome]) * column
      slope <- do.call(rbind, lapply(1:k, function(i) do.call(cbind, lapply(1:k, function(j) {
        crossprod(x, total * ((i == j) * moved[, i + 1] - moved[, i + 1] * p[, j + 1] -
                                p[, i + 1] * moved[, j + 1]) * x)
      }))))
      sum(covariance * slope) / 2
    }, 0)
    ways <- sum(lgamma(total + 1)) - sum(lgamma(counts + 1))
    list(gradient = as.vector(crossprod(x, (counts - total * p)[, -1])) + tilt,
         fisher = information, loglik = ways + sum((counts * log(p))[counts > 0]))
  }
}

polish <- function(start, at) {
  fine <- list(d = 0.2, r = 5, v = 2)
  unit <- 1 / sqrt(diag(at(start)$fisher))
  curve <- function(b) {
    -numDeriv::jacobian(function(u) at(b + unit * (u - 1))$gradient, rep(1, length(b)),
                        method.args = fine) %*% diag(1 / unit, length(unit))
  }
  best <- newton(start, function(b) {
    information <- curve(b)
    c(at(b), list(information = (information + t(information)) / 2))
  })
  penalised <- function(b) at(b)$loglik + determinant(at(b)$fisher)$modulus[1] / 2
  slopes <- numDeriv::grad(function(u) penalised(best$b + unit * (u - 1)), rep(1, length(start)),
                           method.args = fine)
  errors <- unname(sqrt(diag(inverse(best$fisher))))
  stopifnot(abs(slopes) < 1e-8, apart(start, best$b, errors) < 1e-5)
  list(b = best$b, std_errors = errors, loglik = best$loglik, penalised = penalised(best$b))
}

write_jeffreys <- function(name, description, source, columns, y, call, family, options, names_,
                           best, rows, tool) {
  write_case(name, list(
    description = one(description), source = one(source), tool = one(paste(tool, "polished")),
    version = one(versions("brglm2", "MASS", "numDeriv", "jsonlite")),
    call = one(paste0(call, "; Newton steps to the optimum of loglik + log|I| / 2; standard ",
                      "errors from the expected information I there")),
    family = one(family), options = lapply(options, one), penalty = one("Jeffreys"),
    data = list(columns = columns, y = y),
    expected = list(names = names_, params = best$b, std_errors = best$std_errors,
                    loglik = one(best$loglik), penalised = one(best$penalised),
                    n_obs = one(rows))), kind = "jeffreys")
}

binomial_case <- function(name, description, source, columns, y, call, link = "logit") {
  x <- design(columns)
  counts <- if (is.matrix(y)) y else cbind(y, 1 - y)
  total <- rowSums(counts)
  stopifnot(qr(x)$rank == ncol(x))
  fit <- function(type) glm(counts ~ x - 1, family = binomial(link), method = "brglmFit",
                            type = type, epsilon = 1e-12, maxit = 10000, slowit = 0.5)
  prior <- fit("MPL_Jeffreys")
  best <- polish(unname(coef(prior)), binomial_at(x, counts[, 1], total, links[[link]]))
  stopifnot(apart(sqrt(diag(vcov(prior))), best$std_errors) < 1e-6)
  if (link == "logit") stopifnot(apart(coef(fit("AS_mean")), best$b, best$std_errors) < 1e-6)
  write_jeffreys(paste0("binomial_", name), description, source, columns, y, call, "Binomial",
                 list(link = link), colnames(x), best, nrow(x), "R brglm2::brglmFit,")
}

softmax_case <- function(name, description, source, columns, y, call) {
  x <- design(columns)
  outcomes <- if (is.list(y)) names(y) else as.character(sort(unique(y), method = "radix"))
  counts <- if (is.list(y)) do.call(cbind, y) else outer(as.character(y), outcomes, "==") * 1
  check_rank(x)
  # brmultinom takes counts as weighted rows of one outcome each
  outcome <- factor(rep(outcomes, each = nrow(x)), outcomes)
  long <- x[rep(seq_len(nrow(x)), length(outcomes)), , drop = FALSE]
  fit <- brmultinom(outcome ~ long - 1, weights = as.vector(counts), ref = 1, type = "AS_mean",
                    epsilon = 1e-10, maxit = 10000)
  best <- polish(as.vector(t(matrix(coef(fit), ncol = ncol(x)))), softmax_at(x, counts))
  terms <- paste(rep(outcomes[-1], each = ncol(x)), colnames(x), sep = ":")
  write_jeffreys(paste0("softmax_", name), description, source, columns, y, call, "Softmax",
                 list(reference = outcomes[1]), terms, best, nrow(x), "R brglm2::brmultinom,")
}

base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "
mass <- "R package MASS (GPL-2 | GPL-3), public data: "
br <- "R package brglm2 (GPL-3), public data: "

# --- separated: without the prior there is no estimate ---

data(endometrial, lizards, alligators, package = "brglm2")
endometrial_source <- paste0(br, "endometrial; Heinze and Schemper (2002), Stat. in Medicine 21")
for (link in names(links)) binomial_case(
  paste0("endometrial_", link), "Grade of 79 endometrial cancers; column NV separates",
  endometrial_source, as.list(endometrial[c("NV", "PI", "EH")]), as.integer(endometrial$HG),
  paste0("glm(HG ~ NV + PI + EH, binomial('", link, "'), method = 'brglmFit', ",
         "type = 'MPL_Jeffreys')"), link)
two <- iris[iris$Species != "virginica", ]
binomial_case(
  "iris", "Two species of 100 irises by petal length, completely separated",
  paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59"),
  list(petal_length = two$Petal.Length), as.integer(two$Species == "versicolor"),
  "glm(Species == 'versicolor' ~ Petal.Length, binomial, method = 'brglmFit')")
binomial_case(
  "table", "Ten of ten against none of ten, counts: completely separated, in closed form",
  "Made here: 10 of 10 and 0 of 10, whose reduced logits are +-log(21)", list(group = 0:1),
  cbind(c(0, 10), c(10, 0)), "glm(cbind(c(0, 10), c(10, 0)) ~ group, binomial, 'brglmFit')")

# --- not separated, smaller estimates than without the prior ---

binomial_case(
  "lizards", "Perches of 564 anolis lizards, 23 groups, counts",
  paste0(br, "lizards; Schoener (1970), Ecology 51; McCullagh and Nelder (1989), p. 129"),
  c(dummies("height", lizards$height), dummies("diameter", lizards$diameter),
    dummies("light", lizards$light), dummies("time", lizards$time)),
  cbind(as.integer(lizards$grahami), as.integer(lizards$opalinus)),
  "glm(cbind(grahami, opalinus) ~ height + diameter + light + time, method = 'brglmFit')")
binomial_case(
  "mtcars", "Manual gear box of 32 cars by weight and power, nearly separated",
  paste0(base, "mtcars; Henderson and Velleman (1981), Biometrics 37"),
  as.list(mtcars[c("wt", "hp")]), as.integer(mtcars$am),
  "glm(am ~ wt + hp, binomial, method = 'brglmFit')")

# --- softmax ---

softmax_case(
  "iris", "Species of 150 irises by both sepal columns, in which setosa separates",
  paste0(base, "iris; Anderson (1935), Bulletin of the American Iris Society 59"),
  list(sepal_length = iris$Sepal.Length, sepal_width = iris$Sepal.Width),
  as.character(iris$Species), "brmultinom(Species ~ Sepal.Length + Sepal.Width, ref = 1)")
foods <- as.data.frame.matrix(xtabs(freq ~ interaction(lake, size) + foodchoice, alligators))
lake <- factor(rep(levels(alligators$lake), nlevels(alligators$size)), levels(alligators$lake))
size <- factor(rep(levels(alligators$size), each = nlevels(alligators$lake)),
               levels(alligators$size))
softmax_case(
  "alligators", "Food of 219 alligators by lake and size, counts, 8 groups by five outcomes",
  paste0(br, "alligators; Agresti (2002), Categorical Data Analysis, table 7.1"),
  c(dummies("lake", lake), dummies("size", size)), as.list(foods),
  "brmultinom(foodchoice ~ lake + size, weights = freq, ref = 1)")
