"""Fourier functions of a longer period: exact derivatives, and fits of analytic functions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spectralkit.gaussian_process import fourier_extension

x = np.linspace(0.0, 1.0, 400)

ANALYTIC = {
    "exponential": np.exp,
    "bump": lambda x: np.exp(-200 * (x - 0.37) ** 2),
    "chirp": lambda x: np.sin(40 * x + 60 * x**2),
    "two scales": lambda x: np.exp(2 * x) + 0.05 * np.cos(90 * x),
    "pole": lambda x: np.sin(50 * x) / (1 + 25 * (x - 0.5) ** 2),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_analytic_functions(name):
    """K = 0.15 N T, T = 1.5; between the points errors grow towards the ends."""
    f, between = ANALYTIC[name], 0.5 * (x[1:] + x[:-1])
    Phi = fourier_extension(x, 90, 1.5)
    coef = np.linalg.lstsq(Phi, f(x), rcond=1e-13)[0]
    size = np.abs(f(x)).max()
    assert np.abs(Phi @ coef - f(x)).max() <= 1e-12 * size
    error = np.abs(fourier_extension(between, 90, 1.5) @ coef - f(between))
    assert error.max() <= 1e-10 * size
    assert error[20:-20].max() <= 1e-12 * size


def test_convergence_is_geometric():
    f = ANALYTIC["pole"]
    errors = []
    for K in (15, 25, 35, 45):
        Phi = fourier_extension(x, K, 2.0)
        errors.append(np.linalg.norm(Phi @ np.linalg.lstsq(Phi, f(x), rcond=1e-13)[0] - f(x)))
    assert (np.diff(np.log(errors)) < -1.5).all()


@pytest.mark.parametrize("order", range(10))
def test_columns(order):
    t, K, T = np.array([-2.0, 0.0, 0.3, 5.0]), 4, 1.7
    Phi = fourier_extension(t, K, T, order=order)
    assert Phi.shape == (4, 9)
    # Derivatives of exp(i w t).
    k = np.arange(K + 1)
    w = 2 * np.pi * k / T
    E = (1j * w) ** order * np.exp(1j * np.outer(t, w))
    size = w[-1] ** order
    assert_allclose(Phi[:, : K + 1], E.real, atol=1e-13 * size)
    assert_allclose(Phi[:, K + 1 :], E.imag[:, 1:], atol=1e-13 * size)


def test_few_columns_and_points():
    assert_array_equal(fourier_extension(x, 0, 2.0), np.ones((400, 1)))
    assert_array_equal(fourier_extension(x, 0, 2.0, order=3), np.zeros((400, 1)))
    assert fourier_extension(np.zeros(0), 3, 2.0).shape == (0, 7)
    assert_allclose(fourier_extension(x + 2.0, 5, 2.0), fourier_extension(x, 5, 2.0), atol=1e-13)


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("order", range(5))
def test_other_libraries(library, order):
    xp = pytest.importorskip(library)
    found = fourier_extension(xp.asarray(x), 6, 2.0, order=order)
    assert type(found) is type(xp.asarray(x))
    assert found.dtype == xp.float64
    expected = fourier_extension(x, 6, 2.0, order=order)
    assert_allclose(np.from_dlpack(found), expected, atol=1e-13 * np.abs(expected).max())


def test_dtypes_and_layouts():
    single = x.astype(np.float32)
    found = fourier_extension(single, 50, 2.0)
    assert found.dtype == np.float32
    assert_array_equal(found, fourier_extension(single.astype(np.float64), 50, 2.0).astype(np.float32))
    assert fourier_extension([0, 1], 1, 2.0).dtype == np.float64
    other = x[::-1][::-1]
    other = np.stack([other, other], axis=1)[:, 1]
    other.flags.writeable = False
    assert_array_equal(fourier_extension(other, 7, 2.0), fourier_extension(x, 7, 2.0))


def test_overflow():
    with pytest.raises(ValueError, match=r"x must be smaller; got 1e\+308"):
        fourier_extension(np.array([0.0, -1e308]), 300, 0.1)
    assert_array_equal(fourier_extension([1e308], 0, 1e-320), [[1.0]])
    for dtype, order in ((np.float16, 3), (np.float32, 30)):
        with pytest.raises(ValueError, match=f"order must be .* finite in {dtype.__name__}; got {order}"):
            fourier_extension(np.array([0.3], dtype=dtype), 50, 1.0, order=order)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (dict(x=1.0), ValueError, r"x must be of shape \(n,\)"),
        (dict(x=np.ones((2, 2))), ValueError, r"x must be of shape \(n,\)"),
        (dict(x=[0.0, np.nan]), ValueError, "x must be finite"),
        (dict(x=[1j]), TypeError, "x must be real"),
        (dict(n_modes=-1), ValueError, "n_modes must be"),
        (dict(n_modes=1.0), TypeError, "n_modes must be"),
        (dict(period=0.0), ValueError, "period must be"),
        (dict(order=-1), ValueError, "order must be"),
        (dict(order=400), ValueError, "overflows"),
    ],
)
def test_errors(change, error, match):
    arguments = dict(x=x, n_modes=20, period=2.0) | change
    first = [arguments.pop(name) for name in ("x", "n_modes", "period")]
    with pytest.raises(error, match=match):
        fourier_extension(*first, **arguments)
