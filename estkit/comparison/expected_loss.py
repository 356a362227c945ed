"""``bias_variance``: what of a model's loss is noise, bias, and change with the training rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.all_rounds import over_all_rounds
from estkit.comparison.candidates import Data, is_for_numbers, outcome_of, prepared, read_data
from estkit.comparison.components import ZERO_ONE, log_parts, squared_parts
from estkit.comparison.decomposition import Decomposition
from estkit.comparison.rounds import Task, counts_apply, in_parallel, shortcut
from estkit.comparison.scores import Floats
from estkit.comparison.training_sets import fresh, generated, of_pool, rows_drawn, split
from estkit.errors import DataError
from estkit.montecarlo.influence import Influence
from estkit.montecarlo.streams import SETTING, Streams, seed_sequence

_LOSSES = ("squared", "zero_one", "log")
_LEAST = 3  # rounds, to tell their error
_SCHEMES = ("bootstrap", "subsample", "fresh")
_UNDERSTATED = (
    "A bootstrap round repeats rows and lacks a third of them, so that its variance is not "
    "that of fresh training sets: it understates that of 1-nearest neighbour by much, and puts the "
    "rest into bias. ek.bias_variance has scheme='subsample', and generate= where the law of the "
    "data is known."
)
_ENDLESS = (
    "infinitely many rounds have a closed form for KNeighborsRegressor (uniform weights, "
    "Euclidean) on columns of numbers with scheme='bootstrap' and squared loss alone; say "
    "rounds=1000."
)


def bias_variance(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    loss: str = "squared",
    scheme: str | None = None,
    rounds: float = 200,
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
    model : estimator or name
        A scikit-learn estimator, clones of which are fitted as it is, columns of categories and
        gaps apart, which are made ready as in `compare`; or the name of one of its models.
    X : array or data frame of shape (n, p)
        The rows that training sets are drawn from; left out with `generate`.
    y : array of shape (n,)
        Numbers, or labels of any kind.
    loss : {"squared", "zero_one", "log"}
        The last needs ``predict_proba``.
    scheme : {"bootstrap", "subsample", "fresh"}
        Training sets of as many rows with replacement, half the rows without, or from `generate`;
        by default the first, or the last where there is `generate`.
    rounds : int or infinity
        How many training sets, at least 3; ``math.inf`` for the bootstrap of nearest neighbours
        under squared loss, in closed form and without Monte-Carlo error.
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
    _check(loss, scheme, rounds, definition, generate, draws, X)
    seed = seed_sequence(rng)
    streams = Streams(seed.entropy, seed.spawn_key, condition=0)
    if loss == "squared" and y is not None and outcome_of(y).dtype.kind not in "fiub":
        raise DataError("squared loss is of numbers, and y holds labels; say loss='zero_one'.")
    task, shares = "regression" if loss == "squared" else "classification", loss == "log"
    told: Any = None
    name = model if isinstance(model, str) else type(model).__name__
    if generate is not None:
        X, y = test if test is not None else generated(generate, streams.at(0, SETTING))
        whole = read_data(X, y, task)
        asked, outcome, classes = whole.X, whole.codes, whole.classes
        model = _checked_model(model, whole, loss)
        sample, count = partial(fresh, generate, seed), int(rounds)
        train_rows = len(sample(0)[1])
    else:
        whole, pool, outcome = split(X, y, task, test, test_size, streams)
        asked, classes = pool.asked, pool.classes
        model = _checked_model(model, whole, loss)
        if rounds == math.inf:
            if loss != "squared" or scheme != "bootstrap" or not counts_apply(model, pool):
                raise DataError(_ENDLESS)
            count, train_rows = _LEAST, len(pool.y)
        else:
            drawn = rows_drawn(draws, scheme, int(rounds), len(pool.y), streams)
            count, train_rows = drawn.shape
            sample, rounds = partial(of_pool, pool, drawn), count
            told = shortcut(model, pool, drawn, shares=shares)
    if told is None and rounds != math.inf:
        known = Task(model, sample, range(count), asked, classes, shares, seed)
        told = in_parallel(known, n_jobs)
    target = _target(truth, asked, outcome, whole)
    if loss == "squared":
        noise = _noise(truth, asked, outcome, target, generate, seed, count)
        parts = (
            _parts_of_all(over_all_rounds(pool, model.n_neighbors), target, noise)
            if told is None
            else squared_parts(told, target, noise)
        )
    elif loss == "log":
        parts = log_parts(_logarithms(told, smoothing), target)
    else:
        parts = ZERO_ONE[definition](told, target, streams.at(1, SETTING))
    return Decomposition(
        model=name,
        loss=loss,
        definition=definition if loss == "zero_one" else "",
        scheme=scheme,
        rounds=rounds,
        train_rows=train_rows,
        rows=len(outcome),
        parts=parts,
        notes=_notes(loss, scheme, definition, truth, rounds),
    )


def _parts_of_all(
    moments: tuple[Floats, Floats], target: Floats, noise: Influence
) -> dict[str, Influence]:
    """Return the parts from mean and variance over all rounds, which have no error."""
    mean, variance = moments
    bias, spread = float(((mean - target) ** 2).mean()), float(variance.mean())
    found = {"bias": bias, "variance": spread, "loss": noise.value + bias + spread}
    none = np.zeros(len(noise.psi))
    return {"noise": noise, **{name: Influence(value, none) for name, value in found.items()}}


def _check(
    loss: str, scheme: str, rounds: float, definition: str, generate: Any, draws: Any, X: Any
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
    if generate is not None and X is not None:
        raise DataError("leave out X and y with generate=, or generate= to draw from X and y.")
    if generate is None and X is None:
        raise DataError("pass X and y, or generate= to draw them.")
    if rounds == math.inf and (generate is not None or draws is not None):
        raise DataError(_ENDLESS)
    told: Any = rounds
    number = isinstance(told, int | float | np.number) and not isinstance(told, bool)
    if not (number and told >= _LEAST and (told == math.inf or told % 1 == 0)):
        raise DataError(
            f"rounds must be a whole number, at least {_LEAST} to tell their error, got {rounds!r}."
        )


def _checked_model(model: Any, data: Data, loss: str) -> Any:
    """Return the model as it is fitted, or raise if it cannot be."""
    if data.classes and not isinstance(model, str) and is_for_numbers(model):
        raise DataError(
            f"loss={loss!r} is of labels, and {type(model).__name__} predicts numbers; take "
            f"loss='squared', or a classifier."
        )
    found = prepared(model, data)
    if loss == "log" and not hasattr(found, "predict_proba"):
        raise DataError(
            f"loss='log' is of probabilities, which {type(model).__name__} does not give; take "
            f"loss='zero_one'."
        )
    return found


def _target(truth: Any, asked: Any, outcome: NDArray[Any], data: Data) -> Floats:
    shape = (len(outcome), len(data.classes)) if data.classes else (len(outcome),)
    if truth is None:
        return np.eye(len(data.classes))[outcome] if data.classes else outcome.astype(float)
    told = np.asarray(_true(truth, asked, "for the test rows") if callable(truth) else truth, float)
    if told.shape != shape:
        raise DataError(f"truth must have shape {shape} for the test rows, got {told.shape}.")
    if data.classes and (told.min() < 0 or np.abs(told.sum(axis=1) - 1).max() > 1e-9):
        raise DataError("truth must be probabilities that sum to 1 in every row.")
    return told


def _true(truth: Callable[[Any], Any], X: Any, where: str) -> Any:
    """Return what a function of the rows says is true of them."""
    try:
        return truth(X)
    except Exception as error:
        raise DataError(f"truth raised {type(error).__name__} {where}: {error}") from error


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
        X, y = fresh(generate, seed, number)
        true = np.asarray(_true(truth, X, f"in round {number}"), float)
        each.append(float(((y - true) ** 2).mean()))
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


def _notes(loss: str, scheme: str, definition: str, truth: Any, rounds: float) -> tuple[str, ...]:
    notes = [_UNDERSTATED] if scheme == "bootstrap" else []
    if scheme == "subsample":
        notes.append("Rounds train on half the rows, so bias is that of half as many rows.")
    if truth is None:
        notes.append("The observed y was predicted, so noise is part of bias.")
    if rounds != math.inf and (loss != "zero_one" or definition == "kohavi_wolpert"):
        notes.append("Bias is corrected for the number of rounds (variance / rounds taken off).")
    return tuple(notes)
