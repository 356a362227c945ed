"""How do I fit data that do not fit into memory, or that are mostly zeros?

`Chunks` are read a piece at a time, several times over, with the numbers of the same rows in
memory; a sparse matrix is never filled; a classifier holds a fit for scikit-learn's pipelines.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.model_selection import cross_val_score

import estkit as ek

rng = np.random.default_rng(1)
rows = 20_000
frame = pd.DataFrame(
    {
        "age": rng.normal(40, 10, rows),
        "town": rng.choice(["Ulm", "Bonn", "Graz"], rows),
    }
)
frame["bought"] = rng.random(rows) < 1 / (1 + np.exp(3 - 0.06 * frame["age"]))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "sales.parquet"
    frame.to_parquet(path)
    fit = ek.fit(ek.Binomial(), ek.Chunks.parquet(path, y="bought", rows=4_000))
print(fit)
print(fit.wald_test("town"))

# 20,000 rows of 500 dummies, of which each row has two: 40,000 numbers and not 10 million
codes = rng.integers(0, 250, size=(rows, 2)) + np.array([0, 250])
X = sparse.csr_matrix((np.ones(2 * rows), codes.ravel(), np.arange(0, 2 * rows + 1, 2)))
ridge = ek.fit(ek.Binomial(penalty=ek.L2(5.0)), X, frame["bought"].to_numpy())
print(f"{len(ridge.params)} coefficients, log-likelihood {ridge.loglik:.2f}")

model = ek.BinomialClassifier(strength=5.0)
scores = cross_val_score(model, frame[["age"]], frame["bought"], cv=5)
print("accuracy in five folds:", scores.round(3))
