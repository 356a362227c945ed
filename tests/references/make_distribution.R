# Distributions fitted by maximum likelihood: one JSON file per case in distribution/, read by
# tests/likelihood/test_references_distribution.py. Needs R with the packages MASS, fitdistrplus,
# survival (data and the peers fitdistr, fitdist, fitdistcens), numDeriv and jsonlite.
#
# The parameters are those of scipy.stats, so that the standard errors are too (of the observed
# information); `r` holds the same estimate in R's own parameters. scipy's geom counts trials
# (1, 2, ...) where R's counts failures, so 1 was added to the data of those cases.
#
# Each law is written as R's density and distribution function. Newton steps on their differentiated
# logarithm go on from the peer's answer, or a start given here, until they are lost in rounding;
# where the estimate has a closed form or a single equation, the answer is checked against it.
#
# A row lies in [lower, upper], an exact value where they are equal; null is no bound. Truncation
# divides by the probability of lying above truncated_below.
source("tests/references/case.R")
suppressMessages(library(fitdistrplus))

# Of x and a vector of scipy's parameters: d, log density; p, log of either tail.
# r: the same point in R's parameters. fixed: what scipy has besides.
laws <- list(
  norm = list(params = c("loc", "scale"), d = function(x, t) dnorm(x, t[1], t[2], log = TRUE),
              p = function(x, t, up) pnorm(x, t[1], t[2], lower.tail = !up, log.p = TRUE),
              r = function(t) list(mean = t[1], sd = t[2])),
  lognorm = list(params = c("s", "scale"), fixed = list(loc = 0),
                 d = function(x, t) dlnorm(x, log(t[2]), t[1], log = TRUE),
                 p = function(x, t, up) plnorm(x, log(t[2]), t[1], !up, TRUE),
                 r = function(t) list(meanlog = log(t[2]), sdlog = t[1])),
  expon = list(params = "scale", fixed = list(loc = 0),
               d = function(x, t) dexp(x, 1 / t[1], log = TRUE),
               p = function(x, t, up) pexp(x, 1 / t[1], !up, TRUE),
               r = function(t) list(rate = 1 / t[1])),
  gamma = list(params = c("a", "scale"), fixed = list(loc = 0),
               d = function(x, t) dgamma(x, t[1], scale = t[2], log = TRUE),
               p = function(x, t, up) pgamma(x, t[1], scale = t[2], lower.tail = !up, log.p = TRUE),
               r = function(t) list(shape = t[1], rate = 1 / t[2])),
  weibull_min = list(params = c("c", "scale"), fixed = list(loc = 0),
                     d = function(x, t) dweibull(x, t[1], t[2], log = TRUE),
                     p = function(x, t, up) pweibull(x, t[1], t[2], !up, TRUE),
                     r = function(t) list(shape = t[1], scale = t[2])),
  beta = list(params = c("a", "b"), fixed = list(loc = 0, scale = 1),
              d = function(x, t) dbeta(x, t[1], t[2], log = TRUE),
              p = function(x, t, up) pbeta(x, t[1], t[2], 0, !up, TRUE),
              r = function(t) list(shape1 = t[1], shape2 = t[2])),
  poisson = list(params = "mu", fixed = list(loc = 0), discrete = TRUE,
                 d = function(x, t) dpois(x, t[1], log = TRUE),
                 p = function(x, t, up) ppois(x, t[1], !up, TRUE),
                 r = function(t) list(lambda = t[1])),
  geom = list(params = "p", fixed = list(loc = 0), discrete = TRUE,
              d = function(x, t) dgeom(x - 1, t[1], log = TRUE),
              p = function(x, t, up) pgeom(x - 1, t[1], !up, TRUE),
              r = function(t) list(prob = t[1])),
  nbinom = list(params = c("n", "p"), fixed = list(loc = 0), discrete = TRUE,
                d = function(x, t) dnbinom(x, t[1], t[2], log = TRUE),
                p = function(x, t, up) pnbinom(x, t[1], t[2], lower.tail = !up, log.p = TRUE),
                r = function(t) list(size = t[1], mu = t[1] * (1 - t[2]) / t[2])),
  logistic = list(params = c("loc", "scale"), d = function(x, t) dlogis(x, t[1], t[2], TRUE),
                  p = function(x, t, up) plogis(x, t[1], t[2], !up, TRUE),
                  r = function(t) list(location = t[1], scale = t[2])),
  gumbel_r = list(params = c("loc", "scale"),
                  d = function(x, t) { z <- (x - t[1]) / t[2]; -z - exp(-z) - log(t[2]) },
                  p = function(x, t, up) {
                    z <- (x - t[1]) / t[2]
                    if (up) log(-expm1(-exp(-z))) else -exp(-z)
                  }, r = function(t) list(location = t[1], scale = t[2])),
  cauchy = list(params = c("loc", "scale"), d = function(x, t) dcauchy(x, t[1], t[2], TRUE),
                p = function(x, t, up) pcauchy(x, t[1], t[2], !up, TRUE),
                r = function(t) list(location = t[1], scale = t[2])),
  t = list(params = c("df", "loc", "scale"),
           d = function(x, t) dt((x - t[2]) / t[3], t[1], log = TRUE) - log(t[3]),
           p = function(x, t, up) pt((x - t[2]) / t[3], t[1], 0, !up, TRUE),
           r = function(t) list(df = t[1], m = t[2], s = t[3])))

