"""Univariate orthonormal polynomials: values, orthonormality, laws with their squares as densities."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from spectralkit.sampling._dpp_numba import values_at_degrees
from spectralkit.sampling._families import Family, as_family
from tests.sampling import reference

CLASSICAL = ["legendre", "chebyshev", "hermite", "laguerre"]
# Among them sums of 0 and -1, where general formulas are 0/0, and exponents next to -1.
EXPONENTS = [
    (0.0, 0.0),
    (-0.5, -0.5),
    (0.5, 0.5),
    (0.7, -0.7),
    (-0.5, 0.5),
    (-0.3, -0.7),
    (-0.25, -0.75),
    (0.3, -0.7),
    (-0.9, 3.0),
    (5.0, 2.0),
    (20.0, 0.1),
    (-0.99, -0.99),
    (-0.999, 1.0),
    (-1 + 1e-9, 0.0),
    (-1 + 1e-9, -1 + 1e-9),
]
FAMILIES = [*CLASSICAL, *(("jacobi", a, b) for a, b in EXPONENTS)]


def values(family, x, degree):
    return np.stack(as_family("f", family).evaluate(np.asarray(x, float), degree))


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_orthonormality(family):
    # With the Gauss rule that the recurrence itself defines, and, where SciPy can, with another one.
    own = as_family("f", family)
    degree = 12
    a, b = own.recurrence(degree + 1)
    nodes, vectors = np.linalg.eigh(np.diag(a) + np.diag(b[:-1], 1) + np.diag(b[:-1], -1))
    P = values(family, nodes, degree)
    np.testing.assert_allclose((P * vectors[0] ** 2) @ P.T, np.eye(degree + 1), atol=2e-9)
    exponents = family[1:] if isinstance(family, tuple) else (0, 0)
    if min(exponents) > -0.9991 and sum(exponents) != -1:  # SciPy has no rule for that sum
        nodes, weights = reference.gauss_1d(family, 20)
        P = values(family, nodes, degree)
        np.testing.assert_allclose((P * weights) @ P.T, np.eye(degree + 1), atol=2e-10)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_values(family):
    low, high = as_family("f", family).support
    x = np.linspace(max(low, -4) - 0.3, min(high, 12) + 0.3, 41)  # outside too
    P = values(family, x, 15)
    for n, found in enumerate(P):
        expected = reference.polynomial(family, n, x)
        # Next to -1 the reference itself loses digits.
        rtol = 1e-10 if not isinstance(family, tuple) or min(family[1:]) > -0.9991 else 1e-5
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.max(np.abs(expected)))


@pytest.mark.parametrize(
    "family", ["legendre", "chebyshev", ("jacobi", 0.3, -0.7), ("jacobi", 5.0, 2.0)], ids=str
)
def test_high_degrees(family):
    x = np.cos(np.linspace(0, math.pi, 101))
    found = values(family, x, 300)[-1]
    expected = reference.polynomial(family, 300, x)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.max(np.abs(expected)))


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_derivatives(family):
    # By a complex step, exact to rounding.
    own = as_family("f", family)
    x = np.linspace(-0.95, 0.95, 17) if own.name != "laguerre" else np.linspace(0.1, 9, 17)
    found = np.stack(own.differentiate(x, own.evaluate(x, 12)))
    expected = np.stack(own.evaluate(x + 1e-30j, 12)).imag / 1e-30
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.max(np.abs(expected)))


def test_derivatives_in_closed_form():
    x = np.linspace(-3, 3, 31)
    family = Family("hermite")
    P = family.evaluate(x, 9)
    slopes = family.differentiate(x, P)
    for n in range(1, 10):
        np.testing.assert_allclose(slopes[n], math.sqrt(n) * P[n - 1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", CLASSICAL)
def test_scaled_values(family):
    own = as_family("f", family)
    x = np.linspace(*((0.0, 30.0) if family == "laguerre" else (-1.0, 1.0)), 23)
    plain = own.evaluate(x, 40)
    for n, (value, exponent) in enumerate(own.scaled(x, 40)):
        np.testing.assert_allclose(np.ldexp(value, exponent), plain[n], rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("family", [*CLASSICAL, ("jacobi", 0.3, -0.7)], ids=str)
def test_directions(family):
    own = as_family("f", family)
    x = np.linspace(*((0.0, 60.0) if family == "laguerre" else (-1.0, 1.0)), 23)
    found, plain = own.directions(x, 40), np.stack(own.evaluate(x, 40), axis=1)
    for rows in (found, plain):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found, plain, atol=1e-13)


@pytest.mark.parametrize("family", ["hermite", "laguerre"])
def test_directions_that_would_overflow(family):
    degree = 500
    x = (
        np.array([0.0, 1.0, 40.0, 44.0, 60.0])
        if family == "hermite"
        else np.array([0.0, 3.0, 500.0, 2000.0, 2500.0])
    )
    found = as_family("f", family).directions(x, degree)
    assert np.all(np.isfinite(found))
    lengths = np.linalg.norm(found, axis=1)
    assert np.all((lengths > 0.4) & (lengths < 60))
    # Ratios of successive ones satisfy the recurrence.
    a, b = as_family("f", family).recurrence(degree)
    left = b[1:] * found[:, 2:]
    right = (x[:, None] - a[1:]) * found[:, 1:-1] - b[:-1] * found[:, :-2]
    np.testing.assert_allclose(left, right, atol=1e-11 * np.max(np.abs(left)))


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_compiled_values(family):
    own = as_family("f", family)
    rng = np.random.default_rng(0)
    x, degrees = rng.random(200), rng.integers(0, 14, size=200)
    P = values(family, x, 13)
    np.testing.assert_allclose(own.table(x, 13), P.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(own.table(x, 0), np.ones((200, 1)))
    found = values_at_degrees(x, degrees, *own.recurrence(13))
    np.testing.assert_allclose(found, P[degrees, np.arange(200)], rtol=1e-12, atol=1e-12)


# Laws.


def law(family):
    """The measure, by SciPy."""
    if isinstance(family, tuple):
        return stats.beta(family[2] + 1, family[1] + 1, -1, 2)
    return {
        "legendre": stats.uniform(-1, 2),
        "chebyshev": stats.arcsine(-1, 2),
        "hermite": stats.norm(),
        "laguerre": stats.expon(),
    }[family]


@pytest.mark.parametrize(
    "family", [*CLASSICAL, *(("jacobi", a, b) for a, b in EXPONENTS if min(a, b) > -0.95)], ids=str
)
def test_measure(family):
    own = as_family("f", family)
    x = own.measure(2000, np.random.default_rng(0))
    assert stats.kstest(x, law(family).cdf).pvalue > 1e-3
    low, high = own.support
    assert np.all((x >= low) & (x <= high))


def induced_cdf(family, n, x):
    """Distribution function of p_n² dμ at sorted points, by adaptive integration between them."""
    if isinstance(family, tuple):
        _, a, b = family
        density = lambda s: reference.polynomial(family, n, s) ** 2  # noqa: E731
        scale = math.exp(math.lgamma(a + b + 2) - math.lgamma(a + 1) - math.lgamma(b + 1)) / 2 ** (a + b + 1)
        # In u with 1 + x = u^(1 / (b + 1)) on the left half, and the same on the right: no singularity.
        grid = np.unique(np.concatenate([np.linspace(-1, 1, 4 * n + 9), np.sort(x)]))

        def left(low, high):
            u = (1 + np.array([low, high])) ** (b + 1)
            root = 1 / (b + 1)
            f = lambda v: density(v**root - 1) * (2 - v**root) ** a * root  # noqa: E731
            return integrate.quad(f, *u, epsabs=1e-10, limit=200)[0]

        def right(low, high):
            u = (1 - np.array([high, low])) ** (a + 1)
            root = 1 / (a + 1)
            f = lambda v: density(1 - v**root) * (2 - v**root) ** b * root  # noqa: E731
            return integrate.quad(f, *u, epsabs=1e-10, limit=200)[0]

        pieces = [(left if high <= 0 else right)(low, high) for low, high in itertools.pairwise(grid)]
        return np.interp(x, grid, scale * np.concatenate([[0], np.cumsum(pieces)]))
    if family == "hermite":
        log_norm = -0.5 * math.log(2 * math.pi)
        density = lambda s: reference.polynomial("hermite", n, s) ** 2 * np.exp(-s * s / 2 + log_norm)  # noqa: E731
        low = -math.sqrt(4 * n + 2) - 9
    elif family == "laguerre":
        density = lambda s: reference.polynomial("laguerre", n, s) ** 2 * np.exp(-s)  # noqa: E731
        low = 0.0
    elif family == "chebyshev":
        theta = np.arccos(x)  # the integral of 2 cos² in closed form
        return 1 - (theta + (np.sin(2 * n * theta) / (2 * n) if n else 0)) / math.pi
    else:
        return (np.polynomial.Legendre.basis(n) ** 2 * (n + 0.5)).integ(lbnd=-1)(x)
    # Composite Simpson on a fine grid, and linear between its points.
    grid = np.linspace(low, max(np.max(x), 4 * n + 60 if low == 0 else -low), 200_001)
    return np.interp(x, grid, integrate.cumulative_simpson(density(grid), x=grid, initial=0))


LAWS = [*CLASSICAL, *(("jacobi", a, b) for a, b in [(-0.5, -0.5), (0.3, -0.7), (-0.9, 3.0), (5.0, 2.0)])]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
@pytest.mark.parametrize("family", LAWS, ids=str)
def test_induced_distribution(family, n):
    own = as_family("f", family)
    x = np.sort(own.induced(np.full(3000, n), np.random.default_rng(n)))
    low, high = own.support
    assert x[0] >= low
    assert x[-1] <= high
    grid = np.quantile(x, np.linspace(0.002, 0.998, 60))
    found = np.searchsorted(x, grid, side="right") / len(x)
    assert np.max(np.abs(found - induced_cdf(family, n, grid))) < stats.kstwo.isf(1e-3, len(x))


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 3, 40, 128, 129])
@pytest.mark.parametrize("family", LAWS, ids=str)
def test_induced_distribution_with_many_points(family, n):
    x = np.sort(as_family("f", family).induced(np.full(300_000, n), np.random.default_rng(n)))
    grid = np.quantile(x, np.linspace(0.0005, 0.9995, 300))
    found = np.searchsorted(x, grid, side="right") / len(x)
    assert np.max(np.abs(found - induced_cdf(family, n, grid))) < stats.kstwo.isf(1e-3, len(x))


@pytest.mark.parametrize("family", LAWS, ids=str)
def test_mixed_degrees(family):
    # Each point has the law of its own degree, whatever the order; moments by Gauss quadrature.
    own = as_family("f", family)
    degrees = np.random.default_rng(0).permutation(np.repeat([0, 5, 1, 11], 1500))
    x = own.induced(degrees, np.random.default_rng(1))
    nodes, weights = reference.gauss_1d(family, 40)
    for n in (0, 1, 5, 11):
        exact = weights @ (reference.polynomial(family, n, nodes) ** 2 * np.cos(nodes / 2))
        assert abs(reference.z_mean(np.cos(x[degrees == n] / 2), exact)) < 4


@pytest.mark.parametrize("family", ["hermite", "laguerre"])
@pytest.mark.parametrize("n", [300, 1000])
def test_high_degrees_of_unbounded_families(family, n):
    # First two moments in closed form, by the recurrence: a_n, and a_n² + b_n² + b_{n+1}².
    own = as_family("f", family)
    x = own.induced(np.full(1500, n), np.random.default_rng(0))
    assert np.all(np.isfinite(x))
    a, b = own.recurrence(n + 1)
    assert abs(reference.z_mean(x, a[n])) < 4
    assert abs(reference.z_mean(x**2, a[n] ** 2 + b[n] ** 2 + b[n - 1] ** 2)) < 4


@pytest.mark.parametrize(
    "exponents", [(-0.99, 0.0), (0.0, -0.99), (-0.95, -0.95), (12.0, 0.5), (30.0, 0.5), (0.0, 50.0)]
)
def test_moments_for_extreme_exponents(exponents):
    family = ("jacobi", *exponents)
    own = as_family("f", family)
    for n in (1, 6, 30):
        x = own.induced(np.full(2000, n), np.random.default_rng(n))
        assert np.all(np.abs(x) <= 1)
        a, b = own.recurrence(n + 1)
        assert abs(reference.z_mean(x, a[n])) < 4
        assert abs(reference.z_mean(x**2, a[n] ** 2 + b[n] ** 2 + b[n - 1] ** 2)) < 4


def test_jacobi_contains_the_others():
    x = np.linspace(-1, 1, 33)
    np.testing.assert_allclose(values(("jacobi", 0, 0), x, 20), values("legendre", x, 20), atol=1e-12)
    np.testing.assert_allclose(values(("jacobi", -0.5, -0.5), x, 20), values("chebyshev", x, 20), atol=1e-12)
    second = values(("jacobi", 0.5, 0.5), x, 20)[-1]
    np.testing.assert_allclose(second, special.eval_chebyu(20, x), atol=1e-11)


@pytest.mark.parametrize(("a", "b"), [(0.3, -0.7), (-0.9, 3.0)])
def test_mirrored_exponents(a, b):
    x = np.linspace(-1, 1, 33)
    signs = (-1.0) ** np.arange(16)[:, None]
    np.testing.assert_allclose(
        values(("jacobi", a, b), x, 15), signs * values(("jacobi", b, a), -x, 15), rtol=1e-11, atol=1e-11
    )


def test_numbers_of_other_types():
    expected = Family("jacobi", 1.0, 0.5)
    for given in (
        ("jacobi", 1, 0.5),
        ["jacobi", np.float32(1), np.float64(0.5)],
        ("jacobi", np.array(1.0), 0.5),
    ):
        assert as_family("f", given) == expected
