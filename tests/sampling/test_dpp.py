"""Exact sampling from projection determinantal processes, and volume sampling: laws, moments, identities."""

import functools

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from spectralkit._core.random import block_rng
from spectralkit.sampling import (
    TensorPolynomialBasis,
    christoffel_density,
    empirical_gram,
    sample_christoffel,
    sample_dpp,
    sample_volume,
    weighted_lstsq,
)
from spectralkit.sampling._dpp import _Continuous, _draw
from tests.sampling import reference


def smooth(X):
    """Bounded, with odd and even parts, and different in each coordinate."""
    return np.cos(1.3 * X[:, 0] + 0.4) + 0.7 * np.sin(0.8 * np.sum(X, axis=1)) * np.cos(0.3 * X[:, -1])


BASES = {
    "legendre": (["legendre"], {"degree": 9}),
    "legendre, total degree": (["legendre"] * 2, {"degree": 5}),
    "legendre, hyperbolic cross": (["legendre"] * 2, {"degree": 8, "index_set": "hyperbolic_cross"}),
    "chebyshev": (["chebyshev"], {"degree": 11}),
    "jacobi": ([("jacobi", 0.3, -0.7)], {"degree": 11}),
    "hermite": (["hermite"], {"degree": 11}),
    "laguerre": (["laguerre"], {"degree": 8}),
    "two unbounded": (["hermite", "laguerre"], {"degree": 4}),
    "two bounded": (["chebyshev", ("jacobi", 2.0, -0.4)], {"degree": 3, "index_set": "tensor"}),
    "half bounded": (["legendre", "hermite"], {"degree": 4}),
    "explicit": (["legendre"] * 2, {"degree": 0, "index_set": [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]}),
    "complement": (["legendre"], {"degree": 44}),
    "complement, 2-D": (["legendre"] * 2, {"degree": 8}),
}
LARGE = ("complement", "complement, 2-D")


def make(name):
    families, options = BASES[name]
    return families, TensorPolynomialBasis(list(families), **options)


def sums(X, function=smooth):
    """Sums of a function over the points of each draw."""
    return np.sum(function(X.reshape(-1, X.shape[2])).reshape(X.shape[:2]), axis=1)


# The determinantal process.


@pytest.mark.parametrize("name", BASES)
def test_linear_statistics(name):
    families, basis = make(name)
    mean, variance = reference.linear_statistic(families, basis.multi_indices, smooth, 120)
    found = sums(sample_dpp(basis, n_repeats=100 if name in LARGE else 400, rng=1))
    assert abs(reference.z_mean(found, mean)) < 4
    assert abs(reference.z_variance(found, variance)) < 4


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
def test_linear_statistics_with_more_draws(name):
    families, basis = make(name)
    mean, variance = reference.linear_statistic(families, basis.multi_indices, smooth, 120)
    found = sums(sample_dpp(basis, n_repeats=500 if name in LARGE else 6000, rng=2))
    assert abs(reference.z_mean(found, mean)) < 4
    assert abs(reference.z_variance(found, variance)) < 4


@pytest.mark.parametrize("name", ["legendre", "legendre, total degree", "hermite"])
def test_independent_points_have_another_variance(name):
    # Each point alone has the same law, so only the mean is the same.
    families, basis = make(name)
    mean, variance = reference.linear_statistic(families, basis.multi_indices, smooth, 120)
    m = basis.n_features
    found = sums(sample_christoffel(basis, 1000 * m, rng=1).reshape(1000, m, -1))
    assert abs(reference.z_mean(found, mean)) < 4
    assert reference.z_variance(found, variance) > 10


@pytest.mark.parametrize("m", [1, 2, 4, 12])
def test_trace_of_the_gaussian_ensemble(m):
    basis = TensorPolynomialBasis("hermite", m - 1)
    found = np.sum(sample_dpp(basis, n_repeats=400, rng=m)[..., 0] ** 2, axis=1)
    assert stats.kstest(found, stats.chi2(m * m).cdf).pvalue > 1e-3


