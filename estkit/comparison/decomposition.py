"""``bias_variance``: what of a model's loss is noise, bias, and change with the training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Data, read_data
from estkit.comparison.components import ZERO_ONE, log_parts, squared_parts
from estkit.comparison.evaluation import rows_of
from estkit.comparison.rounds import Pool, Task, in_parallel, shortcut
from estkit.comparison.scores import Floats
from estkit.errors import DataError
from estkit.montecarlo.influence import Influence, standard_error
from estkit.montecarlo.intervals import mean_interval
from estkit.montecarlo.streams import SETTING, Streams, seed_sequence
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

_LOSSES = ("squared", "zero_one", "log")
_SCHEMES = ("bootstrap", "subsample", "fresh")
_UNDERSTATED = (
    "A bootstrap round repeats rows and lacks a third of them, so that its variance is not "
    "that of fresh training sets: it understates that of 1-nearest neighbour by much, and puts the "
    "rest into bias. Use scheme='subsample', or generate= where the law of the data is known."
)


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition(Tabular):
    """The parts of an expected loss, each with its Monte-Carlo error; `bias_variance` makes it.

    Parameters
    ----------
    model : str
        The kind of model.
    loss, definition, scheme : str
        What was asked for.
    rounds, train_rows, rows : int
        How many training sets, of how many rows each, and how many rows were predicted.
    parts : mapping of str to Influence
        ``"noise"``, ``"bias"`` (squared for squared loss), ``"variance"`` and ``"loss"``, the sum;
        for Domingos also the variance on unbiased and on biased rows, whose difference is the
        variance. Each with what every round contributes.
    notes : tuple of str
        What to know when reading them.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> found = ek.bias_variance(LinearRegression(), *load_diabetes(return_X_y=True), rng=1)
    >>> found.value("loss") == found.value("bias") + found.value("variance")
    True
    >>> round(found.value("variance") / found.std_error("variance"))
    28
    """

    model: str
    loss: str
    definition: str
    scheme: str
    rounds: int
    train_rows: int
    rows: int
    parts: Mapping[str, Influence]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {part.value:.4g}" for name, part in self.parts.items())
        return f"Decomposition({self.model}, {self.loss}: {told}; {self.rounds} {self.scheme})"

    def value(self, part: str) -> float:
        """Return a part by its name."""
        return self._part(part).value

    def std_error(self, part: str) -> float:
        """Return the Monte-Carlo standard error of a part: what other rounds would change."""
        return standard_error(self._part(part).psi)

    def interval(self, part: str, *, level: float = 0.95) -> tuple[float, float]:
        """Return a Monte-Carlo interval of a part, for infinitely many rounds on these rows."""
        return mean_interval(self.value(part), self.std_error(part), self.rounds, level)

    def to_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return part, value, mcse, lower and upper."""
        import pandas as pd

        rows = [(name, self.value(name), self.std_error(name), *self.interval(name, level=level))
                for name in self.parts]  # fmt: skip
        return pd.DataFrame(rows, columns=["part", "value", "mcse", "lower", "upper"])

    def _part(self, name: str) -> Influence:
        if name not in self.parts:
            raise DataError(f"{name!r} is not a part; they are {', '.join(self.parts)}.")
        return self.parts[name]

    def _table(self) -> Table:
        frame = self.to_frame()
        names = [
            "bias²" if name == "bias" and self.loss == "squared" else name for name in frame["part"]
        ]
        columns = [
            Column("part", names),
            Column("value", frame["value"].tolist(), frame["mcse"].tolist()),
            Column("MC error", frame["mcse"].tolist(), style="error"),
        ]
        kind = f" ({self.definition})" if self.definition else ""
        title = f"{self.model}: {self.loss} loss{kind}, {self.rounds} rounds of {self.scheme}"
        return Table(columns, title, self.notes)


