# What the make_*.R scripts share: how a reference case is checked and written.
# Run them from the root of the repository: Rscript tests/references/make_binomial.R

folder <- "tests/references"
if (!dir.exists(folder)) stop("run this from the root of the repository")

versions <- function(...) {
  packages <- vapply(c(...), function(p) paste(p, packageDescription(p)$Version), "")
  paste(c(paste("R", getRversion()), packages), collapse = ", ")
}

design <- function(columns, intercept = TRUE) {
  x <- do.call(cbind, columns)
  if (intercept) cbind(intercept = 1, x) else x
}

# glm's own rank test is min(1e-7, epsilon / 1000), so a tight epsilon lets collinear columns pass;
# the rank is therefore asked of qr() with its usual tolerance before anything is fitted.
check_rank <- function(x) {
  stopifnot(qr(x, tol = 1e-7)$rank == ncol(x), nrow(x) > ncol(x))
}

# 0/1 columns of a factor, the first level left out: column "race" gives "race.black", ...
dummies <- function(name, factor_) {
  levels_ <- levels(factor_)[-1]
  columns <- lapply(levels_, function(level) as.integer(factor_ == level))
  setNames(columns, paste(name, levels_, sep = "."))
}

# The rows that frequency weights stand for: row i is repeated weights[i] times.
repeats <- function(weights, n) {
  if (is.null(weights)) seq_len(n) else rep(seq_len(n), weights)
}

# The criteria are computed by R's own AIC and BIC from a logLik object.
criteria <- function(loglik, df, nobs) {
  object <- structure(loglik, df = df, nobs = nobs, class = "logLik")
  list(aic = AIC(object), bic = BIC(object))
}

# The inverse through a unit diagonal, so that columns of very different scale lose no digits.
inverse <- function(information) {
  scale <- sqrt(diag(information))
  solve(information / outer(scale, scale)) / outer(scale, scale)
}

# Newton steps from a tool's answer until the step is lost in rounding. at(b) gives the gradient and
# the information (minus the Hessian) of what is maximised; both are written out in the scripts.
newton <- function(b, at) {
  for (i in 1:100) {
    d <- at(b)
    covariance <- inverse(d$information)
    step <- as.vector(covariance %*% d$gradient)
    if (max(abs(step) / sqrt(diag(covariance))) < 1e-12) break
    b <- b + step
  }
  stopifnot(all(diag(covariance) > 0), abs(step) < 1e-10 * pmax(abs(b), sqrt(diag(covariance))))
  c(d, list(b = unname(b), covariance = covariance, std_errors = unname(sqrt(diag(covariance))),
            moved = max(abs(step) / sqrt(diag(covariance)))))
}

# Relative difference of a from b, in units of scale.
apart <- function(a, b, scale = b) max(abs(as.vector(a) - as.vector(b)) / abs(as.vector(scale)))

# A number in as few digits (15 to 17) as give it back to the last bit; null where there is none.
digits <- function(x) {
  text <- rep("null", length(x))
  for (n in 17:15) {
    shorter <- formatC(x[is.finite(x)], digits = n, width = 1, format = "g")
    keeps <- as.numeric(shorter) == x[is.finite(x)]
    text[is.finite(x)][keeps] <- shorter[keeps]
  }
  text
}

verbatim <- function(text) structure(text, class = "json")

exact <- function(x) {
  if (is.list(x) && !length(x)) return(verbatim("{}"))
  row <- function(values) paste0("[", paste(digits(values), collapse = ", "), "]")
  if (is.list(x)) return(lapply(x, exact))
  if (!is.numeric(x)) return(x)
  if (inherits(x, "scalar")) return(verbatim(digits(as.numeric(x))))
  if (is.matrix(x)) return(verbatim(paste0("[", paste(apply(x, 1, row), collapse = ", "), "]")))
  verbatim(row(as.numeric(x)))
}

# Cases of a kind of their own, with a test file of their own, are in a folder of that name.
write_case <- function(name, case, kind = ".") {
  text <- jsonlite::toJSON(exact(case), pretty = TRUE, auto_unbox = FALSE, null = "null",
                           json_verbatim = TRUE)
  dir.create(file.path(folder, kind), showWarnings = FALSE)
  writeLines(text, file.path(folder, kind, paste0(name, ".json")))
  cat(name, "\n")
}

# One value, not a list of one value, in the JSON file.
one <- jsonlite::unbox
