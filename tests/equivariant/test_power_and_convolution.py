"""Powers of spherical functions, and products with filters about a direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.equivariant import (
    gaunt_convolution,
    gaunt_power,
    gaunt_tensor_product,
    rotate,
    spherical_harmonics,
)
from spectralkit.testing import assert_namespace_preserved
from tests.equivariant import reference

seed = st.integers(0, 2**32 - 1)


# Powers.


@pytest.mark.parametrize("lmax", [0, 1, 2, 4])
@pytest.mark.parametrize("nu", [1, 2, 3, 4, 5, 6, 7, 8])
def test_powers_are_repeated_products(nu, lmax):
    x = reference.coefficients(lmax, 6)
    expected = x
    for _ in range(nu - 1):
        expected = gaunt_tensor_product(x, expected, method="grid")
    found = gaunt_power(x, nu)
    assert found.shape == (6, (nu * lmax + 1) ** 2)
    assert reference.relative(found, expected) < 1e-13


@pytest.mark.parametrize(
    ("lmax", "nu", "lmax_out"), [(5, 3, 4), (8, 2, 8), (3, 6, 0), (16, 2, 32), (6, 5, 30)]
)
def test_powers_of_values(lmax, nu, lmax_out):
    x = reference.coefficients(lmax, 4)
    found = gaunt_power(x, nu, lmax_out=lmax_out)
    expected = reference.product(*[x] * nu, lmax_out=lmax_out)
    scale = np.max(np.abs(reference.product(*[x] * nu)), axis=1, keepdims=True)
    assert np.max(np.abs(found - expected) / scale) < 1e-13


@pytest.mark.parametrize("lmax_out", [0, 2, 5])
def test_the_first_power_is_the_function(lmax_out):
    x = reference.coefficients(5, 7)
    found = gaunt_power(x, 1, lmax_out=lmax_out)
    np.testing.assert_allclose(found, x[:, : (lmax_out + 1) ** 2], rtol=0, atol=1e-13)


@given(st.integers(0, 3), st.integers(1, 5), st.data(), seed)
def test_truncated_powers_are_prefixes(lmax, nu, data, seed):
    lmax_out = data.draw(st.integers(0, nu * lmax))
    x = reference.coefficients(lmax, 3, seed=seed)
    whole = gaunt_power(x, nu)
    found = gaunt_power(x, nu, lmax_out=lmax_out)
    np.testing.assert_allclose(found, whole[:, : found.shape[1]], atol=1e-13 * np.max(np.abs(whole)))


@given(st.integers(0, 4), st.integers(1, 6), seed)
def test_powers_are_equivariant(lmax, nu, seed):
    x, R = reference.coefficients(lmax, 4, seed=seed), reference.orthogonal(4, seed=seed)
    assert reference.relative(gaunt_power(rotate(x, R), nu), rotate(gaunt_power(x, nu), R)) < 1e-13


@pytest.mark.parametrize("shape", [(), (0,), (1,), (129,), (300,), (2, 3), (2, 0, 3)])
def test_shapes_of_powers(shape):
    x = reference.coefficients(3, *shape)
    found = gaunt_power(x, 3, lmax_out=4)
    assert found.shape == (*shape, 25)
    for index in np.ndindex(shape):
        np.testing.assert_allclose(found[index], gaunt_power(x[index], 3, lmax_out=4), atol=1e-13)


@pytest.mark.parametrize(
    ("nu", "scale"), [(2, 1e150), (2, 1e-150), (3, 1e-100), (3, 1e100), (6, 1e50), (1, 1e307)]
)
def test_scales_of_powers(nu, scale):
    x = reference.coefficients(3, 5)
    found = gaunt_power(scale * x, nu) / scale**nu
    assert reference.relative(found, gaunt_power(x, nu)) < 1e-13


def test_nan_stays_in_its_row_of_powers():
    x = reference.coefficients(3, 140)
    expected = gaunt_power(x, 3)
    x[131, 4] = np.nan
    found = gaunt_power(x, 3)
    assert np.isnan(found[131]).any()
    assert np.array_equal(np.delete(found, 131, 0), np.delete(expected, 131, 0))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_dtypes_of_powers(library, dtype):
    xp = pytest.importorskip(library)
    x = (np.arange(18) % 3).reshape(2, 9).astype(dtype)
    found = np.asarray(gaunt_power(xp.asarray(x), 3, lmax_out=4))
    assert found.dtype == (dtype if dtype.startswith("float") else "float64")
    expected = reference.product(*[x] * 3, lmax_out=4)
    assert reference.relative(found, expected) < 10 * np.finfo(found.dtype).eps


@pytest.mark.parametrize("nu", [1, 2, 5])
def test_strict_powers(nu):
    xp = pytest.importorskip("array_api_strict")
    x = reference.coefficients(4, 2, 3)
    found = assert_namespace_preserved(lambda x: gaunt_power(x, nu, lmax_out=4), x)
    assert reference.relative(np.from_dlpack(found), gaunt_power(x, nu, lmax_out=4)) < 1e-13
    device = xp.Device("device1")
    assert gaunt_power(xp.asarray(x, device=device), nu).device == device


def test_layouts_of_powers():
    x = reference.coefficients(3, 70)
    expected = gaunt_power(x, 2)
    frozen = x.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(gaunt_power(other, 2), expected, atol=1e-13)
        assert np.array_equal(other, x)


# Filters about a direction.


def convolved(x, directions, radial, lmax_out=None):
    """The same by the product with any function."""
    radial = np.asarray(radial, dtype=float)
    lmax_filter = radial.shape[-1] - 1
    factors = np.repeat(radial, 2 * np.arange(lmax_filter + 1) + 1, axis=-1)
    filters = factors * spherical_harmonics(lmax_filter, directions)
    return gaunt_tensor_product(np.asarray(x, dtype=float), filters, lmax_out=lmax_out, method="grid")


SPECIAL = np.array(
    [[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [1e-9, 0, 1], [0, -1e-9, -1],
     [1, 1, 0], [1e-200, 1e-200, -1], [3e200, 4e200, 0]]
)  # fmt: skip


@pytest.mark.parametrize("directions", [reference.directions(11), SPECIAL], ids=["random", "special"])
@pytest.mark.parametrize(
    ("lmax", "lmax_filter", "lmax_out"),
    [
        (0, 0, None),
        (0, 4, None),
        (4, 0, None),
        (3, 3, None),
        (5, 2, 3),
        (2, 5, 6),
        (4, 4, 0),
        (1, 6, 2),
        (16, 16, 16),
    ],
)
def test_products_with_filters(lmax, lmax_filter, lmax_out, directions):
    x = reference.coefficients(lmax, 11)
    radial = np.random.default_rng(1).standard_normal((11, lmax_filter + 1))
    found = gaunt_convolution(x, directions, radial, lmax_out=lmax_out)
    whole = convolved(x, directions, radial)
    assert found.shape == (11, whole.shape[1] if lmax_out is None else (lmax_out + 1) ** 2)
    error = np.abs(found - whole[:, : found.shape[1]]) / np.max(np.abs(whole), axis=1, keepdims=True)
    assert np.max(error) < 1e-13


@given(st.integers(0, 5), st.integers(0, 5), seed)
def test_convolutions_are_equivariant(lmax, lmax_filter, seed):
    x, R = reference.coefficients(lmax, 4, seed=seed), reference.orthogonal(4, seed=seed)
    r = reference.directions(4, seed=seed)
    radial = np.random.default_rng(seed).standard_normal(lmax_filter + 1)
    found = gaunt_convolution(rotate(x, R), np.einsum("nij,nj->ni", R, r), radial)
    assert reference.relative(found, rotate(gaunt_convolution(x, r, radial), R)) < 1e-13


def test_convolutions_are_bilinear():
    x, z = reference.coefficients(4, 2, 6)
    r = reference.directions(6)
    a, b = np.random.default_rng(0).standard_normal((2, 6, 4))
    parts = gaunt_convolution(x, r, a), gaunt_convolution(z, r, a), gaunt_convolution(x, r, b)
    np.testing.assert_allclose(gaunt_convolution(2 * x - z, r, a), 2 * parts[0] - parts[1], atol=1e-13)
    np.testing.assert_allclose(gaunt_convolution(x, r, a - 3 * b), parts[0] - 3 * parts[2], atol=1e-13)


@pytest.mark.parametrize(
    "shapes",
    [((), (), ()), ((4,), (), ()), ((), (4,), ()), ((), (), (4,)), ((3, 1), (4,), ()),
     ((2, 1, 1), (3, 1), (4,)), ((0,), (), ()), ((0,), (0,), (1,)), ((), (2, 0), ())],
)  # fmt: skip
def test_leading_axes_of_convolutions(shapes):
    rng = np.random.default_rng(0)
    x, r, radial = (rng.standard_normal((*shape, n)) for shape, n in zip(shapes, (16, 3, 3), strict=True))
    found = gaunt_convolution(x, r, radial, lmax_out=4)
    assert found.shape == (*np.broadcast_shapes(*shapes), 25)
    np.testing.assert_allclose(found, convolved(x, r, radial, 4), atol=1e-13)


@pytest.mark.parametrize("scale", [1e-150, 1e150, 1e-300])
def test_scales_of_convolutions(scale):
    x, r, radial = reference.coefficients(3, 5), reference.directions(5), [1.0, -0.5, 0.2]
    expected = gaunt_convolution(x, r, radial)
    for arguments in ((scale * x, r, radial), (x, r, scale * np.array(radial))):
        assert reference.relative(gaunt_convolution(*arguments) / scale, expected) < 1e-13
    np.testing.assert_allclose(gaunt_convolution(x, scale * r, radial), expected, atol=1e-13)


def test_nan_stays_in_its_row_of_convolutions():
    x, r, radial = reference.coefficients(3, 6), reference.directions(6), np.ones((6, 3))
    expected = gaunt_convolution(x, r, radial)
    x[4, 2] = radial[1, 0] = np.nan
    found = gaunt_convolution(x, r, radial)
    assert np.isnan(found[[1, 4]]).any(axis=1).all()
    assert np.array_equal(np.delete(found, [1, 4], 0), np.delete(expected, [1, 4], 0))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_dtypes_of_convolutions(library, dtype):
    xp = pytest.importorskip(library)
    x, r, radial = (
        (np.arange(18) % 5).reshape(2, 9).astype(dtype),
        reference.directions(2),
        np.array([1.0, 0.3]),
    )
    found = np.asarray(gaunt_convolution(*map(xp.asarray, (x, r, radial))))
    assert found.dtype == (dtype if dtype.startswith("float") else "float64")
    assert reference.relative(found, convolved(x, r, radial)) < 10 * np.finfo(found.dtype).eps


def test_single_precision_convolutions():
    x, r = reference.coefficients(8, 30, dtype=np.float32), reference.directions(30).astype(np.float32)
    radial = np.linspace(1, 0.1, 6, dtype=np.float32)
    found = gaunt_convolution(x, r, radial)
    assert found.dtype == np.float32
    assert reference.relative(found, convolved(x, r.astype(float), radial)) < 1e-7


@pytest.mark.parametrize("directions", [reference.directions(11), SPECIAL], ids=["random", "special"])
def test_strict_convolutions(directions):
    xp = pytest.importorskip("array_api_strict")
    arrays = reference.coefficients(3, 11), directions, np.random.default_rng(0).random((11, 3))
    found = assert_namespace_preserved(gaunt_convolution, *arrays)
    assert reference.relative(np.from_dlpack(found), gaunt_convolution(*arrays)) < 1e-13
    device = xp.Device("device1")
    on_device = [xp.asarray(array, device=device) for array in arrays]
    assert gaunt_convolution(*on_device).device == device
    with pytest.raises(TypeError, match="x and radial must be arrays of one library on one device"):
        gaunt_convolution(*on_device[:2], xp.asarray(arrays[2]))
