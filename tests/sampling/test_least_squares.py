"""Gram matrices, densities, weighted least squares, and subsets of points that stay stable."""

import mpmath
import numpy as np
import pytest

from spectralkit.sampling import (
    TensorPolynomialBasis,
    christoffel_density,
    empirical_gram,
    greedy_subsample,
    sample_christoffel,
    sample_dpp,
    weighted_lstsq,
)
from tests.sampling import reference


def problem(n=30, m=5, k=None, seed=0):
    rng = np.random.default_rng([seed, n, m])
    Phi = rng.standard_normal((n, m)) + 0.4
    y = rng.standard_normal(n if k is None else (n, k)) + 1.0
    return Phi, y, rng.exponential(size=n) + 0.01


def stability(Phi, weights):
    return np.linalg.eigvalsh((Phi * weights[:, None]).T @ Phi / len(Phi))[0]


# Density.


def test_density_in_closed_form():
    # K(x, x) for Legendre polynomials: m² at the ends; for Chebyshev polynomials 2m - 1.
    for m in (1, 2, 7, 30):
        ends = TensorPolynomialBasis("legendre", m - 1).evaluate([[-1.0], [1.0]])
        np.testing.assert_allclose(christoffel_density(ends), m, rtol=1e-12)
        ends = TensorPolynomialBasis("chebyshev", m - 1).evaluate([[-1.0], [1.0]])
        np.testing.assert_allclose(christoffel_density(ends), (2 * m - 1) / m, rtol=1e-12)
    # By Christoffel and Darboux: for Hermite polynomials a Wronskian.
    x, m = np.linspace(-3, 3, 9), 6
    P = [reference.polynomial("hermite", n, x) for n in range(m + 1)]
    K = m * P[m - 1] ** 2 - np.sqrt(m * (m - 1)) * P[m] * P[m - 2]
    Phi = TensorPolynomialBasis("hermite", m - 1).evaluate(x[:, None])
    np.testing.assert_allclose(christoffel_density(Phi), K / m, rtol=1e-11)


def test_mean_of_the_density():
    families = ["legendre", "hermite"]
    basis = TensorPolynomialBasis(families, 6)
    X, weights = reference.gauss(families, 10)
    assert weights @ christoffel_density(basis.evaluate(X)) == pytest.approx(1, rel=1e-12)


def test_weights_times_kernel():
    basis = TensorPolynomialBasis("legendre", 5, n_dims=2)
    Phi = basis.evaluate(sample_dpp(basis, rng=0)[0])
    np.testing.assert_allclose(np.sum(Phi**2, axis=1) / christoffel_density(Phi), 21, rtol=1e-13)


# Gram matrix.


