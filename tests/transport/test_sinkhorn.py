"""Entropic transport: right answers, invariances, gradients, edges, and what the issue claims."""

import copy
import itertools
import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import zoom
from scipy.special import logsumexp
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import spectralkit
from spectralkit.testing import assert_namespace_preserved
from spectralkit.transport import _plan, _solvers, exact_transport, sinkhorn, sinkhorn_divergence

METHODS = ["newton", "sns", "sinkhorn"]
# Of a small problem two entries a row are too few for a Hessian: "sns" then crawls, as published.
WHOLE = {"density": 1.0}
METRICS = {
    "sqeuclidean": lambda X, Y: ((X[:, None] - Y) ** 2).sum(axis=2),
    "euclidean": lambda X, Y: np.sqrt(((X[:, None] - Y) ** 2).sum(axis=2)),
    "cityblock": lambda X, Y: np.abs(X[:, None] - Y).sum(axis=2),
}


def asymmetric(X, Y):
    return (X[:, :1] - 2 * Y[:, :1].T) ** 2


def uniform(n):
    return np.full(n, 1 / n)


def digits(norm):
    weights = []
    for image in load_digits().images[:2]:
        image = np.clip(zoom(image / 16, 28 / 8, order=1), 0, None) + 0.01
        weights.append(image.ravel() / image.sum())
    pixels = np.mgrid[:28, :28].reshape(2, -1).T / 28
    C = METRICS["sqeuclidean" if norm == 2 else "cityblock"](pixels, pixels)
    return *weights, C / C.max()


@pytest.fixture(scope="module")
def problems():
    """Return the three problems of the paper's first table."""
    C = np.random.default_rng(0).random((500, 500))
    return {"random": (uniform(500), uniform(500), C), "L2": digits(2), "L1": digits(1)}


