"""Which handwritten digits are nearly the same, how sure is that, and what does noise hide?

The cosine of two images says how alike they are. The pixels are a sample, which makes it unsure;
and noise in the images pulls it towards 0, unless there are replicates to tell how much there is.
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import estkit as ek

X, y = load_digits(return_X_y=True)

# Near duplicates: every pair of the 1797 images over a threshold, none left out.
pairs = ek.cosine_join(X, threshold=0.99)
print(pairs, end="\n\n")

# The nearest others of each image, and whether they show the same digit.
nearest = ek.cosine_top_k(X, k=3)
same = (y[nearest.indices] == y[:, None]).mean(axis=0)
print("the nearest, second and third show the same digit:", *(f"{share:.1%}" for share in same))

# An image whose nearest shows another digit: is it really nearer than the nearest of its own? (Both
# are the nearest of many, which makes the difference look surer than it is.)
odd = int(np.argmax(y[nearest.indices[:, 0]] != y))
wrong = int(nearest.indices[odd, 0])
own = np.setdiff1d(np.flatnonzero(y == y[odd]), odd)
right = int(own[ek.cosine_top_k(X[odd], X[own], k=1).indices[0]])
print(f"\nimage {odd} shows {y[odd]}; the nearest, {wrong}, shows {y[wrong]}")
for name, other in (("nearest", wrong), ("nearest of its own", right)):
    print(f"  {name:19} {ek.cosine_interval(X[odd], X[other])}")
more = ek.cosine_difference(X[odd], X[wrong], X[right])
print(f"  {'difference':19} {more}, p = {more.p_value:.2f}")


# What noise hides: four noisy copies each of an average 3 and an average 8, again and again.
def copies(rng: np.random.Generator, noise: float) -> Any:
    """Return four noisy copies of each."""
    return [image + noise * rng.normal(size=(4, 64)) for image in (three, eight)]


def of_averages(data: Any) -> Any:
    """Return the cosine of the averages of the copies."""
    return ek.cosine_similarity(data[0].mean(axis=0), data[1].mean(axis=0))


three, eight = (X[y == digit].mean(axis=0) for digit in (3, 8))
study = ek.Study(
    generate=copies,
    estimators={"averages": of_averages, "debiased": lambda data: ek.debiased_cosine(*data)},
    truth=ek.cosine_similarity(three, eight),
    conditions=ek.grid(noise=[1.0, 6.0]),
)
print("\ncosine of an average 3 with an average 8:", round(study.truth, 3))
print(study.run(200, rng=1).table(["bias", "rmse", "coverage"]))