def test_gram():
    Phi, _, weights = problem()
    expected = sum(w * np.outer(row, row) for w, row in zip(weights, Phi, strict=True)) / 30
    found = empirical_gram(Phi, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(empirical_gram(Phi, 3 * weights), 3 * found, rtol=1e-13)
    twice = empirical_gram(np.concatenate([Phi, Phi]), np.concatenate([weights, weights]))
    np.testing.assert_allclose(twice, found, rtol=1e-13)
    np.testing.assert_array_equal(empirical_gram(Phi, np.zeros(30)), np.zeros((5, 5)))


def test_gram_at_gauss_nodes():
    basis = TensorPolynomialBasis("legendre", 8)
    X, weights = reference.gauss(["legendre"], 9)
    np.testing.assert_allclose(empirical_gram(basis.evaluate(X), 9 * weights), np.eye(9), atol=1e-13)


def test_mean_of_the_gram_matrix():
    basis = TensorPolynomialBasis("hermite", 3)
    X = sample_christoffel(basis, 2000, rng=0)
    Phi = basis.evaluate(X)
    products = Phi[:, :, None] * Phi[:, None, :] / christoffel_density(Phi)[:, None, None]
    np.testing.assert_allclose(
        empirical_gram(Phi, 1 / christoffel_density(Phi)), products.mean(axis=0), rtol=1e-12, atol=1e-14
    )
    assert np.all(np.abs(reference.z_mean(products, np.eye(4))[np.triu_indices(4)]) < 4)


# Solutions.


def test_against_exact_arithmetic():
    Phi, y, weights = problem(12, 4)
    with mpmath.workdps(40):
        A, b, W = mpmath.matrix(Phi), mpmath.matrix(y), mpmath.diag(list(map(mpmath.mpf, weights)))
        expected = mpmath.lu_solve(A.T * W * A, A.T * W * b)
    np.testing.assert_allclose(
        weighted_lstsq(Phi, y, weights), np.array(expected.tolist(), float)[:, 0], rtol=1e-13
    )


def test_ill_conditioned_problems():
    # Monomials: the normal equations would lose everything.
    x = np.linspace(0, 1, 60)
    Phi = np.vander(x, 11)
    coef = np.arange(1.0, 12.0) * (-1) ** np.arange(11)
    weights = np.random.default_rng(0).random(60) + 0.1
    found = weighted_lstsq(Phi, Phi @ coef, weights)
    error = np.linalg.norm(found - coef) / np.linalg.norm(coef)
    assert error < 20 * np.finfo(float).eps * np.linalg.cond(Phi)
    np.testing.assert_allclose(Phi @ found, Phi @ coef, atol=1e-12)


@pytest.mark.parametrize("k", [None, 1, 4])
def test_against_lstsq(k):
    Phi, y, weights = problem(k=k)
    root = np.sqrt(weights)
    expected = np.linalg.lstsq(Phi * root[:, None], (y.T * root).T, rcond=None)[0]
    found = weighted_lstsq(Phi, y, weights)
    assert found.shape == ((5,) if k is None else (5, k))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    for j in range(k or 0):
        np.testing.assert_allclose(found[:, j], weighted_lstsq(Phi, y[:, j], weights), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", ["fewer points", "equal columns", "weights of zero"])
def test_least_norm(case):
    Phi, y, weights = problem(30, 5)
    if case == "fewer points":
        Phi, y, weights = Phi[:3], y[:3], weights[:3]
    elif case == "equal columns":
        Phi = Phi[:, [0, 1, 1, 2, 2]]
    else:
        weights = np.where(np.arange(30) < 3, weights, 0.0)
    root = np.sqrt(weights)
    expected = np.linalg.pinv(Phi * root[:, None], rcond=1e-12) @ (root * y)
    found = weighted_lstsq(Phi, y, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
    if case == "equal columns":
        np.testing.assert_allclose(found[[1, 3]], found[[2, 4]], rtol=1e-11)


def test_weights_of_zero_leave_points_out():
    Phi, y, weights = problem()
    weights[::3] = 0.0
    some = weights > 0
    y[~some] = 1e6
    np.testing.assert_allclose(
        weighted_lstsq(Phi, y, weights), weighted_lstsq(Phi[some], y[some], weights[some]), rtol=1e-12
    )
    np.testing.assert_array_equal(weighted_lstsq(Phi, y, np.zeros(30)), np.zeros(5))


def test_what_does_not_matter():
    Phi, y, weights = problem()
    coef = weighted_lstsq(Phi, y, weights)
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_allclose(weighted_lstsq(Phi[order], y[order], weights[order]), coef, rtol=1e-12)
    for scale in (1e-200, 7.0, 1e200):
        np.testing.assert_allclose(weighted_lstsq(Phi, y, scale * weights), coef, rtol=1e-12)
        np.testing.assert_allclose(weighted_lstsq(Phi, scale * y, weights), scale * coef, rtol=1e-12)
    counts = np.random.default_rng(1).integers(1, 4, size=30)
    np.testing.assert_allclose(
        weighted_lstsq(np.repeat(Phi, counts, axis=0), np.repeat(y, counts), np.ones(counts.sum())),
        weighted_lstsq(Phi, y, counts),
        rtol=1e-12,
    )


def test_functions_of_the_space_are_found_exactly():
    basis = TensorPolynomialBasis("legendre", 6, n_dims=2)
    Phi = basis.evaluate(sample_dpp(basis, rng=1)[0])
    coef = np.random.default_rng(0).standard_normal((28, 3))
    rows = Phi / np.sqrt(christoffel_density(Phi))[:, None]
    found = weighted_lstsq(Phi, Phi @ coef, 1 / christoffel_density(Phi))
    assert np.max(np.abs(found - coef)) < 1e-14 * np.linalg.cond(rows) * 100


# All of them.


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library):
    xp = pytest.importorskip(library)
    Phi, y, weights = problem(k=2)
    theirs = [xp.asarray(array) for array in (Phi, y, weights)]
    for call in (
        lambda Phi, y, w: christoffel_density(Phi),
        lambda Phi, y, w: empirical_gram(Phi, w),
        weighted_lstsq,
        lambda Phi, y, w: weighted_lstsq(Phi, y[:, 0], w),
        lambda Phi, y, w: weighted_lstsq(Phi[:3, :], y[:3, :], w[:3]),
        lambda Phi, y, w: greedy_subsample(Phi, w, stability=0.05),
    ):
        found, expected = call(*theirs), call(Phi, y, weights)
        assert isinstance(found, type(theirs[0]))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-11, atol=1e-12)


def test_dtypes():
    Phi, y, weights = (array.astype("float32") for array in problem())
    wide = [array.astype("float64") for array in (Phi, y, weights)]
    for call in (
        lambda Phi, y, w: christoffel_density(Phi),
        lambda Phi, y, w: empirical_gram(Phi, w),
        weighted_lstsq,
    ):
        found = call(Phi, y, weights)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, call(*wide).astype("float32"))
    whole = np.random.default_rng(0).integers(-3, 4, size=(9, 2))
    expected = weighted_lstsq(whole.astype(float), np.arange(9.0), np.ones(9))
    np.testing.assert_array_equal(weighted_lstsq(whole.tolist(), list(range(9)), [1] * 9), expected)
    np.testing.assert_array_equal(weighted_lstsq(whole, np.arange(9), np.ones(9, bool)), expected)


