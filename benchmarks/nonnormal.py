"""The bars of `spectralkit.nonnormal`."""

import itertools
import math
import warnings
from functools import partial, wraps

import numpy as np
import scipy.optimize

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import nonnormal as peers
from spectralkit.nonnormal import (
    IllConditionedWarning,
    kreiss_constant,
    perturb_then_diagonalize,
    pseudospectral_abscissa,
    pseudospectrum,
)
from spectralkit.statespace import diagonal_init, hippo, legs_kernel
from spectralkit.tour.nonnormal import _riffle

_UNIT = np.finfo(np.float64).eps


def _one_thread(bars):
    """Return bars that are measured on one thread, what is not timed included."""

    @wraps(bars)
    def measured(repeats):
        with spectralkit.threads(1):
            return list(bars(repeats))

    return measured


@_one_thread
def bar_legs_condition(repeats):
    """LegS matrices with 64 states: condition number of the eigenvectors, stability kept."""
    A = hippo("legs", 64)[0]
    for method, seeds, limits in (("optimize", 5, (6, 25, 180)), ("random", 10, (30, 250, 4000))):
        for eps, required in zip((0.1, 0.01, 0.001), limits, strict=True):
            found = [
                perturb_then_diagonalize(A, eps, method=method, structure="skew", rng=seed)
                for seed in range(seeds)
            ]
            condition = [result.condition for result in found]
            label = f"{method}, ε = {eps}"
            detail = (
                f"{label}: condition numbers {min(condition):.4g} to {max(condition):.4g}, {seeds} seeds, "
                f"at most {max(result.n_iter for result in found)} trials or steps"
            )
            yield Bar(f"{label}: condition, worst seed", required, max(condition), detail=detail)
            yield Bar(
                f"{label}: largest real part, worst seed",
                -0.499,
                max(result.spectral_abscissa for result in found),
            )
    values = [
        perturb_then_diagonalize(A, 0.1, structure="none", n_trials=1, rng=seed).spectral_abscissa
        for seed in range(10)
    ]
    detail = f"any structure, ε = 0.1, one random perturbation: {min(values):.3g} to {max(values):.3g}"
    yield Bar(
        "any structure, ε = 0.1: smallest of the largest real parts", np.nan, min(values), detail=detail
    )


@_one_thread
def bar_jordan(repeats):
    """Nilpotent Jordan blocks: condition number over δ^(-(n-1)/n), what the best single entry reaches."""
    for delta in (1e-1, 1e-2, 1e-4):
        ratios = {}
        for n, method in itertools.product((8, 16, 32, 64), ("random", "optimize")):
            A = np.diag(np.ones(n - 1), 1)
            condition = perturb_then_diagonalize(A, delta, method=method, rng=0).condition
            ratios[n, method] = condition / delta ** (-(n - 1) / n)
        listed = ", ".join(f"{n} {method} {ratio:.4f}" for (n, method), ratio in ratios.items())
        name = f"δ = {delta:g}, n from 8 to 64: largest ratio"
        yield Bar(name, 1.05, max(ratios.values()), detail=f"δ = {delta:g}: {listed}")


