"""The bars of Gaunt products and rotation-invariant features, `spectralkit.equivariant`."""

import importlib.util
import math
import time
import tracemalloc
from functools import cache, partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import equivariant as peers
from spectralkit.datasets import make_rotated_shapes
from spectralkit.equivariant import (
    GauntTensorProduct,
    SphericalInvariants,
    _product,
    gaunt_coefficients,
    gaunt_convolution,
    gaunt_power,
    gaunt_tensor_product,
    rotate,
    spherical_harmonics,
    wigner_d,
)

ROWS = 1024
LIMITS = {"float64": 1e-13, "float32": 1e-6}
# What sums up to some milliseconds of the slowest contender.
_CALLS = {1: 100, 2: 40, 3: 20, 4: 8, 5: 4, 6: 2}


def bar_coefficients(repeats):
    """Gaunt coefficients against integrals in exact arithmetic."""
    if importlib.util.find_spec("sympy") is None:
        print("  SymPy is not installed: left out")
        return []
    indices, values = gaunt_coefficients(4, 4, 8)
    rng = np.random.default_rng(0)
    count = 60 if checking(repeats) else 400
    chosen = rng.choice(len(values), count, replace=False)
    worst = 0.0
    for index, value in zip(indices[chosen].tolist(), values[chosen], strict=True):
        degrees = [math.isqrt(i) for i in index]
        orders = [i - k * k - k for i, k in zip(index, degrees, strict=True)]
        worst = max(worst, abs(value - peers.symbolic_gaunt(*degrees, *orders)))
    detail = f"{count} of the {len(values)} coefficients up to degrees 4, 4 and 8"
    bars = [Bar("largest error", 1e-13, worst, detail=detail)]
    absent, checked = 0.0, 0
    present = {tuple(index) for index in indices.tolist()}
    while checked < count // 4:
        degrees = [int(rng.integers(top + 1)) for top in (3, 3, 6)]
        orders = [int(rng.integers(-k, k + 1)) for k in degrees]
        if tuple(k * k + k + m for k, m in zip(degrees, orders, strict=True)) not in present:
            integral = abs(peers.symbolic_gaunt(*degrees, *orders))
            absent, checked = max(absent, integral), checked + 1
    bars.append(Bar("largest of those that are said to vanish", 0, absent, detail=f"{checked} of those"))
    return bars


def bar_exactness(repeats):
    """Products against a finer quadrature in extended precision: largest error over largest value."""
    degrees = [(1, 1, 2), (3, 3, 6), (8, 8, 16), (8, 3, 5), (2, 12, 14), (16, 16, 16), (16, 16, 32)]
    if checking(repeats):
        degrees = degrees[:-1]
    for dtype, limit in LIMITS.items():
        for method in ("sparse", "grid", "fft"):
            worst = {}
            for case in degrees:
                if method == "sparse" and case[2] > 16:
                    continue
                x1, x2, reference = _exact(case, dtype)
                found = gaunt_tensor_product(x1, x2, lmax_out=case[2], method=method)
                worst[case] = float(np.max(np.abs(found - reference)) / np.max(np.abs(reference)))
            label = f"{method}, {dtype}"
            listed = ", ".join(f"{case} {error:.1e}" for case, error in worst.items())
            detail = f"{label}, degrees: {listed}"
            required = np.nan if method == "fft" else limit
            if method == "sparse":
                # Sums of thousands of terms, where the default takes the grid.
                yield Bar(f"{label}, degree 16", np.nan, worst.pop((16, 16, 16)), detail=detail)
            yield Bar(label, required, max(worst.values()), detail=detail)


def bar_equivariance(repeats):
    """Rotated factors against rotated products: norm of the difference over the norm, worst of five."""
    for dtype, limit in LIMITS.items():
        for method in ("sparse", "grid", "fft"):
            worst = {}
            for lmax in (2, 6, 16):
                if (method, lmax) == ("sparse", 16):
                    continue
                plan = GauntTensorProduct(lmax, lmax, lmax, method=method, dtype=dtype)
                worst[lmax] = max(_not_equivariant(plan, lmax, dtype, seed) for seed in range(5))
            label = f"{method}, {dtype}"
            listed = ", ".join(f"{lmax} {error:.1e}" for lmax, error in worst.items())
            required = np.nan if method == "fft" else limit
            yield Bar(label, required, max(worst.values()), detail=f"{label}, degrees: {listed}")


