"""Is a penguin's weight better told by its five most similar fellows, or by a linear model?

Measures beside species, island and sex, with gaps: filled in, coded and scaled inside the folds.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import make_column_selector as of
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import estkit as ek


def ready(model: Any) -> Any:
    """Return a model that fills in, codes and scales what its own training rows hold."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    kinds = (numbers, of(dtype_include="number")), (words, of(dtype_exclude="number"))
    return make_pipeline(make_column_transformer(*kinds), model)


penguins = pd.read_csv(Path(__file__).parent / "data" / "penguins.csv")
penguins = penguins.dropna(subset="body_mass_g")
X, y = penguins.drop(columns="body_mass_g"), penguins["body_mass_g"]
models = {"5-NN": ready(KNeighborsRegressor(5)), "linear": ready(LinearRegression())}

result = ek.compare(models, X, y, cv=(10, 2), rng=1)
print(result)
test = result.test("5-NN", "linear")
bayes = result.test("5-NN", "linear", "bayesian", rope=10.0).posterior

print("\nhalf the penguins train      bias² and noise (error)      variance (error)")
for name, model in models.items():
    parts = ek.bias_variance(model, X, y, scheme="subsample", rounds=30, rng=1)
    bias, variance = (
        f"{parts.value(part):.0f} ({parts.std_error(part):.0f})" for part in ("bias", "variance")
    )
    print(f"{name:23} {bias:>28} {variance:>21}")

print(f"\n5-NN less linear: {test.estimate:.0f} g, {test.lower:.0f} to {test.upper:.0f}, "
      f"p = {test.p_value:.3f};")  # fmt: skip
print(f"P(linear better by more than 10 g, within 10 g, worse by more) = "
      f"{bayes.worse:.2f}, {bayes.equivalent:.2f}, {bayes.better:.2f}.")  # fmt: skip
cost = result.table().set_index("model")[["bytes", "degrees_of_freedom"]]
choice = test.better if test.p_value < 0.05 else cost["bytes"].idxmin()
why = "better, p < 0.05;" if test.p_value < 0.05 else "as good, as far as is known;"
print(f"Take the {choice} model: it is {why} it holds {cost['bytes'][choice]:.0f} bytes "
      f"and has {cost['degrees_of_freedom'][choice]:.0f} degrees of freedom.")  # fmt: skip
