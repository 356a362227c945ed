# Binomial regression by R's glm: one JSON file per case, read by
# tests/likelihood/test_references.py. Needs R with the packages MASS (data) and jsonlite.
source("tests/references/case.R")
library(MASS)

tight <- glm.control(epsilon = 1e-14, maxit = 100)

# AIC and BIC are R's own: the log-likelihood of counts holds the binomial coefficient, and the
# observations are rows. Frequency weights are repeated rows here, so their sum is n_obs.
binomial_case <- function(name, description, source, columns, y, call, options = NULL,
                          intercept = TRUE, weights = NULL, offset = NULL) {
  x <- design(columns, intercept)
  response <- if (is.character(y)) as.integer(y == options$success) else as.matrix(y) * 1
  rows <- repeats(weights, nrow(x))
  check_rank(x[unique(rows), ])
  xr <- x[rows, , drop = FALSE]
  yr <- if (is.matrix(response)) response[rows, ] else response[rows]
  or <- if (is.null(offset)) rep(0, length(rows)) else as.numeric(offset[rows])
  fit <- glm(yr ~ xr - 1, family = binomial(), offset = or, control = tight)
  # summary() takes its weights from the iteration before the last; from the optimum they agree.
  fit <- glm(yr ~ xr - 1, family = binomial(), offset = or, control = tight, start = coef(fit))
  stopifnot(fit$converged, !fit$boundary, all(is.finite(coef(fit))), max(abs(coef(fit))) < 1e3)
  check_optimum(fit, xr)
  expected <- list(
    names = colnames(x), params = unname(coef(fit)),
    std_errors = unname(sqrt(diag(vcov(fit)))), loglik = one(as.numeric(logLik(fit))),
    aic = one(AIC(fit)), bic = one(BIC(fit)), n_obs = one(nobs(fit)))
  data <- list(columns = columns, y = y)
  data$weights <- weights
  data$offset <- offset
  write_case(name, list(
    description = one(description), source = one(source), tool = one("R stats::glm"),
    version = one(versions("MASS", "jsonlite")),
    call = one(paste0(call, "; control = glm.control(epsilon = 1e-14, maxit = 100), ",
                      "refitted from its own optimum")),
    family = one("Binomial"), options = lapply(options, one) %||% setNames(list(), character()),
    data = data, intercept = one(intercept), expected = expected))
}

`%||%` <- function(a, b) if (length(a)) a else b

# One more Newton step, made without glm, must leave every coefficient where it is; and glm's
# standard errors must be those of the information at that point.
check_optimum <- function(fit, x) {
  p <- fitted(fit)
  size <- fit$prior.weights
  information <- crossprod(x, size * p * (1 - p) * x)
  scale <- sqrt(diag(information))
  covariance <- solve(information / outer(scale, scale)) / outer(scale, scale)
  step <- covariance %*% crossprod(x, size * (fit$y - p))
  stopifnot(abs(step) < 1e-10 * pmax(1, abs(coef(fit))),
            abs(sqrt(diag(covariance) / diag(vcov(fit))) - 1) < 1e-9)
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- 0/1, logical and labelled outcomes ---

race <- factor(birthwt$race, 1:3, c("white", "black", "other"))
birthwt_source <- paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression")
binomial_case(
  "binomial_birthwt", "Low birth weight of 189 babies, nine columns, outcome 0/1", birthwt_source,
  c(birthwt[c("age", "lwt")], dummies("race", race), birthwt[c("smoke", "ptl", "ht", "ui", "ftv")]),
  birthwt$low, "glm(low ~ age + lwt + race + smoke + ptl + ht + ui + ftv, binomial)")

infert_source <- paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83")
binomial_case(
  "binomial_infert", "Infertility after abortion, 248 women, matching ignored, outcome 0/1",
  infert_source,
  c(infert[c("age", "parity")], dummies("education", infert$education),
    infert[c("spontaneous", "induced")]),
  infert$case, "glm(case ~ age + parity + education + spontaneous + induced, binomial)")

mtcars_source <- paste0(base, "mtcars; Henderson and Velleman (1981), Biometrics 37")
binomial_case(
  "binomial_mtcars", "Manual gear box of 32 cars, nearly separated, outcome logical", mtcars_source,
  as.list(mtcars[c("wt", "hp")]), mtcars$am == 1, "glm(am == 1 ~ wt + hp, binomial)")

pima_source <- paste0(mass, "Pima.tr; Smith et al (1988), US National Institute of Diabetes")
pima <- Pima.tr[c("npreg", "glu", "bp", "skin", "bmi", "ped", "age")]
binomial_case(
  "binomial_pima", "Diabetes in 200 Pima women, outcome Yes or No, success Yes", pima_source,
  as.list(pima), as.character(Pima.tr$type),
  "glm(type == 'Yes' ~ npreg + glu + bp + skin + bmi + ped + age, binomial)",
  options = list(success = "Yes"))
binomial_case(
  "binomial_pima_no", "Diabetes in 200 Pima women, outcome Yes or No, success No", pima_source,
  as.list(pima[c("glu", "bmi", "age")]), as.character(Pima.tr$type),
  "glm(type == 'No' ~ glu + bmi + age, binomial)", options = list(success = "No"))

# --- counts of successes and failures ---

binomial_case(
  "binomial_menarche", "Menarche of 3918 Warsaw girls, 25 age groups, counts, some 0 or n of n",
  paste0(mass, "menarche; Milicer and Szczotka (1966), Human Biology 38"),
  list(age = menarche$Age), cbind(menarche$Menarche, menarche$Total - menarche$Menarche),
  "glm(cbind(Menarche, Total - Menarche) ~ Age, binomial)")

unordered <- function(x) factor(as.character(x), levels(x))
binomial_case(
  "binomial_esoph", "Oesophageal cancer in Ille-et-Vilaine, 88 groups, counts, treatment contrasts",
  paste0(base, "esoph; Breslow and Day (1980), IARC Scientific Publications 32"),
  c(dummies("age", unordered(esoph$agegp)), dummies("alcohol", unordered(esoph$alcgp)),
    dummies("tobacco", unordered(esoph$tobgp))),
  cbind(esoph$ncases, esoph$ncontrols),
  "glm(cbind(ncases, ncontrols) ~ agegp + alcgp + tobgp, binomial), unordered factors")

dose <- rep(0:5, 2)
budworm_dead <- c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16)
budworm_male <- rep(1:0, each = 6)
budworm <- cbind(budworm_dead, 20 - budworm_dead, deparse.level = 0)
budworm_source <- paste0("Documentation of R package MASS (dose.p), public data: ",
                         "Collett (1991), Modelling Binary Data, p. 75")
