"""The bars of `spectralkit.gaussian_process`."""

import warnings
from functools import cache

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import spectralkit
from benchmarks._equations import OTHERS, PUBLISHED, Equation, modulated, relative, sine_product
from benchmarks._harness import Bar, run
from benchmarks.peers import gaussian_process as peers
from spectralkit.gaussian_process import SpectralMixtureKernel, SpectralMixturePDE, spectral_mixture
from spectralkit.gaussian_process._esprit import ROWS
from spectralkit.gaussian_process._evidence import Covariance, negative_log_evidence

# Largest error on 300 points along each side, by case.
ACCURACY = {
    "mix_sin": 1e-12,
    "single_sin": 1e-10,
    "sin_cos": 1e-10,
    "x_time_sinx": 1e-9,
    "x2_add_sinx": 1e-10,
    "allen_cahn single_sin": 1e-9,
    "allen_cahn sin_cos": 1e-9,
    "2-D sin_sin": 1e-11,
    "2-D sin_add_cos": 1e-11,
    "2-D allen_cahn": 1e-6,
    "advection": 1e-11,
    "bump": 1e-10,
    "chirp": 1e-10,
    "exp + cos": 1e-10,
    "Runge × sine": 1e-10,
    "2-D, not separable": 1e-8,
}
CASES = PUBLISHED | OTHERS
# Points of the noisy cases along each side, draws of the noise, and deviations of the source over its.
NOISY_POINTS, NOISY_SQUARE, DRAWS, RATIOS = 100, 30, 12, (10, 30, 100, 1000)


def bar_published_cases(repeats):
    """Solutions that are sums of polynomials times lines: relative error on 300 points along each side."""
    for name in PUBLISHED:
        race, how = _solved(name, repeats)
        yield Bar(name, ACCURACY[name], race.error["spectralkit"], detail=f"{name}: {how}")
    error = _solved("2-D allen_cahn", repeats)[0].error["spectralkit"]
    yield Bar("2-D allen_cahn, the further goal", 1e-9, error)


