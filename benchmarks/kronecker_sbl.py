"""The bars of `spectralkit.recovery`."""

import json
import subprocess
import sys
import time
import tracemalloc
import warnings
from functools import cache, partial, reduce

import mpmath
import numpy as np
from sklearn.exceptions import ConvergenceWarning

import spectralkit
from benchmarks._harness import Bar, checking, run
from benchmarks.peers import recovery as peers
from spectralkit.datasets import make_irs_mimo, make_kronecker_sparse
from spectralkit.recovery import kronecker_matvec, kronecker_omp, kronecker_posterior, kronecker_sbl

GAUSSIAN, IRS = "Gaussian", "IRS"
MAKE = {GAUSSIAN: make_kronecker_sparse, IRS: make_irs_mimo}
# Ways to solve a problem, with the noise known unless they say otherwise. The last three are what the paper
# ran on its channels.
WAYS = {
    "default": {},
    "learned noise": {"noise_var": None},
    "EM alone": {"prune": 1e-3},
    "svd": {"prune": 0.0},
    "am": {"method": "am", "prune": (1e-2, 1e-1, 1e-3)},
    "am, coupled": {"method": "am", "coupling": (0.8, 0.0, 0.8)},
}
# Medians of the channel's NMSE in the authors' own results, by signal-to-noise ratio in dB.
PUBLISHED = {
    "svd": {16: 0.0038, 20: 0.0013},
    "am": {16: 0.0051, 20: 0.0012},
    "am, coupled": {16: 0.0042, 20: 0.0015},
}
PUBLISHED_BEST = {4: 0.125, 8: 0.037, 12: 0.0102, 16: 0.0038, 20: 0.0012}
LEVELS = (1.0, 1e-4, 1e-8, 1e-12, 1e-16)


def bar_posterior_accuracy(repeats):
    """Largest relative error of an entry against 50 digits, (8, 5) and (6, 4), five noise levels to 1e-16."""
    problems = [(_small(dtype), level) for dtype in (np.float64, np.complex128) for level in LEVELS]
    ours, textbook, single = {}, {}, {}
    for (Y, factors, gammas), level in problems:
        noise_var = level * float(np.mean(np.abs(Y) ** 2))
        exact = _exact_posterior(Y, factors, gammas, noise_var)
        found = kronecker_posterior(Y, factors, gammas, noise_var)
        formed = peers.textbook_posterior(Y, reduce(np.kron, factors), np.kron(*gammas), noise_var)
        key = f"{'real' if Y.dtype == np.float64 else 'complex'}, {level:.0e}"
        ours[key] = _errors((found.mean, found.variance), exact)
        textbook[key] = _errors(formed, exact)
        narrow = np.float32 if Y.dtype == np.float64 else np.complex64
        Y, factors = Y.astype(narrow), [factor.astype(narrow) for factor in factors]
        found = kronecker_posterior(Y, factors, gammas, noise_var)
        single[key] = _errors((found.mean, found.variance), _exact_posterior(Y, factors, gammas, noise_var))
    for i, figure in enumerate(("mean", "variance")):
        for label, required, errors in (
            ("double precision", 1e-10, ours),
            ("single precision", 1e-3, single),
            ("textbook form in double precision", np.nan, textbook),
        ):
            worst = {key: pair[i] for key, pair in errors.items()}
            detail = "; ".join(f"{key}: {error:.0e}" for key, error in worst.items())
            detail = f"{figure}, {label}, by noise over mean square: {detail}"
            yield Bar(f"{figure}, {label}", required, max(worst.values()), detail=detail)


def bar_oracle(repeats):
    """Median NMSE, noise known, over that of least squares on the true support, which is not known."""
    for snr, required in ((30, np.nan), (20, 1.25), (10, 1.6), (5, np.nan)):
        yield _against_oracle(GAUSSIAN, snr, "default", np.median, required, 60 if checking(repeats) else 200)


def bar_mean(repeats):
    """Mean NMSE, which failures rule, over that of least squares on the true support, before and after."""
    check = checking(repeats)
    for kind, snrs, trials in ((GAUSSIAN, (10, 20, 30), 60), (IRS, (8, 12, 16, 20), 20)):
        for snr in snrs:
            # A mean of twenty trials on surfaces depends on one or two of them.
            bound = np.nan if check and kind == IRS else 1.25
            for way, required in (("EM alone", np.nan), ("default", bound)):
                yield _against_oracle(kind, snr, way, np.mean, required, trials if check else 200)