def bar_e3nn(repeats):
    """CPU time of e3nn in units of ours: the same paths, 1024 rows of float32, all degrees of the product."""
    if peers.o3 is None:
        print("  e3nn and torch are not installed: left out")
        return
    for lmax, required in zip(range(1, 7), (6, 4, 3, 3, 3, 3), strict=True):
        product = peers.E3nnProduct(lmax)
        indices, values = gaunt_coefficients(lmax, lmax, 2 * lmax)
        factors, off = product.factors(indices, values)
        if not off < 1e-12:
            raise AssertionError(f"degree {lmax}: paths differ by more than a factor, {off:.1e}")
        x1, x2 = _factors(lmax, ROWS, np.float32)
        t1, t2 = peers.as_torch(x1), peers.as_torch(x2)
        # The factors put in, e3nn's products are ours; without them it has less to do.
        ours = gaunt_tensor_product(x1.astype(float), x2.astype(float))
        theirs = product(t1, t2).numpy()
        agreement = _off(peers.E3nnProduct(lmax, weights=factors)(t1, t2).numpy(), ours)
        plan = GauntTensorProduct(lmax, lmax, dtype=np.float32)
        calls = _CALLS[lmax]
        race = run(
            {
                "spectralkit": partial(_several, gaunt_tensor_product, x1, x2, calls),
                "its plan": partial(_several, plan, x1, x2, calls),
                "e3nn": partial(_several, product, t1, t2, calls),
            },
            error=partial(_off_either, ours=ours, theirs=theirs),
            accuracy=1e-5,
            repeats=3 * repeats,
        )
        detail = (
            f"degree {lmax}: {calls} calls: {race}; with factors e3nn agrees to {agreement:.0e}; "
            f"{len(product.paths)} paths"
        )
        name = f"degree {lmax}: e3nn / ours"
        ratio = race.ratio("e3nn", "spectralkit")
        yield Bar(name, required, ratio, better="higher", speed=True, detail=detail)
        yield Bar(f"{name}, a plan", np.nan, race.ratio("e3nn", "its plan"), better="higher")
    yield Bar("degree 6: e3nn / ours, hoped for", 6, ratio, better="higher", speed=True)


