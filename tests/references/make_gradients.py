"""Values and gradients of every rule by torch: gradients/rules.json; activations: activations.json.

Read by tests/gradients/. Needs torch 2.13 (float64 on the CPU) for the rules and mpmath 1.3 (1000
digits) for the activations; run from the repository.
"""

import json
from functools import partial
from pathlib import Path

import mpmath as mp
import numpy as np
import torch

HERE = Path("tests/references/gradients")
T = torch.tensor
rng = np.random.default_rng(60)
cases = []


def draw(*shape):
    return np.round(rng.normal(size=shape), 3)


def case(rule, function, *inputs, fixed=(), name="", **options):
    """Differentiate a torch function at the inputs; `fixed` is what has no gradient."""
    torch.set_default_dtype(torch.float64)
    leaves = [T(np.asarray(x, dtype=float), requires_grad=True) for x in inputs]
    value = function(*leaves)
    upstream = T(np.round(rng.normal(size=tuple(value.shape)), 3))
    gradients = torch.autograd.grad(value, leaves, upstream)
    cases.append({
        "rule": rule, "name": name, "inputs": [np.asarray(x).tolist() for x in inputs],
        "fixed": [np.asarray(x).tolist() if not isinstance(x, str) else x for x in fixed],
        "options": options, "value": value.tolist(), "upstream": upstream.tolist(),
        "gradients": [g.tolist() for g in gradients],
    })  # fmt: skip


def applied(function, dim, keep, X):
    return function(X, dim=dim, keepdim=keep)


# Products ----------------------------------------------------------------------------------------
for name, one, two in [
    ("matrices", (3, 4), (4, 2)), ("row", (4,), (4, 2)), ("column", (3, 4), (4,)),
    ("vectors", (4,), (4,)), ("stack", (2, 3, 4), (2, 4, 2)), ("one for many", (3, 4), (2, 4, 2)),
    ("many for one", (2, 3, 4), (4, 2)), ("stack of columns", (2, 3, 4), (4,)),
    ("row and stack", (4,), (2, 4, 3)), ("two axes of stacks", (5, 1, 3, 4), (2, 4, 2)),
]:  # fmt: skip
    case("product", torch.matmul, draw(*one), draw(*two), name=name)
linear = torch.nn.functional.linear
for shape in [(4,), (3, 4), (2, 3, 4)]:
    case("affine", lambda W, X: linear(X, W), draw(2, 4), draw(*shape), name=f"{len(shape)} axes")
    case("affine", lambda W, X, b: linear(X, W, b), draw(2, 4), draw(*shape), draw(2),
         name=f"{len(shape)} axes, bias")  # fmt: skip
for shape in [(3, 4), (4, 3), (2, 3, 4)]:
    case("outer_gram", lambda X: X @ X.mT, draw(*shape), name=str(shape))
    case("gram", lambda X: X.mT @ X, draw(*shape), name=str(shape))

# Entries and inverses -----------------------------------------------------------------------------
case("trace", torch.trace, draw(4, 4))
case("trace", lambda X: torch.diagonal(X, dim1=-2, dim2=-1).sum(-1), draw(2, 3, 3), name="stack")
case("transpose", lambda X: X.mT, draw(3, 4))
case("transpose", lambda X: X.permute(1, 2, 0), draw(2, 3, 4), name="axes", axes=[1, 2, 0])
case("reshape", lambda X: X.reshape(3, 4), draw(2, 6), fixed=[(3, 4)])
case("log_abs_det", lambda X: torch.linalg.slogdet(X)[1], draw(4, 4))
case("log_abs_det", lambda X: torch.linalg.slogdet(X)[1], draw(2, 3, 3), name="stack")
case("inverse", torch.linalg.inv, draw(4, 4))
case("inverse", torch.linalg.inv, draw(2, 3, 3), name="stack")
for name, one, two in [
    ("vector", (3, 3), (3,)), ("columns", (3, 3), (3, 2)), ("stack", (2, 3, 3), (2, 3, 2)),
    ("one for many", (3, 3), (2, 3, 2)), ("many for one", (2, 3, 3), (3, 2)),
]:  # fmt: skip
    case("solve", torch.linalg.solve, draw(*one), draw(*two), name=name)

# Entry by entry -----------------------------------------------------------------------------------
case("elementwise", torch.sin, draw(3, 4), name="sin")
for name, one, two in [
    ("same", (3, 4), (3, 4)), ("row", (3, 4), (4,)), ("column", (3, 1), (3, 4)),
    ("both", (3, 1), (1, 4)), ("number", (3, 4), ()), ("new axis", (4,), (2, 3, 4)),
]:  # fmt: skip
    for rule, function in [("add", torch.add), ("subtract", torch.sub),
                           ("multiply", torch.mul), ("divide", torch.div)]:  # fmt: skip
        case(rule, function, draw(*one), draw(*two), name=name)