def small_problem(n=6, m=9, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.2, rng.random(m) + 0.2
    return a / a.sum(), b / b.sum(), rng.random((n, m))


def marginal_error(P, a, b):
    return np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum()


def duality_gap(result, a, b, C):
    P, reg = result.plan, result.reg
    log_P = (result.f[:, None] - C + result.g) / reg
    primal = (P * C).sum() + reg * (P * (log_P - 1)).sum()
    return abs(primal - (a @ result.f + b @ result.g - reg * P.sum()))


def plain_sinkhorn(a, b, C, reg):
    """Sinkhorn's algorithm in the log domain, as in the textbooks."""
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(100_000):
        f = reg * (np.log(a) - logsumexp((g - C) / reg, axis=1))
        g = reg * (np.log(b) - logsumexp((f[:, None] - C) / reg, axis=0))
        P = np.exp((f[:, None] + g - C) / reg)
        if marginal_error(P, a, b) < 1e-13:
            return P
    raise AssertionError("the reference did not converge")


# References


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reg", [2.0, 0.1, 0.02])
def test_two_by_two(method, reg):
    a, b, C = np.array([0.3, 0.7]), np.array([0.6, 0.4]), np.array([[0.1, 0.6], [0.9, 0.5]])
    with mpmath.workdps(60):
        # x y / (z w) is fixed by the cost, and the marginals leave one unknown: a quadratic equation.
        ratio = mpmath.exp((mpmath.mpf(C[0, 1]) + C[1, 0] - C[0, 0] - C[1, 1]) / mpmath.mpf(reg))
        p, q = mpmath.mpf(a[0]), mpmath.mpf(b[0])
        quadratic, linear, constant = 1 - ratio, 1 - p - q + ratio * (p + q), -ratio * p * q
        root = mpmath.sqrt(linear**2 - 4 * quadratic * constant)
        x = (-linear + root) / (2 * quadratic)
        P = np.array([[x, p - x], [q - x, 1 - p - q + x]], dtype=float)
    result = sinkhorn(a, b, C, reg, method=method, tol=1e-14)
    np.testing.assert_allclose(result.plan, P, rtol=0, atol=1e-14)
    assert result.cost == pytest.approx((P * C).sum(), rel=1e-13)
    assert result.value == pytest.approx((P * C).sum() + reg * (P * (np.log(P) - 1)).sum(), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_point_gives_the_outer_product(method, shape):
    a, b, C = small_problem(*shape)
    result = sinkhorn(a, b, C, 1e-3, method=method)
    np.testing.assert_allclose(result.plan, np.outer(a, b), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_constant_cost_gives_the_outer_product(method, level):
    a, b, _ = small_problem()
    result = sinkhorn(a, b, np.full((6, 9), level), 0.01, method=method)
    np.testing.assert_allclose(result.plan, np.outer(a, b), rtol=1e-12)
    assert result.cost == pytest.approx(level)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (25, 25)])
def test_plain_sinkhorn(method, shape):
    a, b, C = small_problem(*shape)
    result = sinkhorn(a, b, C, 0.1, method=method, **WHOLE, tol=1e-13)
    np.testing.assert_allclose(result.plan, plain_sinkhorn(a, b, C, 0.1), rtol=0, atol=1e-13)


def test_small_reg_in_high_precision():
    a, b, C = small_problem(3, 4, seed=1)
    reg = 1e-3
    result = sinkhorn(a, b, C, reg, tol=1e-13)
    with mpmath.workdps(60):
        exact_a, exact_b = ([mpmath.mpf(w) / mpmath.fsum(map(mpmath.mpf, ws)) for w in ws] for ws in (a, b))

        def plan(*potentials):
            f, g = potentials[:3], (*potentials[3:], mpmath.mpf(result.g[3]))
            return [
                [mpmath.exp((f[i] + g[j] - mpmath.mpf(C[i, j])) / reg) for j in range(4)] for i in range(3)
            ]

        def lacking(*potentials):
            P = plan(*potentials)
            rows = [mpmath.fsum(row) - total for row, total in zip(P, exact_a, strict=True)]
            return rows + [mpmath.fsum(row[j] for row in P) - exact_b[j] for j in range(3)]

        # The solution is unique, so where the search starts does not matter.
        potentials = mpmath.findroot(lacking, [*result.f, *result.g[:3]], tol=1e-80)
        P = np.array(plan(*potentials), dtype=float)
        np.testing.assert_allclose(result.f, [float(f) for f in potentials[:3]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(result.plan, P, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(12, 9), (9, 12)])
def test_array_api_strict(method, shape):
    pytest.importorskip("array_api_strict")
    a, b, C = small_problem(*shape)
    a[0], a[1] = 0.0, a[0] + a[1]
    ours = sinkhorn(a, b, C, 0.03, method=method, **WHOLE, tol=1e-12)
    strict = assert_namespace_preserved(sinkhorn, a, b, C, reg=0.03, method=method, **WHOLE, tol=1e-12)
    for name in ("plan", "f", "g", "gradient_a", "gradient_b", "gradient_C"):
        value = np.from_dlpack(getattr(strict, name))
        np.testing.assert_allclose(value, getattr(ours, name), rtol=1e-9, atol=1e-11)
    assert strict.value == pytest.approx(ours.value, rel=1e-11)
    assert strict.cost == pytest.approx(ours.cost, rel=1e-10)
    assert np.all(np.from_dlpack(strict.plan)[0] == 0)


@pytest.mark.parametrize("method", METHODS)
def test_torch(method):
    torch = pytest.importorskip("torch")
    a, b, C = small_problem()
    ours = sinkhorn(a, b, C, 0.03, method=method, **WHOLE, tol=1e-12)
    theirs = sinkhorn(*map(torch.asarray, (a, b, C)), 0.03, method=method, **WHOLE, tol=1e-12)
    assert isinstance(theirs.plan, torch.Tensor)
    np.testing.assert_allclose(theirs.plan.numpy(), ours.plan, rtol=0, atol=1e-11)
    single = sinkhorn(None, None, torch.asarray(C, dtype=torch.float32), 0.03, method=method, **WHOLE)
    assert single.f.dtype == single.plan.dtype == torch.float32


def test_torch_that_records_gradients():
    torch = pytest.importorskip("torch")
    _, _, C = small_problem()
    result = sinkhorn(None, None, torch.asarray(C).requires_grad_(), 0.1)
    np.testing.assert_allclose(result.plan.detach().numpy(), sinkhorn(None, None, C, 0.1).plan, atol=1e-9)


def test_generic_path_at_small_reg():
    pytest.importorskip("array_api_strict")
    C = np.random.default_rng(0).random((60, 70))
    strict = assert_namespace_preserved(sinkhorn, None, None, C, reg=1e-4, tol=1e-10)
    ours = sinkhorn(None, None, C, 1e-4, tol=1e-10)
    np.testing.assert_allclose(np.from_dlpack(strict.plan), ours.plan, rtol=0, atol=1e-8)


@pytest.mark.parametrize("metric", [*METRICS, asymmetric])
def test_generic_costs(metric):
    pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(0)
    X, Y = rng.random((8, 3)), rng.random((11, 3))

    def solve(X, Y):
        return sinkhorn(None, None, None, 0.1, X=X, Y=Y, metric=metric, tol=1e-12)

    strict = assert_namespace_preserved(solve, X, Y)
    np.testing.assert_allclose(np.from_dlpack(strict.plan), solve(X, Y).plan, rtol=0, atol=1e-12)


# What is promised and published


@pytest.mark.parametrize(
    ("name", "cost"), [("random", 0.003450412867), ("L2", 0.00774877418), ("L1", 0.0622600885)]
)
def test_costs_that_two_other_solvers_agree_on(problems, name, cost):
    assert sinkhorn(*problems[name], 1 / 1200).cost == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize("name", ["random", "L2", "L1"])
@pytest.mark.parametrize("share", [1.0, 0.1, 0.01, 1 / 1200])
def test_marginals_and_duality_gap(problems, name, share):
    a, b, C = problems[name]
    result = sinkhorn(a, b, C, share * np.ptp(C), tol=1e-10)
    assert result.converged
    assert marginal_error(result.plan, a, b) <= 1e-10
    assert duality_gap(result, a, b, C) <= 1e-12 * np.ptp(C)


def test_how_little_work_it_takes(problems):
    result = sinkhorn(*problems["random"], 1 / 1200, tol=1e-10)
    assert 1 <= result.n_newton <= 12
    assert result.n_newton < result.n_evaluations <= 25
    assert result.n_newton <= result.n_iter


@pytest.mark.parametrize(
    ("name", "share"), [("random", 1e-4), ("random", 1e-5), ("L2", 1e-4), ("L2", 1e-5), ("L1", 1e-4)]
)
def test_smaller_reg_than_any_peer(problems, name, share):
    a, b, C = problems[name]
    result = sinkhorn(a, b, C, share * np.ptp(C), tol=1e-8)
    assert result.converged
    assert marginal_error(result.plan, a, b) <= 1.001e-8


@pytest.mark.parametrize("name", ["random", "L2", "L1"])
def test_linear_program_in_the_limit(problems, name):
    a, b, C = problems[name]
    optimum = exact_transport(a, b, C).cost
    for reg in (1e-2, 1 / 1200, 1e-4):
        excess = sinkhorn(a, b, C, reg, tol=1e-8).cost - optimum
        # What the marginals miss can lower the cost by that mass times the largest cost.
        assert -1e-8 <= excess <= reg * np.log(C.size)


@pytest.mark.slow
def test_published_method_needs_tuning_on_ties(problems):
    with pytest.warns(ConvergenceWarning, match="method='newton'"):
        result = sinkhorn(*problems["L1"], 1 / 1200, method="sns", max_iter=150)
    assert not result.converged
    assert result.marginal_error > 1e-3


def test_published_method_fails_without_other_warnings(problems):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sinkhorn(*problems["L1"], 1 / 1200, method="sns", max_iter=30)
    assert [warning.category for warning in caught] == [ConvergenceWarning]


@pytest.mark.parametrize("seed", [1, 10, 26])
def test_published_method_reaches_the_default_tolerance(seed):
    # Close to the solution the value is flat to rounding, and only the error can tell that a step is good.
    assert sinkhorn(*small_problem(40, 50, seed), 0.02, method="sns").converged


def test_ties_need_the_path(problems, monkeypatch):
    monkeypatch.setattr(_solvers, "_EASY", 1e9)  # every level is above an easy one: only reg itself is left
    with pytest.warns(ConvergenceWarning):
        assert sinkhorn(*problems["L1"], 1e-4).marginal_error > 1e-3


def test_extrapolation_saves_evaluations(problems, monkeypatch):
    with_it = sinkhorn(*problems["L1"], 1e-4)
    monkeypatch.setattr(_solvers, "_predict", lambda solved, level: solved[-1][1])
    without = sinkhorn(*problems["L1"], 1e-4)
    assert 1.25 * with_it.n_evaluations < without.n_evaluations


def test_full_row_sums_on_the_diagonal_are_not_enough(monkeypatch):
    C = np.random.default_rng(0).random((100, 100))
    direction = _plan.HostPlan.direction

    def without_entries(self, diagonal, row_sums, rhs, threshold, tolerance):
        return direction(self, diagonal, row_sums, rhs, np.full_like(threshold, np.inf), tolerance)

    with_them = sinkhorn(None, None, C, 1e-3).n_newton
    monkeypatch.setattr(_plan.HostPlan, "direction", without_entries)
    with pytest.warns(ConvergenceWarning):
        without = sinkhorn(None, None, C, 1e-3, max_iter=200)
    assert 3 * with_them < without.n_newton


# Properties


@st.composite
def transport_problems(draw, zeros=True):
    """Weights with and without zeros, costs with and without ties, reg from a 300th of the range."""
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a, b = 10.0 ** rng.uniform(-3, 0, n), 10.0 ** rng.uniform(-3, 0, m)
    if zeros and draw(st.booleans()):
        a[1:][rng.random(n - 1) < 0.4] = 0.0
        b[1:][rng.random(m - 1) < 0.4] = 0.0
    C = rng.integers(0, 4, (n, m)) / 3 if draw(st.booleans()) else rng.random((n, m))
    return a / a.sum(), b / b.sum(), C, 10.0 ** draw(st.floats(-2.5, 1.0))


# A plan follows an error of its marginals by at most n + m times that, whatever reg: this is a hundredfold.
SOLVED, SAME = 1e-12, 2e-9


def solve(a, b, C, reg, **options):
    return sinkhorn(a, b, C, reg, tol=SOLVED, **options)


@given(transport_problems())
def test_definition_of_the_result(problem):
    a, b, C, reg = problem
    result = solve(*problem)
    assert marginal_error(result.plan, a, b) <= 2 * SOLVED
    assert result.plan.min() >= 0
    assert np.all(result.plan[a == 0] == 0)
    assert np.all(result.plan[:, b == 0] == 0)
    np.testing.assert_array_equal(np.isneginf(result.f), a == 0)
    np.testing.assert_array_equal(np.isneginf(result.g), b == 0)
    P = np.exp((result.f[:, None] + result.g - C) / reg)
    np.testing.assert_allclose(result.plan, P, rtol=1e-11, atol=1e-280)
    f, g = np.where(a > 0, result.f, 0), np.where(b > 0, result.g, 0)
    size = np.abs(f).max() + np.abs(g).max() + reg
    assert a @ f == pytest.approx(b @ g, rel=0, abs=1e-14 * size)
    assert result.value == pytest.approx(a @ f + b @ g - reg * P.sum(), rel=0, abs=1e-11 * size)
    assert result.cost == pytest.approx((P * C).sum(), rel=1e-11, abs=1e-14)


@given(transport_problems(), st.sampled_from(METHODS), st.floats(-0.5, 1.0))
def test_marginals_of_every_method(problem, method, exponent):
    a, b, C, _ = problem
    result = sinkhorn(a, b, C, 10.0**exponent, method=method)
    assert result.converged
    assert marginal_error(result.plan, a, b) <= 1e-9 + 1e-14


@given(transport_problems(), st.integers(0, 2**32 - 1))
def test_permutations(problem, seed):
    a, b, C, reg = problem
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(a)), rng.permutation(len(b))
    result = solve(a[rows], b[columns], C[rows][:, columns], reg)
    expected = solve(*problem)
    np.testing.assert_allclose(result.plan, expected.plan[rows][:, columns], rtol=0, atol=SAME)
    assert result.value == pytest.approx(expected.value, abs=1e-9)


@given(transport_problems(), st.integers(0, 2**32 - 1))
def test_shifted_costs(problem, seed):
    a, b, C, reg = problem
    rng = np.random.default_rng(seed)
    alpha, beta = rng.random(len(a)), rng.random(len(b))
    result, expected = solve(a, b, C + alpha[:, None] + beta, reg), solve(*problem)
    np.testing.assert_allclose(result.plan, expected.plan, rtol=0, atol=SAME)
    assert result.value == pytest.approx(expected.value + a @ alpha + b @ beta, abs=1e-9)


@given(transport_problems(), st.floats(-30, 30))
def test_scaled_costs(problem, exponent):
    a, b, C, reg = problem
    scale = 10.0**exponent
    result, expected = solve(a, b, scale * C, scale * reg), solve(*problem)
    np.testing.assert_allclose(result.plan, expected.plan, rtol=0, atol=SAME)
    assert result.value / scale == pytest.approx(expected.value, rel=1e-9, abs=1e-9)


@given(transport_problems())
def test_other_direction(problem):
    a, b, C, reg = problem
    result, expected = solve(b, a, C.T, reg), solve(*problem)
    np.testing.assert_allclose(result.plan.T, expected.plan, rtol=0, atol=SAME)
    assert result.value == pytest.approx(expected.value, abs=1e-9)


@given(transport_problems(), st.sampled_from([3.0, 1e-6, 1e8]))
def test_mass(problem, mass):
    a, b, C, reg = problem
    result, expected = solve(mass * a, mass * b, C, reg), solve(*problem)
    np.testing.assert_allclose(result.plan / mass, expected.plan, rtol=0, atol=SAME)
    assert result.cost / mass == pytest.approx(expected.cost, abs=1e-9)
    f, g = np.where(a > 0, result.f, 0), np.where(b > 0, result.g, 0)
    value = mass * (a @ f + b @ g) - reg * result.plan.sum()
    assert result.value / mass == pytest.approx(value / mass, abs=1e-9)
    assert mass * a @ f == pytest.approx(mass * b @ g, abs=1e-12 * mass)
    assert result.marginal_error <= 2 * SOLVED * mass


def test_large_reg_approaches_the_outer_product():
    a, b, C = small_problem()
    for reg in (10.0, 1e3, 1e6):
        # |log(P / ab')| is at most twice the range over reg, and every entry of ab' at most one.
        deviation = np.abs(sinkhorn(a, b, C, reg, tol=1e-14).plan - np.outer(a, b)).max()
        assert deviation <= 2.1 * np.ptp(C) / reg
        assert deviation > 1e-4 * np.ptp(C) / reg


# Gradients


@pytest.mark.parametrize("mass", [1.0, 3.0])
@pytest.mark.parametrize("reg", [0.5, 0.05])
@pytest.mark.parametrize("method", ["newton", "sinkhorn"])
def test_gradients_by_finite_differences(mass, reg, method):
    a, b, C = small_problem()
    a, b = mass * a, mass * b
    rng = np.random.default_rng(1)
    da, db, dC = rng.standard_normal(6), rng.standard_normal(9), rng.standard_normal((6, 9))
    da, db = da - da.mean(), db - db.mean()
    # Third derivatives are about reg / a^2 or 1 / reg^2 at the most, 400 here: truncation below 1e-9 of
    # them at this h, and rounding of the value (1e-15) divided by h is 1e-10.
    h = 1e-5

    def value(a, b, C):
        return sinkhorn(a, b, C, reg, method=method, tol=1e-13).value

    result = sinkhorn(a, b, C, reg, method=method, tol=1e-13)
    slope = (value(a + h * da, b, C) - value(a - h * da, b, C)) / (2 * h)
    assert result.gradient_a @ da == pytest.approx(slope, rel=0, abs=2e-8)
    slope = (value(a, b + h * db, C) - value(a, b - h * db, C)) / (2 * h)
    assert result.gradient_b @ db == pytest.approx(slope, rel=0, abs=2e-8)
    slope = (value(a, b, C + h * dC) - value(a, b, C - h * dC)) / (2 * h)
    assert (result.gradient_C * dC).sum() == pytest.approx(slope, rel=0, abs=2e-7)


def test_gradients_are_centred():
    a, b, C = small_problem()
    a[0], a[1] = 0.0, a[0] + a[1]
    result = sinkhorn(a, b, C, 0.1)
    assert np.isneginf(result.gradient_a[0])
    assert abs(result.gradient_a[1:].sum()) < 1e-14
    assert abs(result.gradient_b.sum()) < 1e-14
    differences = np.diff(result.f[1:])
    np.testing.assert_allclose(np.diff(result.gradient_a[1:]), differences, rtol=1e-12)


# Edges


def test_duplicates_and_ties():
    C = np.repeat(np.repeat([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], 4, axis=0), 3, axis=1)
    P = sinkhorn(None, None, C, 1e-3, tol=1e-12).plan
    for block in P.reshape(2, 4, 3, 3).transpose(0, 2, 1, 3).reshape(6, 12):
        np.testing.assert_allclose(block, block.mean(), rtol=0, atol=1e-12)
    assert marginal_error(P, uniform(8), uniform(9)) < 1e-11


def test_duplicated_points_are_doubled_weights():
    a, b, C = small_problem()
    single = sinkhorn(a, b, C, 0.01, tol=1e-12).plan
    double = sinkhorn(np.repeat(a, 2) / 2, b, np.repeat(C, 2, axis=0), 0.01, tol=1e-12).plan
    np.testing.assert_allclose(double[::2] + double[1::2], single, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e12, 1e300, 1e-12, 1e-290])
