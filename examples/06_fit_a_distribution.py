"""Which law do waiting times follow, when some of them are not over yet?

Patients were seen for a year at most: who had not relapsed by then has a time of more than a year.
Leaving these out, or taking the year for their time, would say that relapses come early.
"""

import numpy as np

import estkit as ek

rng = np.random.default_rng(7)
weeks = 40.0 * rng.weibull(1.6, size=120)
seen = np.minimum(weeks, 52.0)
times = ek.Censored(seen, np.where(weeks > 52.0, np.inf, seen))

fits = {law: ek.fit(ek.Distribution(law), times) for law in ("weibull", "gamma", "lognormal")}
for law, fit in fits.items():
    print(f"{law:10s} AIC {fit.aic:.1f}  median {fit.quantile(0.5)}")

best = min(fits.values(), key=lambda fit: fit.aic)
print()
print(best)
print()
print("still well after two years:", 1.0 - best.cdf(104.0).value)
print("profile interval of the shape:", best.interval(method="profile")[0].round(2))
print("constant hazard?", best.likelihood_ratio(["c"], value=1.0))

# Counts with more spread than a Poisson law has, in a table of how often each was seen.
mites = ek.fit(ek.Distribution("nbinom"), range(8), weights=[70, 38, 17, 10, 9, 3, 2, 1])
print()
print(repr(mites))
try:
    ek.fit(ek.Distribution("nbinom"), [2, 3, 2, 4, 3, 2])
except ek.FitError as error:
    print(error)
