"""What do I do when outcomes are separated, or when there are more columns than I can believe?"""

import numpy as np
import pandas as pd

import estkit as ek

rng = np.random.default_rng(11)
n = 120
trial = pd.DataFrame({"dose": rng.uniform(0, 4, n), "age": rng.normal(50, 10, n).round()})
trial["carrier"] = (rng.random(n) < 0.15).astype(int)
rate = 1 / (1 + np.exp(-(trial["dose"] - 2)))
ill = np.where(trial["carrier"] == 1, True, rng.random(n) < rate)  # every carrier fell ill

print("Without a penalty there is no maximum, and estkit says so.\n")
try:
    ek.fit(ek.Binomial(), trial, ill)
except ek.SeparationError as error:
    print(error)

print("\nJeffreys' prior (Firth): finite, with intervals from the penalized likelihood.\n")
firth = ek.fit(ek.Binomial(penalty=ek.Jeffreys()), trial, ill)
print(firth)
limits = firth.interval(method="profile")
print("carrier:", limits[firth.names.index("carrier")].round(2))

print("\nL2, on columns divided by their standard deviations; the errors leave out the bias.\n")
print(ek.fit(ek.Binomial(penalty=ek.L2(2.0, standardize=True)), trial, ill))

print("\nL1 where 300 columns stand for 200 rows, of which three matter.\n")
X = rng.normal(size=(200, 300))
y = rng.random(200) < 1 / (1 + np.exp(-(2 * X[:, 0] - 2 * X[:, 1] + 1.5 * X[:, 2])))
path = ek.path(ek.Binomial(), X, y, n_strengths=10)
print(path)
chosen = {name: round(value, 2) for name, value in path.best("bic").items() if value}
print("smallest BIC:", chosen)
path.plot()  # an Axes: .figure.savefig("path.png")
