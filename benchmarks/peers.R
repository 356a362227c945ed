# The peers that are written in R, called by rscript.py: Rscript peers.R FUNCTION FOLDER.
# Each function takes the arrays of the folder and returns numbers; only its call is timed.

read_array <- function(stem) {
  shape <- scan(paste0(stem, ".txt"), quiet = TRUE)
  values <- readBin(paste0(stem, ".bin"), "double", prod(shape))
  if (length(shape) > 1) array(values, shape) else values
}

status <- function(name) {
  if (!file.exists("/proc/self/status")) return(NaN)
  line <- grep(paste0("^", name, ":"), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

forget_peak <- function() {
  invisible(gc(full = TRUE))
  try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
  status("VmRSS")
}

glm_fit <- function(X, y) coef(glm.fit(cbind(1, X), y, family = binomial()))

glm_and_errors <- function(X, y) {
  fit <- glm(y ~ X, family = binomial())
  summary(fit)$coefficients[, 1]
}

glm_loop <- function(X, y) {
  fits <- vapply(seq_len(nrow(y)), function(i)
    coef(glm.fit(cbind(1, X[i, , ]), y[i, ], family = binomial())), numeric(dim(X)[3] + 1))
  as.vector(t(fits))
}

# One coefficient vector for each outcome after the first; the intercepts come first.
nnet_multinom <- function(X, y) {
  data <- data.frame(y = factor(y))
  data$X <- X
  fit <- nnet::multinom(y ~ X, data = data, trace = FALSE, maxit = 500, reltol = 1e-12,
                        MaxNWts = 1e5)
  as.vector(t(coef(fit)))
}

glmnet_binomial <- function(X, y) {
  fit <- glmnet::glmnet(X, y, family = "binomial", lambda = 0, thresh = 1e-12,
                        standardize = FALSE)
  as.vector(coef(fit))
}

# glmnet keeps all outcomes, with an intercept each.
glmnet_multinomial <- function(X, y) {
  fit <- glmnet::glmnet(X, factor(y), family = "multinomial", lambda = 0, thresh = 1e-10,
                        standardize = FALSE)
  own <- vapply(coef(fit), function(part) as.vector(part), numeric(ncol(X) + 1))
  as.vector(own[, -1] - own[, 1])
}

# The columns are made of level numbers (from 0) of each factor, as they are for the others.
one_hot <- function(codes, levels)
  Matrix::sparseMatrix(rep(seq_len(nrow(codes)), ncol(codes)),
                       as.vector(codes) + 1 + rep((seq_len(ncol(codes)) - 1) * levels,
                                                  each = nrow(codes)),
                       x = 1, dims = c(nrow(codes), ncol(codes) * levels))

glmnet_one_hot <- function(codes, y, options) {
  fit <- glmnet::glmnet(one_hot(codes, options[2]), y, family = "binomial", alpha = 0,
                        lambda = options[1] / length(y), standardize = FALSE, thresh = 1e-12)
  as.vector(coef(fit))
}

glmnet_path <- function(X, y, strengths, threshold) {
  glmnet::glmnet.control(fdev = 0, devmax = 1) # never leave the path early
  fit <- glmnet::glmnet(X, y, family = "binomial", lambda = strengths / length(y),
                        standardize = FALSE, thresh = threshold)
  as.vector(rbind(fit$a0, as.matrix(fit$beta)))
}

profile_limits <- function(X, y) {
  fit <- glm(y ~ X, family = binomial())
  limits <- suppressMessages(if (getRversion() < "4.4") MASS:::confint.glm(fit) else confint(fit))
  as.vector(t(limits))
}

# Negative binomial: R has the mean, the others have the probability n / (n + mean).
size_and_share <- function(estimate) {
  size <- estimate[["size"]]
  c(size, size / (size + estimate[["mu"]]))
}
shape_and_scale <- function(estimate) c(estimate[["shape"]], 1 / estimate[["rate"]])
plain <- function(estimate) unname(estimate)

fitdist_gamma <- function(x) shape_and_scale(fitdistrplus::fitdist(x, "gamma")$estimate)
fitdist_weibull_min <- function(x) plain(fitdistrplus::fitdist(x, "weibull")$estimate)
fitdist_beta <- function(x) plain(fitdistrplus::fitdist(x, "beta")$estimate)
fitdist_nbinom <- function(x) size_and_share(fitdistrplus::fitdist(x, "nbinom")$estimate)

fitdistr_gamma <- function(x) shape_and_scale(MASS::fitdistr(x, "gamma")$estimate)
fitdistr_weibull_min <- function(x) plain(MASS::fitdistr(x, "weibull")$estimate)
fitdistr_beta <- function(x)
  plain(MASS::fitdistr(x, "beta", list(shape1 = 1.5, shape2 = 1.5))$estimate)
fitdistr_nbinom <- function(x) size_and_share(MASS::fitdistr(x, "negative binomial")$estimate)

arguments <- commandArgs(trailingOnly = TRUE)
run <- get(arguments[1])
folder <- arguments[2]
stems <- sub("[.]bin$", "", sort(list.files(folder, "^[0-9]+[.]bin$", full.names = TRUE)))
arrays <- unname(lapply(stems, read_array))
before <- forget_peak()
seconds <- busy <- numeric(0)
while (!length(seconds) || (sum(seconds) < 1 && length(seconds) < 7)) {
  start <- Sys.time()
  start_busy <- proc.time()
  answer <- do.call(run, arrays)
  seconds <- c(seconds, as.numeric(Sys.time() - start, units = "secs"))
  busy <- c(busy, sum((proc.time() - start_busy)[1:2]))
  if (length(seconds) == 1) peak <- status("VmHWM") - before
}
writeBin(as.double(answer), file.path(folder, "answer.bin"))
write.table(cbind(seconds, busy, peak), file.path(folder, "measured.txt"), row.names = FALSE,
            col.names = FALSE)