def test_scales(method, scale):
    a, b, C = small_problem(20, 25)
    result = sinkhorn(a, b, scale * C, 0.02 * scale, method=method, **WHOLE, tol=1e-11)
    expected = sinkhorn(a, b, C, 0.02, method=method, **WHOLE, tol=1e-11)
    np.testing.assert_allclose(result.plan, expected.plan, rtol=0, atol=1e-9)
    assert result.cost == pytest.approx(scale * expected.cost, rel=1e-9)
    assert result.value == pytest.approx(scale * expected.value, rel=1e-9)


def test_wide_weights_not_square():
    rng = np.random.default_rng(0)
    a, b = 10.0 ** rng.uniform(-20, 0, 300), 10.0 ** rng.uniform(-20, 0, 700)
    a, b, C = a / a.sum(), b / b.sum(), rng.random((300, 700))
    result = sinkhorn(a, b, C, 1 / 1200, tol=1e-11)
    assert marginal_error(result.plan, a, b) <= 1.1e-11
    assert duality_gap(result, a, b, C) <= 1e-12
    turned = sinkhorn(b, a, C.T, 1 / 1200, tol=1e-11)
    np.testing.assert_allclose(turned.plan.T, result.plan, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2, 39, 620, 629, 722, 765, 874, 914])
