# Ordinal regression by MASS::polr and VGAM::vglm, polished: one JSON file per case in ordinal/,
# read by tests/likelihood/test_references_ordinal.py. Needs R with the packages MASS, VGAM,
# ordinal (the data wine), survival (the data pbc) and jsonlite.
#
# The model is polr's: link(P(Y <= k)) = threshold k - x'b, with cloglog(p) = log(-log(1 - p)).
# polr stops a few digits short and VGAM reports the expected information, so Newton steps written
# out below go on from VGAM's answer to the optimum, and both tools are compared with the result.
# std_errors are those of the observed information, std_errors_expected of the expected one.
source("tests/references/case.R")
suppressMessages(library(VGAM))

# Distribution function, density and its derivative of each link.
links <- list(
  logit = list(p = plogis, d = dlogis, dd = function(q) dlogis(q) * (1 - 2 * plogis(q)),
               polr = "logistic", vgam = "logitlink"),
  probit = list(p = pnorm, d = dnorm, dd = function(q) -q * dnorm(q), polr = "probit",
                vgam = "probitlink"),
  cloglog = list(p = function(q) -expm1(-exp(q)), d = function(q) exp(q - exp(q)),
                 dd = function(q) exp(q - exp(q)) * (1 - exp(q)), polr = "cloglog",
                 vgam = "clogloglink"))
at_infinity <- function(f, q, value) ifelse(is.finite(q), f(q), value)

# Log-likelihood, gradient, observed and expected information at b = (thresholds, slopes).
derivatives <- function(b, x, code, weights, offset, link) {
  k <- length(b) - ncol(x)
  eta <- as.vector(x %*% b[k + seq_len(ncol(x))]) + offset
  # How the probability of outcome j of every row moves with b.
  parts <- function(j) {
    upper <- c(b[1:k], Inf)[j] - eta
    lower <- c(-Inf, b[1:k])[j] - eta
    move <- function(which_) cbind(outer(which_, 1:k, "==") * 1, -x)
    up <- at_infinity(link$d, upper, 0) * move(j)
    down <- at_infinity(link$d, lower, 0) * move(j - 1)
    list(p = at_infinity(link$p, upper, 1) - at_infinity(link$p, lower, 0), d = up - down,
         curve = function(w) {
           u <- move(j)
           l <- move(j - 1)
           crossprod(u, w * at_infinity(link$dd, upper, 0) * u) -
             crossprod(l, w * at_infinity(link$dd, lower, 0) * l)
         })
  }
  own <- parts(code)
  score <- own$d / own$p
  expected <- Reduce(`+`, lapply(1:(k + 1), function(j) {
    one_ <- parts(rep(j, length(code)))
    crossprod(one_$d, weights / one_$p * one_$d)
  }))
  list(loglik = sum(weights * log(own$p)), gradient = colSums(weights * score),
       information = crossprod(score, weights * score) - own$curve(weights / own$p),
       expected = expected)
}