# Reductions ---------------------------------------------------------------------------------------
for name, options in [
    ("all", {}), ("rows", {"axis": 1}), ("kept", {"axis": 0, "keepdims": True}),
    ("two", {"axis": [0, -1]}),
]:  # fmt: skip
    dim = options.get("axis", list(range(3)))
    keep = options.get("keepdims", False)
    norm = partial(torch.linalg.vector_norm, ord=2)
    for rule, function in [("sum", torch.sum), ("mean", torch.mean), ("max", torch.amax),
                           ("norm", norm)]:  # fmt: skip
        case(rule, partial(applied, function, dim, keep), draw(2, 3, 4), name=name, **options)
case("max", lambda X: X.amax(1), [[1.0, 2.0, 2.0], [3.0, 3.0, 3.0], [5.0, 0.0, 1.0]], axis=1,
     name="ties")  # fmt: skip

# Directions ---------------------------------------------------------------------------------------
F = torch.nn.functional
case("normalize", lambda X: F.normalize(X, eps=0), draw(3, 4))
case("normalize", lambda X: F.normalize(X, dim=0, eps=0), draw(3, 4), name="columns", axis=0)
cosine = lambda X, Y: F.cosine_similarity(X, Y, dim=-1, eps=0)  # noqa: E731
for name, one, two in [("rows", (3, 4), (3, 4)), ("vectors", (4,), (4,)), ("one", (4,), (3, 4)),
                       ("stacks", (2, 1, 4), (3, 4))]:  # fmt: skip
    case("cosine", cosine, draw(*one), draw(*two), name=name)
matrix = lambda X, Y: F.normalize(X, eps=0) @ F.normalize(Y, eps=0).T  # noqa: E731
case("cosine_matrix", matrix, draw(3, 4), draw(2, 4))
case("cosine_matrix", lambda X: matrix(X, X), draw(3, 4), name="self")

# Softmax and likelihoods --------------------------------------------------------------------------
wide = np.array([[1000.0, -1000.0, 999.0], [-1000.0, -1001.0, -1000.5], [0.0, 30.0, -30.0]])
for rule, function in [("logsumexp", torch.logsumexp), ("softmax", torch.softmax),
                       ("log_softmax", torch.log_softmax)]:  # fmt: skip
    case(rule, partial(function, dim=-1), draw(3, 4), name="rows")
    case(rule, partial(function, dim=0), draw(3, 4), name="columns", axis=0)
    case(rule, partial(function, dim=-1), wide, name="wide")
case("logsumexp", lambda X: torch.logsumexp(X, 1, True), draw(2, 3), axis=1, keepdims=True,
     name="kept")  # fmt: skip
weights, labels = np.round(rng.random(3), 3), [2, 0, 1]
counts = rng.integers(0, 5, (3, 3))
pick = lambda X: torch.log_softmax(X, 1)[range(3), labels]  # noqa: E731
ways = counts.sum(1)
constant = torch.lgamma(T(ways + 1.0)) - torch.lgamma(T(counts + 1.0)).sum(1)
each = lambda X: (torch.log_softmax(X, 1) * T(counts)).sum(1)  # noqa: E731
for name, X in [("", draw(3, 3)), ("wide", wide)]:
    rule = "softmax_log_likelihood"
    case(rule, lambda X: pick(X).sum(), X, fixed=[labels], name=f"labels {name}")
    case(rule, lambda X: (T(weights) * pick(X)).sum(), X, fixed=[labels],
         name=f"labels, weights {name}", weights=weights.tolist())  # fmt: skip
    case(rule, lambda X: (each(X) + constant).sum(), X, fixed=[counts], name=f"counts {name}")
    case(rule, lambda X: (T(weights) * each(X)).sum(), X, fixed=[counts], coefficient=False,
         name=f"counts, weights {name}", weights=weights.tolist())  # fmt: skip
ones, some, trials = [1, 0, 1, 0], [2, 0, 5, 3], [4, 3, 5, 3]
w = [0.5, 2.0, 0.25, 1.5]
bernoulli = lambda X, y: y * F.logsigmoid(X) + (1 - y) * F.logsigmoid(-X)  # noqa: E731
binomial = lambda X: T(some) * F.logsigmoid(X) + (T(trials) - T(some)) * F.logsigmoid(-X)  # noqa: E731
choose = T([float(mp.log(mp.binomial(n, k))) for n, k in zip(trials, some, strict=True)],
           dtype=torch.float64)  # fmt: skip
for name, X in [("", draw(4)), ("wide", np.array([1000.0, 800.0, -1000.0, 40.0]))]:
    rule = "binomial_log_likelihood"
    case(rule, lambda X: bernoulli(X, T(ones)).sum(), X, fixed=[ones], name=f"0/1 {name}")
    case(rule, lambda X: (binomial(X) + choose).sum(), X, fixed=[some], trials=trials,
         name=f"counts {name}")  # fmt: skip
    case(rule, lambda X: (T(w) * binomial(X)).sum(), X, fixed=[some], trials=trials, weights=w,
         coefficient=False, name=f"weights {name}")  # fmt: skip