binomial_case(
  "binomial_budworm", "Tobacco budworms killed of 20 at six doses of two sexes, counts",
  budworm_source, list(male = budworm_male, log2dose = dose), budworm,
  "glm(cbind(dead, 20 - dead) ~ male + log2dose, binomial)")
binomial_case(
  "binomial_budworm_no_intercept", "The budworms with one column per sex and no intercept",
  budworm_source, list(female = 1 - budworm_male, male = budworm_male, log2dose = dose), budworm,
  "glm(cbind(dead, 20 - dead) ~ female + male + log2dose - 1, binomial)", intercept = FALSE)
binomial_case(
  "binomial_budworm_offset", "The budworms with the slope of log2(dose) held at 1 by an offset",
  budworm_source, list(male = budworm_male), budworm,
  "glm(cbind(dead, 20 - dead) ~ male + offset(log2dose), binomial)", offset = dose)

beetle_size <- c(59, 60, 62, 56, 63, 59, 62, 60)
beetle_dead <- c(6, 13, 18, 28, 52, 53, 61, 60)
binomial_case(
  "binomial_beetle", "Flour beetles killed by carbon disulphide at eight doses, counts",
  "Published table, public data: Bliss (1935), Annals of Applied Biology 22, 134-167",
  list(log10dose = c(1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839)),
  cbind(beetle_dead, beetle_size - beetle_dead, deparse.level = 0),
  "glm(cbind(dead, alive) ~ log10dose, binomial)")

ucb <- as.data.frame(UCBAdmissions)
admitted <- ucb[ucb$Admit == "Admitted", ]
binomial_case(
  "binomial_ucb", "Admission to six departments in Berkeley, 4526 applicants in 12 groups, counts",
  paste0(base, "UCBAdmissions; Bickel, Hammel and O'Connell (1975), Science 187"),
  c(dummies("gender", admitted$Gender), dummies("dept", admitted$Dept)),
  cbind(admitted$Freq, ucb$Freq[ucb$Admit == "Rejected"]),
  "glm(cbind(admitted, rejected) ~ Gender + Dept, binomial)")

# --- frequency weights, and weights with an offset ---

titanic <- as.data.frame(Titanic)
titanic_source <- paste0(base, "Titanic; Dawson (1995), Journal of Statistics Education 3")
binomial_case(
  "binomial_titanic", paste("Survival of 2201 people in 32 rows, frequency weights (8 of them 0);",
                            "glm saw each row repeated weight times"), titanic_source,
  c(dummies("class", titanic$Class), dummies("sex", titanic$Sex), dummies("age", titanic$Age)),
  as.character(titanic$Survived),
  "glm(Survived == 'Yes' ~ Class + Sex + Age, binomial) on titanic[rep(1:32, titanic$Freq), ]",
  options = list(success = "Yes"), weights = titanic$Freq)
binomial_case(
  "binomial_titanic_offset", "The Titanic rows and weights, the effect of being female held at 2.5",
  titanic_source, c(dummies("class", titanic$Class), dummies("age", titanic$Age)),
  as.character(titanic$Survived),
  paste("glm(Survived == 'Yes' ~ Class + Age + offset(2.5 * (Sex == 'Female')), binomial)",
        "on titanic[rep(1:32, titanic$Freq), ]"),
  options = list(success = "Yes"), weights = titanic$Freq, offset = 2.5 * (titanic$Sex == "Female"))