def test_wide_weights(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    C = rng.random((n, m)) ** rng.integers(1, 8)
    if seed % 4 == 0:
        C = np.round(4 * C)
    a, b = 10.0 ** rng.uniform(-20, 0, n), 10.0 ** rng.uniform(-20, 0, m)
    a, b = a / a.sum(), b / b.sum()
    reg = max(np.ptp(C), 0.01) * 10.0 ** rng.uniform(-np.log10(1200), 0)
    assert marginal_error(sinkhorn(a, b, C, reg).plan, a, b) <= 1.1e-9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [41, 89, 257])
def test_weights_that_nearly_vanish(method, seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 12, 2)
    a, b = 10.0 ** rng.uniform(-150, 0, n), 10.0 ** rng.uniform(-150, 0, m)
    a, b, C = a / a.sum(), b / b.sum(), rng.random((n, m)) ** 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = sinkhorn(a, b, C, 1e-4, method=method, max_iter=200)
    assert all(warning.category is ConvergenceWarning for warning in caught)
    assert np.isfinite(result.plan).all()


@pytest.mark.parametrize("method", METHODS)
def test_layouts_and_dtypes(method):
    rng = np.random.default_rng(0)
    C = rng.integers(0, 9, (10, 10))
    weights = rng.integers(0, 4, 10)

    def plan(a, b, C):
        return sinkhorn(a, b, C, 0.5, method=method, **WHOLE, tol=1e-12).plan

    expected = plan(weights.astype(float), weights.astype(float)[::-1].copy(), C.astype(float))
    wide = np.zeros((20, 30))
    wide[::2, ::3] = C
    for other in (
        C,
        np.asfortranarray(C),
        np.asfortranarray(C.astype(float)),
        wide[::2, ::3],
        C.astype(np.int8),
    ):
        np.testing.assert_allclose(plan(weights, weights[::-1], other), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        plan(weights.tolist(), weights[::-1].tolist(), C.tolist()), expected, rtol=0, atol=1e-10
    )
    single = plan(weights.astype("f4"), weights[::-1].astype("f4"), C.astype("f4"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("low_memory", [False, True])
def test_inputs_stay_as_they_are(method, low_memory):
    a, b, C = small_problem()
    a[0], a[1] = 0.0, a[0] + a[1]
    arrays = a, b, C, np.zeros(6), np.zeros(9)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    result = sinkhorn(a, b, C, 0.1, method=method, low_memory=low_memory, init=arrays[3:])
    assert result.plan.shape == (6, 9)
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)


@pytest.mark.parametrize("method", METHODS)
def test_float32(method):
    a, b, C = (array.astype(np.float32) for array in small_problem(30, 40))
    result = sinkhorn(a, b, C, 0.05, method=method)
    for array in (result.f, result.g, result.plan, result.gradient_a):
        assert array.dtype == np.float32
    assert result.converged
    assert "float32" in result.status
    exact = a.astype(float), b.astype(float)
    total = abs(exact[0].sum() - exact[1].sum())
    # Of the solution in float64: the float32 plan cannot be that good.
    assert result.marginal_error <= 1e-9 + 4 * total
    loose = sinkhorn(a, b, C, 1.0, method=method, tol=1e-3)
    assert "float32" not in loose.status
    small = sinkhorn(None, None, C[:, :30], 0.05, method=method)
    assert small.marginal_error <= 1e-9 < marginal_error(small.plan.astype(float), uniform(30), uniform(30))


@pytest.mark.parametrize(("dtype", "reg"), [(np.float32, 1e39), (np.float16, 1e5)])
def test_potentials_beyond_the_range_of_the_dtype(dtype, reg):
    _, _, C = small_problem()
    result = sinkhorn(None, None, C.astype(dtype), reg)
    np.testing.assert_allclose(result.plan, 1 / 54, rtol=1e-3)


def test_halves():
    _, _, C = small_problem()
    result = sinkhorn(None, None, C.astype(np.float16), 0.1)
    assert result.f.dtype == result.plan.dtype == np.float16
    assert result.marginal_error <= 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_warm_start(method):
    a, b, C = small_problem(40, 50)
    cold = sinkhorn(a, b, C, 0.02, method=method, **WHOLE)
    near = sinkhorn(a, b, C + 1e-4 * np.random.default_rng(1).random(C.shape), 0.02, method=method, **WHOLE)
    warm = sinkhorn(a, b, C, 0.02, method=method, **WHOLE, init=(near.f, near.g))
    assert warm.n_iter < cold.n_iter
    np.testing.assert_allclose(warm.plan, cold.plan, rtol=0, atol=2e-8)
    assert sinkhorn(a, b, C, 0.02, method=method, **WHOLE, init=(cold.f, cold.g)).n_iter <= 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(12, 15), (15, 12)])
