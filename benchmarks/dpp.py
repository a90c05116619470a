"""The bars of `spectralkit.sampling`."""

import itertools
import math
import subprocess
import sys
import time
import tracemalloc
import warnings
from functools import cache, partial

import numpy as np
import scipy.stats
from threadpoolctl import threadpool_limits

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import sampling as peers
from spectralkit.sampling import (
    OptimalWeightedLeastSquares,
    TensorPolynomialBasis,
    sample_dpp,
    sample_dpp_finite,
)
from spectralkit.sampling._dpp import _BLOCK, _Continuous, _draw

# Degrees at which bases in two dimensions have about 500, 1000 and 2000 functions.
DEGREES = (30, 43, 61)
# Ways to choose points; those that are measured against a bar first.
WAYS = {
    "dpp": {},
    "iid": {"sampling": "iid"},
    "volume": {"sampling": "volume"},
    "conditioned": {"stability": 0.5},
    "greedy": {"greedy": True},
}


def bar_exactness(repeats):
    """Laws of linear statistics Σ f(x_i), as theory has them."""
    draws = 4000
    basis = TensorPolynomialBasis("legendre", 5, n_dims=2)
    X = sample_dpp(basis, n_repeats=draws, rng=0)
    for label, function in (
        ("f = exp(x) cos(2 y)", lambda x, y: np.exp(x) * np.cos(2 * y)),
        ("f = 1 if x + y > 1/2", lambda x, y: (x + y > 0.5) + 0.0),
    ):
        mean, deviation = _linear_statistic(*_features_on_grid(basis, function))
        found = np.sum(function(X[..., 0], X[..., 1]), axis=1)
        centred = found - found.mean()
        variance = np.mean(centred**2)
        error = math.sqrt((np.mean(centred**4) - variance**2) / draws)
        detail = (
            f"{label}: mean {found.mean():.4f}, exact {mean:.4f}; variance {variance:.4f}, exact "
            f"{deviation**2:.4f}; {draws} draws, m = 21, d = 2"
        )
        off = abs(found.mean() - mean) / (deviation / math.sqrt(draws))
        yield Bar(f"{label}: mean, standard errors off", 4, off, detail=detail)
        off = abs(variance - deviation**2) / error
        yield Bar(f"{label}: variance, standard errors off", 4, off)
    m, draws = 10, 1000
    for family, label, power, law in (
        ("hermite", "Hermite, Σ x² is χ²(m²)", 2, scipy.stats.chi2(m**2)),
        ("laguerre", "Laguerre, Σ x is Γ(m²)", 1, scipy.stats.gamma(m**2)),
    ):
        X = sample_dpp(TensorPolynomialBasis(family, m - 1), n_repeats=draws, rng=0)
        test = scipy.stats.kstest(np.sum(X**power, axis=(1, 2)), law.cdf)
        detail = f"{label}: Kolmogorov-Smirnov statistic {test.statistic:.4f}, {draws} draws, m = {m}"
        yield Bar(f"{label}: p-value", 1e-3, test.pvalue, better="higher", detail=detail)


def bar_speed_continuous(repeats):
    """CPU time of DPPy in units of ours, on the basis that DPPy chooses, uniform on the cube."""
    for d, m, draws, required in ((2, 500, 2, 15), (10, 66, 4, 200), (3, 100, 2, np.nan)):
        draws = draws // 2 if checking(repeats) else draws
        ensemble = peers.dppy_ensemble(m, d)
        basis = TensorPolynomialBasis("legendre", 0, n_dims=d, index_set=peers.dppy_indices(ensemble))
        race = run(
            {
                # Draws take more or fewer proposals, so each repeat has the same ones.
                "spectralkit": lambda basis=basis, draws=draws: [
                    sample_dpp(basis, rng=seed)[0] for seed in range(draws)
                ],
                "DPPy": lambda ensemble=ensemble, draws=draws: [
                    peers.dppy_sample(ensemble, seed) for seed in range(draws)
                ],
            },
            error=partial(_off_continuous, basis),
            accuracy=4,
            repeats=repeats,
        )
        label = f"d = {d}, m = {m}"
        detail = f"{label}: {draws} draws, {race}; the error is that of a linear statistic in its deviations"
        ratio = race.ratio("DPPy", "spectralkit")
        yield Bar(f"{label}: DPPy / ours", required, ratio, better="higher", speed=True, detail=detail)


