"""Tensor products of polynomials: index sets, values, derivatives, orthonormality, measures."""

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats

from spectralkit.sampling import TensorPolynomialBasis
from tests.sampling import reference

MIXED = ["legendre", "hermite", ("jacobi", 0.5, -0.3), "laguerre", "chebyshev"]


def brute_force(kind, degree, d):
    inside = {
        "total_degree": lambda k: sum(k) <= degree,
        "hyperbolic_cross": lambda k: math.prod(i + 1 for i in k) <= degree + 1,
        "tensor": lambda k: max(k) <= degree,
    }[kind]
    found = [k for k in itertools.product(range(degree + 1), repeat=d) if inside(k)]
    return sorted(found, key=lambda k: (sum(k), k))


def points(families, n, seed=0):
    rng = np.random.default_rng(seed)
    columns = {"hermite": rng.standard_normal, "laguerre": rng.standard_exponential}
    return np.stack([columns.get(f, lambda n: rng.uniform(-1, 1, n))(n) for f in map(str, families)], axis=1)


# Index sets.


@pytest.mark.parametrize("kind", ["total_degree", "hyperbolic_cross", "tensor"])
@pytest.mark.parametrize(("degree", "d"), [(0, 1), (0, 4), (1, 1), (6, 1), (1, 5), (4, 3), (7, 2), (3, 4)])
def test_index_sets(kind, degree, d):
    basis = TensorPolynomialBasis("legendre", degree, n_dims=d, index_set=kind)
    assert basis.multi_indices.tolist() == [list(k) for k in brute_force(kind, degree, d)]
    assert (basis.n_features, basis.n_dims) == basis.multi_indices.shape
    assert basis.multi_indices.dtype == np.int64


def test_sizes():
    assert TensorPolynomialBasis("hermite", 4, n_dims=10).n_features == special.comb(14, 4, exact=True)
    assert TensorPolynomialBasis("hermite", 2, n_dims=100).n_features == special.comb(102, 2, exact=True)
    assert TensorPolynomialBasis("hermite", 3, n_dims=4, index_set="tensor").n_features == 256
    assert TensorPolynomialBasis("hermite", 1, n_dims=40, index_set="hyperbolic_cross").n_features == 41


def test_explicit_sets_are_sorted():
    indices = [[2, 0], [0, 0], [1, 0], [0, 1], [1, 1]]
    basis = TensorPolynomialBasis("legendre", 99, index_set=indices)
    assert basis.n_dims == 2
    assert basis.multi_indices.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]]
    for given in (np.array(indices, np.int8), np.array(indices, np.uint64), np.array(indices)[::-1]):
        np.testing.assert_array_equal(
            TensorPolynomialBasis("legendre", 0, index_set=given).multi_indices, basis.multi_indices
        )
    again = TensorPolynomialBasis("legendre", None, index_set=basis.multi_indices)
    np.testing.assert_array_equal(again.multi_indices, basis.multi_indices)


def test_the_constant_alone():
    basis = TensorPolynomialBasis("legendre", 5, index_set=[[0, 0, 0]])
    assert (basis.n_features, basis.n_dims) == (1, 3)
    np.testing.assert_array_equal(basis.evaluate(np.ones((4, 3))), np.ones((4, 1)))
    np.testing.assert_array_equal(basis.gradient(np.ones((4, 3))), np.zeros((4, 1, 3)))


def test_number_of_dimensions():
    assert TensorPolynomialBasis("legendre", 2).n_dims == 1
    assert TensorPolynomialBasis(("jacobi", 1, 2), 2).n_dims == 1
    assert TensorPolynomialBasis(("jacobi", 1, 2), 2, n_dims=3).n_dims == 3
    assert TensorPolynomialBasis(["legendre"], 2).n_dims == 1
    assert TensorPolynomialBasis(MIXED, 2).n_dims == 5
    assert TensorPolynomialBasis(MIXED, 2, n_dims=5).n_dims == 5
    assert TensorPolynomialBasis([("jacobi", 1, 2)], 2).n_dims == 1


# Values.