p = np.array([0.2, 0.5, 0.9, 0.75])
from_p = lambda p: torch.xlogy(T(some), p) + torch.xlogy(T(trials) - T(some), 1 - p)  # noqa: E731
rule = "binomial_log_likelihood_of_probabilities"
case(rule, lambda p: (from_p(p) + choose).sum(), p, fixed=[some], trials=trials, name="counts")
case(rule, lambda p: (T(w) * from_p(p)).sum(), p, fixed=[some], trials=trials, weights=w,
     coefficient=False, name="weights")  # fmt: skip
case("l1_penalty", lambda X: 0.7 * X.abs().sum(), [[1.0, 0.0], [-2.0, 3.5]], strength=0.7)
case("l2_penalty", lambda X: 0.35 * (X**2).sum(), draw(2, 3), strength=0.7)

# Activations, at the same points in torch ---------------------------------------------------------
at = np.array([[-1000.0, -30.5, -3.0, -0.751, -1e-8], [0.0, 1e-8, 0.5, 6.0, 1000.0]])
for rule, function in [
    ("identity", lambda X: X * 1.0), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid),
    ("softplus", lambda X: F.softplus(X, threshold=1e9)), ("relu", torch.relu),
]:  # fmt: skip
    case(rule, function, at if rule != "softplus" else at / 2)
case("exp", torch.exp, at / 2)
case("leaky_relu", lambda X: F.leaky_relu(X, 0.1), at, slope=0.1)
case("elu", F.elu, at)
case("elu", lambda X: F.elu(X, 0.5), at, alpha=0.5, name="alpha")
case("gelu", F.gelu, draw(3, 5))
case("gelu", lambda X: F.gelu(X, approximate="tanh"), draw(3, 5), approximate=True, name="tanh")
case("prelu", F.prelu, draw(3, 5), [0.25], name="one slope")
case("prelu", F.prelu, draw(3, 5), draw(5), name="columns")
case("prelu", lambda X, a: torch.where(X > 0, X, a * X), draw(2, 3, 2, 2), draw(3, 1, 1),
     name="channels")  # fmt: skip

HERE.joinpath("rules.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")

# Activations by mpmath: the textbook forms, with so many digits that nothing cancels --------------
mp.mp.dps = 1000
points = [0.0, -0.0, 5e-324, 1e-310, 1e-300, 1e-17, 1e-9, 1e-4, 0.01, 0.3, 0.75, 0.99, 1.0, 1.01,
          2.0, 5.0, 9.0, 19.1, 20.0, 36.0, 37.5, 38.4, 40.0, 100.0, 300.0, 360.0, 372.0, 700.0,
          709.0, 740.0, 745.0, 1000.0, 1e308]  # fmt: skip
points += rng.uniform(0, 4, 30).tolist() + rng.uniform(4, 40, 30).tolist()
x = sorted({float(p) for p in points} | {-float(p) for p in points})
one = mp.mpf(1)
root = mp.sqrt(2 / mp.pi)


def phi(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def Phi(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def inner(x):
    return root * (x + mp.mpf("0.044715") * x**3)


def tanh_slope(x):
    t = mp.tanh(inner(x))
    return (1 + t) / 2 + x * (1 - t) * (1 + t) * root * (1 + 3 * mp.mpf("0.044715") * x * x) / 2


FORMS = {
    "identity": (lambda x: x, lambda x: one, {}),
    "exp": (mp.exp, mp.exp, {}),
    "tanh": (mp.tanh, lambda x: 1 / mp.cosh(x) ** 2, {}),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x), {}),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), logistic, {}),
    "relu": (lambda x: max(x, 0), lambda x: one if x > 0 else 0, {}),
    "leaky_relu": (lambda x: x if x > 0 else x / 4, lambda x: one if x > 0 else one / 4,
                   {"slope": 0.25}),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), lambda x: one if x > 0 else mp.exp(x), {}),
    "gelu": (lambda x: x * Phi(x), lambda x: Phi(x) + x * phi(x), {}),
    "gelu tanh": (lambda x: x * (1 + mp.tanh(inner(x))) / 2, tanh_slope, {"approximate": True}),
}  # fmt: skip


def rounded(value):
    """Round to the nearest double; beyond the largest it is infinite."""
    return "inf" if value > mp.mpf(2) ** 1024 else float(value)


def far(function, at, slope):
    """Give the limits at ±1e308, whose exponentials have more digits than there are atoms."""
    nearer = mp.mpf(-(10**5) if at < 0 else 10**5)
    value = function(nearer)
    if slope or abs(value) < 2:
        return rounded(mp.nint(value * 2**40) / 2**40)
    return "inf" if value > nearer**2 else float(mp.mpf(at) * mp.nint(value / nearer * 4) / 4)


table = {"x": x, "forms": {}}
for name, (function, slope, options) in FORMS.items():
    values = [
        [far(f, at, f is slope) if abs(at) > 1e9 else rounded(f(mp.mpf(at))) for at in x]
        for f in (function, slope)
    ]
    table["forms"][name] = {"options": options, "value": values[0], "derivative": values[1]}
HERE.joinpath("activations.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")