def bar_speed_finite(repeats):
    """CPU time of DPPy in units of ours, one draw from the rows of an N x m matrix."""
    check = checking(repeats)
    several = 5  # draws of ours to one of DPPy's, whose time does not depend on chance
    for n, m, required in ((5000, 100, 30), (20_000, 200, 150)):
        large = n == 20_000  # DPPy takes seconds
        Phi = np.random.default_rng(0).standard_normal((n, m)) * np.linspace(0.1, 2, n)[:, None]
        Q = np.linalg.qr(Phi)[0]
        error = partial(_off_finite, Q, *_linear_statistic(Q, np.arange(n) / n, np.ones(n)))
        label, rounds = f"{n} x {m}", (1 if check else 3) if large else repeats
        race = run(
            {
                "spectralkit": lambda Q=Q: [sample_dpp_finite(Q, rng=seed)[0] for seed in range(several)],
                "DPPy": lambda Q=Q: [peers.dppy_finite(Q, 0)],
                "spectralkit, five of one call": lambda Q=Q: sample_dpp_finite(Q, n_repeats=several, rng=0),
            },
            error=error,
            accuracy=4,
            repeats=rounds,
        )
        detail = f"{label}: {several} draws of ours, one of DPPy's: {race}" + (f"; repeats: {rounds}" * large)
        ratio = several * race.ratio("DPPy", "spectralkit")
        name = f"{label}, orthonormal columns given: DPPy / ours"
        yield Bar(name, required, ratio, better="higher", speed=True, detail=detail)
        ratio = several * race.ratio("DPPy", "spectralkit, five of one call")
        yield Bar(f"{label}, five draws of one call: DPPy / ours", np.nan, ratio, better="higher")
        if large and check:
            continue
        race = run(
            {
                "spectralkit": lambda Phi=Phi: [sample_dpp_finite(Phi, rng=0)[0]],
                "DPPy after QR": lambda Phi=Phi: [peers.dppy_finite(np.linalg.qr(Phi)[0], 0)],
            },
            error=error,
            accuracy=4,
            repeats=rounds,
        )
        name = f"{label}, general matrix: QR and DPPy / ours"
        ratio = race.ratio("DPPy after QR", "spectralkit")
        yield Bar(name, np.nan, ratio, better="higher", detail=f"{label}, general: {race}")


def bar_large(repeats):
    """One draw from large bases in two dimensions."""
    rounds = 1 if checking(repeats) else 3
    bases = {degree: TensorPolynomialBasis("legendre", degree, n_dims=2) for degree in DEGREES}
    draws = {degree: 4 if degree == 30 else 2 if degree == 43 else 1 for degree in DEGREES}
    seconds = {}
    for degree, basis in bases.items():
        race = run(
            {
                "spectralkit": lambda basis=basis, degree=degree: [
                    sample_dpp(basis, rng=seed)[0] for seed in range(draws[degree])
                ]
            },
            error=partial(_off_continuous, basis),
            accuracy=4,
            repeats=rounds,
        )
        seconds[basis.n_features] = race.seconds["spectralkit"] / draws[degree]
    sizes = np.array(list(seconds))
    slope = np.polyfit(np.log(sizes), np.log(list(seconds.values())), 1)[0]
    listed = "; ".join(f"m = {m}: {figure:.3g} s" for m, figure in seconds.items())
    detail = f"{listed}; repeats: {rounds}"
    m = int(sizes[-1])
    yield Bar(f"CPU time, m = {m}", 6, seconds[m], unit="s", timed=True, detail=detail)
    yield Bar("exponent of m", 2.9, slope, timed=True)

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with spectralkit.threads(1):
            sample_dpp(bases[61], rng=0)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    limit = 8 * (4 * m * m + _BLOCK * m)
    detail = (
        f"m = {m}: {peak / 1e6:.0f} MB; with a block of {_BLOCK} m doubles the limit is {limit / 1e6:.0f} MB"
    )
    yield Bar("peak of arrays, over 4 m² doubles and a block", 1, peak / limit, detail=detail)
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    detail = "of a fresh process after a first small draw, with the work space of LAPACK"
    yield Bar("peak of the process, in m² doubles", np.nan, float(done.stdout) / (8 * m * m), detail=detail)


def bar_proposals(repeats):
    """Proposals of a draw in units of m H_m, the mean of the chain rule run as one stream: 200 draws."""
    m, draws = 50, 200
    expected = m * sum(1 / k for k in range(1, m + 1))
    for label, basis in (
        ("d = 1", TensorPolynomialBasis("legendre", m - 1)),
        ("d = 49, degree 1", TensorPolynomialBasis("legendre", 1, n_dims=m - 1)),
    ):
        counts = [_draw(_Continuous(basis, np.random.default_rng(seed)), m)[1] for seed in range(draws)]
        ratio = np.mean(counts) / expected
        error = np.std(counts) / math.sqrt(draws) / expected
        detail = f"{label}: {ratio:.3f} ± {error:.3f} times {expected:.1f}"
        yield Bar(f"{label}: |ratio - 1|, m = {m}", 0.1, abs(ratio - 1), detail=detail)


