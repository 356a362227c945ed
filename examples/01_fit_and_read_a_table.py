"""How do I fit a model and read its table?

Which measurements of a tumour tell that it is malignant? The data are real and come with
scikit-learn (Street, Wolberg and Mangasarian 1993).
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

import estkit as ek

data = load_breast_cancer(as_frame=True)
X = data.data[["mean texture", "mean smoothness", "mean symmetry"]]
X = (X - X.mean()) / X.std()  # effects per standard deviation
y = np.where(data.target == 0, "malignant", "benign")

fit = ek.fit(ek.Binomial(success="malignant"), X, y)
print(fit)

# The columns: the estimate, its standard error, their ratio z, the probability of a |z| this large
# if the coefficient were 0, and the limits of a 95 % interval. The last line certifies the maximum:
# the Newton decrement is the distance to it in standard errors.

print()
print("odds ratio per standard deviation, with 95 % limits:")
for name, (lower, upper), value in zip(fit.names, fit.interval(), fit.params, strict=True):
    if name != "intercept":
        print(f"  {name:16s} {np.exp(value):.2f} ({np.exp(lower):.2f} to {np.exp(upper):.2f})")

print()
print(fit.wald_test(["mean smoothness", "mean symmetry"]))
print("P(malignant) of an average tumour:", fit.predict([[0.0, 0.0, 0.0]]).round(3)[0])
