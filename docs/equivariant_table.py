"""Print the guide's tables of Gaunt products: ``python docs/equivariant_table.py [speed|rows|others|error]``.

All tables if none is named. The columns of e3nn are empty where it is not installed.
"""

import functools
import math
import sys
import time

import numpy as np

import spectralkit
from spectralkit.equivariant import GauntTensorProduct, gaunt_convolution, gaunt_power, gaunt_tensor_product

try:
    import torch
    from e3nn import o3
except ImportError:
    torch = o3 = None

DEGREES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
ROWS = 1024


def coefficients(lmax, n, dtype, seed):
    """Return rows of random coefficients."""
    return np.random.default_rng(seed).standard_normal((n, (lmax + 1) ** 2)).astype(dtype)


@functools.cache
def e3nn_product(lmax):
    """Return the same paths, unweighted, by e3nn, or None where that is not installed or takes too long."""
    if o3 is None or lmax > 6:
        return None
    irreps, out = o3.Irreps.spherical_harmonics(lmax), o3.Irreps.spherical_harmonics(2 * lmax)
    paths = [
        (i, j, k, "uuu", False)
        for i in range(lmax + 1)
        for j in range(lmax + 1)
        for k in range(abs(i - j), i + j + 1, 2)
    ]
    return o3.TensorProduct(irreps, irreps, out, paths)


def seconds(contenders, budget=2.0):
    """Return the shortest CPU time of many interleaved calls; short ones are timed several at a time."""
    best, several = dict.fromkeys(contenders, math.inf), {}
    for name, function in contenders.items():
        function()
        start = time.perf_counter()
        function()
        several[name] = max(1, int(1e-3 / (time.perf_counter() - start)))
    begun, repeats = time.perf_counter(), 0
    while repeats < 5 or time.perf_counter() - begun < budget:
        repeats += 1
        for name, function in contenders.items():
            start = time.process_time()
            for _ in range(several[name]):
                function()
            best[name] = min(best[name], (time.process_time() - start) / several[name])
    return best


def contenders(lmax, n, methods):
    """Return calls of each method and of e3nn, on the same float32 rows."""
    x1, x2 = (coefficients(lmax, n, np.float32, seed) for seed in (0, 1))
    calls = {m: functools.partial(gaunt_tensor_product, x1, x2, method=m) for m in methods}
    if (product := e3nn_product(lmax)) is not None:
        t1, t2 = torch.from_numpy(x1), torch.from_numpy(x2)
        calls["e3nn"] = lambda: product(t1, t2)
    return calls


def ratio(found, name, unit="auto"):
    """Return a time in units of another."""
    if name not in found:
        return ""
    value = found[name] / found[unit]
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"


def speed():
    """Print times of the routes by degree, in units of that of the default."""
    print("| degree | default takes | sparse | grid | fft | e3nn |\n| --- | --- | --- | --- | --- | --- |")
    for lmax in DEGREES:
        methods = ["auto", "grid", "fft"] + (["sparse"] if lmax <= 10 else [])
        calls = contenders(lmax, ROWS, methods)
        # e3nn apart: beside the large arrays of the Fourier route it would be slower.
        pair = {name: calls[name] for name in ("auto", "e3nn") if name in calls}
        found = seconds({name: call for name, call in calls.items() if name != "e3nn"})
        taken = GauntTensorProduct(lmax, lmax, dtype=np.float32).method
        found[taken] = found["auto"]  # the same call
        cells = [ratio(found, name) for name in ("sparse", "grid", "fft")] + [ratio(seconds(pair), "e3nn")]
        print(f"| {lmax} | {taken} | " + " | ".join(cells) + " |")


def rows():
    """Print what the number of rows does to the ratio with e3nn."""
    counts = (1, 32, 1024, 16_384)
    print(
        "| degree | "
        + " | ".join(f"{n} row" + "s" * (n > 1) for n in counts)
        + " |\n| --- |"
        + " --- |" * len(counts)
    )
    for lmax in (1, 2, 4, 6):
        found = [seconds(contenders(lmax, n, ["auto"])) for n in counts]
        print(f"| {lmax} | " + " | ".join(ratio(each, "e3nn") for each in found) + " |")


def error():
    """Print largest errors of float32 over largest values; the reference is computed in double precision."""
    print("| degree | sparse | grid | fft |\n| --- | --- | --- | --- |")
    for lmax in (2, 4, 8, 12, 16):
        x1, x2 = (coefficients(lmax, 256, np.float32, seed) for seed in (0, 1))
        exact = gaunt_tensor_product(x1.astype(float), x2.astype(float), lmax_out=lmax, method="grid")
        cells = []
        for method in ("sparse", "grid", "fft"):
            found = gaunt_tensor_product(x1, x2, lmax_out=lmax, method=method)
            cells.append(f"{np.max(np.abs(found - exact)) / np.max(np.abs(exact)):.0e}")
        print(f"| {lmax} | " + " | ".join(cells) + " |")


def others():
    """Print times of powers and convolutions, in units of that of products."""
    print("| degree | square | cube | fourth power | filter |\n| --- | --- | --- | --- | --- |")
    rng = np.random.default_rng(0)
    for lmax in (2, 4, 8, 12, 16):
        x, f = (coefficients(lmax, ROWS, np.float32, seed) for seed in (0, 1))
        directions, radial = rng.standard_normal((ROWS, 3)), rng.standard_normal((ROWS, lmax + 1))
        cells = []
        for nu in (2, 3, 4):
            calls = {
                "power": functools.partial(gaunt_power, x, nu),
                "products": functools.partial(repeated, x, nu),
            }
            cells.append(ratio(seconds(calls), "power", "products"))
        calls = {
            "convolution": functools.partial(gaunt_convolution, x, directions, radial),
            "product": functools.partial(gaunt_tensor_product, x, f),
        }
        cells.append(ratio(seconds(calls), "convolution", "product"))
        print(f"| {lmax} | " + " | ".join(cells) + " |")


def repeated(x, nu):
    """Return a power by products one after the other."""
    y = x
    for _ in range(nu - 1):
        y = gaunt_tensor_product(y, x)
    return y


def main(names):
    """Print the tables that are named, or all."""
    if torch is not None:
        torch.set_num_threads(1)
    tables = {"speed": speed, "rows": rows, "others": others, "error": error}
    with spectralkit.threads(1):
        for index, name in enumerate(names or tables):
            if index:
                print()
            tables[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
