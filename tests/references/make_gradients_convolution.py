"""Convolutions and pools by torch in double precision: gradients/convolution.json.

Also their output sizes on random settings, in gradients/window_sizes.json. Read by
tests/gradients/test_convolution.py, test_pooling.py and test_windows.py. Needs torch 2.13; run
from the repository.

Settings are stored, and numbers that the tests can remake are not: inputs are made by the formula
of `numbers`, of any shape, from a seed.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

FOLDER = Path(__file__).parent / "gradients"


def numbers(shape, seed):
    """Return numbers that look random, exactly the same everywhere: fractions of 997."""
    index = np.arange(int(np.prod(shape)), dtype=np.int64)
    return ((index * index * 31 + (index + seed) * (17 + seed)) % 997 / 997 - 0.5).reshape(shape)


def rounded(tensor):
    return tensor.detach().numpy().ravel().tolist()


# (shape of x, shape of filters, bias?, settings)
CONVOLUTIONS = [
    ((2, 1, 6, 5), (3, 1, 3, 3), True, {}),
    ((2, 3, 6, 7), (4, 3, 3, 3), True, {"padding": 1}),
    ((2, 3, 6, 7), (4, 3, 3, 3), False, {"padding": 1, "stride": 2}),
    ((1, 2, 9, 8), (2, 2, 3, 2), True, {"padding": [2, 1], "stride": [3, 2], "dilation": [2, 3]}),
    ((3, 4, 5, 5), (6, 2, 3, 3), True, {"padding": 1, "groups": 2}),
    ((2, 4, 6, 6), (4, 1, 3, 3), False, {"padding": 1, "groups": 4}),
    ((2, 3, 7, 6), (6, 1, 2, 3), True, {"stride": 2, "groups": 3}),
    ((2, 5, 4, 4), (3, 5, 1, 1), True, {}),
    ((2, 5, 5, 4), (3, 5, 1, 1), False, {"stride": 2}),
    ((2, 2, 5, 6), (3, 2, 1, 1), True, {"stride": 2, "padding": 1}),
    ((1, 2, 5, 6), (2, 2, 4, 2), True, {"padding": "same"}),
    ((1, 2, 8, 6), (2, 2, 3, 2), False, {"padding": "same", "dilation": [2, 3]}),
    ((1, 2, 5, 6), (2, 2, 4, 2), True, {"padding": "valid", "stride": 2}),
    ((2, 2, 3, 3), (2, 2, 5, 5), True, {"padding": 1}),
    ((1, 1, 2, 2), (1, 1, 3, 3), False, {"padding": 4, "stride": 3}),
    ((2, 6, 7), (4, 2, 3, 5), True, {"padding": [0, 2]}),
    ((2, 4, 10, 3), (2, 4, 5, 3), False, {"stride": [4, 1], "padding": [3, 0]}),
    ((1, 1, 12, 12), (1, 1, 3, 3), True, {"dilation": 5, "padding": 2, "stride": 3}),
    ((4, 2, 1, 9), (3, 2, 1, 4), True, {"stride": 2, "padding": [0, 1]}),
    ((2, 6, 4, 4), (9, 2, 2, 2), True, {"groups": 3, "dilation": 2, "padding": 1}),
]

# (kind, shape of x, kernel, settings)
POOLS = [
    ("max", (2, 2, 6, 6), 2, {}),
    ("max", (2, 2, 7, 5), 2, {"ceil_mode": True}),
    ("max", (1, 3, 7, 8), 3, {"stride": 2, "padding": 1}),
    ("max", (2, 1, 9, 8), [3, 2], {"stride": [2, 3], "padding": [1, 1], "ceil_mode": True}),
    ("max", (1, 2, 9, 9), 3, {"dilation": 2, "stride": 1}),
    ("max", (1, 2, 8, 9), [2, 3], {"dilation": [3, 2], "stride": 2, "padding": 1,
                                   "ceil_mode": True}),
    ("max", (2, 5, 6), 3, {"stride": 1, "padding": 1}),
    ("max", (1, 1, 4, 4), 5, {"padding": 2, "stride": 1}),
    ("max", (1, 2, 3, 7), [1, 4], {"stride": 3}),
    ("average", (2, 2, 6, 6), 2, {}),
    ("average", (2, 2, 7, 5), 2, {"ceil_mode": True}),
    ("average", (1, 3, 7, 8), 3, {"stride": 2, "padding": 1}),
    ("average", (1, 3, 7, 8), 3, {"stride": 2, "padding": 1, "count_include_pad": False}),
    ("average", (2, 1, 9, 8), [3, 2], {"stride": [2, 3], "padding": [1, 1], "ceil_mode": True}),
    ("average", (2, 1, 9, 8), [3, 2], {"stride": [2, 3], "padding": [1, 1], "ceil_mode": True,
                                       "count_include_pad": False}),
    ("average", (2, 5, 6), 3, {"stride": 1, "padding": 1, "divisor_override": 4}),
    ("average", (1, 2, 8, 8), 3, {"stride": 2, "ceil_mode": True, "divisor_override": 7}),
    ("average", (1, 1, 4, 4), 5, {"padding": 2, "stride": 1}),
    ("average", (1, 2, 3, 7), [1, 4], {"stride": 3, "ceil_mode": True}),
]  # fmt: skip

# Ties, NaN and infinities under a maximum.
NAN, INF = float("nan"), float("inf")
ODD = [
    ([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], 2, {"stride": 1}),
    ([[2, 2, 0, 3], [2, 1, 3, 3], [0, 3, 3, 3]], 2, {"stride": 1, "padding": 1}),
    ([[NAN, 1, 2, NAN], [3, NAN, NAN, 0], [1, 2, 3, 4]], 2, {"stride": 1}),
    ([[NAN, NAN, 2, INF], [3, NAN, INF, INF], [1, 2, -INF, 4]], 3, {"stride": 1, "padding": 1}),
    ([[-INF, -INF, 0.0, -0.0], [-INF, -INF, -0.0, 0.0]], 2, {}),
    ([[-INF, -INF, -INF], [-INF, -INF, -INF]], 3, {"padding": 1, "stride": 2}),
]


def settings_of(settings):
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def convolutions():
    for x_shape, f_shape, has_bias, settings in CONVOLUTIONS:
        x = torch.tensor(numbers(x_shape, 1), requires_grad=True)
        filters = torch.tensor(numbers(f_shape, 2), requires_grad=True)
        bias = torch.tensor(numbers((f_shape[0],), 3), requires_grad=True) if has_bias else None
        value = functional.conv2d(x, filters, bias, **settings_of(settings))
        value.backward(torch.tensor(numbers(value.shape, 4)))
        gradients = [x.grad, filters.grad] + ([bias.grad] if has_bias else [])
        yield {"x": x_shape, "filters": f_shape, "bias": has_bias, "settings": settings,
               "shape": list(value.shape), "value": rounded(value),
               "gradients": [rounded(g) for g in gradients]}  # fmt: skip


def pool(kind, x, kernel, settings):
    call = functional.max_pool2d if kind == "max" else functional.avg_pool2d
    value = call(x, tuple(kernel) if isinstance(kernel, list) else kernel, **settings_of(settings))
    value.backward(torch.tensor(numbers(value.shape, 4)))
    return value


def answer(value, x):
    shape = list(value.shape)
    return {"shape": shape, "value": rounded(value), "gradient": rounded(x.grad)}


def pools():
    for kind, shape, kernel, settings in POOLS:
        x = torch.tensor(numbers(shape, 5), requires_grad=True)
        value = pool(kind, x, kernel, settings)
        yield {"kind": kind, "x": shape, "kernel": kernel, "settings": settings,
               **answer(value, x)}  # fmt: skip


def odd():
    for rows, kernel, settings in ODD:
        x = torch.tensor([rows], dtype=torch.float64, requires_grad=True)
        value = pool("max", x, kernel, settings)
        yield {"x": rows, "kernel": kernel, "settings": settings,
               **answer(value, x)}  # fmt: skip


def size_or_none(call, *inputs, **settings):
    """Return the size that torch gives, or None where it refuses."""
    try:
        return int(call(*inputs, **settings).shape[-1])
    except RuntimeError:
        return None


def sizes(count):
    """Yield [n, k, s, p, d, ceil, size of a convolution, of a maximum, of an average]."""
    rng = np.random.default_rng(6)
    for _ in range(count):
        n, k, s, d = (int(rng.integers(1, top)) for top in (20, 7, 6, 5))
        p = int(rng.integers(0, k // 2 + 1)) + int(rng.random() < 0.1)  # a few that pools refuse
        ceil = bool(rng.integers(0, 2))
        x, filters = torch.zeros(1, 1, 1, n), torch.zeros(1, 1, 1, k)
        place = {"stride": (1, s), "padding": (0, p)}
        apart = {**place, "dilation": (1, d)}
        found = [
            size_or_none(functional.conv2d, x, filters, **apart),
            size_or_none(functional.max_pool2d, x, (1, k), ceil_mode=ceil, **apart),
            size_or_none(functional.avg_pool2d, x, (1, k), ceil_mode=ceil, **place),
        ]
        yield [n, k, s, p, d, int(ceil), *found]


def write(name, found, lines):
    text = json.dumps(found)
    for mark in lines:
        text = text.replace(mark, mark.replace(" ", "\n"))
    (FOLDER / name).write_text(text + "\n")


FOLDER.mkdir(exist_ok=True)
cases = {"convolutions": list(convolutions()), "pools": list(pools()), "odd": list(odd())}
write("convolution.json", cases, ["}, {"])
write("window_sizes.json", list(sizes(1000)), ["], ["])
