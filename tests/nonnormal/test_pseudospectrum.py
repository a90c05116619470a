"""Pseudospectra against one singular value decomposition per point."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.nonnormal import pseudospectrum
from tests.nonnormal.reference import (
    KINDS,
    UNIT,
    gaussian,
    grcar,
    jordan,
    legs,
    matrices,
    similar,
    smallest_singular_values,
    unitary,
)


def norm(A):
    return float(np.linalg.norm(A, 2))


def points(A, n_points, seed=0):
    """Random points over the disk of the norm, some close to eigenvalues."""
    rng = np.random.default_rng(seed)
    z = norm(A) * (rng.uniform(-1.2, 1.2, n_points) + 1j * rng.uniform(-1.2, 1.2, n_points))
    values = rng.choice(np.linalg.eigvals(A), n_points)
    offset = norm(A) * 10.0 ** rng.uniform(-8, 0, n_points) * np.exp(2j * np.pi * rng.random(n_points))
    return np.where(rng.random(n_points) < 0.5, z, values + offset)


def check(A, z):
    """Errors are below 1e-6 relatively, up to rounding of the reference; return which are resolved."""
    found, expected = pseudospectrum(A, z), smallest_singular_values(A, z)
    size = norm(A) + np.abs(z)
    assert found.shape == z.shape
    assert np.all(np.abs(found - expected) <= 1e-6 * expected + 8.0 * len(A) ** 0.5 * UNIT * size)
    return expected > 1e-8 * size


MATRICES = {
    "gaussian": lambda n: gaussian(n, n),
    "complex": lambda n: gaussian(n, n, is_complex=True),
    "grcar": grcar,
    "legs": lambda n: legs(n)[0],
    "jordan": lambda n: jordan(n, 0.5),
    "defective": lambda n: np.kron(np.eye((n + 1) // 2), jordan(2, 1.0))[:n, :n],
    "triangular": lambda n: np.triu(gaussian(n, n)),
    "lower": lambda n: np.tril(gaussian(n, n)),
    "rotated": lambda n: similar(jordan(n)),
    "normal": lambda n: gaussian(n, n) - gaussian(n, n).T,
}


@pytest.mark.parametrize("n", [1, 2, 3, 8, 31, 32, 33, 64, 65, 100])
@pytest.mark.parametrize("make", MATRICES.values(), ids=MATRICES)
def test_singular_value_decompositions(make, n):
    A = make(n)
    check(A, points(A, 100))


def test_most_values_are_resolved():
    # So that the comparison is one.
    for name, share in (("gaussian", 0.95), ("grcar", 0.6), ("legs", 0.5), ("jordan", 0.3)):
        A = MATRICES[name](33)
        assert np.mean(check(A, points(A, 200))) > share


@pytest.mark.parametrize("n_points", [1, 2, 255, 256, 257, 600])
def test_any_number_of_points(n_points):
    A = grcar(20)
    check(A, points(A, n_points))


@given(matrices(max_n=36), st.integers(0, 10**6))
def test_any_matrix(A, seed):
    size = norm(A) or 1.0
    z = points(A, 20, seed) if A.any() else np.exp(1j * np.arange(20.0))
    found, expected = pseudospectrum(A, z), smallest_singular_values(A / size, z / size) * size
    bound = 1e-6 * expected + 30.0 * len(A) * UNIT * (size + np.abs(z))
    assert np.all(np.abs(found - expected) <= bound)


def test_tolerance_is_kept():
    A = gaussian(40, 3)
    z = points(A, 300)
    expected = smallest_singular_values(A, z)
    good = expected > 1e-6 * norm(A)
    errors = []
    for tol in (0.5, 1e-2, 1e-4, 1e-8, 1e-12):
        error = np.max(np.abs(pseudospectrum(A, z, tol=tol) / expected - 1.0)[good])
        assert error <= max(tol, 1e-9)
        errors.append(error)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-6 > errors[-1]


def test_closed_form():
    # Of a Jordan block at 1: a path with a loop at one end.
    for n in (2, 5, 32, 50):
        expected = 2.0 * np.sin(np.pi / (4 * n + 2))
        assert pseudospectrum(jordan(n), 1.0) == pytest.approx(expected, rel=1e-6)
        # By its symmetry it depends on the modulus alone.
        z = 0.9 * np.exp(1j * np.linspace(0.0, 6.0, 9))
        sigma = pseudospectrum(jordan(n), z)
        np.testing.assert_allclose(sigma, sigma[0], rtol=1e-6)


NORMAL = {
    "diagonal": np.diag([1.0, 2.0, -3.0]),
    "identity": np.eye(5),
    "symmetric": gaussian(40) + gaussian(40).T,
    "skew": gaussian(33) - gaussian(33).T,
    "orthogonal": unitary(12),
    "circulant": scipy.linalg.circulant(gaussian(9)[0]),
    "complex": similar(np.diag(gaussian(11, is_complex=True)[0])),
    "zero": np.zeros((4, 4)),
    "number": np.array([[2.0 - 1.0j]]),
}


@pytest.mark.parametrize("A", NORMAL.values(), ids=NORMAL)
def test_distance_to_the_spectrum_of_normal_matrices(A):
    z = gaussian(20, 7, is_complex=True)
    distance = np.abs(z[..., None] - np.linalg.eigvals(A)).min(axis=-1)
    np.testing.assert_allclose(
        pseudospectrum(A, z), distance, rtol=1e-12, atol=30.0 * len(A) * UNIT * norm(A)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_never_above_the_distance_to_the_spectrum(kind):
    A = KINDS[kind](25, np.random.default_rng(2))
    values = np.diag(scipy.linalg.schur(A, output="complex")[0])
    z = 3.0 * (norm(A) or 1.0) * gaussian(10, 8, is_complex=True)
    sigma = pseudospectrum(A, z)
    assert np.all(sigma <= np.abs(z[..., None] - values).min(axis=-1) * (1.0 + 1e-6) + 1e-12 * norm(A))
    assert np.all(sigma >= np.abs(z) - norm(A) * (1.0 + 1e-9) - 1e-6 * np.abs(z))


@pytest.mark.parametrize("make", MATRICES.values(), ids=MATRICES)
def test_lipschitz(make):
    A = make(34)
    z = points(A, 60)
    steps = norm(A) * 10.0 ** np.linspace(-6, 0, 60) * np.exp(1j * np.arange(60.0))
    first, second = pseudospectrum(A, z, tol=1e-10), pseudospectrum(A, z + steps, tol=1e-10)
    assert np.all(np.abs(first - second) <= np.abs(steps) + 1e-7 * (first + second) + 1e-12 * norm(A))


def test_symmetry_about_the_real_axis():
    z = points(grcar(30), 100)
    np.testing.assert_array_equal(pseudospectrum(grcar(30), z), pseudospectrum(grcar(30), z.conj()))
    A = gaussian(20, is_complex=True)
    np.testing.assert_allclose(pseudospectrum(A, z), pseudospectrum(A.conj(), z.conj()), rtol=1e-6)
    np.testing.assert_allclose(pseudospectrum(A, z), pseudospectrum(A.T, z), rtol=1e-6)
    assert np.any(np.abs(pseudospectrum(A, z) / pseudospectrum(A, z.conj()) - 1.0) > 1e-3)


def test_order_and_repetition_of_points():
    A, z = grcar(35), points(grcar(35), 300)
    sigma = pseudospectrum(A, z)
    order = np.random.default_rng(0).permutation(300)
    np.testing.assert_allclose(pseudospectrum(A, z[order]), sigma[order], rtol=1e-6, atol=1e-14)
    twice = pseudospectrum(A, np.concatenate([z, z[::-1]]))
    np.testing.assert_array_equal(twice[:300], twice[:299:-1])
    np.testing.assert_allclose(twice[:300], sigma, rtol=1e-6, atol=1e-14)
    np.testing.assert_array_equal(pseudospectrum(A, np.full(5, 0.3)), pseudospectrum(A, 0.3))


@pytest.mark.parametrize("A", [gaussian(12), np.diag([1.0, 2.0]), np.zeros((2, 2)), jordan(3)])
def test_shape_of_the_points(A):
    assert np.ndim(pseudospectrum(A, 1j)) == 0
    assert pseudospectrum(A, []).shape == (0,)
    assert pseudospectrum(A, np.zeros((0, 3))).shape == (0, 3)
    z = gaussian(6, is_complex=True).reshape(2, 3, 6)
    sigma = pseudospectrum(A, z)
    assert sigma.shape == (2, 3, 6)
    assert sigma.dtype == np.float64
    assert sigma[1, 2, 3] == pytest.approx(pseudospectrum(A, z[1, 2, 3]), rel=1e-6)
    np.testing.assert_array_equal(pseudospectrum(A, [[1, 2]]), pseudospectrum(A, np.array([[1.0, 2.0]])))


# Hard points.


@pytest.mark.parametrize(
    "A",
    [
        jordan(2),
        jordan(4),
        jordan(40),
        jordan(3, -2.0 + 1.0j),
        np.triu(gaussian(6)),
        np.triu(gaussian(40)),
        np.triu(gaussian(33, is_complex=True)),
        np.triu(np.ones((3, 3))) - np.diag([1.0, 0.0, 2.0]),
        grcar(16),
        legs(24)[0],
    ],
)
def test_eigenvalues(A):
    values = np.linalg.eigvals(A) if np.any(np.tril(A, -1)) and np.any(np.triu(A, 1)) else np.diag(A)
    for offset in (0.0, 1e-300, 1e-70, 1e-50, 1e-40, 1e-31, 1e-20):
        assert np.all(pseudospectrum(A, values + offset) <= 1e-12 * norm(A))


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("A", [grcar(12), jordan(5, 1.0), np.diag([1, 2]), gaussian(9, is_complex=True)])
def test_scales(A, scale):
    z = 2.0 * gaussian(6, 1, is_complex=True)
    sigma = pseudospectrum(scale * A, scale * z)
    np.testing.assert_allclose(sigma / scale, pseudospectrum(A, z), rtol=1e-6)
    c = 2.0 ** np.round(np.log2(scale))
    np.testing.assert_array_equal(pseudospectrum(c * A, c * z), c * pseudospectrum(A, z))


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-30, 1.0, 1e300])
@pytest.mark.parametrize("A", [jordan(5), gaussian(12, is_complex=True), np.eye(3)])
def test_far_away(A, scale):
    z = np.array([1e5, -1e16, 1e18j, 1e25, 1e100 - 1e100j, 1e290, 1e307])
    far = np.abs(z) > 1e4 * scale * norm(A)
    sigma = pseudospectrum(scale * A, z)
    np.testing.assert_allclose(sigma[far], np.abs(z)[far], rtol=1e-3)
    assert np.all(np.isfinite(sigma))


def test_many_steps():
    # A cluster of almost equal smallest singular values, about which Lanczos iteration is slow.
    A = np.diag(1.0 + 1e-7 * np.arange(90)) + 1e-9 * np.triu(gaussian(90), 1)
    z = 1.0 + 0.5e-7 + np.array([0.0, 1e-8, 1e-6, 1e-4, 1e-2, 0.5])
    np.testing.assert_allclose(
        pseudospectrum(A, z, tol=1e-6), smallest_singular_values(A, z), rtol=1e-5, atol=1e-14
    )


# Arrays.


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision(dtype):
    A = gaussian(15, is_complex=True).astype(dtype) if dtype == np.complex64 else grcar(15).astype(dtype)
    z = points(A.astype(complex), 30)
    sigma = pseudospectrum(A, z)
    assert sigma.dtype == np.float32
    np.testing.assert_array_equal(
        sigma, pseudospectrum(A.astype(complex if dtype == np.complex64 else float), z).astype(np.float32)
    )


def test_layout_does_not_matter_and_input_stays():
    A = grcar(12)
    z = points(A, 24).reshape(4, 6)
    expected = pseudospectrum(A, z)
    strided = np.zeros((24, 36))[::2, ::3]
    strided[...] = A
    copies = A.copy(), z.copy()
    for array in copies:
        array.flags.writeable = False
    for given_, at in (
        (copies[0], copies[1]),
        (np.asfortranarray(A), np.asfortranarray(z)),
        (strided, z[::1]),
    ):
        np.testing.assert_allclose(pseudospectrum(given_, at), expected, rtol=1e-9, atol=1e-15)
        np.testing.assert_array_equal(given_, A)
        np.testing.assert_array_equal(at, z)
    np.testing.assert_array_equal(pseudospectrum(A.astype(int), z), expected)


@pytest.mark.slow
@pytest.mark.parametrize("make", MATRICES.values(), ids=MATRICES)
def test_larger_matrices(make):
    for n in (150, 210):  # beyond 200 the norm comes from an iteration
        A = make(n)
        check(A, points(A, 300))


def test_slow_convergence_far_to_the_right():
    A, z = legs(210)[0], np.array([20275.78 + 543.37j, 25692.47 + 402.44j, 20762.25 + 818.61j])
    np.testing.assert_allclose(pseudospectrum(A, z), smallest_singular_values(A, z), rtol=1e-6)
