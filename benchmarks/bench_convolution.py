"""Convolution in float32, forward and with all gradients, beside torch and plain numpy.

A process of its own for each contender and round, in turn, for two libraries that wait by spinning
on the same cores slow each other down many times. Each is checked against a sum in double
precision over the positions of the filter.
Run alone: `python benchmarks/bench_convolution.py` (`--rounds 1 --threads 1` for a busy machine).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from environment import is_installed, markdown, print_header

ROUNDS, THREADS = 3, 2
SECONDS, REPEATS = 0.5, 200  # for one size in one process, whichever ends first


class Size(NamedTuple):
    """Images (N, C, H, H), filters (O, C / groups, k, k)."""

    name: str
    images: int
    channels: int
    side: int
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


SIZES = (
    Size("64 × 1 × 28 × 28, 8 filters 3 × 3", 64, 1, 28, 8, 3, padding=1),
    Size("32 × 16 × 32 × 32, 32 filters 3 × 3", 32, 16, 32, 32, 3, padding=1),
    Size("the same, stride 2", 32, 16, 32, 32, 3, stride=2, padding=1),
    Size("8 × 64 × 56 × 56, 64 filters 3 × 3", 8, 64, 56, 64, 3, padding=1),
    Size("32 × 64 × 28 × 28, 64 filters 1 × 1", 32, 64, 28, 64, 1),
    Size("32 × 64 × 28 × 28, depthwise 3 × 3", 32, 64, 28, 64, 3, padding=1, groups=64),
)
Work = Callable[[], Any]


def make(size: Size) -> tuple[Any, Any, Any]:
    """Draw the images, the filters and the upstream gradient."""
    rng = np.random.default_rng(0)
    count = (size.side + 2 * size.padding - size.kernel) // size.stride + 1
    shapes = (
        (size.images, size.channels, size.side, size.side),
        (size.filters, size.channels // size.groups, size.kernel, size.kernel),
        (size.images, size.filters, count, count),
    )
    x, filters, up = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, filters, up


def by_estkit(size: Size) -> tuple[Work, Work]:
    from estkit.gradients import convolution

    x, filters, up = make(size)
    settings: Any = {"stride": size.stride, "padding": size.padding, "groups": size.groups}

    def both() -> Any:
        value, vjp = convolution(x, filters, **settings)
        return [value, *vjp(up)]

    return lambda: convolution(x, filters, **settings).value, both


def by_torch(size: Size) -> tuple[Work, Work]:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x, filters, up = map(torch.from_numpy, make(size))
    settings: Any = {"stride": size.stride, "padding": size.padding, "groups": size.groups}

    def forward() -> Any:
        with torch.no_grad():
            return torch.nn.functional.conv2d(x, filters, **settings).numpy()

    def both() -> Any:
        leaves = [x.detach().requires_grad_(), filters.detach().requires_grad_()]
        value = torch.nn.functional.conv2d(*leaves, **settings)
        value.backward(up)
        return [value.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    return forward, both


def by_numpy(size: Size) -> tuple[Work, Work]:
    """The usual few lines: sliding windows of the padded images and einsum as matrix products."""
    x, filters, up = make(size)
    pad, step, groups, k = size.padding, size.stride, size.groups, size.kernel
    grouped = filters.reshape(groups, -1, *filters.shape[1:])
    ups = up.reshape(len(up), groups, -1, *up.shape[2:])

    def windows() -> Any:
        wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        found = np.lib.stride_tricks.sliding_window_view(wide, (k, k), axis=(2, 3))
        found = found[:, :, ::step, ::step]
        return found.reshape(len(x), groups, -1, *found.shape[2:])

    def forward() -> Any:
        value = np.einsum("ngcrqij,gocij->ngorq", windows(), grouped, optimize=True)
        return value.reshape(up.shape)

    def both() -> Any:
        to_filters = np.einsum("ngcrqij,ngorq->gocij", windows(), ups, optimize=True)
        parts = np.einsum("ngorq,gocij->ngcijrq", ups, grouped, optimize=True)
        parts = parts.reshape(*x.shape[:2], k, k, *up.shape[2:])
        wide = np.zeros((*x.shape[:2], *(side + 2 * pad for side in x.shape[2:])), x.dtype)
        ends = [step * (count - 1) + 1 for count in up.shape[2:]]
        for i, j in np.ndindex(k, k):
            wide[:, :, i : i + ends[0] : step, j : j + ends[1] : step] += parts[:, :, i, j]
        to_x = wide[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
        return [forward(), to_x, to_filters.reshape(filters.shape)]

    return forward, both


CONTENDERS = {"estkit": by_estkit, "torch": by_torch, "numpy, einsum of windows": by_numpy}


def exact(size: Size) -> list[Any]:
    """Add up in double precision, one position of the filter and one group at a time."""
    x, filters, up = (array.astype(float) for array in make(size))
    pad, step = size.padding, size.stride
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    value, to_wide, to_filters = np.zeros(up.shape), np.zeros(wide.shape), np.zeros(filters.shape)
    ends = [step * (count - 1) + 1 for count in up.shape[2:]]
    each, seen = size.filters // size.groups, filters.shape[1]
    for g, i, j in np.ndindex(size.groups, size.kernel, size.kernel):
        o, c = slice(g * each, (g + 1) * each), slice(g * seen, (g + 1) * seen)
        here = (slice(None), c, slice(i, i + ends[0], step), slice(j, j + ends[1], step))
        tap, under, above = filters[o, :, i, j], wide[here], up[:, o]
        value[:, o] += np.tensordot(under, tap, (1, 1)).transpose(0, 3, 1, 2)
        to_wide[here] += np.tensordot(above, tap, (1, 0)).transpose(0, 3, 1, 2)
        to_filters[o, :, i, j] = np.tensordot(above, under, ((0, 2, 3), (0, 2, 3)))
    inner = slice(pad, wide.shape[2] - pad)
    return [value, to_wide[:, :, inner, inner], to_filters]


def shortest(work: Work) -> float:
    """Return the shortest of many runs, in milliseconds."""
    work()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < SECONDS and len(times) < REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def perform(name: str) -> list[list[float]]:
    """Return forward, all, and the largest error by the largest number, for each size."""
    found = []
    for size in SIZES:
        forward, both = CONTENDERS[name](size)
        times = [shortest(forward), shortest(both)]
        pairs = zip(both(), exact(size), strict=True)
        off = [float(abs(mine - right).max() / abs(right).max()) for mine, right in pairs]
        found.append([*times, max(off)])
    return found


def ask(name: str, threads: int) -> Any:
    """Run one contender in a process of its own."""
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, "--perform", name]
    ended = subprocess.run(
        command, env=os.environ | limits, capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> int:
    """Print the table: milliseconds of estkit, and those of all as ratios to torch's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--perform", help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.perform:
        print(json.dumps(perform(options.perform)))
        return 0
    print_header("Convolution, float32", ["torch"], threads=options.threads)
    names = [name for name in CONTENDERS if name != "torch" or is_installed("torch")]
    told: dict[str, list[Any]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            told[name].append(ask(name, options.threads))
    best = {name: np.min(rounds, axis=0) for name, rounds in told.items()}
    good = True
    for column, title in enumerate(("forward", "forward and all gradients")):
        rows = []
        for number, size in enumerate(SIZES):
            mine = best["estkit"][number, column]
            ratios = [f"{mine / best[name][number, column]:.2f}" for name in names[1:]]
            rows.append([size.name, f"{mine:.3g}", *ratios, f"{best['estkit'][number, 2]:.0e}"])
        heads = ["images and filters", "estkit ms", *(f"by {name}" for name in names[1:])]
        print(f"### {title}\n\n{markdown([*heads, 'largest error'], rows)}\n", flush=True)
    for name in names:
        worst = best[name][:, 2].max()
        if not worst < 1e-4:
            print(f"{name} is wrong: largest relative error {worst:.1g}")
            good = False
    if "torch" not in names:
        print("torch is not installed.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
