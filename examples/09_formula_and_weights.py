"""How do I fit a formula, and what becomes of categories, missing values and weights?"""

import numpy as np
import pandas as pd

import estkit as ek

rng = np.random.default_rng(7)
n = 400
survey = pd.DataFrame(
    {
        "age": rng.normal(45, 15, n).round(),
        "region": rng.choice(["north", "south", "west"], n),
        "stands_for": rng.choice([50, 200, 800], n),  # people whom each respondent represents
    }
)
rate = 1 / (1 + np.exp(-(survey["age"] - 45) / 20 - 0.8 * (survey["region"] == "west")))
survey["votes"] = np.where(rng.random(n) < rate, "yes", "no")
survey.loc[[3, 99], "age"] = np.nan

votes = ek.Binomial(success="yes")
formula = "votes ~ center(age) + region"
fit = ek.fit_formula(formula, survey, votes, missing="drop")
print(fit)
print(fit.wald_test("region"))
print(fit.predict({"age": [30.0, 60.0], "region": ["west", "north"]}).round(3))

print("\nThe same for the population: standard errors linearized, no AIC.\n")
print(ek.fit_formula(formula, survey, votes, sampling_weights="stands_for", missing="drop"))

print("\nCounts, and shares with their trials, are the same data.\n")
wards = pd.DataFrame(
    {"size": [10, 40, 25, 60], "yes": [3, 18, 14, 39], "mean_age": [28, 41, 50, 62]}
)
wards["no"], wards["share"] = wards["size"] - wards["yes"], wards["yes"] / wards["size"]
counts = ek.fit_formula("cbind(yes, no) ~ mean_age", wards, ek.Binomial())
shares = ek.fit_formula("share ~ mean_age", wards, ek.Binomial(), analytic_weights="size")
print(counts)
print("log-likelihoods:", round(counts.loglik, 6), round(shares.loglik, 6))
