"""What if the outcome is a rank, a matched case, or the class that made the data?

Five wines are rated from 1 to 5: the ratings have an order, but no scale. Cases of a disease are
matched with controls of the same age: only differences within a pair count. And where the columns
follow a law within each class, that law classifies.
"""

import numpy as np

import estkit as ek

rng = np.random.default_rng(1)

# An order without a scale: thresholds between ratings, one slope for all of them.
warm = np.repeat([0, 1], 60)
contact = np.tile([0, 1], 60)
feeling = 1.2 * warm + 0.8 * contact + rng.logistic(size=120)
rating = np.digitize(feeling, [-1.0, 0.5, 1.5, 3.0]) + 1
bitter = ek.fit(ek.Ordinal("logit"), {"warm": warm, "contact": contact}, rating)
print(bitter)
print()
print("odds of a higher rating when warm:", np.exp(bitter.params[-2]).round(2))
print("ratings of a warm wine with contact:", bitter.predict([[1, 1]])[0].round(2))
print(bitter.likelihood_ratio(["warm"]))

# Matched sets: what a set has in common, measured or not, drops out.
age = np.repeat(rng.uniform(30, 80, size=80), 3)
exposure = 0.05 * age + rng.normal(size=240)
score = 0.7 * exposure + rng.gumbel(size=240)
case = (score.reshape(80, 3) == score.reshape(80, 3).max(axis=1, keepdims=True)).ravel()
matched = ek.fit(
    ek.ConditionalLogit(), {"exposure": exposure}, case, groups=np.repeat(range(80), 3)
)
print()
print(matched)
low, high = np.exp(matched.interval(method="profile")[0])
print(f"odds ratio of one unit of exposure: {low:.2f} to {high:.2f}")

# A law of the columns in each class gives the class back.
flower = np.repeat(["iris", "lily"], [40, 20])
width = np.where(flower == "iris", rng.normal(3.0, 0.4, size=60), rng.normal(4.0, 0.8, size=60))
made = ek.fit(ek.Joint("gaussian", covariance="separate"), {"width": width}, flower)
print()
print(made)
print("a width of 3.5 is", *made.outcomes, "with", made.predict([[3.5]])[0].round(2))
