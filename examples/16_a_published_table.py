"""Does a published simulation table hold, and how sure was it?

Boneau (1960, The effects of violations of assumptions underlying the t test, Psychological Bulletin
57, table 1) drew two samples 1,000 times with the desk machines of his day and counted how often
Student's t exceeds its 5 % point. N: normal, E: exponential, R: rectangular, all with mean 0;
each is followed by its variance and the size of its sample.
"""

import math

import numpy as np
from scipy import stats

import estkit as ek

PUBLISHED = {  # percent
    "N1/5 N1/5": 5.3, "N1/15 N1/15": 4.0, "N1/5 N1/15": 4.0, "N1/5 N4/5": 6.4, "N1/15 N4/15": 4.9,
    "N1/5 N4/15": 1.0, "N4/5 N1/15": 16.0, "E1/5 E1/5": 3.1, "E1/15 E1/15": 4.0, "R1/5 R1/5": 5.1,
    "R1/15 R1/15": 5.0, "E1/5 N1/5": 7.1, "E1/15 N1/15": 5.1, "R1/5 N1/5": 5.0, "R1/15 N1/15": 5.6,
    "E1/5 R1/5": 6.4, "E1/15 R1/15": 5.6, "E1/5 E4/5": 8.3,
}  # fmt: skip
HIS = 1000  # replicates
LAWS = {
    "N": lambda rng, size: rng.standard_normal(size),
    "E": lambda rng, size: rng.standard_exponential(size) - 1,
    "R": lambda rng, size: rng.uniform(-math.sqrt(3), math.sqrt(3), size),
}


def generate(rng: np.random.Generator, replicates: int, pair: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw both samples, such as N4/5: normal, variance 4, five of them."""
    drawn = []
    for sample in pair.split():
        variance, size = map(int, sample[1:].split("/"))
        drawn.append(math.sqrt(variance) * LAWS[sample[0]](rng, (replicates, size)))
    return drawn[0], drawn[1]


def student(x: np.ndarray, y: np.ndarray) -> ek.Estimate:
    """Return the difference of means and the p-value of the test with a pooled variance."""
    p_value = stats.ttest_ind(x, y, axis=1).pvalue
    return ek.Estimate(x.mean(axis=1) - y.mean(axis=1), p_value=p_value)


study = ek.Study(ek.vectorized(generate), {"t": ek.vectorized(student)}, truth=0.0,
                 conditions=ek.grid(pair=list(PUBLISHED)))  # fmt: skip
table = study.run(20_000, rng=1).summary("power").set_index("pair")
table["published"] = np.array(list(PUBLISHED.values())) / 100
both = np.hypot(table["mcse"], np.sqrt(table["value"] * (1 - table["value"]) / HIS))
table["z"] = (table["published"] - table["value"]) / both
print(table[["published", "value", "mcse", "z"]].round(4).to_string())
print(f"chi-square of all {len(table)}: {(table['z'] ** 2).sum():.1f}; the largest |z|:",
      table["z"].abs().max().round(2))  # fmt: skip
