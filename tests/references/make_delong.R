# DeLong's test of two correlated areas under ROC curves by pROC, with ties: comparison/delong.json,
# read by tests/comparison/test_pooled_tests.py. Needs R with the packages pROC and jsonlite.
suppressMessages(library(pROC))
set.seed(5)
cases <- lapply(list(c(30, 50, 1), c(12, 9, 0), c(200, 100, 1), c(40, 40, 0)), function(size) {
  truth <- rep(1:0, size[1:2])
  first <- round(rnorm(length(truth)) + truth, size[3])
  second <- round(first / 2 + rnorm(length(truth)) + truth / 2, size[3])
  one <- roc(truth, first, quiet = TRUE, direction = "<")
  other <- roc(truth, second, quiet = TRUE, direction = "<")
  test <- roc.test(one, other, method = "delong", paired = TRUE)
  list(truth = truth, first = first, second = second, areas = c(auc(one), auc(other)),
       statistic = unname(test$statistic), p_value = test$p.value,
       variance = var(one, other = NULL, method = "delong"),
       interval = as.numeric(test$conf.int))
})
json <- jsonlite::toJSON(cases, digits = NA, auto_unbox = TRUE, pretty = FALSE)
writeLines(json, "tests/references/comparison/delong.json")
