"""Paired tests by baycomp, mlxtend and statsmodels where they are right: comparison/paired.json.

Read by tests/comparison/test_fold_tests.py, test_pooled_tests.py and test_datasets.py. Needs
baycomp 1.0, mlxtend 0.25, scikit-posthocs 0.17, statsmodels and scipy; run from the repository.
"""

import json
from pathlib import Path

import baycomp
import numpy as np
import scikit_posthocs
from mlxtend.evaluate import cochrans_q, mcnemar
from scipy import stats
from statsmodels.stats import contingency_tables

rng = np.random.default_rng(20)
cases = {"bayesian": [], "mcnemar": [], "cochran": [], "datasets": []}

# The correlated t: scores of two models on 5 and 10 folds, 1 to 3 times; baycomp calls the second
# one better where it is greater.
for folds, runs, rope in [(5, 1, 0.0), (10, 1, 0.01), (10, 3, 0.02), (5, 2, 0.1)]:
    first = 0.8 + 0.05 * rng.normal(size=folds * runs)
    second = first + 0.01 + 0.02 * rng.normal(size=folds * runs)
    found = np.asarray(baycomp.CorrelatedTTest.probs(first, second, rope, runs))
    probs = found.tolist() if rope else [found[0], 0.0, found[1]]
    mean, variance, df = baycomp.CorrelatedTTest.compute_statistics(first, second, runs)
    cases["bayesian"].append({
        "folds": folds, "runs": runs, "rope": rope, "first": first.tolist(),
        "second": second.tolist(), "probabilities": list(map(float, probs)),
        "mean": float(mean), "variance": float(variance), "df": int(df),
    })  # fmt: skip

for rows, rates in [(30, (0.7, 0.8)), (200, (0.6, 0.75)), (60, (0.9, 0.9))]:
    hits = [rng.random(rows) < rate for rate in rates]
    table = np.array([[np.sum((hits[0] == i) & (hits[1] == j)) for j in (True, False)]
                      for i in (True, False)])  # fmt: skip
    chi2, p_chi2 = mcnemar(table, corrected=True)
    exact = mcnemar(table, exact=True)[1]
    same = contingency_tables.mcnemar(table, exact=True)
    assert abs(same.pvalue - exact) < 1e-12
    cases["mcnemar"].append({
        "hits": [h.astype(int).tolist() for h in hits], "exact": float(exact),
        "chi2": float(chi2), "p_chi2": float(p_chi2),
    })  # fmt: skip

for rows, models in [(40, 3), (150, 5)]:
    hits = rng.random((models, rows)) < np.linspace(0.6, 0.8, models)[:, None]
    statistic, p_value = cochrans_q(np.zeros(rows), *[1 - h.astype(int) for h in hits])
    same = contingency_tables.cochrans_q(hits.T.astype(int))
    assert abs(same.statistic - statistic) < 1e-9
    cases["cochran"].append({"hits": hits.astype(int).tolist(), "statistic": float(statistic),
                             "p_value": float(p_value)})  # fmt: skip

# Many data sets: greater is better.
for sets, models in [(8, 3), (15, 4), (30, 5)]:
    scores = rng.random((sets, 1)) + 0.1 * rng.normal(size=(sets, models))
    scores += np.linspace(0, 0.1, models)
    chi2, p_value = stats.friedmanchisquare(*scores.T)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    wilcoxon = scikit_posthocs.posthoc_wilcoxon(scores.T, p_adjust="holm").to_numpy()
    signed = {}
    for rope in (0.0, 0.03):
        found = np.asarray(baycomp.SignedRankTest.probs(
            scores[:, 0], scores[:, 1], rope, nsamples=200_000, random_state=1))  # fmt: skip
        signed[str(rope)] = found.tolist() if rope else [found[0], 0.0, found[1]]
    cases["datasets"].append({
        "scores": scores.tolist(), "friedman": float(chi2), "p_value": float(p_value),
        "nemenyi": nemenyi.tolist(), "wilcoxon_holm": wilcoxon.tolist(), "signed_rank": signed,
    })  # fmt: skip

path = Path("tests/references/comparison/paired.json")
path.write_text(json.dumps(cases) + "\n", encoding="utf-8")