def bias_variance(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    loss: str = "squared",
    scheme: str | None = None,
    rounds: int = 200,
    truth: Any = None,
    generate: Callable[[np.random.Generator], tuple[Any, Any]] | None = None,
    test_size: float = 0.3,
    test: Any = None,
    draws: Any = None,
    definition: str = "domingos",
    smoothing: float = 0.0,
    rng: Any = None,
    n_jobs: int | None = None,
) -> Decomposition:
    """Split the expected loss of a model into noise, bias and variance over training sets.

    Parameters
    ----------
    model : estimator
        A scikit-learn estimator; clones of it are fitted.
    X : array or data frame of shape (n, p)
        The rows that training sets are drawn from; left out with `generate`.
    y : array of shape (n,)
        Numbers, or labels of any kind.
    loss : {"squared", "zero_one", "log"}
        The last needs ``predict_proba``.
    scheme : {"bootstrap", "subsample", "fresh"}
        Training sets of as many rows with replacement, half the rows without, or from `generate`;
        by default the first, or the last where there is `generate`.
    rounds : int
        How many training sets, at least 3.
    truth : callable or array, optional
        What is true of the test rows: E(y|X), or the probability of every class in the order of the
        sorted labels; a callable takes X. Without it the observed y is what is predicted, and noise
        is part of bias.
    generate : callable, optional
        Takes a generator of random numbers and returns a fresh X and y.
    test_size : float
        The share of rows that are predicted and never trained on.
    test : pair (X, y), optional
        The rows that are predicted; all of X is trained on then.
    draws : array of int of shape (rounds, size), optional
        The rows of every training set, instead of drawing them.
    definition : {"domingos", "kohavi_wolpert", "james"}
        What bias and variance are for 0/1 loss.
    smoothing : float
        For log loss, the share of the uniform law that is mixed into every probability.
    rng : int, SeedSequence, Generator or None
        The seed; round r draws the same rows however many rounds there are.
    n_jobs : int, optional
        How many workers where the model is refitted; the numbers do not depend on it.

    Returns
    -------
    Decomposition
        The parts sum to the loss.

    Raises
    ------
    DataError
        If a probability is 0 under log loss, or what was asked for does not fit together.

    Notes
    -----
    Bias² of squared loss and of Kohavi and Wolpert is less variance / rounds, by which a few rounds
    inflate it; variance divides by rounds - 1. The bias of Domingos and of James has no such
    correction. Sources: Geman, Bienenstock and Doursat (1992), Kohavi and Wolpert (1996), Heskes
    (1998), Domingos (2000), James (2003).

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> ek.bias_variance(KNeighborsRegressor(5), X, y, rng=1).to_frame()[["part", "value"]].round(1)
           part   value
    0     noise     0.0
    1      bias  3488.6
    2  variance   759.8
    3      loss  4248.4
    """
    scheme = scheme or ("fresh" if generate is not None else "bootstrap")
    _check(loss, scheme, rounds, definition, generate, X)
    seed = seed_sequence(rng)
    streams = Streams(seed.entropy, seed.spawn_key, condition=0)
    task = "regression" if loss == "squared" else "classification"
    shares = loss == "log"
    if generate is not None:
        sample = partial(_fresh, generate, seed)
        asked, outcome = test if test is not None else generate(streams.at(0, SETTING))
        whole = read_data(asked, outcome, task)
        asked, outcome = whole.X, whole.codes
        told = in_parallel(
            Task(model, sample, range(rounds), asked, whole.classes, shares, seed), n_jobs
        )
        train_rows = len(sample(0)[1])
    else:
        whole, pool, outcome = _split(X, y, task, test, test_size, streams)
        asked = pool.asked
        drawn = _draws(draws, scheme, rounds, len(pool.y), streams)
        rounds, train_rows = drawn.shape
        told = shortcut(model, pool, drawn, shares=shares)
        if told is None:
            known = Task(model, partial(_of_pool, pool, drawn), range(rounds), asked, pool.classes,
                         shares, seed)  # fmt: skip
            told = in_parallel(known, n_jobs)
    target = _target(truth, asked, outcome, whole)
    if loss == "squared":
        noise = _noise(truth, asked, outcome, target, generate, seed, rounds)
        parts = squared_parts(told, target, noise)
    elif loss == "log":
        parts = log_parts(_logarithms(told, smoothing), target)
    else:
        parts = ZERO_ONE[definition](told, target, streams.at(1, SETTING))
    return Decomposition(
        model=type(model).__name__,
        loss=loss,
        definition=definition if loss == "zero_one" else "",
        scheme=scheme,
        rounds=rounds,
        train_rows=train_rows,
        rows=len(outcome),
        parts=parts,
        notes=_notes(loss, scheme, definition, truth),
    )


def _check(
    loss: str, scheme: str, rounds: int, definition: str, generate: Any, X: Any
) -> None:  # fmt: skip
    for name, given, known in (
        ("loss", loss, _LOSSES),
        ("scheme", scheme, _SCHEMES),
        ("definition", definition, tuple(ZERO_ONE)),
    ):
        if given not in known:
            raise DataError(f"{name} must be one of {', '.join(known)}; got {given!r}.")
    if (scheme == "fresh") != (generate is not None):
        raise DataError("scheme='fresh' and generate= belong together: fresh rows must be drawn.")
    if generate is None and X is None:
        raise DataError("pass X and y, or generate= to draw them.")
    if rounds < 3:
        raise DataError(f"rounds must be at least 3 to tell their error, got {rounds}.")


def _fresh(generate: Any, seed: np.random.SeedSequence, number: int) -> tuple[Any, Any]:
    X, y = generate(Streams(seed.entropy, seed.spawn_key, condition=0).at(number))
    return X, np.asarray(y)