@_one_thread
def bar_arbitrary(repeats):
    """400 arbitrary matrices of up to 40 rows, ε from 1e-8 to 1: what is promised of any."""
    worst, slack, warned, count = 0.0, 0.0, 0, 400
    for seed in range(count):
        rng = np.random.default_rng(seed)
        A, eps = _arbitrary(rng), 10.0 ** rng.uniform(-8, 0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", IllConditionedWarning)
            result = perturb_then_diagonalize(A, eps, rng=seed)
        warned += bool(caught)
        n = len(A)
        worst = max(worst, result.backward_error / (eps * (1 + 1e-6) + 10 * n * _UNIT * result.condition))
        slack = max(slack, result.condition / (4 * n**1.5 * (1 + 1 / eps)))
    detail = f"kinds: {', '.join(KINDS)}; {warned} of {count} warned that rounding is larger than ε"
    yield Bar("backward error over ε + 10 n u κ", 1, worst, detail=detail)
    yield Bar("condition over 4 n^1.5 (1 + 1/ε), which some perturbation reaches", 1, slack)


@_one_thread
def bar_kernel(repeats):
    """LegS impulse responses of 50 outputs, 16 to 128 states: largest error over the largest value."""
    t = np.concatenate([[0.0], np.logspace(-6, 1, 400)])
    sizes = (16, 32, 64, 128)
    errors, conditions = {}, {}
    for n in sizes:
        A, B = hippo("legs", n)
        C = np.random.default_rng(0).standard_normal((50, n))
        C /= np.linalg.norm(C, axis=1)[:, None]
        exact = C @ legs_kernel(n, t).T
        contenders = {"S4D": peers.s4d_legs(A, B), "diagonal_init": _every_state(diagonal_init("ptd", n))}
        for name, options in (
            ('ε = "auto"', {}),
            ('ε = "auto", one random', {"n_trials": 1}),
            ("ε = 1e-8", {"eps": 1e-8}),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", IllConditionedWarning)
                result = perturb_then_diagonalize(A, rng=0, **options)
            V = result.eigenvectors
            contenders[name] = result.eigenvalues, V, result.inverse_eigenvectors @ B
        values, V, inverse = peers.eig(A)
        contenders["eig"] = values, V, inverse @ B
        for name, (values, V, b) in contenders.items():
            with np.errstate(all="ignore"):
                kernel = ((C @ V) * b) @ np.exp(np.outer(values, t))
                error = np.max(np.abs(kernel - exact)) / np.max(np.abs(exact))
            errors.setdefault(name, []).append(error if np.isfinite(error) else math.inf)
            condition = np.linalg.cond(V / np.linalg.norm(V, axis=0))
            conditions.setdefault(name, []).append(condition)

    def listed(name):
        rows = zip(sizes, errors[name], conditions[name], strict=True)
        return f"{name}: " + ", ".join(f"{error:.1e} (n = {n}, κ = {c:.0e})" for n, error, c in rows)

    for name, required in (
        ('ε = "auto"', 1e-6),
        ('ε = "auto", one random', np.nan),
        ("ε = 1e-8", np.nan),
        ("diagonal_init", 1e-6),
    ):
        yield Bar(f"{name}: largest error", required, max(errors[name]), detail=listed(name))
    yield Bar("S4D: smallest error", 0.5, min(errors["S4D"]), better="higher", detail=listed("S4D"))
    yield Bar("numpy.linalg.eig: largest error", np.nan, max(errors["eig"]), detail=listed("eig"))


@_one_thread
def bar_diagonalization_time(repeats):
    """CPU time of perturbing and diagonalizing over that of numpy.linalg.eig and inv, dense LegS matrices."""
    for n, trials, required in ((64, 5, 1.3), (256, 5, 1.3), (1024, 1, 1.5)):
        # In its own basis LegS is triangular, and eig has nothing to do.
        Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
        A = Q @ hippo("legs", n)[0] @ Q.T
        race = run(
            {
                "spectralkit": partial(_diagonalized, A, trials),
                "NumPy": lambda A=A: peers.eig(A),
                "NumPy, eig alone": lambda A=A: (*np.linalg.eig(A), None),
            },
            error=partial(_backward_error, A),
            accuracy={"spectralkit": 1e-7, "NumPy": math.inf, "NumPy, eig alone": math.inf},
            repeats=repeats if n < 1024 else min(repeats, 3),
        )
        label = f"n = {n}, {trials} trial{'s' * (trials > 1)}"
        ratio = race.ratio("spectralkit", "NumPy, eig alone") / trials
        detail = f"{label}: {race}; the error is the backward error, ε is 1.5e-8"
        yield Bar(f"{label}: ours / eig, for each trial", required, ratio, speed=True, detail=detail)
        ratio = race.ratio("spectralkit", "NumPy") / trials
        yield Bar(f"{label}: ours / (eig and inv), for each trial", np.nan, ratio)


@_one_thread
def bar_descent_time(repeats):
    """CPU seconds of descent for LegS with 64 states, at least 100 steps."""
    A = hippo("legs", 64)[0]
    steps = perturb_then_diagonalize(A, 1e-3, method="optimize", rng=0).n_iter
    if steps < 100:
        raise AssertionError(f"descent has ended after {steps} steps")
    race = run(
        {"spectralkit": lambda: perturb_then_diagonalize(A, 1e-3, method="optimize", rng=0)},
        error=lambda result: result.condition,
        accuracy=180,
        repeats=repeats,
    )
    detail = f"{steps} steps, ε = 0.001: {race}; the error is the condition number"
    yield Bar("seconds", 2, race.seconds["spectralkit"], unit="s", speed=True, detail=detail)


@_one_thread
def bar_pseudospectrum(repeats):
    """CPU time of a singular value decomposition at each point over ours, 900 points of a half-plane."""
    every = 15  # points that the peers get: their time is the same at each
    for n, required in ((100, 8), (200, 10)):
        for label, A, z in _grids(n):
            few, norm = z.ravel()[::every], np.linalg.norm(A, 2)
            exact = peers.svd_pseudospectrum(A, few)
            race = run(
                {
                    "spectralkit": lambda A=A, z=z: pseudospectrum(A, z).ravel()[::every],
                    "SciPy": lambda A=A, few=few: peers.svd_pseudospectrum(A, few),
                    "NumPy": lambda A=A, few=few: peers.batched_svd_pseudospectrum(A, few),
                },
                error=partial(_relative_error, exact, norm),
                accuracy=1e-6,
                repeats=repeats if checking(repeats) else 4,
            )
            detail = (
                f"{label}: {race}; peers at one point of {every}, relative errors beyond u ‖A‖, at "
                f"{np.sum(exact > 1e-12 * norm)} of {few.size} with σ > 1e-12 ‖A‖"
            )
            ratio = every * race.ratio("SciPy", "spectralkit")
            name = f"{label}: svdvals at each point / ours"
            yield Bar(name, required, ratio, better="higher", speed=True, detail=detail)
            ratio = every * race.ratio("NumPy", "spectralkit")
            yield Bar(f"{label}: svd of a batch / ours", np.nan, ratio, better="higher")


@_one_thread
def bar_pseudospectrum_error(repeats):
    """Largest relative error of a pseudospectrum, beyond u ‖A‖ and where σ > 1e-12 ‖A‖, tol=1e-6."""
    for n in (32, 100, 200):
        for label, A, z in _grids(n):
            norm = np.linalg.norm(A, 2)
            axis = np.linspace(z.real.min(), z.real.max(), 40)
            inside = z.ravel()[::23]
            errors = [
                _relative_error(peers.svd_pseudospectrum(A, points), norm, pseudospectrum(A, points))
                for points in (axis, inside)
            ]
            detail = f"{label}: {errors[0]:.1e} on the real axis, {errors[1]:.1e} off it"
            yield Bar(label, 1e-6, max(errors), detail=detail)
    P, limit = _riffle(52)
    z = np.linspace(-1.15, 1.15, 61) + 1j * np.linspace(0.0, 1.15, 31)[:, None]
    z, D = z.ravel(), P - limit
    exact = peers.svd_pseudospectrum(D, z)
    error = _relative_error(exact, np.linalg.norm(D, 2), pseudospectrum(D, z))
    yield Bar("riffle shuffle, n = 52", 1e-6, error, detail=f"riffle shuffle: {z.size} points")


@_one_thread
def bar_pseudospectrum_order(repeats):
    """Growth of the CPU time of a pseudospectrum with the order of the matrix, 1600 points."""
    sizes, seconds = (64, 128, 256, 512), []
    z = np.linspace(-1, 3, 40) + 1j * np.linspace(0.02, 3.5, 40)[:, None]
    for n in sizes:
        A = _grcar(n)
        few = z.ravel()[::200]
        exact = peers.svd_pseudospectrum(A, few)
        race = run(
            {"spectralkit": lambda A=A: pseudospectrum(A, z).ravel()[::200]},
            error=partial(_relative_error, exact, np.linalg.norm(A, 2)),
            accuracy=1e-6,
            repeats=repeats if n < 512 else min(repeats, 2),
        )
        seconds.append(race.seconds["spectralkit"])
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    listed = ", ".join(f"{s / z.size:.3g} s (n = {n})" for n, s in zip(sizes, seconds, strict=True))
    detail = f"for each point, the Schur form included: {listed}; Grcar matrices"
    yield Bar("exponent", 2.3, exponent, timed=True, detail=detail)


@_one_thread
def bar_abscissas(repeats):
    """Pseudospectral abscissas and Kreiss constants, against searches by singular values alone."""
    worst, kreiss = {}, {}
    rng = np.random.default_rng(0)
    for name, A in (
        ("Grcar", _grcar(12) - 2.3 * np.eye(12)),
        ("Jordan", np.diag(np.ones(11), 1) - np.eye(12)),
        ("LegS", hippo("legs", 8)[0]),
        ("random", rng.standard_normal((12, 12)) / 4 - 1.5 * np.eye(12)),
        ("triangular, complex", _triangular(12) + 1j * _triangular(12, 1) - 1.5 * np.eye(12)),
    ):
        norm = np.linalg.norm(A, 2)
        differences = [
            abs(pseudospectral_abscissa(A, eps * norm) - _abscissa_by_search(A, eps * norm)) / norm
            for eps in (1e-3, 0.1)
        ]
        worst[name] = max(differences)
        found, highest = kreiss_constant(A), _kreiss_by_search(A)
        # A lower bound that must not be below what the search finds.
        kreiss[name] = found / highest
    listed = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
    detail = f"differences over ‖A‖, the worse of ε = 0.001 and 0.1 ‖A‖: {listed}"
    yield Bar("abscissa: largest difference over ‖A‖", 1e-6, max(worst.values()), detail=detail)
    listed = ", ".join(f"{name} {value:.6f}" for name, value in kreiss.items())
    detail = f"Kreiss constant over the largest ratio of a fine grid, refined: {listed}"
    yield Bar(
        "Kreiss constant: smallest share of a search",
        1 - 1e-6,
        min(kreiss.values()),
        better="higher",
        detail=detail,
    )


def _every_state(init):
    """Return eigenvalues, basis and input of all states, where one of each conjugate pair is given."""
    pairs = init.A.imag > 0.0
    # 2 Re of a state is the sum of it and of its conjugate; a real one has the weight 1/2.
    return (
        np.append(init.A, init.A[pairs].conj()),
        np.hstack([init.basis, init.basis[:, pairs].conj()]),
        np.append(init.B, init.B[pairs].conj()),
    )


def _diagonalized(A, trials):
    result = perturb_then_diagonalize(A, n_trials=trials, rng=0)
    return result.eigenvalues, result.eigenvectors, result.inverse_eigenvectors


def _backward_error(A, decomposition):
    """Return ``||A - V Λ V^-1|| / ||A||``; infinite for what is not finite."""
    values, V, inverse = decomposition
    if inverse is None:
        return 0.0
    with np.errstate(all="ignore"):
        difference = A - (V * values) @ inverse
    if not np.isfinite(difference).all():
        return math.inf
    return float(np.linalg.norm(difference, 2) / np.linalg.norm(A, 2))


def _relative_error(exact, norm, sigma):
    """Return the largest relative error beyond u ‖A‖, which is rounding, where σ > 1e-12 ‖A‖."""
    resolved = exact > 1e-12 * norm
    error = np.maximum(np.abs(sigma.ravel() - exact) - _UNIT * norm, 0.0)
    return np.max((error / exact)[resolved])


def _grcar(n):
    """Return ones on the diagonal and three above it, minus ones below it."""
    return sum(np.diag(np.ones(n - k), k) for k in range(4)) - np.diag(np.ones(n - 1), -1)


def _grids(n):
    """Return labels, matrices and 900 points above the real axis."""
    for name, A, x, y in (
        ("Grcar", _grcar(n), (-1.0, 3.0), (0.02, 3.5)),
        ("LegS", hippo("legs", n)[0], (-0.3, 0.1), (0.001, 0.6)),
        ("random triangular", _triangular(n), (-1.5, 1.5), (0.01, 1.5)),
    ):
        size = np.linalg.norm(A, 2) if name == "LegS" else 1.0
        yield f"{name}, n = {n}", A, size * (np.linspace(*x, 30) + 1j * np.linspace(*y, 30)[:, None])


def _triangular(n, seed=0):
    return np.triu(np.random.default_rng(seed).standard_normal((n, n))) / math.sqrt(n)


KINDS = ("dense", "complex", "triangular", "nilpotent", "integer", "low rank", "Jordan", "badly scaled")


def _arbitrary(rng):
    """Return a matrix of a kind and a size drawn at random."""
    n, kind = int(rng.integers(2, 41)), KINDS[rng.integers(len(KINDS))]
    A = rng.standard_normal((n, n))
    if kind == "complex":
        A = np.triu(A + 1j * rng.standard_normal((n, n)))
    elif kind in ("triangular", "nilpotent"):
        A = np.triu(A, kind == "nilpotent")
    elif kind == "integer":
        A = rng.integers(-1, 2, (n, n)).astype(float)
    elif kind == "low rank":
        A = A[:, : 1 + n // 4] @ A[: 1 + n // 4]
    elif kind == "Jordan":
        # Blocks of several sizes, with one or two eigenvalues, in another basis.
        J = np.diag(np.where(rng.random(n - 1) < 0.8, 1.0, 0.0), 1) + np.diag(rng.integers(0, 2, n))
        Q = np.linalg.qr(A)[0]
        A = Q @ J @ Q.T
    elif kind == "badly scaled":
        scales = 10.0 ** rng.uniform(-3, 3, n)
        A = A * scales / scales[:, None]
    return A * 10.0 ** rng.uniform(-100, 100)


def _sigma(A, x, y):
    x, y = np.broadcast_arrays(x, y)
    return peers.batched_svd_pseudospectrum(A, x + 1j * y)


def _abscissa_by_search(A, eps):
    """Return the largest real part: by bisection along horizontal lines, closer and closer to the best."""
    norm, eigenvalues = np.linalg.norm(A, 2), np.linalg.eigvals(A)
    size = norm + 2.0 * eps

    def rightmost(y):
        x = np.sort(np.append(np.linspace(-size, size, 161), eigenvalues.real))[::-1]
        inside = np.flatnonzero(_sigma(A, x, y) <= eps)
        if not inside.size:
            return -math.inf
        first = inside[0]
        return scipy.optimize.brentq(lambda at: _sigma(A, at, y) - eps, x[first], x[first - 1], xtol=1e-13)

    heights, step = np.append(np.linspace(-size, size, 81), eigenvalues.imag), size / 40
    for _ in range(5):
        ends = [rightmost(y) for y in heights]
        best = heights[np.argmax(ends)]
        heights, step = np.linspace(best - step, best + step, 21), step / 10
    return max(ends)


def _kreiss_by_search(A):
    """Return the largest ratio of ``Re z`` to the smallest singular value: on a grid, then by simplices."""
    norm = np.linalg.norm(A, 2)
    x, y = norm * np.logspace(-5, 1, 121), norm * np.linspace(-1, 1, 161)[:, None]
    ratio = x / _sigma(A, x, y)
    row, column = np.unravel_index(np.argmax(ratio), ratio.shape)
    found = scipy.optimize.minimize(
        lambda p: -math.exp(p[0]) / float(_sigma(A, math.exp(p[0]), p[1] * norm)),
        [math.log(x[column]), y[row, 0] / norm],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12},
    )
    return -found.fun