def bar_quality(repeats):
    """Least squares for 1 / (1 + 25 x²), m = 10: error in units of that of the best approximation."""
    for way, medians, quantiles, share in (("dpp", 1.2, 1.6, 0.4), ("iid", np.nan, np.nan, np.nan)):
        error, stability, _ = _fits(way, 3, _count(repeats))
        label = f"{way}, n = 3 m"
        detail = f"{label}: {_count(repeats)} draws, best error {_runge(10)[2]:.4g}"
        yield Bar(f"{label}: median", medians, np.median(error), detail=detail)
        yield Bar(f"{label}: 95 % quantile", quantiles, np.quantile(error, 0.95))
        yield Bar(f"{label}: P(λ_min > 1/2)", share, np.mean(stability > 0.5), better="higher")


def bar_quality_table(repeats):
    """The same by way of sampling and number of points: median, 95 % quantile and P(λ_min > 1/2)."""
    check = checking(repeats)
    for ratio, way in itertools.product((2,) if check else (1, 2, 3), WAYS):
        if check and way == "conditioned":
            continue
        # No draw of m points is that stable: it takes the best of a hundred draws.
        count = 60 if (way, ratio) == ("conditioned", 1) else _count(repeats)
        error, stability, size = _fits(way, ratio, count)
        label = f"n = {ratio} m, {way}"
        detail = f"{label}: {count} draws, {np.mean(size):.1f} points on average"
        yield Bar(f"{label}: median", np.nan, np.median(error), detail=detail)
        yield Bar(f"{label}: 95 % quantile", np.nan, np.quantile(error, 0.95))
        yield Bar(f"{label}: P(λ_min > 1/2)", np.nan, np.mean(stability > 0.5), better="higher")


def bar_threads(repeats):
    """Wall time of a draw, m = 496, where BLAS may use two threads, over that where it may use one."""
    basis = TensorPolynomialBasis("legendre", 30, n_dims=2)
    seconds = {1: math.inf, 2: math.inf}
    sample_dpp(basis, rng=0)
    for _ in range(2 * repeats):
        for allowed in seconds:
            with threadpool_limits(allowed, user_api="blas"):
                start = time.perf_counter()
                sample_dpp(basis, rng=0)
                seconds[allowed] = min(seconds[allowed], time.perf_counter() - start)
    detail = f"two threads allowed {seconds[2]:.3g} s, one {seconds[1]:.3g} s; it takes one anyway"
    yield Bar("two threads allowed / one", 1.5, seconds[2] / seconds[1], speed=True, detail=detail)


def bar_basis(repeats):
    """CPU time of evaluating a basis, in units of ours."""
    for d, m, n in ((2, 500, 10_000), (5, 250, 5000), (10, 1000, 1000)):
        ensemble = peers.dppy_ensemble(m, d)
        indices = peers.dppy_indices(ensemble)
        basis = TensorPolynomialBasis("legendre", 0, n_dims=d, index_set=indices)
        X = np.random.default_rng(0).uniform(-1, 1, (n, d))
        reference = peers.product_basis(X, basis.multi_indices)
        sorting = sorted(range(m), key=lambda j, indices=indices: (sum(indices[j]), tuple(indices[j])))
        scale = np.max(np.abs(reference))
        race = run(
            {
                "spectralkit": lambda X=X, basis=basis: (basis.evaluate(X), slice(None)),
                "NumPy": lambda X=X, basis=basis: (
                    peers.product_basis(X, basis.multi_indices),
                    slice(None),
                ),
                "DPPy": lambda X=X, ensemble=ensemble, sorting=sorting: (
                    peers.dppy_basis(ensemble, X),
                    sorting,
                ),
            },
            error=lambda found, reference=reference, scale=scale: (
                np.max(np.abs(found[0][:, found[1]] - reference)) / scale
            ),
            accuracy=1e-12,
            repeats=repeats,
        )
        label = f"{n} points, d = {d}, m = {m}"
        name = f"{label}: a product for each function / ours"
        ratio = race.ratio("NumPy", "spectralkit")
        yield Bar(name, np.nan, ratio, better="higher", detail=f"{label}: {race}")
        yield Bar(f"{label}: DPPy / ours", np.nan, race.ratio("DPPy", "spectralkit"), better="higher")