def test_warm_start_with_zero_weights(method, shape):
    a, b, C = small_problem(*shape)
    a[0], a[1], b[2], b[3] = 0.0, a[0] + a[1], 0.0, b[2] + b[3]
    cold = sinkhorn(a, b, C, 0.02, method=method, **WHOLE)
    assert np.isneginf(cold.f[0])
    warm = sinkhorn(a, b, C, 0.02, method=method, **WHOLE, init=[cold.f, cold.g])
    assert warm.n_iter <= 1
    np.testing.assert_allclose(warm.plan, cold.plan, rtol=0, atol=2e-8)


@pytest.mark.parametrize("method", METHODS)
def test_poor_starts(method):
    a, b, C = small_problem()
    expected = sinkhorn(a, b, C, 0.1, tol=1e-12).plan
    rng = np.random.default_rng(0)
    for size in (1.0, 1e3):
        init = size * rng.standard_normal(6), size * rng.standard_normal(9)
        if method != "sns":  # the published method has no global convergence
            plan = sinkhorn(a, b, C, 0.1, method=method, tol=1e-12, init=init).plan
            np.testing.assert_allclose(plan, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_callback(method):
    a, b, C = small_problem(30, 40)
    seen = []
    result = sinkhorn(a, b, C, 0.005, method=method, callback=seen.append)
    assert [info.iteration for info in seen] == list(range(1, result.n_iter + 1))
    assert seen[-1].figure <= 2e-9
    assert np.all(np.diff([info.elapsed for info in seen]) >= 0)
    stopped = sinkhorn(a, b, C, 0.005, method=method, callback=lambda info: np.bool_(info.iteration == 3))
    assert stopped.n_iter == 3
    assert not stopped.converged
    assert "callback" in stopped.status
    assert stopped.marginal_error == pytest.approx(marginal_error(stopped.plan, a, b), rel=1e-6)


@pytest.mark.parametrize(
    ("method", "max_iter"), [*itertools.product(METHODS, (1, 2, 7)), ("newton", 25), ("sinkhorn", 25)]
)
def test_max_iter(method, max_iter):
    a, b, C = small_problem(40, 50)
    with pytest.warns(ConvergenceWarning) as caught:
        result = sinkhorn(a, b, C, 1e-4, method=method, max_iter=max_iter)
    (warning,) = caught
    assert f"{result.marginal_error:.3g}" in str(warning.message)
    assert "1e-09" in str(warning.message)
    assert "max_iter" in str(warning.message)
    assert warning.filename == __file__
    assert result.n_iter == max_iter
    assert not result.converged
    assert f"max_iter={max_iter}" in result.status
    assert result.marginal_error == pytest.approx(marginal_error(result.plan, a, b), rel=1e-6)


def test_out_of_reach_is_no_endless_loop():
    a, b, C = small_problem(40, 50)
    with pytest.warns(ConvergenceWarning, match="No further progress") as caught:
        result = sinkhorn(a, b, C, 1e-5, tol=1e-18)
    assert len(caught) == 1
    assert result.n_iter < 1000
    assert result.marginal_error < 1e-9


@pytest.mark.parametrize("shape", [(12, 15), (15, 12), (12, 12)])
@pytest.mark.parametrize("metric", [*METRICS, asymmetric])
@pytest.mark.parametrize("zeros", [False, True])
def test_forms_of_the_cost(shape, metric, zeros):
    rng = np.random.default_rng(0)
    X, Y = rng.random((shape[0], 3)), rng.random((shape[1], 3))
    a, b, _ = small_problem(*shape)
    if zeros:
        a[0], a[1], b[2], b[3] = 0.0, a[0] + a[1], 0.0, b[2] + b[3]
    C = METRICS.get(metric, metric)(X, Y)
    expected = sinkhorn(a, b, C, 0.02, tol=1e-12)
    for low_memory in (False, True):
        points = sinkhorn(a, b, None, 0.02, tol=1e-12, X=X, Y=Y, metric=metric, low_memory=low_memory)
        stored = sinkhorn(a, b, C, 0.02, tol=1e-12, low_memory=low_memory)
        for result in (points, stored):
            np.testing.assert_allclose(result.plan, expected.plan, rtol=0, atol=1e-10)
            assert result.cost == pytest.approx(expected.cost, rel=1e-9)
            assert result.value == pytest.approx(expected.value, rel=1e-9)


@pytest.mark.parametrize("points", [False, True])
def test_memory(points):
    n = 990
    rng = np.random.default_rng(0)
    options = {"X": rng.random((n, 2)), "Y": rng.random((n, 2))} if points else {}
    C = None if points else np.asfortranarray(rng.random((n, n)))
    sinkhorn(None, None, C, 0.05, **options)  # compiles
    peaks = []
    for low_memory in (False, True):
        tracemalloc.start()
        sinkhorn(None, None, C, 0.05, low_memory=low_memory, **options)
        peaks.append(tracemalloc.get_traced_memory()[1] / (8 * n * n))
        tracemalloc.stop()
    # In units of the cost matrix; the hundredths are vectors.
    assert peaks[0] <= 3.05
    assert 1 <= peaks[1] <= 2.05
    assert peaks[1] <= peaks[0] + 0.001


# Threads


def test_threads_change_no_bit(monkeypatch):
    C = np.random.default_rng(0).random((1010, 1000))
    pools = []

    class Recorded(ThreadPoolExecutor):
        def __init__(self, workers):
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(_plan, "ThreadPoolExecutor", Recorded)
    results = []
    for n in (1, 2):
        with spectralkit.threads(n), threadpool_limits(1, user_api="blas"):
            results.append(sinkhorn(None, None, C, 0.01))
        assert bool(pools) == (n == 2)
    assert set(pools) == {2}
    one, two = results
    for name in ("f", "g", "plan"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.cost, one.value, one.marginal_error) == (two.cost, two.value, two.marginal_error)


def test_two_callers_at_once():
    jobs = [(small_problem(60, 80, seed), reg) for seed in range(4) for reg in (0.1, 1e-3)]

    def plan(job):
        return sinkhorn(*job[0], job[1]).plan

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(plan, jobs))
    for job, found in zip(jobs, together, strict=True):
        np.testing.assert_array_equal(found, plan(job))