# The log-likelihood of every row, at all of the law's parameters.
rowwise <- function(theta, law, lower, upper, below) {
  value <- numeric(length(lower))
  equal <- lower == upper
  value[equal] <- law$d(lower[equal], theta)
  right <- upper == Inf & !equal
  value[right] <- law$p(lower[right], theta, TRUE)
  left <- lower == -Inf & !right
  value[left] <- law$p(upper[left], theta, FALSE)
  between <- !equal & !right & !left
  # from the tail that is smaller, so that no digits cancel
  far <- between & law$p(lower, theta, FALSE) > log(0.5)
  near <- between & !far
  tail <- function(a, b) a + log(-expm1(b - a))
  value[far] <- tail(law$p(lower[far], theta, TRUE), law$p(upper[far], theta, TRUE))
  value[near] <- tail(law$p(upper[near], theta, FALSE), law$p(lower[near], theta, FALSE))
  if (!is.null(below)) value <- value - law$p(rep_len(below, length(lower)), theta, TRUE)
  value
}

# Start, closed form (of the free parameters, where there is one) and peer (in R's names).
distribution_case <- function(name, description, source, law, x, call, start, upper = NULL,
                              weights = NULL, below = NULL, held = NULL, closed = NULL,
                              peer = NULL) {
  model <- laws[[law]]
  lower <- if (is.null(upper)) x else ifelse(is.na(x), -Inf, x)
  to <- if (is.null(upper)) x else ifelse(is.na(upper), Inf, upper)
  w <- if (is.null(weights)) rep(1, length(x)) else weights
  free <- setdiff(model$params, names(held))
  whole <- function(b) {
    theta <- setNames(numeric(length(model$params)), model$params)
    theta[names(held)] <- unlist(held)
    theta[free] <- b
    unname(theta)
  }
  rows <- function(b) rowwise(whole(b), model, lower, to, below)
  total <- function(b) sum(w * rows(b))
  # Derivatives by differences in units of `unit`, extrapolated; those of the rows are added up, in
  # which fewer digits cancel than in the derivative of a sum.
  fine <- list(d = 0.2, r = 5, v = 2)
  differences <- function(of, f, b, unit) {
    of(function(u) f(b + unit * (u - 1)), rep(1, length(b)), method.args = fine)
  }
  slopes <- function(b, unit) colSums(w * differences(numDeriv::jacobian, rows, b, unit)) / unit
  at <- function(b, unit) {
    curve <- differences(numDeriv::hessian, total, b, unit) / outer(unit, unit)
    list(loglik = total(b), gradient = slopes(b, unit), information = -curve)
  }
  if (length(start) > 1) {
    outside <- function(condition) 1e300
    lost <- function(b) tryCatch(-total(b), warning = outside, error = outside)
    start <- optim(start, lost, control = list(reltol = 1e-13, maxit = 10000))$par
  }
  near <- newton(start, function(b) at(b, abs(start) / 50))
  unit <- near$std_errors
  best <- newton(near$b, function(b) at(b, unit))
  # The Hessian a second way, from the gradient's own differences.
  again <- -t(differences(numDeriv::jacobian, function(b) slopes(b, unit), best$b, unit)) / unit
  size <- sqrt(outer(diag(best$information), diag(best$information)))
  stopifnot(apart(again, best$information, size) < 1e-7)
  if (!is.null(closed)) stopifnot(apart(closed, best$b) < 1e-10)
  r <- model$r(whole(best$b))
  if (!is.null(peer)) stopifnot(apart(peer, unlist(r)[names(peer)]) < 2e-3)
  expected <- c(
    list(names = free, params = best$b, std_errors = best$std_errors, loglik = one(best$loglik)),
    lapply(criteria(best$loglik, length(free), sum(w)), one),
    list(n_obs = one(sum(w)), r = lapply(r, one)))
  data <- if (is.null(upper)) list(x = x) else list(lower = x, upper = upper)
  data$weights <- weights
  data$truncated_below <- if (length(below) == 1) one(below) else below
  fixed <- c(model$fixed, as.list(held))
  write_case(paste0("distribution_", name), list(
    description = one(description), source = one(source),
    tool = one("R stats densities, maximised to rounding"),
    version = one(versions("fitdistrplus", "MASS", "survival", "numDeriv", "jsonlite")),
    call = one(paste0(call, "; Newton steps to the optimum of the log-likelihood; standard errors ",
                      "from the observed information there")),
    family = one("Distribution"),
    options = list(law = one(law),
                   fixed = if (length(fixed)) lapply(fixed, one)), data = data,
    expected = expected), kind = "distribution")
}

