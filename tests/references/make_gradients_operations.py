"""What five tools print for single layers: gradients/operation_counts.json.

Read by tests/gradients/test_operation_cost.py. Needs torch 2.13, fvcore 0.1.5, thop 0.1.1,
torchinfo 1.8 and ptflops 0.7.5; run from the repository.
"""

import contextlib
import io
import json
import logging
import warnings
from pathlib import Path

import thop
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from ptflops import get_model_complexity_info
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

IMAGE, FOUR = [1, 8, 16, 16], [4, 8, 16, 16]
ACTIVATIONS = {
    "identity": nn.Identity, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "prelu": nn.PReLU,
    "elu": nn.ELU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "softplus": nn.Softplus, "gelu": nn.GELU,
}  # fmt: skip


def cases():
    """Yield (function of estkit, its arguments, the layer of torch, the shape of its input)."""
    for shape, filters, bias, settings in [
        ([1, 3, 16, 16], [8, 3, 3, 3], True, {"padding": 1}),
        ([4, 3, 16, 16], [8, 3, 3, 3], True, {"padding": 1}),
        ([4, 3, 16, 16], [8, 3, 3, 3], False, {"padding": 1}),
        ([2, 4, 16, 16], [8, 2, 3, 3], True, {"padding": 1, "groups": 2}),
        ([2, 4, 16, 15], [8, 4, 3, 2], True, {"stride": 2, "dilation": 2}),
        ([3, 6, 9, 9], [6, 1, 3, 3], True, {"groups": 6}),
    ]:
        groups = settings.get("groups", 1)
        layer = nn.Conv2d(filters[1] * groups, filters[0], filters[2:], bias=bias, **settings)
        yield "convolution", [shape, filters], {"bias": bias, **settings}, layer, shape
    for rows, bias in [(1, True), (4, True), (4, False)]:
        yield "affine", [rows, 100, 10], {"bias": bias}, nn.Linear(100, 10, bias=bias), [rows, 100]
    for shape in (IMAGE, FOUR):
        for settings in ({}, {"stride": 1, "padding": 1}, {"stride": 3, "ceil_mode": True}):
            for kind, make in (("max", nn.MaxPool2d), ("average", nn.AvgPool2d)):
                chosen = {"kind": kind, **settings}
                yield "pooling", [shape, 2], chosen, make(2, **settings), shape
        for name, make in ACTIVATIONS.items():
            yield "activation", [name, shape], {}, make(), shape
        yield "activation", ["prelu", shape], {"slopes": 8}, nn.PReLU(8), shape
    for rows, classes in [(1, 2048), (4, 10)]:
        yield "softmax", [rows, classes], {}, nn.Softmax(1), [rows, classes]


def ptflops(model, x, backend):
    quiet = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    build = {"input_constructor": lambda _: x, "backend": backend}
    return get_model_complexity_info(model, tuple(x.shape[1:]), **build, **quiet)[0]


def printed(layer, shape):
    """Return what each tool prints, by its name."""
    x, model = torch.zeros(shape), nn.Sequential(layer).eval()
    analysis = FlopCountAnalysis(model, x)
    by_thop = thop.profile(model, (x,), verbose=False)[0]
    for module in model.modules():  # thop leaves its counters behind
        module._buffers.pop("total_ops", None)
        module._buffers.pop("total_params", None)
    with FlopCounterMode(display=False) as counter:
        model(x)
    found = {
        "fvcore": analysis.total(),
        "thop": by_thop,
        "torchinfo": torchinfo.summary(model, input_data=x, verbose=0).total_mult_adds,
        "ptflops": ptflops(model, x, "pytorch"),
        "ptflops (aten)": ptflops(model, x, "aten"),
        "torch FlopCounterMode": counter.get_total_flops(),
    }
    return {tool: int(number) for tool, number in found.items()}


stored = []
for function, given, settings, layer, shape in cases():
    with contextlib.redirect_stdout(io.StringIO()):
        numbers = printed(layer, shape)
    stored.append({"function": function, "given": given, "settings": settings, "printed": numbers})
place = Path(__file__).parent / "gradients/operation_counts.json"
place.write_text(json.dumps(stored).replace("}}, {", "}},\n{") + "\n")
