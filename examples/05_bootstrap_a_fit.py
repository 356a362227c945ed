"""How far can I trust the standard errors of this very fit?

The parametric bootstrap takes the fit for the truth, draws new responses from it, and fits again:
the small-sample bias and the coverage of the intervals at just these covariates.
"""

import numpy as np
from sklearn.datasets import load_wine

import estkit as ek

data = load_wine(as_frame=True)
names = np.array(["barolo", "grignolino", "barbera"])
X, y = data.data[["alcohol", "malic_acid"]], names[data.target]

fit = ek.fit(ek.Softmax(reference="barolo"), X, y)
print(fit)

print()
study = fit.bootstrap(200, rng=1)
print(study)

print()
lost = len(study.failures())
print(f"{lost} of 200 bootstrap samples had no maximum")
print()
print(fit.to_markdown())