@pytest.mark.parametrize("kind", ["total_degree", "hyperbolic_cross", "tensor"])
def test_values(kind):
    basis = TensorPolynomialBasis(MIXED, 3, index_set=kind)
    X = points(MIXED, 20)
    expected = reference.evaluate(MIXED, basis.multi_indices, X)
    np.testing.assert_allclose(basis.evaluate(X), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "family", ["legendre", "chebyshev", "hermite", "laguerre", ("jacobi", 2.0, -0.5)], ids=str
)
def test_values_in_one_dimension(family):
    X = points([family], 30)
    found = TensorPolynomialBasis(family, 12).evaluate(X)
    expected = np.stack([reference.polynomial(family, n, X[:, 0]) for n in range(13)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_values_for_an_explicit_set():
    indices = [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 3]]
    families = ["hermite", "legendre", "laguerre"]
    basis = TensorPolynomialBasis(families, 0, index_set=indices)
    X = points(families, 10)
    np.testing.assert_allclose(
        basis.evaluate(X), reference.evaluate(families, basis.multi_indices, X), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("families", "degree"),
    [
        (["legendre", "hermite", "laguerre"], 5),
        (["chebyshev"] * 2, 9),
        ([("jacobi", -0.9, 3.0), ("jacobi", 0.4, -0.4)], 6),
        (["hermite"], 20),
    ],
)
def test_orthonormality(families, degree):
    basis = TensorPolynomialBasis(families, degree)
    X, weights = reference.gauss(families, degree + 2)
    Phi = basis.evaluate(X)
    np.testing.assert_allclose((Phi * weights[:, None]).T @ Phi, np.eye(basis.n_features), atol=1e-10)


@pytest.mark.parametrize("kind", ["total_degree", "tensor"])
def test_gradient(kind):
    families = MIXED[:4]
    basis = TensorPolynomialBasis(families, 3, index_set=kind)
    X = points(families, 9)
    found = basis.gradient(X)
    assert found.shape == (9, basis.n_features, 4)
    for i, step in itertools.product(range(4), [1e-5]):
        shift = step * np.eye(4)[i]
        # Central differences of fourth order: polynomials of degree up to 4 in each coordinate are exact.
        far, near = (
            (basis.evaluate(X + 1e3 * k * shift) - basis.evaluate(X - 1e3 * k * shift)) / (2e3 * k * step)
            for k in (2, 1)
        )
        np.testing.assert_allclose(found[:, :, i], (4 * near - far) / 3, rtol=1e-8, atol=1e-8)


def test_gradient_of_high_degree():
    X = np.linspace(-0.99, 0.99, 23)[:, None]
    found = TensorPolynomialBasis("legendre", 40).gradient(X)[:, :, 0]
    n = 40
    expected = math.sqrt(2 * n + 1) * special.legendre_p(n, X[:, 0], diff_n=1)[1]
    np.testing.assert_allclose(found[:, n], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", ["evaluate", "gradient"])
def test_no_points(method):
    basis = TensorPolynomialBasis("legendre", 2, n_dims=2)
    assert getattr(basis, method)(np.empty((0, 2))).shape[:2] == (0, 6)


@pytest.mark.parametrize("method", ["evaluate", "gradient"])
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
def test_other_libraries(library, method):
    xp = pytest.importorskip(library)
    X = points(MIXED, 12)
    for kind in ("total_degree", "hyperbolic_cross", "tensor"):
        basis = TensorPolynomialBasis(MIXED, 2, index_set=kind)
        expected = getattr(basis, method)(X)
        found = getattr(basis, method)(xp.asarray(X))
        assert isinstance(found, type(xp.asarray(X)))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-12)
        single = getattr(basis, method)(xp.asarray(X, dtype=xp.float32))
        assert single.dtype == xp.float32


@pytest.mark.parametrize("method", ["evaluate", "gradient"])
def test_dtypes(method):
    basis = TensorPolynomialBasis("legendre", 6, n_dims=2)
    X = points(["legendre"] * 2, 20).astype("float32")
    wide, single = (getattr(basis, method)(X.astype(dtype)) for dtype in ("float64", "float32"))
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, wide.astype("float32"))
    whole = np.array([[0, 1], [-1, 1]])
    expected = getattr(basis, method)(whole.astype(float))
    for given in (whole, whole.tolist(), whole.astype("int8"), np.asfortranarray(whole)):
        found = getattr(basis, method)(given)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def test_outside_of_the_support():
    X = np.array([[3.0, -2.0]])
    found = TensorPolynomialBasis("legendre", 3, n_dims=2).evaluate(X)
    expected = reference.evaluate(["legendre"] * 2, brute_force("total_degree", 3, 2), X)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


# The measure.


def test_support():
    expected = [[-1, -np.inf, -1, 0, -1], [1, np.inf, 1, np.inf, 1]]
    np.testing.assert_array_equal(TensorPolynomialBasis(MIXED, 1).support, expected)


def test_moments_of_the_measure():
    basis = TensorPolynomialBasis(MIXED, 2)
    X = basis.sample_measure(4000, rng=0)
    assert X.shape == (4000, 5)
    Phi = reference.evaluate(MIXED, basis.multi_indices, X)
    for product in (Phi, Phi[:, [1, 2, 3, 4, 5]] ** 2):
        expected = np.eye(product.shape[1])[0] if product is Phi else 1.0
        spread = np.std(product[:, 1:] if product is Phi else product, axis=0)
        found = np.mean(product, axis=0) - expected
        found = found[1:] if product is Phi else found
        assert np.all(np.abs(found) < 4 * spread / math.sqrt(4000))
    assert np.max(np.abs(np.corrcoef(X.T) - np.eye(5))) < 4 / math.sqrt(4000)


def test_laws_of_the_measure():
    X = TensorPolynomialBasis(MIXED, 1).sample_measure(3000, rng=1)
    laws = [
        stats.uniform(-1, 2),
        stats.norm(),
        stats.beta(0.7, 1.5, -1, 2),
        stats.expon(),
        stats.arcsine(-1, 2),
    ]
    for x, law in zip(X.T, laws, strict=True):
        assert stats.kstest(x, law.cdf).pvalue > 1e-3


def test_equal_seed_equal_points():
    basis = TensorPolynomialBasis(MIXED, 1)
    first = basis.sample_measure(9, rng=3)
    np.testing.assert_array_equal(basis.sample_measure(9, rng=3), first)
    np.testing.assert_array_equal(basis.sample_measure(9, rng=np.random.default_rng(3)), first)
    assert not np.array_equal(basis.sample_measure(9, rng=4), first)


def test_repr():
    basis = TensorPolynomialBasis(["legendre", "hermite"], 2)
    assert repr(basis) == "TensorPolynomialBasis(hermite, legendre; 2 dimensions, 6 functions)"