base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "
mass <- "R package MASS (GPL-2 | GPL-3), public data: "
plus <- "R package fitdistrplus (GPL-2 | GPL-3), public data: "

# --- whole samples of continuous laws ---

log_scale <- function(x) exp(mean(log(x)))
spread <- function(x) sqrt(mean((x - mean(x))^2))
peer <- function(x, law, ...) fitdist(x, law, ...)$estimate

rain <- as.numeric(precip)
rain_source <- paste0(base, "precip; McNeil (1977), Interactive Data Analysis")
distribution_case(
  "norm_precip", "Rain in 70 cities", rain_source, "norm", rain, "fitdist(precip, 'norm')",
  c(mean(rain), spread(rain)), closed = c(mean(rain), spread(rain)), peer = peer(rain, "norm"))
distribution_case(
  "norm_precip_scale", "Rain in 70 cities, the mean held at 35", rain_source, "norm", rain,
  "sd about 35", 13, held = list(loc = 35), closed = sqrt(mean((rain - 35)^2)))
distribution_case(
  "gamma_precip", "Rain in 70 cities", rain_source, "gamma", rain, "fitdist(precip, 'gamma')",
  c(5, 7), peer = peer(rain, "gamma"))
distribution_case(
  "weibull_precip", "Rain in 70 cities", rain_source, "weibull_min", rain,
  "fitdist(precip, 'weibull')", c(2.8, 39), peer = peer(rain, "weibull"))

lengths_ <- as.numeric(rivers)
rivers_source <- paste0(base, "rivers; World Almanac (1975); McNeil (1977)")
distribution_case(
  "lognorm_rivers", "Lengths of 141 rivers in miles", rivers_source, "lognorm", lengths_,
  "fitdist(rivers, 'lnorm')", c(0.6, 480), closed = c(spread(log(lengths_)), log_scale(lengths_)),
  peer = peer(lengths_, "lnorm"))
distribution_case(
  "expon_rivers", "Lengths of 141 rivers in miles", rivers_source, "expon", lengths_,
  "fitdist(rivers, 'exp', method = 'mle')", 500, closed = mean(lengths_))
distribution_case(
  "gamma_rivers_fixed", "Lengths of 141 rivers, the scale held at 200", rivers_source, "gamma",
  lengths_, "digamma(a) = mean(log(rivers / 200))", 2.5, held = list(scale = 200),
  closed = uniroot(function(a) digamma(a) - mean(log(lengths_ / 200)), c(1, 9), tol = 1e-15)$root)

data(groundbeef, salinity, fluazinam, smokedfish, fremale, package = "fitdistrplus")
serving <- groundbeef$serving
beef_source <- paste0(plus, "groundbeef; Delignette-Muller and Cornu (2008), IJFM 128")
distribution_case(
  "gamma_groundbeef", "Servings of ground beef, 254 children", beef_source, "gamma", serving,
  "fitdist(groundbeef$serving, 'gamma')", c(4, 18), peer = peer(serving, "gamma"))
distribution_case(
  "weibull_groundbeef", "Servings of ground beef, 254 children", beef_source, "weibull_min",
  serving, "fitdist(groundbeef$serving, 'weibull')", c(2.2, 83), peer = peer(serving, "weibull"))

distribution_case(
  "beta_rock", "Perimeter over square root of area of 48 cross-sections of rock, in (0, 1)",
  paste0(base, "rock; BP Research, image analysis by R. Katz, Oxford"), "beta", rock$shape,
  "fitdist(rock$shape, 'beta')", c(5, 20), peer = peer(rock$shape, "beta"))
