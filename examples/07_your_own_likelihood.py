"""How do I fit a likelihood that no package has, and trust its standard errors?

Write the log-likelihood of each row. Bounds keep parameters where they make sense, derivatives are
found and confirmed, and several starts show whether there is more than one maximum.
"""

import numpy as np

import estkit as ek

# Minutes between the eruptions of a geyser, short waits and long ones.
rng = np.random.default_rng(7)
waiting = np.concatenate([rng.normal(54, 6, size=97), rng.normal(80, 6, size=175)])


def loglik(params, minutes):
    """Return the log-density of each wait under a mixture of two normals."""
    z = (minutes[:, None] - params.mean) / params.sd
    density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * params.sd)
    return np.log(params.short * density[:, 0] + (1 - params.short) * density[:, 1])


mixture = ek.Likelihood(
    loglik,
    {"short": 0.5, "mean": [50.0, 90.0], "sd": 10.0},
    bounds={"short": (0, 1), "sd": (0, None)},
    starts=6,
    rng=1,
)
fit = ek.fit(mixture, waiting)
print(fit)
print()
print(fit.optima)
print()
print("profile limits of the share of short waits:", fit.interval(method="profile")[0].round(3))

# When the data cannot answer, the fit says so: here only the sum of two parameters matters.
overdone = ek.Likelihood(
    lambda params, minutes: -0.5 * ((minutes - params.base - params.shift) / 10) ** 2,
    {"base": 60.0, "shift": 0.0},
)
try:
    ek.fit(overdone, waiting)
except ek.RankError as error:
    print()
    print(error)