def bar_fft(repeats):
    """CPU time of Fourier coefficients in both angles in units of the default, 1024 rows of float32."""
    for lmax in range(2, 9):
        x1, x2 = _factors(lmax, ROWS, np.float32)
        exact = gaunt_tensor_product(x1.astype(float), x2.astype(float), method="grid")
        calls = max(1, 8 // lmax)
        race = run(
            {
                method: partial(_several, partial(gaunt_tensor_product, method=method), x1, x2, calls)
                for method in ("auto", "fft")
            },
            error=partial(_off, exact=exact),
            accuracy=1e-5,
            repeats=repeats,
        )
        name = f"degree {lmax}: fft / auto"
        detail = f"degree {lmax}: {calls} calls: {race}"
        yield Bar(name, 5, race.ratio("fft", "auto"), better="higher", speed=True, detail=detail)


def bar_auto(repeats):
    """CPU time of the default in units of the faster of "sparse" and "grid", 1024 rows."""
    cases = [(lmax, lmax, 2 * lmax) for lmax in range(1, 11)]
    others = [(8, 1, 9), (2, 10, 12), (10, 4, 14), (16, 2, 18), (5, 5, 5), (7, 7, 7), (9, 9, 9), (8, 8, 2)]
    for dtype in LIMITS:
        for label, group in (("equal degrees, all of the product", cases), ("other degrees", others)):
            chosen, ratios = {}, {}
            for case in group:
                methods = ("sparse", "grid")
                plans = {m: GauntTensorProduct(*case, method=m, dtype=dtype) for m in methods}
                chosen[case] = GauntTensorProduct(*case, dtype=dtype).method
                x1, x2 = (_coefficients(lmax, ROWS, dtype, seed) for seed, lmax in enumerate(case[:2]))
                calls = max(1, 12 // max(case[:2]))
                race = run(
                    {m: partial(_several, plan, x1, x2, calls) for m, plan in plans.items()},
                    error=lambda found: float(not np.all(np.isfinite(found))),
                    accuracy=0,
                    repeats=2 * repeats,
                )
                ratios[case] = race.seconds[chosen[case]] / min(race.seconds.values())
            listed = ", ".join(f"{case} {chosen[case]} {ratio:.2f}" for case, ratio in ratios.items())
            name = f"{dtype}, {label}: worst"
            yield Bar(name, 1.25, max(ratios.values()), speed=True, detail=f"{dtype}: {listed}")


def bar_scaling(repeats):
    """Degrees 6 to 16, all of the product, 1024 rows of float32."""
    seconds, calls = {}, 2
    for lmax in (6, 8, 10, 12, 14, 16):
        x1, x2 = _factors(lmax, ROWS, np.float32)
        plan = GauntTensorProduct(lmax, lmax, method="grid", dtype=np.float32)
        race = run(
            {"grid": partial(_several, plan, x1, x2, calls)},
            error=lambda found: float(not np.all(np.isfinite(found))),
            accuracy=0,
            repeats=repeats,
        )
        seconds[lmax] = race.seconds["grid"] / calls
    slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
    detail = ", ".join(f"degree {lmax}: {1e3 * spent:.3g} ms" for lmax, spent in seconds.items())
    yield Bar("exponent of the degree", 3.2, slope, timed=True, detail=detail)
    yield Bar("CPU time, degree 16", 25, 1e3 * seconds[16], unit="ms", speed=True)
    yield Bar("CPU time of the tables, degree 16", 50, 1e3 * _tables(repeats), unit="ms", speed=True)


def bar_memory(repeats):
    """Peak of arrays beside the product, 16 384 rows in units of 1024 rows, float32."""
    for lmax in (3, 8, 16):
        plan = GauntTensorProduct(lmax, lmax, lmax, dtype=np.float32)
        rows = (1024, 4096 if checking(repeats) else 16_384)
        peaks = [_workspace(plan, lmax, n) for n in rows]
        label = f"degree {lmax}, {plan.method}"
        detail = f"{label}: {peaks[0] / 1e6:.3g} MB at {rows[0]} rows, {peaks[1] / 1e6:.3g} MB at {rows[1]}"
        # Some kilobytes at most are as good as none.
        ratio = (peaks[1] + 1e5) / (peaks[0] + 1e5)
        yield Bar(f"{label}: more rows / 1024", 1.1, ratio, detail=detail)


def bar_power_and_convolution(repeats):
    """CPU time of products one after the other, or with all filters' coefficients, in units of ours."""
    for lmax, nu in ((3, 3), (4, 4)):
        x = _coefficients(lmax, ROWS, np.float32, 0)
        exact = gaunt_power(x.astype(float), nu)
        race = run(
            {
                "gaunt_power": lambda x=x, nu=nu: gaunt_power(x, nu),
                "products": lambda x=x, nu=nu: _products(x, nu),
            },
            error=partial(_off, exact=exact),
            accuracy=1e-4,
            repeats=repeats,
        )
        name = f"power {nu}, degree {lmax}: products / gaunt_power"
        ratio = race.ratio("products", "gaunt_power")
        yield Bar(name, np.nan, ratio, better="higher", detail=f"power {nu}, degree {lmax}: {race}")
    rng = np.random.default_rng(0)
    for lmax in (4, 10):
        x = _coefficients(lmax, ROWS, np.float32, 0)
        directions, radial = rng.standard_normal((ROWS, 3)), rng.standard_normal((ROWS, lmax + 1))
        exact = gaunt_convolution(x.astype(float), directions, radial)
        race = run(
            {
                "gaunt_convolution": lambda x=x, d=directions, w=radial: gaunt_convolution(x, d, w),
                "product": lambda x=x, d=directions, w=radial, lmax=lmax: gaunt_tensor_product(
                    x, spherical_harmonics(lmax, d.astype(np.float32)), w2=w.astype(np.float32)
                ),
            },
            error=partial(_off, exact=exact),
            accuracy=1e-4,
            repeats=repeats,
        )
        name = f"filter, degree {lmax}: harmonics and product / gaunt_convolution"
        ratio = race.ratio("product", "gaunt_convolution")
        yield Bar(name, np.nan, ratio, better="higher", detail=f"filter, degree {lmax}: {race}")


def bar_invariants(repeats):
    """Eight shapes of 200 points with noise: invariants and a linear classifier."""
    train, names = make_rotated_shapes(240, rotate=False, rng=0)
    test, labels = make_rotated_shapes(240, rng=1)
    lying, _ = make_rotated_shapes(240, rotate=False, rng=1)
    invariants = SphericalInvariants(average=True).fit(train)
    before, after = invariants.transform(lying), invariants.transform(test)
    scale = np.abs(before).max(axis=0)
    yield Bar(
        "features before and after rotations, relative to the largest of each",
        1e-10,
        np.max(np.abs(after - before) / scale),
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, max_iter=5000))
    accuracy = model.fit(invariants.transform(train), names).score(after, labels)
    detail = "trained on 240 clouds that are not turned, tested on 240 others that are"
    yield Bar("accuracy", 0.97, accuracy, better="higher", detail=detail)


def _factors(lmax, n, dtype):
    return _coefficients(lmax, n, dtype, 0), _coefficients(lmax, n, dtype, 1)


def _coefficients(lmax, n, dtype, seed):
    return np.random.default_rng(seed).standard_normal((n, (lmax + 1) ** 2)).astype(dtype)


@cache
def _exact(case, dtype):
    """Return coefficients and their products in extended precision."""
    x1, x2 = (_coefficients(lmax, 6, dtype, seed) for seed, lmax in enumerate(case[:2]))
    return x1, x2, peers.quadrature_product(x1, x2, case[2])


def _not_equivariant(plan, lmax, dtype, seed):
    rng = np.random.default_rng(seed)
    R = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    x1, x2 = rng.standard_normal((2, 64, (lmax + 1) ** 2))
    D = wigner_d(lmax, R)
    turned = plan(*((x @ D.T).astype(dtype) for x in (x1, x2)))
    expected = rotate(plan(x1.astype(dtype), x2.astype(dtype)).astype(float), R)
    return float(np.linalg.norm(turned - expected) / np.linalg.norm(expected))


def _several(function, x1, x2, calls):
    for _ in range(calls):
        y = function(x1, x2)
    return y


def _off(found, exact):
    return np.max(np.abs(found - exact)) / np.max(np.abs(exact))


def _off_either(found, ours, theirs):
    """Return the error of our product, or of one of e3nn's."""
    return _off(found, ours) if isinstance(found, np.ndarray) else _off(found.numpy(), theirs)


def _products(x, nu):
    y = x
    for _ in range(nu - 1):
        y = gaunt_tensor_product(y, x)
    return y


def _tables(repeats):
    """Return the seconds that the tables of degree 16 take."""
    best = math.inf
    x = _coefficients(16, 1, np.float32, 0)
    GauntTensorProduct(16, 16, dtype=np.float32)(x, x)
    with spectralkit.threads(1):
        for _ in range(repeats):
            _product._octant.cache_clear()
            start = time.process_time()
            GauntTensorProduct(16, 16, dtype=np.float32)(x, x)
            best = min(best, time.process_time() - start)
    return best


def _workspace(plan, lmax, n):
    """Return the peak of arrays during a product, without the product."""
    x1, x2 = _factors(lmax, n, np.float32)
    plan(x1[:1], x2[:1])
    tracemalloc.start()
    try:
        y = plan(x1, x2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return max(peak - y.nbytes, 0)