distribution_case(
  "beta_swiss", "Share of men in agriculture in 47 Swiss provinces",
  paste0(base, "swiss; Mosteller and Tukey (1977), Data Analysis and Regression"), "beta",
  swiss$Agriculture / 100, "fitdist(swiss$Agriculture / 100, 'beta')", c(2, 2),
  peer = peer(swiss$Agriculture / 100, "beta"))

newcomb <- as.numeric(MASS::newcomb)
newcomb_source <- paste0(mass, "newcomb; Stigler (1977), Annals of Statistics 5")
distribution_case(
  "t_newcomb", "Passage times of light, 66 values, two outliers", newcomb_source, "t", newcomb,
  "MASS::fitdistr(newcomb, 't')", c(3, 27, 4))
distribution_case(
  "cauchy_newcomb", "Passage times of light, 66 values, two outliers", newcomb_source, "cauchy",
  newcomb, "fitdist(newcomb, 'cauchy')", c(27, 3), peer = peer(newcomb, "cauchy"))

nile <- as.numeric(Nile)
nile_source <- paste0(base, "Nile; Cobb (1978), Biometrika 65")
distribution_case(
  "logistic_nile", "Annual flow of the Nile, 100 years", nile_source, "logistic", nile,
  "fitdist(Nile, 'logis')", c(900, 90), peer = peer(nile, "logis"))
distribution_case(
  "gumbel_nile", "Annual flow of the Nile, 100 years", nile_source, "gumbel_r", nile,
  "location and scale by maximum likelihood", c(840, 150))

# --- discrete laws, counted rows as frequency weights among them ---

absent <- MASS::quine$Days
quine_source <- paste0(mass, "quine; Quine, in Aitkin (1978), JRSS A 141")
distribution_case(
  "nbinom_quine", "Days absent from school, 146 children", quine_source, "nbinom", absent,
  "fitdist(quine$Days, 'nbinom')", c(1.1, 0.06), peer = peer(absent, "nbinom"))
distribution_case(
  "geom_quine", "Days absent from school plus 1, 146 children", quine_source, "geom", absent + 1,
  "fitdist(quine$Days, 'geom')", 0.06, closed = 1 / mean(absent + 1),
  peer = peer(absent, "geom"))
distribution_case(
  "poisson_discoveries", "Great inventions in each of 100 years",
  paste0(base, "discoveries; World Almanac (1975); McNeil (1977)"), "poisson",
  as.integer(discoveries), "fitdist(discoveries, 'pois')", 3, closed = mean(discoveries),
  peer = peer(as.integer(discoveries), "pois"))
mites <- c(70, 38, 17, 10, 9, 3, 2, 1)
mites_source <- "Published table, public data: Bliss and Fisher (1953), Biometrics 9, p. 181"
distribution_case(
  "nbinom_mites", "Red mites on 150 apple leaves, counted rows as frequency weights", mites_source,
  "nbinom", 0:7, "fitdist(rep(0:7, counts), 'nbinom')", c(1, 0.5), weights = mites,
  peer = peer(rep(0:7, mites), "nbinom"))
kicks <- c(109, 65, 22, 3, 1)
distribution_case(
  "poisson_horsekicks", "Deaths by horse kick in 200 corps-years, counts as frequency weights",
  "Published table, public data: Bortkiewicz (1898), Das Gesetz der kleinen Zahlen", "poisson",
  0:4, "fitdist(rep(0:4, counts), 'pois')", 0.6, weights = kicks, closed = sum(0:4 * kicks) / 200)
distribution_case(
  "weibull_groundbeef_weights", "The servings, equal ones as one row with a frequency weight",
  beef_source, "weibull_min", sort(unique(serving)), "fitdist(groundbeef$serving, 'weibull')",
  c(2.2, 83), weights = as.integer(table(serving)), peer = peer(serving, "weibull"))

# --- censored: fitdistcens and survreg are the peers ---

censored_peer <- function(data, law) fitdistcens(as.data.frame(data), law)$estimate

gehan <- MASS::gehan
weeks <- list(left = gehan$time, right = ifelse(gehan$cens == 1, gehan$time, NA))
gehan_source <- paste0(mass, "gehan; Cox and Oakes (1984), Analysis of Survival Data, p. 7")
distribution_case(
  "weibull_gehan", "Weeks of remission of 42 patients, 12 right-censored", gehan_source,
  "weibull_min", weeks$left, "survreg(Surv(time, cens) ~ 1, gehan)", c(1.1, 18),
  upper = weeks$right, peer = censored_peer(weeks, "weibull"))