# The result


def test_result():
    a, b, C = small_problem()
    result = sinkhorn(a, b, C, 0.1)
    fields = result.asdict()
    assert list(fields) == [
        "f",
        "g",
        "cost",
        "value",
        "marginal_error",
        "n_newton",
        "n_iter",
        "n_evaluations",
        "converged",
        "status",
        "reg",
    ]
    for name, kind in {
        "cost": float,
        "value": float,
        "marginal_error": float,
        "n_iter": int,
        "n_newton": int,
    }.items():
        assert type(fields[name]) is kind
    assert fields["converged"] is True
    for name in fields:
        assert name in repr(result)
    assert "Converged" in repr(result)
    with pytest.raises(AttributeError):
        result.cost = 1.0
    for other in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        np.testing.assert_array_equal(other.plan, result.plan)
        np.testing.assert_array_equal(other.gradient_a, result.gradient_a)
        assert other.status == result.status
    assert result.plan is result.plan


def test_pickled_without_a_stored_cost():
    rng = np.random.default_rng(0)
    X, Y = rng.random((8, 2)), rng.random((9, 2))
    for metric in ("sqeuclidean", asymmetric):
        result = sinkhorn(None, None, None, 0.1, X=X, Y=Y, metric=metric, low_memory=True)
        copied = pickle.loads(pickle.dumps(result))
        np.testing.assert_array_equal(copied.plan, result.plan)