def bar_learned_noise(repeats):
    """Median NMSE with learned noise, over that with known noise."""
    check = checking(repeats)
    for kind, snrs, trials in (
        (GAUSSIAN, (5, 20, 30), 40 if check else 100),
        (IRS, (12, 20), 20 if check else 50),
    ):
        for snr in snrs:
            known, learned = (
                np.median(_nmses(kind, snr, way, trials)) for way in ("default", "learned noise")
            )
            label = f"{kind}, {snr} dB"
            detail = f"{label}: known {known:.3g}, learned {learned:.3g}, {trials} trials"
            yield Bar(label, 1.15, learned / known, detail=detail)


def bar_irs(repeats):
    """Median NMSE of the channel, over the authors' published medians."""
    check = checking(repeats)
    trials = 20 if check else 100
    for way, medians in PUBLISHED.items():
        if check and way == "am, coupled":  # a median of 20 trials is up to half as large again
            continue
        for snr, published in medians.items():
            median = np.median(_nmses(IRS, snr, way, trials))
            label = f"{way}, as published, {snr} dB"
            detail = f"{label}: {median:.3g}, published {published:.3g}, {trials} trials"
            yield Bar(f"{label}: ours / theirs", 2, median / published, detail=detail)
    for snr, published in PUBLISHED_BEST.items():
        median = np.median(_nmses(IRS, snr, "default", trials))
        label = f"default, {snr} dB"
        detail = f"{label}: {median:.3g}, best published {published:.3g}, {trials} trials"
        yield Bar(f"{label}: ours / best of theirs", 1, median / published, detail=detail)


def bar_ard(repeats):
    """Against scikit-learn's ARDRegression, dense: N = 1000, 8 nonzeros, 20 dB, noise learned by both."""
    trials = 3 if checking(repeats) else 6
    names = ("ours", "ours, noise known", "ARDRegression")
    errors, seconds = {name: [] for name in names}, dict.fromkeys(names, 0.0)
    _solve(make_kronecker_sparse(((6, 10), (8, 10), (10, 10)), 2, rng=1000))  # warms up
    for trial in range(trials):
        problem = make_kronecker_sparse(((6, 10), (8, 10), (10, 10)), 2, snr=20.0, rng=1000 + trial)
        A = reduce(np.kron, problem.dictionaries)
        solvers = (
            partial(_solve, problem),
            partial(_solve, problem, noise_var=problem.noise_var),
            partial(peers.ard, problem.Y, A),
        )
        for name, solve in zip(names, solvers, strict=True):
            runs = [_timed(solve) for _ in range(1 if name == "ARDRegression" else repeats)]
            errors[name].append(problem.nmse(runs[0][0]))
            seconds[name] += min(elapsed for _, elapsed in runs)
    medians = {name: np.median(figures) for name, figures in errors.items()}
    detail = f"{trials} trials, ARDRegression once each: " + "; ".join(
        f"{name} {seconds[name] / trials:.3g} s a fit, median NMSE {medians[name]:.2e}" for name in names
    )
    theirs, better = "ARDRegression", {"better": "higher", "detail": detail}
    yield Bar("median NMSE, ARDRegression / ours", 10, medians[theirs] / medians["ours"], **better)
    ratio = seconds[theirs] / seconds["ours"]
    yield Bar("CPU time, ARDRegression / ours", 100, ratio, speed=True, **better)
    ratio = seconds[theirs] / seconds["ours, noise known"]
    yield Bar("CPU time, ARDRegression / ours with known noise", np.nan, ratio, **better)


def bar_dense_sbl(repeats):
    """CPU time of classical sparse Bayesian learning, on the dense matrix, in units of ours: noise known."""
    check = checking(repeats)
    shapes = ((8, 13), (11, 13), (13, 13)) if check else ((8, 15), (12, 15), (15, 15))
    problem = make_kronecker_sparse(shapes, 3, snr=20.0, rng=1000)
    ours = [_timed(partial(_solve, problem, noise_var=problem.noise_var)) for _ in range(repeats + 1)][1:]
    seconds, error = min(elapsed for _, elapsed in ours), problem.nmse(ours[0][0])
    A = reduce(np.kron, problem.dictionaries)
    coef, elapsed = _timed(partial(peers.dense_sbl, problem.Y, A, problem.noise_var))
    size = problem.coef.size
    detail = (
        f"N = {size}: ours {seconds:.3g} s, NMSE {error:.1e}; classical {elapsed:.3g} s, once, NMSE "
        f"{problem.nmse(coef):.1e}"
    )
    if error > problem.nmse(coef):
        raise AssertionError(f"ours is less accurate: {detail}")
    yield Bar(
        f"N = {size}: classical / ours", 100, elapsed / seconds, better="higher", speed=True, detail=detail
    )