distribution_case(
  "expon_gehan", "Weeks of remission of 42 patients, 12 right-censored", gehan_source, "expon",
  weeks$left, "survreg(Surv(time, cens) ~ 1, gehan, dist = 'exponential')", 18,
  upper = weeks$right, closed = sum(gehan$time) / sum(gehan$cens))

distribution_case(
  "lognorm_salinity", "72-hour acute salinity tolerance, 108 rows; left, right, interval, exact",
  paste0(plus, "salinity; Kefford et al (2007), Freshwater Biology 52"), "lognorm", salinity$left,
  "fitdistcens(salinity, 'lnorm')", c(0.5, 30), upper = salinity$right,
  peer = censored_peer(salinity, "lnorm"))
distribution_case(
  "norm_fluazinam", "Log10 of 14 acute toxicities of fluazinam; left, right, exact",
  paste0(plus, "fluazinam; Hose and Van den Brink (2004), AECT 47"), "norm", log10(fluazinam$left),
  "fitdistcens(log10(fluazinam), 'norm')", c(2, 1), upper = log10(fluazinam$right),
  peer = censored_peer(log10(fluazinam), "norm"))
distribution_case(
  "norm_smokedfish", "Log10 of 103 counts of Listeria in smoked fish; left, interval, exact",
  paste0(plus, "smokedfish; Busschaert et al (2010), IJFM 138"), "norm", log10(smokedfish$left),
  "fitdistcens(log10(smokedfish), 'norm')", c(-1.6, 1.5), upper = log10(smokedfish$right),
  peer = censored_peer(log10(smokedfish), "norm"))
distribution_case(
  "logistic_smokedfish", "The counts as logistic", paste0(
    plus, "smokedfish; Busschaert et al (2010), IJFM 138"), "logistic", log10(smokedfish$left),
  "fitdistcens(log10(smokedfish), 'logis')", c(-1.6, 0.9), upper = log10(smokedfish$right),
  peer = censored_peer(log10(smokedfish), "logis"))
bins <- cut(rain, c(0, 20, 30, 40, 50, Inf))
distribution_case(
  "gamma_precip_binned", "Rain in 70 cities as five classes with frequency weights", rain_source,
  "gamma", c(NA, 20, 30, 40, 50), "classes to 20, 30, 40, 50 and above", c(5, 7),
  upper = c(20, 30, 40, 50, NA), weights = as.integer(table(bins)))

# --- truncated, alone and with censoring ---

long <- faithful$eruptions[faithful$eruptions > 3]
distribution_case(
  "norm_eruptions_truncated", "The eruptions of Old Faithful that last over 3 minutes",
  paste0(base, "faithful; Haerdle (1991), Smoothing Techniques"), "norm", long,
  "dnorm / pnorm(3, upper tail) on eruptions over 3", c(4.3, 0.4), below = 3)
distribution_case(
  "gamma_precip_truncated", "The cities with over 20 inches of rain", rain_source, "gamma",
  rain[rain > 20], "dgamma / pgamma(20, upper tail) on precip over 20", c(8, 5), below = 20)
distribution_case(
  "nbinom_quine_truncated", "Days absent of the children absent at all: truncated below 0.5",
  quine_source, "nbinom", absent[absent > 0], "dnbinom / (1 - dnbinom(0)) on days over 0",
  c(1.1, 0.06), below = 0.5)
distribution_case(
  "weibull_fremale", "Age at death of 100 men, right-censored, each seen from an age of his own on",
  paste0(plus, "fremale; Charpentier (2014), Computational Actuarial Science with R"),
  "weibull_min", fremale$AgeOut, "dweibull or pweibull / pweibull(age at entry, upper tail)",
  c(7, 85),
  upper = ifelse(fremale$Death == 1, fremale$AgeOut, NA), below = fremale[, 1])
distribution_case(
  "lognorm_rivers_truncated_censored",
  "The rivers of over 300 miles, those over 1000 known as such only", rivers_source, "lognorm",
  pmin(lengths_[lengths_ > 300], 1000), "dlnorm or plnorm / plnorm(300, upper tail)", c(0.9, 400),
  upper = ifelse(lengths_[lengths_ > 300] > 1000, NA, lengths_[lengths_ > 300]), below = 300)
