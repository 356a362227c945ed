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

# jsonlite writes 15 significant digits. Data must be read back as the numbers R saw,
# so each number in it is asked to survive that round trip.
write_case <- function(name, case) {
  text <- jsonlite::toJSON(case, digits = NA, pretty = TRUE, auto_unbox = FALSE, null = "null")
  back <- jsonlite::fromJSON(text, simplifyVector = TRUE)
  for (column in names(case$data$columns)) {
    stopifnot(identical(as.numeric(case$data$columns[[column]]),
                        as.numeric(back$data$columns[[column]])))
  }
  if (!is.null(case$data$offset)) {
    stopifnot(identical(as.numeric(unlist(case$data$offset)),
                        as.numeric(unlist(back$data$offset))))
  }
  writeLines(text, file.path(folder, paste0(name, ".json")))
  cat(name, "\n")
}

# One value, not a list of one value, in the JSON file.
one <- jsonlite::unbox
