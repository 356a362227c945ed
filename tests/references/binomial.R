# The binomial likelihood under every link, written out: what make_links.R, make_profile.R and
# make_robust.R share.

# Of each link: log p and log(1 - p), neither lost in a tail, and p's first and second derivative.
links <- list(
  logit = list(log_p = function(e) plogis(e, log.p = TRUE),
               log_q = function(e) plogis(-e, log.p = TRUE),
               d = dlogis, dd = function(e) dlogis(e) * (1 - 2 * plogis(e))),
  probit = list(log_p = function(e) pnorm(e, log.p = TRUE),
                log_q = function(e) pnorm(-e, log.p = TRUE),
                d = dnorm, dd = function(e) -e * dnorm(e)),
  cloglog = list(log_p = function(e) log(-expm1(-exp(e))), log_q = function(e) -exp(e),
                 d = function(e) exp(e - exp(e)), dd = function(e) exp(e - exp(e)) * (1 - exp(e))),
  cauchit = list(log_p = function(e) pcauchy(e, log.p = TRUE),
                 log_q = function(e) pcauchy(-e, log.p = TRUE),
                 d = dcauchy, dd = function(e) -2 * e / (pi * (1 + e^2)^2)),
  log = list(log_p = identity, log_q = function(e) log(-expm1(e)), d = exp, dd = exp),
  identity = list(log_p = log, log_q = function(e) log1p(-e),
                  d = function(e) 0 * e + 1, dd = function(e) 0 * e))

# counts: successes and failures of every row.
binomial_derivatives <- function(b, x, counts, weights, offset, link) {
  eta <- as.vector(x %*% b) + offset
  p <- exp(link$log_p(eta))
  q <- exp(link$log_q(eta))
  won <- weights * counts[, 1]
  lost <- weights * counts[, 2]
  slope <- won / p - lost / q
  observed <- (won / p^2 + lost / q^2) * link$d(eta)^2 - slope * link$dd(eta)
  expected <- (won + lost) / (p * q) * link$d(eta)^2
  ways <- sum(weights * lchoose(counts[, 1] + counts[, 2], counts[, 1]))
  list(loglik = ways + sum((won * log(p))[won > 0]) + sum((lost * log(q))[lost > 0]),
       gradient = as.vector(crossprod(x, slope * link$d(eta))),
       information = crossprod(x, observed * x), expected = crossprod(x, expected * x))
}
