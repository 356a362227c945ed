# R's answers for the predictions in comparison/builtin.json: comparison/builtin_r.json, read by
# tests/comparison/test_builtin_data.py. Needs R with the packages pROC and jsonlite.
suppressMessages(library(pROC))
given <- jsonlite::fromJSON("tests/references/comparison/builtin.json", simplifyVector = TRUE)
hit <- given$cancer$hit
truth <- given$cancer$truth
pairs <- combn(names(hit), 2, simplify = FALSE)

mcnemar <- lapply(pairs, function(pair) {
  both <- lapply(hit[pair], factor, levels = 0:1)
  counts <- table(both[[1]], both[[2]])
  alone <- c(counts[2, 1], counts[1, 2])
  corrected <- mcnemar.test(counts, correct = TRUE)
  list(a = pair[1], b = pair[2], exact = binom.test(alone[1], sum(alone))$p.value,
       chi2 = unname(corrected$statistic), p_chi2 = corrected$p.value)
})

# Cochran's Q is Friedman's test of hits and misses, and the test of Cochran, Mantel and Haenszel
# with a stratum for every row.
of_hits <- do.call(cbind, hit)
q <- friedman.test(of_hits)
rows <- nrow(of_hits)
long <- data.frame(hit = c(of_hits), model = rep(colnames(of_hits), each = rows),
                   row = rep(seq_len(rows), ncol(of_hits)))
mixed <- rowSums(of_hits) %in% 1:2
cmh <- mantelhaen.test(xtabs(~ model + hit + row, long[rep(mixed, 3), ]))
stopifnot(all.equal(unname(q$statistic), unname(cmh$statistic), tolerance = 1e-10))

delong <- lapply(pairs, function(pair) {
  curves <- lapply(given$cancer$chance[pair], function(chance) {
    roc(truth, chance, quiet = TRUE, direction = "<")
  })
  test <- roc.test(curves[[1]], curves[[2]], method = "delong", paired = TRUE)
  list(a = pair[1], b = pair[2], areas = unname(sapply(curves, auc)),
       statistic = unname(test$statistic), p_value = test$p.value,
       interval = as.numeric(test$conf.int))
})

paired <- t.test(given$rmse$knn, given$rmse$linear, paired = TRUE)
accuracy <- do.call(rbind, given$accuracy)
friedman <- friedman.test(accuracy)
columns <- combn(ncol(accuracy), 2, simplify = FALSE)
wilcoxon <- sapply(columns, function(j) {
  suppressWarnings(wilcox.test(accuracy[, j[1]], accuracy[, j[2]], paired = TRUE)$p.value)
})
json <- jsonlite::toJSON(list(
  mcnemar = mcnemar,
  cochran = list(statistic = unname(q$statistic), df = unname(q$parameter), p_value = q$p.value),
  delong = delong,
  t = list(statistic = unname(paired$statistic), p_value = paired$p.value,
           interval = as.numeric(paired$conf.int)),
  friedman = list(statistic = unname(friedman$statistic), p_value = friedman$p.value),
  wilcoxon = list(raw = wilcoxon, holm = p.adjust(wilcoxon, "holm"))
), digits = NA, auto_unbox = TRUE)
writeLines(json, "tests/references/comparison/builtin_r.json")
