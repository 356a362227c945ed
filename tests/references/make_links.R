# Binomial regression with links other than logit, by R's glm: one JSON file per case in links/,
# read by tests/likelihood/test_references_links.py. Needs R with the packages MASS (data),
# numDeriv and jsonlite.
#
# std_errors_expected are glm's own, of the expected information; std_errors are those of the
# observed information, whose second derivatives binomial.R writes out. For these links they differ.
source("tests/references/case.R")
source("tests/references/binomial.R")
library(MASS)

tight <- glm.control(epsilon = 1e-14, maxit = 1000)

link_case <- function(name, description, source, columns, y, call, link, options = list(),
                      intercept = TRUE, weights = NULL, offset = NULL, start = NULL) {
  x <- design(columns, intercept)
  check_rank(x)
  response <- if (is.character(y)) as.integer(y == options$success) else as.matrix(y) * 1
  counts <- if (is.matrix(response) && ncol(response) == 2) response else cbind(response,
                                                                              1 - response)
  w <- if (is.null(weights)) rep(1, nrow(x)) else weights
  o <- if (is.null(offset)) rep(0, nrow(x)) else offset
  share <- sum(w * counts[, 1]) / sum(w * counts)
  # log and identity have no start of their own that lies inside the bounds
  if (is.null(start) && link == "log") start <- c(log(share), rep(0, ncol(x) - 1))
  if (is.null(start) && link == "identity") start <- c(share, rep(0, ncol(x) - 1))
  rows <- repeats(weights, nrow(x))
  cr <- counts[rows, ]
  xr <- x[rows, , drop = FALSE]
  or <- o[rows]
  fit <- glm(cr ~ xr - 1, family = binomial(link), offset = or, control = tight, start = start)
  fit <- glm(cr ~ xr - 1, family = binomial(link), offset = or, control = tight, start = coef(fit))
  stopifnot(fit$converged, !fit$boundary)
  at <- function(b) binomial_derivatives(b, x, counts, w, o, links[[link]])
  best <- newton(unname(coef(fit)), at)
  expected_ <- sqrt(diag(inverse(best$expected)))
  stopifnot(apart(coef(fit), best$b, best$std_errors) < 1e-5,
            apart(sqrt(diag(vcov(fit))), expected_) < 1e-6,
            apart(logLik(fit), best$loglik) < 1e-10,
            apart(numDeriv::jacobian(function(b) at(b)$gradient, best$b,
                                     method.args = list(d = 1e-3, r = 6)), -best$information,
                  sqrt(outer(diag(best$information), diag(best$information)))) < 1e-7)
  expected <- list(
    names = colnames(x), params = best$b, std_errors = best$std_errors,
    std_errors_expected = unname(expected_), loglik = one(best$loglik))
  expected <- c(expected, lapply(criteria(best$loglik, ncol(x), length(rows)), one),
                list(n_obs = one(length(rows))))
  data <- list(columns = columns, y = y)
  data$weights <- weights
  data$offset <- offset
  write_case(paste0("binomial_", name, "_", link), list(
    description = one(description), source = one(source), tool = one("R stats::glm, polished"),
    version = one(versions("MASS", "numDeriv", "jsonlite")),
    call = one(paste0(call, "; control = glm.control(epsilon = 1e-14, maxit = 1000), Newton steps ",
                      "with the observed information from its answer to the optimum; std_errors ",
                      "of the observed, std_errors_expected of the expected information")),
    family = one("Binomial"), options = lapply(c(list(link = link), options), one), data = data,
    intercept = one(intercept), expected = expected), kind = "links")
}

mass <- "R package MASS (GPL-2 | GPL-3), public data: "
base <- "R package datasets (part of R, GPL-2 | GPL-3), public data: "

# --- 0/1 and labelled outcomes ---

race <- factor(birthwt$race, 1:3, c("white", "black", "other"))
birthwt_source <- paste0(mass, "birthwt; Hosmer and Lemeshow (1989), Applied Logistic Regression")
birthwt_all <- c(birthwt[c("age", "lwt")], dummies("race", race),
                 birthwt[c("smoke", "ptl", "ht", "ui", "ftv")])
for (link in c("probit", "cloglog", "cauchit")) link_case(
  "birthwt", "Low birth weight of 189 babies, nine columns, outcome 0/1", birthwt_source,
  birthwt_all, birthwt$low, paste0("glm(low ~ age + lwt + race + smoke + ptl + ht + ui + ftv, ",
                                   "binomial('", link, "'))"), link)
for (link in c("log", "identity")) link_case(
  "birthwt", "Low birth weight of 189 babies by smoking and hypertension", birthwt_source,
  as.list(birthwt[c("smoke", "ht")]), birthwt$low,
  paste0("glm(low ~ smoke + ht, binomial('", link, "'))"), link)

pima_source <- paste0(mass, "Pima.tr; Smith et al (1988), US National Institute of Diabetes")
for (link in c("probit", "cauchit")) link_case(
  "pima", "Diabetes in 200 Pima women, outcome Yes or No, success Yes", pima_source,
  as.list(Pima.tr[c("glu", "bmi", "age")]), as.character(Pima.tr$type),
  paste0("glm(type == 'Yes' ~ glu + bmi + age, binomial('", link, "'))"), link,
  options = list(success = "Yes"))