@pytest.mark.parametrize("m", [1, 2, 4, 12])
def test_trace_of_the_laguerre_ensemble(m):
    basis = TensorPolynomialBasis("laguerre", m - 1)
    found = np.sum(sample_dpp(basis, n_repeats=400, rng=m)[..., 0], axis=1)
    assert stats.kstest(found, stats.gamma(m * m).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("family", "law"), [("hermite", stats.chi2), ("laguerre", stats.gamma)])
def test_traces_of_large_ensembles(family, law):
    m = 70
    X = sample_dpp(TensorPolynomialBasis(family, m - 1), n_repeats=60, rng=0)[..., 0]
    found = np.sum(X**2 if family == "hermite" else X, axis=1)
    assert stats.kstest(found, law(m * m).cdf).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("family", "law"), [("hermite", stats.chi2), ("laguerre", stats.gamma)])
def test_traces_of_ensembles_whose_polynomials_overflow(family, law):
    m = 401
    X = sample_dpp(TensorPolynomialBasis(family, m - 1), n_repeats=20, rng=0)[..., 0]
    found = np.sum(X**2 if family == "hermite" else X, axis=1)
    assert stats.kstest(found, law(m * m).cdf).pvalue > 1e-3


@functools.cache
def many_draws():
    return sample_dpp(TensorPolynomialBasis("legendre", 9), n_repeats=1000, rng=5)


@pytest.mark.parametrize("position", [0, 4, 9])
def test_each_position_has_the_christoffel_density(position):
    X = many_draws()[:, position, 0]
    kernel = sum((2 * k + 1) * np.polynomial.Legendre.basis(k) ** 2 for k in range(10))
    distribution = (kernel / 20).integ(lbnd=-1)
    assert stats.kstest(X, distribution).pvalue > 1e-3


def test_marginal_in_two_dimensions():
    families, basis = make("legendre, hyperbolic cross")
    X = sample_dpp(basis, n_repeats=1000, rng=6)[:, 0]
    edges = np.array([-1, -0.8, 0.1, 0.9, 1])
    counts = np.histogram2d(X[:, 0], X[:, 1], bins=edges)[0]
    nodes, weights = reference.gauss(families, 20)
    expected = np.empty_like(counts)
    for i, j in np.ndindex(expected.shape):
        low, high = edges[[i, j]], edges[[i + 1, j + 1]]
        inside = low + (high - low) * (1 + nodes) / 2
        K = np.sum(reference.evaluate(families, basis.multi_indices, inside) ** 2, axis=1)
        expected[i, j] = weights @ K * np.prod(high - low) / 4 / basis.n_features
    assert expected.sum() == pytest.approx(1)
    assert stats.chisquare(counts.ravel(), len(X) * expected.ravel()).pvalue > 1e-3


def test_pairs_of_points():
    # The pair density is K(x, x) K(y, y) - K(x, y)² over m (m - 1); the first and the last position have it.
    basis = TensorPolynomialBasis("legendre", 2)
    X = sample_dpp(basis, n_repeats=1500, rng=7)[:, [0, -1], 0]
    edges = np.linspace(-1, 1, 5)
    counts = np.histogram2d(X[:, 0], X[:, 1], bins=edges)[0]
    nodes, weights = reference.gauss_1d("legendre", 10)
    pieces = [low + 0.25 * (1 + nodes) for low in edges[:-1]]
    Phi = [reference.evaluate(["legendre"], basis.multi_indices, piece[:, None]) for piece in pieces]
    expected = np.empty((4, 4))
    for i, j in np.ndindex(4, 4):
        density = (
            np.outer(np.sum(Phi[i] ** 2, axis=1), np.sum(Phi[j] ** 2, axis=1)) - (Phi[i] @ Phi[j].T) ** 2
        )
        expected[i, j] = weights @ density @ weights / 16 / 6
    assert expected.sum() == pytest.approx(1)
    assert stats.chisquare(counts.ravel(), len(X) * expected.ravel()).pvalue > 1e-3


