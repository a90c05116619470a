"""Exact constructors against SciPy's transforms and dense matrices."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

from spectralkit.structured import Butterfly
from tests.structured.reference import relative, signals

SIZES = [2**k for k in range(13)]
rng = np.random.default_rng(0)


def hartley(X):
    F = scipy.fft.fft(X)
    return F.real - F.imag


TRANSFORMS = {
    "dft": scipy.fft.fft,
    "idft": scipy.fft.ifft,
    "dct": lambda X: scipy.fft.dct(X, type=2),
    "dst": lambda X: scipy.fft.dst(X, type=2),
    "hartley": hartley,
}


def angles(n, numerator):
    """Angles in extended precision, reduced by whole turns first: numerators are in units of π/(2n)."""
    pi = np.longdouble("3.14159265358979323846264338327950288")
    return pi / (2 * n) * (numerator % (4 * n)).astype(np.longdouble)


def matrix(kind, n):
    """The definition, in extended precision."""
    k, j = np.arange(n)[:, None], np.arange(n)
    turn = angles(n, 4 * j * k)
    if kind in ("dft", "idft"):
        W = np.cos(turn) + (1j if kind == "idft" else -1j) * np.sin(turn)
        W = W / n if kind == "idft" else W
    elif kind == "hartley":
        W = np.cos(turn) + np.sin(turn)
    elif kind == "dct":
        W = 2 * np.cos(angles(n, (2 * j + 1) * k))
    else:
        W = 2 * np.sin(angles(n, (2 * j + 1) * (k + 1)))
    return W.astype(complex if kind in ("dft", "idft") else float)


@pytest.mark.parametrize("kind", TRANSFORMS)
@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 512, pytest.param(1024, marks=pytest.mark.slow)])
def test_matrices(kind, n):
    assert relative(getattr(Butterfly, kind)(n).to_dense(), matrix(kind, n)) < 1e-15 * max(np.log2(n), 1)


@pytest.mark.parametrize("kind", TRANSFORMS)
@pytest.mark.parametrize("n", SIZES)
def test_against_scipy(kind, n):
    B = getattr(Butterfly, kind)(n)
    X = rng.standard_normal((20, n))
    expected = TRANSFORMS[kind](X)
    assert relative(B.matmul(X), expected) <= 1e-14
    assert relative(B @ X[0], expected[0]) <= 1e-14
    Z = signals(rng, (20, n), complex)
    both = TRANSFORMS[kind](Z.real) + 1j * TRANSFORMS[kind](Z.imag)
    assert relative(B.matmul(Z), both) <= 1e-14


@pytest.mark.parametrize("kind", ["dft", "idft", "dct", "dst", "hartley"])
def test_single_precision(kind):
    X = rng.standard_normal((20, 1024)).astype(np.float32)
    found = getattr(Butterfly, kind)(1024).matmul(X)
    assert found.dtype == (np.complex64 if "ft" in kind else np.float32)
    assert relative(found, TRANSFORMS[kind](X.astype(float))) < 40 * np.finfo(np.float32).eps


@pytest.mark.parametrize("n", SIZES[:11])
def test_hadamard(n):
    np.testing.assert_array_equal(Butterfly.hadamard(n).to_dense(), scipy.linalg.hadamard(n))


def test_large_hadamard():
    B, x = Butterfly.hadamard(4096), rng.standard_normal(4096)
    assert relative(B @ (B @ x), 4096 * x) <= 1e-14
    assert (B @ x)[0] == pytest.approx(x.sum())


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", SIZES[:11])
def test_circulant(n, dtype):
    c, X = signals(rng, n, dtype), rng.standard_normal((n, 3))
    B, W = Butterfly.circulant(c), scipy.linalg.circulant(c)
    assert B.dtype == dtype
    assert relative(B.to_dense(), W) <= 1e-14
    assert relative(B @ X, W @ X) <= 1e-14
    assert relative(B.H @ X, W.conj().T @ X) <= 1e-14


@pytest.mark.parametrize("dtype", [float, complex])
def test_long_convolution(dtype):
    c, x = signals(rng, 4096, dtype), rng.standard_normal(4096)
    expected = np.fft.ifft(np.fft.fft(c) * np.fft.fft(x))
    assert relative(Butterfly.circulant(c) @ x, expected if dtype is complex else expected.real) <= 1e-14


def test_circulants_commute_and_take_lists():
    a, b = Butterfly.circulant([1, 2, 0, 0]), Butterfly.circulant(np.array([0, 0, 3, 1]))
    np.testing.assert_allclose((a @ b).to_dense(), (b @ a).to_dense(), atol=1e-14)
    np.testing.assert_allclose((a @ b) @ np.eye(4)[0], [2, 0, 3, 7], atol=1e-14)


@pytest.mark.parametrize("n", SIZES[1:])
def test_roots_of_unity(n):
    last = Butterfly.dft(n).twiddle[-1]
    turn = angles(n, 4 * np.arange(n // 2))
    assert np.max(np.abs(last[:, 0, 1] - (np.cos(turn) - 1j * np.sin(turn)))) < 2e-16
    np.testing.assert_array_equal(last[:, 1, 1], -last[:, 0, 1])


@pytest.mark.parametrize("n", [1, 2, 4])
def test_quarter_turns_have_no_rounding_error(n):
    assert set(np.unique(Butterfly.dft(n).to_dense()).tolist()) <= {1, -1, 1j, -1j}