def bar_large(repeats):
    """N = 884 736, in a process of its own: CPU time of a fit, and the most memory it ever had."""
    for label, m, k, snr, bounds in (
        ("M = 110 592, 64 nonzeros, 20 dB", 48, 4, 20.0, (30, 400)),
        ("M = 32 768, 216 nonzeros, 10 dB", 32, 6, 10.0, (np.nan, np.nan)),
    ):
        for noise in ("known", "learned"):
            arguments = [str(value) for value in (m, k, snr, noise)]
            done = subprocess.run(
                [sys.executable, "-c", FIT, *arguments], check=True, capture_output=True, text=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            name = f"{label}, noise {noise}"
            detail = (
                f"{name}: NMSE {found['nmse']:.2e}, least squares on the true support {found['oracle']:.2e}; "
                f"{found['before']:.0f} MB before the fit"
            )
            yield Bar(f"{name}: CPU time", bounds[0], found["seconds"], unit="s", timed=True, detail=detail)
            yield Bar(f"{name}: peak memory", bounds[1], found["peak"], unit="MB", detail=detail)


def bar_exponent(repeats):
    """CPU time of five iterations against N, and their memory, nothing dropped: factors of n / 2 rows."""
    problems = {n: make_kronecker_sparse(((n // 2, n),) * 3, 4, snr=20.0, rng=1000) for n in (32, 48, 64, 96)}

    def iterate(problem):
        coef = _solve(problem, noise_var=problem.noise_var, prune=0.0, max_iter=5)
        return problem.nmse(coef)

    race = run(
        {f"n = {n}": partial(iterate, problem) for n, problem in problems.items()},
        error=lambda nmse: nmse,
        accuracy=0.1,
        repeats=repeats,
    )
    sizes = [problem.coef.size for problem in problems.values()]
    slope = np.polyfit(np.log(sizes), np.log(list(race.seconds.values())), 1)[0]
    yield Bar("exponent of N", 1.5, slope, timed=True, detail=str(race))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        iterate(problems[64])
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    yield Bar("peak beside the input, n = 64, in arrays of N doubles", 16, peak / (8 * 64**3))


def bar_omp(repeats):
    """Median NMSE of the greedy method, over that of least squares on the true support: 20 dB."""
    trials = 30 if checking(repeats) else 100
    oracle = np.median([_oracle(GAUSSIAN, 20, trial) for trial in range(trials)])
    for count, note in ((3, "the true number"), ((8, 10, 10), "more, of which the first factor has 8 rows")):
        found = []
        for trial in range(trials):
            problem = _problem(GAUSSIAN, 20, trial)
            coef = kronecker_omp(problem.Y, problem.dictionaries, n_nonzero=count).coef
            found.append(problem.nmse(coef))
        median = np.median(found)
        label = f"atoms of each factor: {count}, {note}"
        detail = f"{label}: {median:.3g}, oracle {oracle:.3g}, {trials} trials"
        yield Bar(label, np.nan, median / oracle, detail=detail)


# The peak is what the kernel kept for this process: ru_maxrss would start from the memory of its parent.
FIT = """
import json, pathlib, sys, time
import numpy as np
import spectralkit
from spectralkit.datasets import make_kronecker_sparse
from spectralkit.recovery import kronecker_matvec, kronecker_sbl

def memory(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6

m, k, snr, noise = sys.argv[1:]
shapes = ((int(m), 96),) * 3
problem = make_kronecker_sparse(shapes, int(k), snr=float(snr), rng=1000)
before = memory("VmHWM")
with spectralkit.threads(1):
    start = time.process_time()
    noise_var = problem.noise_var if noise == "known" else None
    coef = kronecker_sbl(problem.Y, problem.dictionaries, noise_var=noise_var).coef
    seconds = time.process_time() - start
peak = memory("VmHWM")
places = [np.unique(i) for i in np.unravel_index(problem.support, (96,) * 3)]
inverses = [np.linalg.pinv(H[:, j]) for H, j in zip(problem.dictionaries, places)]
best = np.zeros_like(coef)
best[problem.support] = kronecker_matvec(inverses, problem.Y)
figures = {"seconds": seconds, "before": before, "peak": peak}
print(json.dumps({**figures, "nmse": problem.nmse(coef), "oracle": problem.nmse(best)}))
"""


def _problem(kind, snr, trial):
    return MAKE[kind](snr=float(snr), rng=1000 + trial)


def _solve(problem, **options):
    """Return the coefficients; whether they are good is judged by the bars."""
    with spectralkit.threads(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kronecker_sbl(problem.Y, problem.dictionaries, **options).coef


@cache
def _nmse(kind, snr, way, trial):
    problem = _problem(kind, snr, trial)
    return problem.nmse(_solve(problem, **{"noise_var": problem.noise_var, **WAYS[way]}))


def _nmses(kind, snr, way, trials):
    return [_nmse(kind, snr, way, trial) for trial in range(trials)]


@cache
def _oracle(kind, snr, trial):
    """Return the NMSE of least squares on the true support, factor by factor."""
    problem = _problem(kind, snr, trial)
    shape = [factor.shape[1] for factor in problem.dictionaries]
    places = map(np.unique, np.unravel_index(problem.support, shape))
    inverses = [np.linalg.pinv(H[:, j]) for H, j in zip(problem.dictionaries, places, strict=True)]
    coef = np.zeros_like(problem.coef)
    coef[problem.support] = kronecker_matvec(inverses, problem.Y)
    return problem.nmse(coef)


def _against_oracle(kind, snr, way, average, required, trials):
    found = average(_nmses(kind, snr, way, trials))
    oracle = average([_oracle(kind, snr, trial) for trial in range(trials)])
    label = f"{kind}, {snr} dB, {way}"
    detail = f"{label}: {found:.3g}, oracle {oracle:.3g}, {trials} trials"
    return Bar(f"{label} / oracle", required, found / oracle, detail=detail)


def _small(dtype):
    """Return overdetermined measurements, factors and gammas."""
    rng = np.random.default_rng(1000)

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real if dtype == np.float64 else real + 1j * rng.standard_normal(shape)

    return normal(48), [normal(8, 5), normal(6, 4)], [rng.uniform(0.1, 1.0, n) for n in (5, 4)]


def _exact_posterior(Y, factors, gammas, noise_var):
    """Return mean and variance from the normal equations, in 50 digits."""
    with mpmath.workdps(50):
        first, second = (mpmath.matrix(factor.tolist()) for factor in factors)
        # Gram matrices of a Kronecker product are those of its factors, and all products are to 50 digits.
        grams, size = [first.H * first, second.H * second], second.cols
        n = first.cols * size
        pairs = [divmod(index, size) for index in range(n)]
        precision = mpmath.matrix(n, n)
        for row, (a, b) in enumerate(pairs):
            for column, (c, d) in enumerate(pairs):
                precision[row, column] = grams[0][a, c] * grams[1][b, d] / mpmath.mpf(noise_var)
            precision[row, row] += 1 / (mpmath.mpf(gammas[0][a]) * mpmath.mpf(gammas[1][b]))
        covariance = precision**-1
        # (A ⊗ B)^H y is A^H Y conj(B), with y in the rows of Y.
        projected = first.H * mpmath.matrix(Y.reshape(first.rows, -1).tolist()) * second.H.T
        right = mpmath.matrix([projected[a, b] / mpmath.mpf(noise_var) for a, b in pairs])
        return list(covariance * right), [mpmath.re(covariance[index, index]) for index in range(n)]


def _errors(found, exact):
    """Return the largest relative error of an entry of the mean, and of the variance."""
    with mpmath.workdps(50):
        return [
            float(
                max(abs(mpmath.mpmathify(x) - y) / abs(y) for x, y in zip(ours.tolist(), true, strict=True))
            )
            for ours, true in zip(found, exact, strict=True)
        ]


def _timed(function):
    """Return what a function returns, and its CPU time on one thread."""
    with spectralkit.threads(1):
        start = time.process_time()
        result = function()
        return result, time.process_time() - start