def bar_other_cases(repeats):
    """Analytic solutions that are no such sums: relative error on 300 points along each side."""
    for name in OTHERS:
        if name in ACCURACY:
            race, how = _solved(name, repeats)
            yield Bar(name, ACCURACY[name], race.error["spectralkit"], detail=f"{name}: {how}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a kink leaves a residual
        solver = _fit(CASES["kink"])
    yield Bar("|x - 0.3|^3.5", np.nan, _error(CASES["kink"], solver))


def bar_times(repeats):
    """CPU seconds of a whole solve, at the points of the cases."""
    for name in ACCURACY:
        case, race = CASES[name], _solved(name, repeats)[0]
        limit = 0.3 if case.n_dims == 1 else 5 if case.operator == "allen_cahn" else 3
        size = " x ".join([str(case.points)] * case.n_dims)
        yield Bar(f"{name}, {size}", limit, race.seconds["spectralkit"], unit="s", speed=True)


def bar_finite_differences(repeats):
    """Error of finite differences of second order at the same points, in units of ours."""
    for name in ACCURACY:
        found, exact = peers.finite_differences(CASES[name])
        theirs, ours = relative(found, exact), _solved(name, repeats)[0].error["spectralkit"]
        detail = f"{name}: theirs {theirs:.1e} on the grid itself, ours {ours:.1e} on other points"
        yield Bar(name, np.nan, theirs / ours, detail=detail)


def bar_published_step(repeats):
    """A step of the published solver against a whole solve: N = 400, 30 components, sin 6x cos 100x."""
    n, q = 400, 30
    case = CASES["sin_cos"]
    (x,), source, boundary = case.data()
    u = case.evaluate((x,))[0]
    frequencies, scales, weights = np.linspace(0, 20, q) * 2 * np.pi, np.ones(q), np.full(q, 1 / q)
    exact = spectral_mixture(x[:, None] - x, weights, frequencies / (2 * np.pi), scales, order=2)

    def forward():
        # Its points are scaled to [0, 1], and its frequencies to that.
        return peers.published_forward(
            x, u, source, boundary[[0, -1]], weights, scales, frequencies, 1.0, 1.0
        )

    race = run(
        {"spectralkit": lambda: _fit(case), "published": forward},
        error=lambda found: (
            _error(case, found)
            if isinstance(found, SpectralMixturePDE)
            else np.abs(found[1] - exact).max() / np.abs(exact).max()
        ),
        accuracy=ACCURACY["sin_cos"],
        repeats=repeats,
    )
    p = _fit(case).coef_.size
    theirs, ours = peers.published_flops(n, q), peers.lines_flops(n, min(n // 2 + 1, ROWS), p)
    detail = (
        f"theirs {theirs:.3g} operations, forward and backward, kernels for all pairs of points; ours "
        f"{ours:.3g} for all of a solve in {p} functions; the published runs take 1e5 to 3e6 steps"
    )
    yield Bar("operations, one step / one solve", 1, theirs / ours, better="higher", detail=detail)
    detail = f"forward pass alone, in NumPy: {race}; its error is that of the kernel's second derivative"
    ratio = race.ratio("published", "spectralkit")
    yield Bar("CPU time, forward pass / one solve", 1, ratio, better="higher", speed=True, detail=detail)


def bar_growth(repeats):
    """Exponent of the time in the points along a side: sin 100x sin 100y on the unit square."""
    sizes = np.array([100, 200, 400, 800])
    case = Equation("poisson", 1, 400, 2, sine_product(100, 100))
    data = {n: case.data(n) for n in sizes}
    points, exact = case.test(100)
    race = run(
        {str(n): lambda n=n: SpectralMixturePDE().fit(*data[n]) for n in sizes},
        error=lambda solver: relative(solver.predict(points), exact),
        accuracy=1e-11,
        repeats=repeats,
    )
    seconds = [race.seconds[str(n)] for n in sizes]
    slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    last = np.log2(seconds[-1] / seconds[-2])
    detail = f"{race}; from 400 to 800 the exponent is {last:.2f}"
    yield Bar("exponent", 3, slope, timed=True, detail=detail)


def bar_evidence(repeats):
    """The evidence and its gradient once: N = 400, 30 components, noise 1e-2 of the source's variance."""
    x = np.linspace(0, 1, 400)
    u, source = modulated(100)(x)
    scale = np.sqrt(np.mean(source**2))
    faces = [([(point, 0, 1.0)], value / scale) for point, value in ((0.0, u[0]), (1.0, u[-1]))]
    data = np.concatenate([source / scale, [value for _, value in faces]])
    for spectrum in ("gaussian", "student_t"):
        covariance = Covariance(x, [(1.0, 2)], faces, spectrum, 4.5)
        omega = np.linspace(4, 150, 30)
        theta = np.append(
            np.stack([-4 * np.log(omega), np.full(30, np.log(4.0)), omega], axis=1).ravel(), np.log(1e-2)
        )
        direction = np.random.default_rng(0).standard_normal(len(theta)) * np.abs(theta)
        h = 3e-5
        slope = (
            negative_log_evidence(theta + h * direction, covariance, data)[0]
            - negative_log_evidence(theta - h * direction, covariance, data)[0]
        ) / (2 * h)
        race = run(
            {"spectralkit": lambda c=covariance, t=theta: negative_log_evidence(t, c, data)},
            error=lambda found, d=direction, s=slope: abs(found[1] @ d - s) / abs(s),
            accuracy=1e-5,
            repeats=5 * repeats,
        )
        detail = f"{spectrum}: {race}; the error is that of a derivative against a difference quotient"
        limit = 15 if spectrum == "gaussian" else np.nan
        yield Bar(spectrum, limit, 1e3 * race.seconds["spectralkit"], unit="ms", speed=True, detail=detail)


def bar_coverage(repeats):
    """Share of points inside the bands of 95 % after init="evidence"; noise on the source."""
    cases = {
        "sin 6x cos 30x": Equation("poisson", 1, NOISY_POINTS, 1, modulated(30)),
        "bump": CASES["bump"],
        "Runge × sine": CASES["Runge × sine"],
        "sin 9x sin 7y": Equation("poisson", 1, NOISY_SQUARE, 2, sine_product(9, 7)),
        "mix_sin": CASES["mix_sin"],
    }
    shares = {}
    for index, (name, case) in enumerate(cases.items()):
        n = NOISY_POINTS if case.n_dims == 1 else NOISY_SQUARE
        for ratio in (10, 1000) if name == "mix_sin" else RATIOS:
            found, errors = zip(
                *(_covered(case, n, ratio, [seed, ratio, index]) for seed in range(DRAWS)), strict=True
            )
            shares[name, ratio] = np.array(found)
            spread = np.std(found, ddof=1) / DRAWS**0.5
            detail = (
                f"{name}, signal over noise {ratio}: {min(found):.2f} to {max(found):.2f} in {DRAWS} draws, "
                f"standard error of the mean {spread:.3f}; median error {np.median(errors):.1e}"
            )
            yield Bar(f"{name}, {ratio}: mean share", np.nan, np.mean(found), detail=detail)
    for ratio in RATIOS:  # 0.90 to 0.99
        pooled = np.concatenate([shares[name, ratio] for name in cases if name != "mix_sin"])
        detail = (
            f"signal over noise {ratio}: {pooled.mean():.3f} of the points, the first four cases together"
        )
        yield Bar(f"{ratio}: |share - 0.945|", 0.045, abs(pooled.mean() - 0.945), detail=detail)


def bar_kernel(repeats):
    """Matrix and gradient of a kernel of 4 components on 500 points, against products of scikit-learn's."""
    X = np.linspace(0, 10, 500)[:, None]
    weights, means, scales = np.ones(4), np.array([0.3, 1.1, 2.3, 4.7]), np.full(4, 0.02)
    ours = SpectralMixtureKernel(weights, means, scales)
    theirs = peers.periodic_products(weights, means, 5.0)
    d = X - X[:, 0]
    exact = {
        ours.n_dims: spectral_mixture(d, weights, means, scales),
        theirs.n_dims: np.exp(-d * d / 50) * sum(np.exp(-2 * np.sin(np.pi * d * mu) ** 2) for mu in means),
    }
    race = run(
        {
            "spectralkit": lambda: ours(X, eval_gradient=True),
            "scikit-learn": lambda: theirs(X, eval_gradient=True),
        },
        error=lambda found: np.abs(found[0] - exact[found[1].shape[-1]]).max(),
        accuracy=1e-12,
        repeats=repeats,
    )
    detail = (
        f"constant x RBF x ExpSineSquared, summed ({theirs.n_dims} parameters, ours {ours.n_dims}): {race}"
    )
    ratio = race.ratio("scikit-learn", "spectralkit")
    yield Bar("CPU time, scikit-learn / ours", np.nan, ratio, better="higher", detail=detail)


def _fit(case, n_points=None, **options):
    return SpectralMixturePDE(case.operator, beta=case.beta, **options).fit(*case.data(n_points))


def _error(case, solver):
    points, exact = case.test()
    return relative(solver.predict(points), exact)


@cache
def _solved(name, repeats):
    """Return the race of a case, and how it was solved."""
    case = CASES[name]
    data, (points, exact) = case.data(), case.test()
    solvers = []

    def solve():
        solvers[:] = [SpectralMixturePDE(case.operator, beta=case.beta).fit(*data)]
        return solvers[0]

    race = run(
        {"spectralkit": solve},
        error=lambda solver: relative(solver.predict(points), exact),
        accuracy=1.0,  # the bars say what is required
        repeats=repeats,
    )
    solver = solvers[0]
    return race, f'"{solver.method_}", {solver.coef_.size} functions, residual {solver.residual_norm_:.1e}'


def _covered(case, n, ratio, seed):
    """Return the share of inner points that are inside the bands, and the relative error of the mean."""
    grid, source, boundary = case.data(n)
    rng = np.random.default_rng(seed)
    source = source + source.std() / ratio * rng.standard_normal(source.shape)
    points, exact = case.test(n // 2 + 1)
    with warnings.catch_warnings(), spectralkit.threads(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver = SpectralMixturePDE(case.operator, init="evidence").fit(grid, source, boundary)
    mean, std = solver.predict(points, return_std=True)
    inside = (np.abs(mean - exact) <= 1.96 * std)[(slice(1, -1),) * case.n_dims]
    return float(inside.mean()), relative(mean, exact)
