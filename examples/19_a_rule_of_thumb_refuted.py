"""Are nearest neighbours always of low bias and high variance, and a linear model the reverse?

On diabetes no number of neighbours is: few have more of both, many have less variance, more bias.
"""

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

import estkit as ek

X, y = load_diabetes(return_X_y=True)
models = {f"{k}-NN": KNeighborsRegressor(k) for k in (1, 5, 15, 40)}
models["linear"] = LinearRegression()

# Six times, half the patients are predicted from 100 samples of the others. The noise, the same
# for all models, is within bias².
halves = range(1, 7)
parts = {
    name: [
        ek.bias_variance(model, X, y, scheme="subsample", rounds=100, test_size=0.5, rng=half)
        for half in halves
    ]
    for name, model in models.items()
}
value = {
    part: {name: np.array([each.value(part) for each in own]) for name, own in parts.items()}
    for part in ("bias", "variance")
}
print("mean of six halves (largest Monte-Carlo error), and how often more than the linear model")
print("model           bias²   more        variance   more")
for name, own in parts.items():
    shown = f"{name:6}"
    for part, of in value.items():
        error = max(each.std_error(part) for each in own)
        more = f"{np.sum(of[name] > of['linear'])} of 6" if name != "linear" else ""
        shown += f" {of[name].mean():8.0f} ({error:2.0f}) {more:>6}"
    print(shown)

result = ek.compare(models, X, y, cv=(10, 2), scoring="rmse", rng=1)
print("\nrmse, by 10 folds, twice")
worse = []
for name in list(models)[:-1]:
    test = result.test(name, "linear")
    print(f"{name:5} less linear {test.estimate:5.1f}, {test.lower:4.1f} to {test.upper:4.1f}, "
          f"p = {test.p_value:.1g}")  # fmt: skip
    worse += [name] if test.p_value < 0.05 and test.better == "linear" else []

as_ruled = {
    name
    for name in list(models)[:-1]
    if all(value["bias"][name] < value["bias"]["linear"])
    and all(value["variance"][name] > value["variance"]["linear"])
}
print(f"\nOf less bias and more variance than the linear model: {', '.join(as_ruled) or 'none'}. "
      f"Worse in sum: {', '.join(worse) or 'none'}.")  # fmt: skip