def test_positions_are_exchangeable():
    X = np.abs(many_draws()[..., 0])
    expected = X.mean()
    assert np.all(np.abs(reference.z_mean(X, expected)) < 4)


@pytest.mark.parametrize("family", ["legendre", "chebyshev", "hermite", "laguerre", ("jacobi", 1.5, -0.5)])
def test_one_function(family):
    basis = TensorPolynomialBasis(family, 0, n_dims=2)
    X = sample_dpp(basis, n_repeats=500, rng=0)
    assert X.shape == (500, 1, 2)
    laws = {
        "legendre": stats.uniform(-1, 2),
        "chebyshev": stats.arcsine(-1, 2),
        "hermite": stats.norm(),
        "laguerre": stats.expon(),
    }
    law = laws.get(family) if isinstance(family, str) else stats.beta(0.5, 2.5, -1, 2)
    for i in range(2):
        assert stats.kstest(X[:, 0, i], law.cdf).pvalue > 1e-3


def test_number_of_proposals():
    m = 50
    basis = TensorPolynomialBasis("legendre", m - 1)
    counts = [_draw(_Continuous(basis, block_rng(0, repeat)), m)[1] for repeat in range(100)]
    assert min(counts) >= m
    assert np.mean(counts) / (m * np.sum(1 / np.arange(1, m + 1))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", BASES)
def test_points_are_distinct_and_inside(name):
    _, basis = make(name)
    X = sample_dpp(basis, n_repeats=5, rng=3)
    assert X.shape == (5, basis.n_features, basis.n_dims)
    assert X.dtype == np.float64
    low, high = basis.support
    assert np.all((low <= X) & (high >= X))
    for draw in X:
        assert len(np.unique(draw, axis=0)) == basis.n_features
        Phi = basis.evaluate(draw)
        assert np.linalg.matrix_rank(Phi / np.linalg.norm(Phi, axis=1, keepdims=True)) == basis.n_features


@pytest.mark.parametrize("name", ["legendre, total degree", "two unbounded", "complement"])
def test_equal_seed_equal_points(name):
    _, basis = make(name)

    def draws():
        return [
            sample_dpp(basis, n_repeats=3, rng=11).tobytes(),
            sample_dpp(basis, n_repeats=3, rng=np.random.default_rng(11)).tobytes(),
            sample_volume(basis, basis.n_features + 7, rng=11).tobytes(),
            sample_volume(basis, basis.n_features + 7, reference="measure", rng=11).tobytes(),
            sample_christoffel(basis, 40, rng=11).tobytes(),
        ]

    with threadpool_limits(1, user_api="blas"):
        first = draws()
    with threadpool_limits(2, user_api="blas"):
        assert draws() == first
    assert sample_dpp(basis, n_repeats=3, rng=12).tobytes() != first[0]


def test_draws_do_not_depend_on_their_number():
    _, basis = make("legendre, total degree")
    many = sample_dpp(basis, n_repeats=6, rng=4)
    np.testing.assert_array_equal(sample_dpp(basis, n_repeats=2, rng=4), many[:2])
    assert len(np.unique(many.reshape(-1, 2), axis=0)) == 6 * 21


def test_generators_advance():
    _, basis = make("legendre")
    rng = np.random.default_rng(0)
    first = sample_dpp(basis, rng=rng)
    assert not np.array_equal(first, sample_dpp(basis, rng=rng))
    assert not np.array_equal(sample_dpp(basis), sample_dpp(basis))


def test_one_function_more_in_many_dimensions():
    basis = TensorPolynomialBasis("legendre", 1, n_dims=30)
    X = sample_dpp(basis, n_repeats=2, rng=0)
    assert X.shape == (2, 31, 30)
    assert np.linalg.matrix_rank(basis.evaluate(X[0])) == 31


def test_coefficients_of_a_single_draw_are_unbiased():
    basis = TensorPolynomialBasis("legendre", 3)
    Phi, weights = reference.gauss(["legendre"], 40)
    exact = (np.exp(2 * Phi[:, 0]) * weights) @ reference.evaluate(["legendre"], basis.multi_indices, Phi)
    found = []
    for X in sample_dpp(basis, n_repeats=1000, rng=3):
        Phi = basis.evaluate(X)
        found.append(weighted_lstsq(Phi, np.exp(2 * X[:, 0]), 1 / christoffel_density(Phi)))
    assert np.all(np.abs(reference.z_mean(np.array(found), exact)) < 4)


# Volume sampling.


def inverse_grams(basis, draws, reference_density):
    for X in draws:
        Phi = basis.evaluate(X)
        weights = 1 / christoffel_density(Phi) if reference_density == "christoffel" else np.ones(len(X))
        yield np.linalg.inv(empirical_gram(Phi, weights))


@pytest.mark.parametrize("density", ["christoffel", "measure"])
@pytest.mark.parametrize("n", [10, 20])
def test_mean_of_the_inverse_gram_matrix(n, density):
    basis = TensorPolynomialBasis("legendre", 4)
    rng = np.random.default_rng(0)
    draws = (sample_volume(basis, n, reference=density, rng=rng) for _ in range(600))
    found = np.array(list(inverse_grams(basis, draws, density)))
    upper = np.triu_indices(5)
    expected = np.eye(5) * n / (n - 4)
    assert np.all(np.abs(reference.z_mean(found, expected)[upper]) < 4)
    # Independent points give more, by far.
    draws = (sample_christoffel(basis, n, rng=rng) for _ in range(200))
    independent = np.array(list(inverse_grams(basis, draws, "christoffel")))
    if density == "christoffel":
        assert np.median(np.trace(independent, axis1=1, axis2=2)) > np.median(
            np.trace(found, axis1=1, axis2=2)
        )


def coefficients(basis, function, draws, density="christoffel"):
    for X in draws:
        Phi = basis.evaluate(X)
        weights = 1 / christoffel_density(Phi) if density == "christoffel" else np.ones(len(X))
        yield weighted_lstsq(Phi, function(X[:, 0]), weights)


@pytest.mark.parametrize("density", ["christoffel", "measure"])
def test_coefficients_are_unbiased(density):
    basis = TensorPolynomialBasis("legendre", 4)
    nodes, weights = reference.gauss(["legendre"], 80)

    def function(x):
        return 1 / (1 + 25 * x**2) + 0.3 * np.abs(x - 0.3)

    exact = (function(nodes[:, 0]) * weights) @ reference.evaluate(["legendre"], basis.multi_indices, nodes)
    rng = np.random.default_rng(1)
    draws = (sample_volume(basis, 8, reference=density, rng=rng) for _ in range(800))
    found = np.array(list(coefficients(basis, function, draws, density)))
    # The quadrature of a kink is exact to 1e-4, far below the standard errors.
    assert np.all(np.abs(reference.z_mean(found, exact)) < 4)


@pytest.mark.slow
def test_coefficients_of_independent_points_are_biased():
    basis = TensorPolynomialBasis("legendre", 4)
    nodes, weights = reference.gauss(["legendre"], 80)
    exact = (nodes[:, 0] ** 6 * weights) @ reference.evaluate(["legendre"], basis.multi_indices, nodes)
    rng = np.random.default_rng(1)
    samples = {
        "iid": (sample_christoffel(basis, 8, rng=rng) for _ in range(20_000)),
        "volume": (sample_volume(basis, 8, rng=rng) for _ in range(10_000)),
    }
    z = {
        kind: np.max(np.abs(reference.z_mean(np.array(list(coefficients(basis, lambda x: x**6, X))), exact)))
        for kind, X in samples.items()
    }
    assert z["volume"] < 4
    assert z["iid"] > 10


def smallest_eigenvalues(Phi):
    return np.linalg.eigvalsh(np.swapaxes(Phi, 1, 2) @ Phi / Phi.shape[1])[:, 0]


def test_volume_sampling_is_a_reweighting_of_the_measure():
    basis, n = TensorPolynomialBasis("legendre", 2), 6
    rng = np.random.default_rng(2)
    draws = np.stack([sample_volume(basis, n, reference="measure", rng=rng) for _ in range(1000)])
    found = smallest_eigenvalues(basis.evaluate(draws.reshape(-1, 1)).reshape(-1, n, 3))
    independent = basis.evaluate(basis.sample_measure(40_000 * n, rng)).reshape(-1, n, 3)
    shares = np.linalg.det(np.swapaxes(independent, 1, 2) @ independent)
    shares /= shares.sum()
    values = smallest_eigenvalues(independent)
    expected = shares @ values
    error = np.hypot(found.std() / np.sqrt(len(found)), np.sqrt(shares**2 @ (values - expected) ** 2))
    assert abs(found.mean() - expected) < 4 * error
    assert abs(values.mean() - expected) > 10 * error  # without the weights it is another law


@pytest.mark.parametrize("density", ["christoffel", "measure"])
def test_order_of_volume_samples_is_random(density):
    # Any position is one of the m repelling points with probability m / n.
    basis, n = TensorPolynomialBasis("legendre", 3), 9
    rng = np.random.default_rng(3)
    X = np.stack([sample_volume(basis, n, reference=density, rng=rng)[[0, -1], 0] for _ in range(600)])
    kernel = sum((2 * k + 1) * np.polynomial.Legendre.basis(k) ** 2 for k in range(4)) / 8
    rest = kernel if density == "christoffel" else np.polynomial.Legendre([0.5])
    distribution = (kernel * 4 / n + rest * (n - 4) / n).integ(lbnd=-1)
    for position in range(2):
        assert stats.kstest(X[:, position], distribution).pvalue > 1e-3


@pytest.mark.parametrize("density", ["christoffel", "measure"])
def test_volume_sampling_with_as_few_points_as_functions(density):
    families, basis = make("legendre, total degree")
    mean, variance = reference.linear_statistic(families, basis.multi_indices, smooth)
    rng = np.random.default_rng(4)
    X = np.stack([sample_volume(basis, 21, reference=density, rng=rng) for _ in range(200)])
    assert abs(reference.z_mean(sums(X), mean)) < 4
    assert abs(reference.z_variance(sums(X), variance)) < 4


def test_more_points_by_volume_sampling():
    _, basis = make("two unbounded")
    X = sample_volume(basis, np.int64(40), rng=0)
    assert X.shape == (40, 2)
    assert len(np.unique(X, axis=0)) == 40


# Independent points.


@pytest.mark.parametrize("name", BASES)
def test_christoffel_weights(name):
    families, basis = make(name)
    X = sample_christoffel(basis, 3000, rng=9)
    assert X.shape == (3000, basis.n_dims)
    Phi = reference.evaluate(families, basis.multi_indices, X)
    weights = basis.n_features / np.sum(Phi**2, axis=1)
    # Weighted, the points integrate the functions against the measure: the first to 1, the others to 0.
    expected = np.zeros(basis.n_features)
    expected[0] = 1
    assert np.all(np.abs(reference.z_mean(Phi * weights[:, None], expected)) < 4.5)


def test_functions_that_rounding_makes_equal():
    """No draw goes on for ever, and none returns a wrong point."""

    class Same:
        rng = np.random.default_rng(0)

        def propose(self, n):
            return np.zeros((n, 1)), np.tile([1.0, 0.0, 0.0], (n, 1))

    with pytest.raises(np.linalg.LinAlgError, match=r"1 of 3 points were found among .* Take a lower degree"):
        _draw(Same(), 3)