# What the kernel kept for this process: ru_maxrss would start from the memory of its parent.
MEMORY = f"""
import pathlib
import spectralkit
from spectralkit.sampling import TensorPolynomialBasis, sample_dpp

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

with spectralkit.threads(1):
    sample_dpp(TensorPolynomialBasis("legendre", 5, n_dims=2), rng=0)
    before = peak()
    sample_dpp(TensorPolynomialBasis("legendre", {DEGREES[-1]}, n_dims=2), rng=0)
    print(peak() - before)
"""


def _linear_statistic(features, values, weights):
    """Return mean and standard deviation of Σ f(x_i) over a projection process, from values on a grid."""
    first = (features * (weights * values)[:, None]).T @ features
    second = np.einsum("ij,ij,i->", features, features, weights * values**2)
    return float(np.trace(first)), math.sqrt(max(second - np.sum(first**2), 0.0))


def _features_on_grid(basis, function):
    """Return functions and values on a grid of two dimensions, with weights of mass 1."""
    # Fine, for functions that jump.
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x, y = (axis.ravel() for axis in np.meshgrid(nodes, nodes))
    return basis.evaluate(np.stack([x, y], axis=1)), function(x, y), np.outer(weights, weights).ravel() / 4


def _off_continuous(basis, draws):
    """Return how many standard deviations Σ x_1² is off in all draws together; inf for what is no draw."""
    m, d = basis.n_features, basis.n_dims
    for X in draws:
        proper = X.shape == (m, d) and np.all(np.abs(X) <= 1) and len(np.unique(X, axis=0)) == m
        if not proper or np.linalg.slogdet(basis.evaluate(X))[0] == 0:
            return math.inf
    mean, deviation = _moments_of_square(basis)
    total = sum(np.sum(X[:, 0] ** 2) for X in draws)
    return abs(total - len(draws) * mean) / (math.sqrt(len(draws)) * deviation)


@cache
def _moments_of_square(basis):
    """Return mean and standard deviation of Σ x_1², Legendre polynomials."""
    top = int(basis.multi_indices[:, 0].max())
    nodes, weights = np.polynomial.legendre.leggauss(top + 3)
    values = np.polynomial.legendre.legvander(nodes, top) * np.sqrt(2 * np.arange(top + 1) + 1)
    first, second = ((values * (weights * nodes**p / 2)[:, None]).T @ values for p in (2, 4))
    columns, others = basis.multi_indices[:, 0], basis.multi_indices[:, 1:]
    # Functions that differ in another coordinate are orthogonal whatever the function of the first.
    squares = 0.0
    for _, group in _groups(others).items():
        squares += np.sum(first[np.ix_(columns[group], columns[group])] ** 2)
    return float(np.sum(first[columns, columns])), math.sqrt(np.sum(second[columns, columns]) - squares)


def _groups(rows):
    found = {}
    for i, row in enumerate(rows.tolist()):
        found.setdefault(tuple(row), []).append(i)
    return found


def _off_finite(Q, mean, deviation, draws):
    """Return how many standard deviations Σ i / N is off in all draws together; inf for what is no draw."""
    n, m = Q.shape
    for rows in draws:
        if len(rows) != m or len(set(np.asarray(rows).tolist())) < m or np.linalg.slogdet(Q[rows])[0] == 0:
            return math.inf
    values = np.arange(n) / n
    total = sum(np.sum(values[rows]) for rows in draws)
    return abs(total - len(draws) * mean) / (math.sqrt(len(draws)) * deviation)


@cache
def _runge(m):
    """Return a basis of m functions, the coefficients of the best approximation, and its error."""
    basis = TensorPolynomialBasis("legendre", m - 1)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    Phi, values = basis.evaluate(nodes[:, None]), 1 / (1 + 25 * nodes**2)
    coef = Phi.T @ (weights / 2 * values)
    # The norm of the residual: a difference of squared norms would lose its digits.
    return basis, coef, math.sqrt(np.sum(weights / 2 * (values - Phi @ coef) ** 2))


@cache
def _fits(way, ratio, count):
    """Return by draw the relative error, the smallest eigenvalue, and the number of points."""
    basis, best, floor = _runge(10)
    options = {"n_samples": ratio * basis.n_features, **WAYS[way]}
    found = []
    with spectralkit.threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unstable points, which are what is counted
        for seed in range(count):
            fit = OptimalWeightedLeastSquares(basis, random_state=seed, **options)
            fit.fit_function(lambda X: 1 / (1 + 25 * X[:, 0] ** 2))
            error = math.hypot(floor, np.linalg.norm(fit.coef_ - best)) / floor
            found.append((error, fit.stability_, len(fit.X_)))
    return np.array(found).T


def _count(repeats):
    return 300 if checking(repeats) else 1000