def _of_pool(pool: Pool, draws: NDArray[Any], number: int) -> tuple[Any, Any]:
    return rows_of(pool.X, draws[number]), pool.labels[draws[number]]


def _split(
    X: Any, y: Any, task: str, test: Any, test_size: float, streams: Streams
) -> tuple[Data, Pool, NDArray[Any]]:
    """Return all data, what is drawn from and predicted, and the outcome of what is predicted."""
    if test is None:
        whole = read_data(X, y, task)
        if not 0 < test_size < 1:
            raise DataError(f"test_size must be a share between 0 and 1, got {test_size!r}.")
        order = streams.at(0, SETTING).permutation(len(whole.y))
        cut = int(np.ceil(test_size * len(order)))
        asked, rest = np.sort(order[:cut]), np.sort(order[cut:])
        pool = Pool(rows_of(whole.X, rest), whole.codes[rest], rows_of(whole.X, asked),
                    whole.classes, whole.y[rest])  # fmt: skip
        return whole, pool, whole.codes[asked]
    whole, other = read_data(X, y, task), np.asarray(test[1])
    if whole.classes:
        code = {label: number for number, label in enumerate(whole.classes)}
        unknown = sorted(set(other.tolist()) - set(code))
        if unknown:
            raise DataError(f"the test rows have the class {unknown[0]!r}, which y lacks.")
        other = np.array([code[label] for label in other.tolist()])
    asked = test[0] if hasattr(test[0], "iloc") else np.asarray(test[0])
    return whole, Pool(whole.X, whole.codes, asked, whole.classes, whole.y), other


def _draws(
    given: Any, scheme: str, rounds: int, rows: int, streams: Streams
) -> NDArray[np.int64]:  # fmt: skip
    if given is not None:
        draws = np.asarray(given)
        if draws.ndim != 2 or draws.dtype.kind not in "iu" or len(draws) < 3:
            raise DataError("draws must be whole numbers of shape (rounds, size), 3 rounds or more")
        if draws.min() < 0 or draws.max() >= rows:
            raise DataError(f"draws must be rows from 0 to {rows - 1}.")
        return draws.astype(np.int64)
    if scheme == "bootstrap":
        return np.stack([streams.at(r).integers(0, rows, rows) for r in range(rounds)])
    return np.stack([streams.at(r).permutation(rows)[: rows // 2] for r in range(rounds)])


def _target(truth: Any, asked: Any, outcome: NDArray[Any], data: Data) -> Floats:
    shape = (len(outcome), len(data.classes)) if data.classes else (len(outcome),)
    if truth is None:
        return np.eye(len(data.classes))[outcome] if data.classes else outcome.astype(float)
    told = np.asarray(truth(asked) if callable(truth) else truth, float)
    if told.shape != shape:
        raise DataError(f"truth must have shape {shape} for the test rows, got {told.shape}.")
    if data.classes and (told.min() < 0 or np.abs(told.sum(axis=1) - 1).max() > 1e-9):
        raise DataError("truth must be probabilities that sum to 1 in every row.")
    return told


def _noise(
    truth: Any, asked: Any, outcome: Any, target: Floats, generate: Any, seed: Any, rounds: int
) -> Influence:
    """Return E(y - truth)², from all generated rows where there are some."""
    if truth is None:
        return Influence(0.0, np.zeros(rounds))
    if generate is None or not callable(truth):
        return Influence(float(((outcome - target) ** 2).mean()), np.zeros(rounds))
    each = []
    for number in range(rounds):
        X, y = _fresh(generate, seed, number)
        each.append(float(((y - np.asarray(truth(X), float)) ** 2).mean()))
    return Influence(float(np.mean(each)), np.array(each))


def _logarithms(shares: Floats, smoothing: float) -> Floats:
    if not 0 <= smoothing < 1:
        raise DataError(f"smoothing must be at least 0 and less than 1, got {smoothing!r}.")
    mixed = (1 - smoothing) * shares + smoothing / shares.shape[2]
    if mixed.min() <= 0:
        raise DataError(
            "the model gives a class the probability 0 in some round, so that log loss and its "
            "parts are infinite; say smoothing=0.01 to mix in a little of the uniform law, or use "
            "loss='zero_one'."
        )
    return np.asarray(np.log(mixed), float)


def _notes(loss: str, scheme: str, definition: str, truth: Any) -> tuple[str, ...]:
    notes = [_UNDERSTATED] if scheme == "bootstrap" else []
    if scheme == "subsample":
        notes.append("Rounds train on half the rows, so bias is that of half as many rows.")
    if truth is None:
        notes.append("The observed y was predicted, so noise is part of bias.")
    if loss != "zero_one" or definition == "kohavi_wolpert":
        notes.append("Bias is corrected for the number of rounds (variance / rounds taken off).")
    return tuple(notes)
