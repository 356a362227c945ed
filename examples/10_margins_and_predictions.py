"""What do the coefficients mean for probabilities, and how sure is a prediction?

A survey of how people travel to work, by distance, age and whether they own a car.
"""

import json

import numpy as np

import estkit as ek

rng = np.random.default_rng(3)
n = 600
people = {
    "km": rng.gamma(2.0, 4.0, size=n).round(1),
    "age": rng.integers(18, 66, size=n),
    "car": rng.integers(0, 2, size=n),
}
utility = np.column_stack(
    [1.2 - 0.25 * people["km"], -0.5 + 1.4 * people["car"], 0.01 * (people["age"] - 40)]
)
travel = np.array(["bike", "car", "train"])[np.argmax(utility + rng.gumbel(size=(n, 3)), axis=1)]

fit = ek.fit(ek.Softmax(), people, travel)

# Average effects on each probability; they sum to 0 over the three ways to travel.
print(fit.margins(change={"km": 5, "age": 10}))
print()
print(fit.margins("km", at={"car": 0}, change={"km": (2, 12)}))
print()

# A prediction with intervals between 0 and 1, from a fit that was stored as JSON.
stored = json.dumps(fit.to_dict())
again = ek.LikelihoodFit.from_dict(json.loads(stored))
print(again.predict_interval({"km": [3.0, 20.0], "age": [30, 50], "car": [1, 0]}))
print()

# Any function of the coefficients: at what distance are bike and car equally likely for a driver?
print(
    again.delta(
        lambda p: -(p["car:intercept"] + p["car:car"] + 40 * p["car:age"]) / p["car:km"],
        names=["km"],
    )
)

# Few data: the curve is not a parabola, and the limits are not symmetric.
few = ek.fit(ek.Binomial(), {"dose": range(1, 9)}, [0, 0, 1, 0, 1, 0, 1, 1])
print(few.profile("dose"))
for method in ("wald", "profile"):
    print(f"{method:9s}", few.interval(method=method)[1].round(2))