ordinal_case <- function(name, description, source, columns, y, levels_, call, link = "logit",
                         weights = NULL, offset = NULL) {
  x <- design(columns, intercept = FALSE)
  check_rank(cbind(1, x))
  code <- match(y, levels_)
  w <- if (is.null(weights)) rep(1, nrow(x)) else weights
  o <- if (is.null(offset)) rep(0, nrow(x)) else offset
  kept <- w > 0
  stopifnot(!anyNA(code), all(seq_along(levels_) %in% code[kept]))
  k <- length(levels_) - 1
  response <- factor(code, seq_along(levels_), ordered = TRUE)
  frame <- list(response = response, x = x, o = o, w = w)
  # vglm warns of the half-steps in which so tight an epsilon ends.
  fitted_ <- suppressWarnings(vglm(
    response ~ x + offset(matrix(-o, length(o), k)), weights = w, data = frame, subset = kept,
    family = do.call(cumulative, list(links[[link]]$vgam, parallel = TRUE)),
    epsilon = 1e-14, maxit = 200))
  turn <- rep(c(1, -1), c(k, ncol(x)))
  at <- function(b) {
    derivatives(b, x[kept, , drop = FALSE], code[kept], w[kept], o[kept], links[[link]])
  }
  best <- newton(unname(coef(fitted_)) * turn, at)
  scale <- best$std_errors
  # Both tools, and a Hessian by differences of the gradient, against the polished numbers.
  polr_ <- MASS::polr(response ~ x + offset(o), frame, weights = w, subset = kept, Hess = TRUE,
                      method = links[[link]]$polr, control = list(reltol = 1e-16, maxit = 1000),
                      start = best$b[c(k + seq_len(ncol(x)), 1:k)])
  slopes <- seq_len(ncol(x))
  own <- sqrt(diag(vcov(polr_)))[c(ncol(x) + 1:k, slopes)]
  stopifnot(apart(coef(fitted_) * turn, best$b, scale) < 1e-5,
            apart(c(polr_$zeta, coef(polr_)), best$b, scale) < 1e-4,
            apart(as.numeric(logLik(polr_)), best$loglik) < 1e-9,
            apart(logLik(fitted_), best$loglik) < 1e-10,
            apart(own, best$std_errors) < 1e-3,
            apart(sqrt(diag(vcov(fitted_))), sqrt(diag(inverse(best$expected)))) < 1e-5,
            apart(numDeriv::jacobian(function(b) at(b)$gradient, best$b), -best$information,
                  sqrt(outer(diag(best$information), diag(best$information)))) < 1e-8)
  terms <- c(paste(levels_[-1 - k], levels_[-1], sep = "|"), colnames(x))
  expected <- c(
    list(names = terms, params = best$b, std_errors = best$std_errors,
         std_errors_expected = sqrt(diag(inverse(best$expected))), loglik = one(best$loglik)),
    lapply(criteria(best$loglik, length(best$b), sum(w)), one), list(n_obs = one(sum(w))))
  data <- list(columns = columns, y = y, levels = levels_)
  data$weights <- weights
  data$offset <- offset
  write_case(paste0("ordinal_", name), list(
    description = one(description), source = one(source),
    tool = one("R VGAM::vglm and MASS::polr, polished"),
    version = one(versions("VGAM", "MASS", "numDeriv", "jsonlite")),
    call = one(paste0(call, "; vglm(cumulative(parallel = TRUE), epsilon = 1e-14), slopes with ",
                      "polr's sign; Newton steps to the optimum; standard errors from the ",
                      "observed and from the expected information there")),
    family = one("Ordinal"), options = list(link = one(link)), data = data, expected = expected),
    kind = "ordinal")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- frequency weights, every link; an offset ---

housing <- MASS::housing
housing_columns <- c(dummies("influence", housing$Infl), dummies("type", housing$Type),
                     dummies("contact", housing$Cont))
for (link in names(links)) ordinal_case(
  paste0("housing_", link), "Satisfaction of 1681 Copenhagen tenants, 72 rows, frequency weights",
  paste0(mass, "housing; Madsen (1976), Scandinavian Journal of Statistics 3"),
  housing_columns, as.character(housing$Sat), levels(housing$Sat),
  paste0("polr(Sat ~ Infl + Type + Cont, weights = Freq, method = '", links[[link]]$polr, "')"),
  link, weights = housing$Freq)
ordinal_case(
  "housing_offset", "The tenants with the effects of type held by an offset",
  paste0(mass, "housing; Madsen (1976), Scandinavian Journal of Statistics 3"),
  housing_columns[c(1, 2, 6)], as.character(housing$Sat), levels(housing$Sat),
  paste("polr(Sat ~ Infl + Cont + offset(h), weights = Freq), h with 0, -0.5, -0.25, -1",
        "for Tower, Apartment, Atrium, Terrace"),
  weights = housing$Freq, offset = c(0, -0.5, -0.25, -1)[as.integer(housing$Type)])

coal <- VGAM::pneumo
for (link in c("logit", "probit")) ordinal_case(
  paste0("pneumo_", link), "Lungs of 371 coal miners by years of exposure, frequency weights",
  paste("R package VGAM (GPL-3), public data: pneumo; Ashford (1959), Biometrics 15; McCullagh and",
        "Nelder (1989), Generalized Linear Models, p. 179"),
  list(log_years = rep(log(coal$exposure.time), 3)),
  rep(c("normal", "mild", "severe"), each = 8), c("normal", "mild", "severe"),
  paste0("polr(lungs ~ log(exposure.time), weights = count, method = '", links[[link]]$polr, "')"),
  link, weights = c(coal$normal, coal$mild, coal$severe))

# --- one outcome a row ---

wine <- ordinal::wine
for (link in names(links)) ordinal_case(
  paste0("wine_", link), "Bitterness of wine, five ratings as whole numbers, 72 rows",
  "R package ordinal (GPL-2 | GPL-3), public data: wine; Randall (1989), Biometrical Journal 31",
  c(dummies("temperature", wine$temp), dummies("contact", wine$contact)),
  as.integer(wine$rating), 1:5, paste0("polr(rating ~ temp + contact, method = '",
                                       links[[link]]$polr, "')"), link)

pbc <- na.omit(survival::pbc[c("stage", "age", "albumin", "bili", "spiders")])
ordinal_case(
  "pbc_probit", "Histologic stage of 312 patients with primary biliary cirrhosis",
  paste("R package survival (LGPL-2 | LGPL-3), public data: pbc; Therneau and Grambsch (2000),",
        "Modeling Survival Data"),
  as.list(pbc[c("age", "albumin", "bili", "spiders")]), as.integer(pbc$stage), 1:4,
  "polr(factor(stage) ~ age + albumin + bili + spiders, method = 'probit')", "probit")

infert_source <- paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83")
ordinal_case(
  "infert_logit", "Number of induced abortions (0, 1, 2) of 248 women", infert_source,
  as.list(infert[c("age", "parity", "spontaneous", "case")]), as.integer(infert$induced), 0:2,
  "polr(factor(induced) ~ age + parity + spontaneous + case, method = 'logistic')")

airbags <- c("None", "Driver only", "Driver & Passenger")
cars <- MASS::Cars93
ordinal_case(
  "cars93_cloglog", "Airbags of 93 cars by price and weight",
  paste0(mass, "Cars93; Lock (1993), Journal of Statistics Education 1"),
  list(price = cars$Price, tonnes = cars$Weight / 2000), as.character(cars$AirBags), airbags,
  paste("polr(AirBags ~ Price + I(Weight / 2000), method = 'cloglog'),",
        "levels None, Driver only, Driver & Passenger"), "cloglog")