# The divergence


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("reg", [1.0, 0.05])
def test_divergence_of_clouds(metric, reg):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((25, 2)) + 1
    a, b, _ = small_problem(20, 25)
    options = {"reg": reg, "metric": metric, "tol": 1e-12}
    for weights in ((None, None), (a, b)):
        divergence = sinkhorn_divergence(X, Y, *weights, **options)
        assert type(divergence) is float
        assert divergence > 0.01
        turned = sinkhorn_divergence(Y, X, *weights[::-1], **options)
        assert turned == pytest.approx(divergence, rel=1e-10)
        values = [
            sinkhorn(u, v, METRICS[metric](U, V), reg, tol=1e-12).value
            for U, V, u, v in (
                (X, Y, *weights),
                (X, X, weights[0], weights[0]),
                (Y, Y, weights[1], weights[1]),
            )
        ]
        assert divergence == pytest.approx(values[0] - (values[1] + values[2]) / 2, rel=1e-10)
    assert sinkhorn_divergence(X, X, **options) == pytest.approx(0, abs=1e-13)
    assert sinkhorn_divergence(X, X[::-1], a, a[::-1], **options) == pytest.approx(0, abs=1e-11)


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(METRICS)), st.floats(-2, 1))
def test_divergence_is_not_negative(seed, metric, exponent):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((5, 2)), rng.random((7, 2))
    assert sinkhorn_divergence(X, Y, reg=10.0**exponent, metric=metric, tol=1e-11) >= -1e-10