# Greedy removal.


def candidates(m=8, repeats=6, seed=0):
    basis = TensorPolynomialBasis("legendre", m - 1)
    Phi = basis.evaluate(sample_dpp(basis, n_repeats=repeats, rng=seed).reshape(-1, 1))
    return Phi, 1 / christoffel_density(Phi)


@pytest.mark.parametrize("bound", [0.02, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_bound_holds(bound, seed):
    for Phi, weights in (candidates(seed=seed), candidates(20, 8, seed)):
        kept = greedy_subsample(Phi, weights, stability=bound)
        assert kept.dtype == np.int64
        assert np.all(np.diff(kept) > 0)
        assert Phi.shape[1] <= len(kept) < 0.7 * len(Phi)
        assert stability(Phi[kept], weights[kept]) >= bound


def test_many_removals():
    Phi, weights = candidates(10, 60)
    kept = greedy_subsample(Phi, weights, stability=0.5)
    assert len(kept) <= 20
    assert stability(Phi[kept], weights[kept]) >= 0.5


def test_weaker_bounds_keep_less():
    Phi, weights = candidates(12, 6)
    sizes = [len(greedy_subsample(Phi, weights, stability=bound)) for bound in (0.01, 0.1, 0.3, 0.6)]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 14


def test_number_of_points_to_keep():
    Phi, weights = candidates()
    for n_min in (8, 20, 47, np.int64(48)):
        kept = greedy_subsample(Phi, weights, n_min=n_min, stability=0.01)
        assert len(kept) == n_min
    np.testing.assert_array_equal(greedy_subsample(Phi, weights, n_min=48), np.arange(48))


def test_unstable_points_are_all_kept():
    Phi, weights = candidates()
    bound = stability(Phi, weights)
    assert bound < 0.99
    np.testing.assert_array_equal(greedy_subsample(Phi, weights, stability=0.995), np.arange(48))
    # Fewer points than functions, or of a lower rank: nothing to be gained.
    np.testing.assert_array_equal(greedy_subsample(Phi[:5], weights[:5]), np.arange(5))
    flat = np.repeat(Phi[:4], 5, axis=0)
    np.testing.assert_array_equal(greedy_subsample(flat, np.ones(20)), np.arange(20))
    np.testing.assert_array_equal(greedy_subsample(np.zeros((9, 2)), np.ones(9)), np.arange(9))
    np.testing.assert_array_equal(greedy_subsample(Phi[:8], weights[:8]), np.arange(8))


def test_useless_points_go_first():
    Phi, weights = candidates()
    Phi[[3, 11, 40]] *= 1e-6
    kept = greedy_subsample(Phi, weights, n_min=45, stability=0.01)
    assert not set(kept.tolist()) & {3, 11, 40}


@pytest.mark.parametrize("seed", range(3))
def test_better_than_leaving_points_out_at_random(seed):
    Phi, weights = candidates(seed=seed)
    kept = greedy_subsample(Phi, weights, n_min=14, stability=0.01)
    rng = np.random.default_rng(seed)
    others = []
    for _ in range(200):
        rows = rng.choice(48, size=len(kept), replace=False)
        others.append(stability(Phi[rows], weights[rows]))
    assert stability(Phi[kept], weights[kept]) > np.max(others)


def test_greedy_scaling_and_order():
    Phi, weights = candidates()
    kept = greedy_subsample(Phi, weights, stability=0.4)
    np.testing.assert_array_equal(greedy_subsample(Phi, weights, stability=0.4), kept)
    turned = Phi @ np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    assert len(greedy_subsample(turned, weights, stability=0.4)) == pytest.approx(len(kept), abs=2)
    single = greedy_subsample(Phi.astype("float32"), weights.astype("float32"), stability=0.4)
    assert len(single) == pytest.approx(len(kept), abs=2)