infert_source <- paste0(base, "infert; Trichopoulos et al (1976), Br. J. of Obst. and Gynaec. 83")
link_case(
  "infert", "Infertility after abortion, 248 women, matching ignored, outcome 0/1", infert_source,
  as.list(infert[c("age", "parity", "spontaneous", "induced")]), infert$case,
  "glm(case ~ age + parity + spontaneous + induced, binomial('cloglog'))", "cloglog")

mtcars_source <- paste0(base, "mtcars; Henderson and Velleman (1981), Biometrics 37")
link_case(
  "mtcars", "Manual gear box of 32 cars by weight and power, nearly separated", mtcars_source,
  as.list(mtcars[c("wt", "hp")]), mtcars$am == 1, "glm(am == 1 ~ wt + hp, binomial('probit'))",
  "probit")

# --- counts of successes and failures ---

beetle_size <- c(59, 60, 62, 56, 63, 59, 62, 60)
beetle_dead <- c(6, 13, 18, 28, 52, 53, 61, 60)
for (link in c("probit", "cloglog", "cauchit")) link_case(
  "beetle", "Flour beetles killed by carbon disulphide at eight doses, counts",
  "Published table, public data: Bliss (1935), Annals of Applied Biology 22, 134-167",
  list(log10dose = c(1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839)),
  cbind(beetle_dead, beetle_size - beetle_dead, deparse.level = 0),
  paste0("glm(cbind(dead, alive) ~ log10dose, binomial('", link, "'))"), link)

dose <- rep(0:5, 2)
budworm_dead <- c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16)
budworm <- cbind(budworm_dead, 20 - budworm_dead, deparse.level = 0)
budworm_male <- rep(1:0, each = 6)
budworm_source <- paste0("Documentation of R package MASS (dose.p), public data: ",
                         "Collett (1991), Modelling Binary Data, p. 75")
for (link in c("probit", "cloglog")) link_case(
  "budworm", "Tobacco budworms killed of 20 at six doses of two sexes, counts", budworm_source,
  list(male = budworm_male, log2dose = dose), budworm,
  paste0("glm(cbind(dead, 20 - dead) ~ male + log2dose, binomial('", link, "'))"), link)
link_case(
  "budworm_offset", "The budworms with half the log2(dose) as an offset", budworm_source,
  list(female = 1 - budworm_male, male = budworm_male), budworm,
  "glm(cbind(dead, 20 - dead) ~ female + male + offset(log2dose / 2) - 1, binomial('probit'))",
  "probit", intercept = FALSE, offset = dose / 2)

for (link in c("probit", "cauchit")) link_case(
  "menarche", "Menarche of 3918 Warsaw girls, 25 age groups, counts, some 0 or n of n",
  paste0(mass, "menarche; Milicer and Szczotka (1966), Human Biology 38"),
  list(age = menarche$Age), cbind(menarche$Menarche, menarche$Total - menarche$Menarche),
  paste0("glm(cbind(Menarche, Total - Menarche) ~ Age, binomial('", link, "'))"), link)

unordered <- function(x) factor(as.character(x), levels(x))
link_case(
  "esoph", "Oesophageal cancer in Ille-et-Vilaine, 88 groups, counts, treatment contrasts",
  paste0(base, "esoph; Breslow and Day (1980), IARC Scientific Publications 32"),
  c(dummies("age", unordered(esoph$agegp)), dummies("alcohol", unordered(esoph$alcgp)),
    dummies("tobacco", unordered(esoph$tobgp))),
  cbind(esoph$ncases, esoph$ncontrols),
  "glm(cbind(ncases, ncontrols) ~ agegp + alcgp + tobgp, binomial('cloglog')), unordered factors",
  "cloglog")

ucb <- as.data.frame(UCBAdmissions)
admitted <- ucb[ucb$Admit == "Admitted", ]
for (link in c("log", "identity")) link_case(
  "ucb", "Admission to six departments in Berkeley, 4526 applicants in 12 groups, counts",
  paste0(base, "UCBAdmissions; Bickel, Hammel and O'Connell (1975), Science 187"),
  c(dummies("gender", admitted$Gender), dummies("dept", admitted$Dept)),
  cbind(admitted$Freq, ucb$Freq[ucb$Admit == "Rejected"]),
  paste0("glm(cbind(admitted, rejected) ~ Gender + Dept, binomial('", link, "'))"), link)

# --- frequency weights ---

titanic <- as.data.frame(Titanic)
for (link in c("probit", "log")) link_case(
  "titanic", paste("Survival of 2201 people in 32 rows, frequency weights (8 of them 0);",
                   "glm saw each row repeated weight times"),
  paste0(base, "Titanic; Dawson (1995), Journal of Statistics Education 3"),
  c(dummies("class", titanic$Class), dummies("sex", titanic$Sex)), as.character(titanic$Survived),
  paste0("glm(Survived == 'Yes' ~ Class + Sex, binomial('", link, "')) on ",
         "titanic[rep(1:32, titanic$Freq), ]"), link,
  options = list(success = "Yes"), weights = titanic$Freq)

# --- most outcomes a success ---

bacteria_weeks <- as.list(bacteria["week"])
link_case(
  "bacteria", "Presence of H. influenzae in 220 visits by week, outcome y or n",
  paste0(mass, "bacteria; Dr A. Leach, Menzies School of Health Research, Darwin"),
  c(bacteria_weeks, dummies("treatment", bacteria$trt)), as.character(bacteria$y),
  "glm(y == 'y' ~ week + trt, binomial('cloglog'))", "cloglog", options = list(success = "y"))