@pytest.mark.parametrize("reg", [1.0, 0.1, 0.01])
def test_divergence_of_a_translation(reg):
    X = np.random.default_rng(0).standard_normal((30, 3))
    shift = np.array([2.0, -1.0, 0.5])
    divergence = sinkhorn_divergence(X, X + shift, reg=reg, tol=1e-11)
    assert divergence == pytest.approx(shift @ shift, abs=1e-9)
    weights = np.random.default_rng(1).random(30)
    divergence = sinkhorn_divergence(X, X + shift, weights, weights, reg=reg, tol=1e-11)
    assert divergence == pytest.approx(shift @ shift * weights.sum(), rel=1e-9)


def test_divergence_ignores_points_without_weight():
    rng = np.random.default_rng(0)
    X, Y = rng.random((6, 2)), rng.random((7, 2))
    a = np.array([0.25, 0.25, 0.5, 0.0, 0.0, 0.0])
    expected = sinkhorn_divergence(X[:3], Y, a[:3], None, reg=0.1)
    assert sinkhorn_divergence(X, Y, a, None, reg=0.1) == pytest.approx(expected, rel=1e-9)


def test_divergence_in_other_libraries():
    pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(0)
    X, Y = rng.random((6, 2)), rng.random((7, 2))
    strict = assert_namespace_preserved(sinkhorn_divergence, X, Y, reg=0.1, tol=1e-12)
    assert strict == pytest.approx(sinkhorn_divergence(X, Y, reg=0.1, tol=1e-12), rel=1e-9)


def recomputed_error(result, n, m):
    plan = result.plan
    return abs(plan.sum(axis=1) - 1 / n).sum() + abs(plan.sum(axis=0) - 1 / m).sum()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("reg", [1e-8, 1e-10, 1e-13])
@pytest.mark.parametrize("method", ["newton", "sinkhorn"])
def test_reported_error_is_that_of_the_potentials(reg, method):
    # Rounded to float64, potentials of the order 1 move the plan by a factor of 1 + eps / reg.
    C = np.random.default_rng(0).random((30, 40))
    result = sinkhorn(None, None, C, reg, method=method, max_iter=200)
    assert recomputed_error(result, 30, 40) <= 2 * result.marginal_error + 1e-15
    assert result.converged == (result.marginal_error <= 1e-9)


@pytest.mark.parametrize("form", ["C", "low_memory", "points", "array_api_strict"])
def test_costs_far_from_zero(form):
    C = np.random.default_rng(0).integers(0, 1 << 20, (30, 40)) / (1 << 20)
    offset, options = float(1 << 24), {"tol": 1e-10}
    shifted = C + offset
    reference = sinkhorn(None, None, C, 1e-2, tol=1e-10)
    if form == "array_api_strict":
        shifted = pytest.importorskip(form).asarray(shifted)
    if form == "points":
        X, Y = np.arange(30.0)[:, None], np.arange(40.0)[:, None]
        pick = {"metric": lambda X, Y: C[np.ix_(X[:, 0].astype(int), Y[:, 0].astype(int))] + offset}
        result = sinkhorn(None, None, None, 1e-2, X=X, Y=Y, **pick, low_memory=True, **options)
    else:
        result = sinkhorn(None, None, shifted, 1e-2, low_memory=form == "low_memory", **options)
    assert result.converged
    np.testing.assert_allclose(np.asarray(result.plan), reference.plan, rtol=0, atol=1e-10)
    assert result.value == pytest.approx(reference.value + offset, abs=1e-8)
    assert result.cost == pytest.approx(reference.cost + offset, abs=1e-8)
    potentials = np.asarray(result.f)[:, None] + np.asarray(result.g)[None, :]
    np.testing.assert_allclose(potentials, reference.f[:, None] + reference.g + offset, rtol=0, atol=1e-7)


def test_constant_cost_at_any_reg():
    result = sinkhorn(None, None, np.full((80, 60), 3.0), 1e-8)
    assert recomputed_error(result, 80, 60) < 1e-12


@pytest.mark.parametrize("size", [1e12, 1e17, 1e300])
@pytest.mark.parametrize("method", ["newton", "sinkhorn", "sns"])
def test_useless_init_does_no_harm(size, method):
    C = np.random.default_rng(0).random((40, 30))
    far = np.full(30, size)
    ragged = size * np.random.default_rng(1).standard_normal(30)
    for g in (far, ragged):
        result = sinkhorn(None, None, C, 0.1, init=(np.zeros(40), g), method=method, density=1.0)
        assert result.converged
        assert recomputed_error(result, 40, 30) < 1.1e-9


def test_changed_potentials_leave_the_plan_alone():
    result = sinkhorn(None, None, np.random.default_rng(0).random((20, 30)), 0.1)
    f = result.f
    f += 5.0
    assert result.plan.sum() == pytest.approx(1.0)


def test_status_says_what_stopped():
    C = np.random.default_rng(0).random((20, 30))
    with pytest.warns(ConvergenceWarning, match="No further progress"):
        sinkhorn(None, None, C, 1e-3, tol=1e-16)
