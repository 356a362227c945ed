"""What a rule adds to bare numpy: the value and the way back, as one would write them by hand.

Each line runs a rule with its vector-Jacobian product, and beside it a backward pass by hand that
uses what the forward pass left behind, of the same stability (a shifted softmax, a sigmoid by
exp(-|x|)) but without checks, conventions, scales and accuracy in the tails. Both run in turn, the
order shuffled anew each round; the ratio is between the best times. Target: at most 1.5. Where
nothing is computed (identity, reshape, transpose) the ratio is that of a call to nothing.
Run alone: `python benchmarks/bench_gradients.py`; `--small` for 100 numbers, where calls cost most.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from environment import markdown, print_header
from threadpoolctl import threadpool_limits

from estkit import gradients as g

ROUNDS = 15
TARGET = 1.5
Gradients = tuple[Any, ...]


def sides(entries: int) -> tuple[int, int]:
    """Give the rows and columns of a table, and the order of a matrix, of about so many entries."""
    return max(entries // 50, 2), max(int(entries**0.5 / 2), 2)


def cases(entries: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Make pairs of functions without arguments: the rule, and the bare expressions."""
    rng = np.random.default_rng(1)
    rows, order = sides(entries)
    X, Y, U = rng.normal(size=(3, rows, 50))
    A, B, V = rng.normal(size=(3, order, order))
    W, b, row = rng.normal(size=(20, 50)), rng.normal(size=20), rng.normal(size=50)
    P, S = rng.normal(size=(rows, 20)), rng.normal(size=(rows, rows))[:200, :200]
    u, y = rng.normal(size=rows), rng.integers(0, 50, rows)
    hits, few = (X > 0.3).astype(float), X[:200]
    at, signs = np.arange(rows), np.sign

    def ruled(rule: Callable[..., Any], *inputs: Any, up: Any = U, **options: Any) -> Any:
        return lambda: rule(*inputs, **options).vjp(up)

    def symmetric(X: Any) -> Gradients:
        inverse = np.linalg.inv(X)
        np.linalg.slogdet(X)
        return (2 * inverse - np.diag(np.diag(inverse)),)

    def bare_norm(X: Any) -> Gradients:
        norms = np.linalg.norm(X, axis=1)
        return ((u / norms)[:, None] * X,)

    def bare_max(X: Any) -> Gradients:
        largest = X.max(axis=1)
        ties = X == largest[:, None]
        return (ties * (u / ties.sum(axis=1))[:, None],)

    def bare_directions(X: Any) -> Gradients:
        norms = np.linalg.norm(X, axis=1, keepdims=True)
        unit = X / norms
        return ((U - (U * unit).sum(axis=1, keepdims=True) * unit) / norms,)

    def bare_cosine() -> Gradients:
        nx, ny = (np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, Y))
        x, z = X / nx, Y / ny
        c = (x * z).sum(axis=1, keepdims=True)
        return u[:, None] * (z - c * x) / nx, u[:, None] * (x - c * z) / ny

    def bare_cosines() -> Gradients:
        norms = np.linalg.norm(few, axis=1, keepdims=True)
        unit = few / norms
        c = unit @ unit.T
        both = S + S.T
        return ((both @ unit - (both * c).sum(axis=1, keepdims=True) * unit) / norms,)

    def bare_softmax() -> Any:
        powers = np.exp(X - X.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def softmax() -> Gradients:
        p = bare_softmax()
        return (p * (U - (U * p).sum(axis=1, keepdims=True)),)

    def shifted() -> tuple[Any, Any, Any]:
        shift = X.max(axis=1, keepdims=True)
        powers = np.exp(X - shift)
        return shift, powers, powers.sum(axis=1, keepdims=True)

    def logsumexp() -> Gradients:
        shift, powers, total = shifted()
        shift + np.log(total)
        return (u[:, None] * powers / total,)

    def log_softmax() -> Gradients:
        shift, powers, total = shifted()
        X - shift - np.log(total)
        return (U - powers / total * U.sum(axis=1, keepdims=True),)

    def labels() -> Gradients:
        shift, powers, total = shifted()
        np.sum((X - shift)[at, y] - np.log(total)[:, 0])
        gradient = -powers / total
        gradient[at, y] += 1
        return (gradient,)

    def counts() -> Gradients:
        shift, powers, total = shifted()
        np.sum(hits * (X - shift - np.log(total)))
        return (hits - hits.sum(axis=1, keepdims=True) * powers / total,)

    def bernoulli() -> Gradients:
        small = np.exp(-np.abs(X))
        np.sum(hits * X - np.maximum(X, 0) - np.log1p(small))
        return (hits - np.where(X < 0, small, 1) / (1 + small),)

    def bare_tanh() -> Gradients:
        value = np.tanh(X)
        return (U * (1 - value * value),)

    def bare_sigmoid() -> Gradients:
        small = np.exp(-np.abs(X))
        value = np.where(X < 0, small, 1) / (1 + small)
        return (U * value * (1 - value),)

    def bare_softplus() -> Gradients:
        small = np.exp(-np.abs(X))
        np.maximum(X, 0) + np.log1p(small)
        return (U * np.where(X < 0, small, 1) / (1 + small),)

    def bare_elu() -> Gradients:
        value = np.where(X > 0, X, np.expm1(X))
        return (U * np.where(X > 0, 1, value + 1),)

    def bare_gelu() -> Gradients:
        from scipy.special import ndtr

        share = ndtr(X)
        X * share
        return (U * (share + X * np.exp(-X * X / 2) / np.sqrt(2 * np.pi)),)

    def bare_gelu_tanh() -> Gradients:
        root = np.sqrt(2 / np.pi)
        t = np.tanh(root * (X + 0.044715 * X**3))
        0.5 * X * (1 + t)
        inner = root * (1 + 3 * 0.044715 * X * X)
        return (U * (0.5 * (1 + t) + 0.5 * X * (1 - t * t) * inner),)

    def exp() -> Gradients:
        value = np.exp(X)
        return (U * value,)

    def solve() -> Gradients:
        solution = np.linalg.solve(A, B)
        to_B = np.linalg.solve(A.T, V)
        return -to_B @ solution.T, to_B

    def inverse() -> Gradients:
        inverted = np.linalg.inv(A)
        return (-inverted.T @ V @ inverted.T,)

    def then(value: Any, *gradients: Any) -> Gradients:
        return gradients

    one = np.float64(1)
    return {
        "product": (ruled(g.product, A, B, up=V), lambda: then(A @ B, V @ B.T, A.T @ V)),
        "affine": (ruled(g.affine, W, X, b, up=P),
                   lambda: then(X @ W.T + b, P.T @ X, P @ W, P.sum(axis=0))),
        "outer_gram": (ruled(g.outer_gram, A, up=V), lambda: then(A @ A.T, (V + V.T) @ A)),
        "gram": (ruled(g.gram, A, up=V), lambda: then(A.T @ A, A @ (V + V.T))),
        "trace": (ruled(g.trace, A, up=one), lambda: then(np.trace(A), one * np.eye(order))),
        "transpose": (ruled(g.transpose, X, up=U.T), lambda: then(X.T, U.T.T)),
        "reshape": (ruled(g.reshape, X, -1, up=U.ravel()),
                    lambda: then(X.reshape(-1), U.ravel().reshape(X.shape))),
        "log_abs_det": (ruled(g.log_abs_det, A, up=one),
                        lambda: then(np.linalg.slogdet(A), one * np.linalg.inv(A).T)),
        "log_abs_det, symmetric": (ruled(g.log_abs_det, A + A.T, up=one, symmetric=True),
                                   lambda: symmetric(A + A.T)),
        "inverse": (ruled(g.inverse, A, up=V), inverse),
        "solve": (ruled(g.solve, A, B, up=V), solve),
        "elementwise": (ruled(g.elementwise, np.sin, np.cos, X),
                        lambda: then(np.sin(X), U * np.cos(X))),
        "add": (ruled(g.add, X, Y), lambda: then(X + Y, U, U)),
        "add a row": (ruled(g.add, X, row), lambda: then(X + row, U, U.sum(axis=0))),
        "subtract": (ruled(g.subtract, X, Y), lambda: then(X - Y, U, -U)),
        "multiply": (ruled(g.multiply, X, Y), lambda: then(X * Y, U * Y, U * X)),
        "multiply a row": (ruled(g.multiply, X, row),
                           lambda: then(X * row, U * row, (U * X).sum(axis=0))),
        "divide": (ruled(g.divide, X, Y), lambda: then(X / Y, U / Y, -U * X / Y / Y)),
        "sum": (ruled(g.sum, X, up=u, axis=1),
                lambda: then(X.sum(axis=1), np.repeat(u[:, None], 50, axis=1))),
        "mean": (ruled(g.mean, X, up=u, axis=1),
                 lambda: then(X.mean(axis=1), np.repeat(u[:, None] / 50, 50, axis=1))),
        "max": (ruled(g.max, X, up=u, axis=1), lambda: bare_max(X)),
        "norm": (ruled(g.norm, X, up=u, axis=1), lambda: bare_norm(X)),
        "normalize": (ruled(g.normalize, X), lambda: bare_directions(X)),
        "cosine": (ruled(g.cosine, X, Y, up=u), bare_cosine),
        "cosine_matrix": (ruled(g.cosine_matrix, few, up=S), bare_cosines),
        "logsumexp": (ruled(g.logsumexp, X, up=u), logsumexp),
        "softmax": (ruled(g.softmax, X), softmax),
        "log_softmax": (ruled(g.log_softmax, X), log_softmax),
        "softmax_log_likelihood, classes": (ruled(g.softmax_log_likelihood, X, y, up=one), labels),
        "softmax_log_likelihood, counts": (
            ruled(g.softmax_log_likelihood, X, hits, up=one, coefficient=False), counts),
        "binomial_log_likelihood": (ruled(g.binomial_log_likelihood, X, hits, up=one), bernoulli),
        "l1_penalty": (ruled(g.l1_penalty, X, up=one), lambda: then(np.abs(X).sum(), signs(X))),
        "l2_penalty": (ruled(g.l2_penalty, X, up=one), lambda: then(0.5 * (X * X).sum(), one * X)),
        "identity": (ruled(g.identity, X), lambda: then(X, U)),
        "exp": (ruled(g.exp, X), exp),
        "tanh": (ruled(g.tanh, X), bare_tanh),
        "sigmoid": (ruled(g.sigmoid, X), bare_sigmoid),
        "softplus": (ruled(g.softplus, X), bare_softplus),
        "relu": (ruled(g.relu, X), lambda: then(np.maximum(X, 0), np.where(X > 0, U, 0))),
        "leaky_relu": (ruled(g.leaky_relu, X),
                       lambda: then(np.where(X > 0, X, 0.01 * X), np.where(X > 0, U, 0.01 * U))),
        "prelu": (ruled(g.prelu, X, row),
                  lambda: then(np.where(X > 0, X, row * X), np.where(X > 0, U, row * U),
                               np.where(X > 0, 0, U * X).sum(axis=0))),
        "elu": (ruled(g.elu, X), bare_elu),
        "gelu": (ruled(g.gelu, X), bare_gelu),
        "gelu, approximate": (ruled(g.gelu, X, approximate=True), bare_gelu_tanh),
    }  # fmt: skip


def check(name: str, ours: Gradients, bare: Gradients) -> None:
    """A fast wrong answer is no answer: both give the same to 1e-9 of the largest entry."""
    for own, other in zip(ours, bare, strict=True):
        if np.max(np.abs(own - other)) > 1e-9 * np.max(np.abs(other)):
            raise RuntimeError(f"{name}: the rule and the bare expression disagree")


def seconds(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def main() -> int:
    entries, repeats = (100, 200) if "--small" in sys.argv else (200_000, 1)
    print_header(f"Rules beside bare numpy, {entries:,} numbers", ("scipy",))
    shuffler, lines, slow = random.Random(0), [], []
    with threadpool_limits(limits=1):
        for name, pair in cases(entries).items():
            check(name, pair[0](), pair[1]())
            best = [float("inf")] * 2
            for _ in range(ROUNDS):
                for which in shuffler.sample((0, 1), 2):
                    best[which] = min(best[which], seconds(pair[which], repeats))
            ratio = best[0] / best[1]
            lines.append([name, *(f"{1e3 * one:.4f}" for one in best), f"{ratio:.2f}"])
            if ratio > TARGET:
                slow.append(name)
    print(markdown(["value and gradient", "rule ms", "bare ms", "ratio"], lines))
    print(f"\nAbove {TARGET}: {', '.join(slow) or 'none'}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
