"""How biased is logistic regression in small samples, and does Jeffreys' penalty help?

Maximum likelihood puts coefficients too far from 0 where events are few; the penalty of Firth
(1993), which is Jeffreys' prior, takes the bias out to first order and always has a maximum. Both
see the same data, so the difference is known far better than either.
"""

from functools import partial

import numpy as np

import estkit as ek

SLOPES = {"intercept": -1.0, "x0": 1.0, "x1": 0.5}


def generate(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw two normal predictors and an outcome with about three events in ten rows."""
    X = rng.normal(size=(n, 2))
    predictor = SLOPES["intercept"] + X @ [SLOPES["x0"], SLOPES["x1"]]
    return X, rng.random(n) < 1 / (1 + np.exp(-predictor))


study = ek.Study(
    generate,
    {
        "maximum likelihood": partial(ek.fit, ek.Binomial()),
        "Jeffreys": partial(ek.fit, ek.Binomial(penalty=ek.Jeffreys())),
    },
    truth=SLOPES,
    conditions=ek.grid(n=[25, 50, 100]),
)
result = study.run(300, rng=1)

print(result)
print()
shown = ["n", "value", "mcse", "lower", "upper", "used"]
for measure in ("bias", "rmse"):
    both = result.contrast("maximum likelihood", "Jeffreys", measure)
    print(f"{measure} of maximum likelihood less that of Jeffreys, on the same data sets:")
    print(both.query("parameter == 'x0'")[shown].round(4).to_string(index=False))
    print()
print("Data sets without an estimate:")
failed = result.summary("failure_rate").drop_duplicates(["n", "estimator"])
print(failed[["n", "estimator", "value", "lower", "upper"]].round(4).to_string(index=False))
