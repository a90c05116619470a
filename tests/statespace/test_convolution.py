"""Causal convolution against NumPy's and exact sums, and its adjoint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralkit.statespace import causal_convolution, causal_convolution_adjoint
from spectralkit.testing import check_ratio

LIBRARIES = ["array_api_strict", "torch"]
LENGTHS = st.sampled_from([1, 2, 31, 32, 33, 34, 100, 257])


def reference(u, k):
    length = u.shape[-1]
    lead = np.broadcast_shapes(u.shape[:-1], k.shape[:-1])
    u, k = (np.broadcast_to(x, lead + x.shape[-1:]).reshape(-1, x.shape[-1]) for x in (u, k))
    rows = [np.convolve(np.longdouble(a), np.longdouble(b))[:length] for a, b in zip(u, k, strict=True)]
    return np.array(rows).reshape(*lead, length)


@given(st.integers(0, 10**6), LENGTHS, LENGTHS)
def test_against_the_definition(seed, length, kernel_length):
    rng = np.random.default_rng(seed)
    u, k = rng.standard_normal((3, 1, length)), rng.standard_normal((2, kernel_length))
    y = causal_convolution(u, k)
    assert y.shape == (3, 2, length)
    norm = np.linalg.norm(u, axis=-1).max() * np.linalg.norm(k, axis=-1).max()
    check_ratio(np.abs(y - reference(u, k)).max(), norm, 1, float, threshold=8)


def test_long_signals():
    rng = np.random.default_rng(0)
    u, k = rng.standard_normal((2, 20000))
    y = causal_convolution(u, k)
    exact = np.array([np.dot(np.longdouble(k[t::-1]), u[: t + 1]) for t in (0, 77, 9999, 19999)])
    norm = np.linalg.norm(u) * np.linalg.norm(k)
    check_ratio(np.abs(y[[0, 77, 9999, 19999]] - exact).max(), norm, 1, float, threshold=4)


@pytest.mark.parametrize("kernel_length", [20, 200])
def test_single_precision_is_computed_in_double(kernel_length):
    rng = np.random.default_rng(0)
    u, k = (rng.standard_normal(size).astype(np.float32) for size in (1000, kernel_length))
    y = causal_convolution(u, k)
    assert y.dtype == np.float32
    assert np.array_equal(y, causal_convolution(u.astype(float), k.astype(float)).astype(np.float32))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("kernel_length", [20, 200])
def test_any_scale(scale, kernel_length):
    rng = np.random.default_rng(0)
    u, k = rng.standard_normal(300), rng.standard_normal(kernel_length)
    scale = 2.0 ** np.round(np.log2(scale))
    np.testing.assert_array_equal(causal_convolution(u * scale, k / scale), causal_convolution(u, k))


@pytest.mark.parametrize("kernel_length", [5, 100])
def test_what_comes_later_changes_nothing(kernel_length):
    rng = np.random.default_rng(0)
    u, k = rng.standard_normal(300), rng.standard_normal(kernel_length)
    later = u.copy()
    later[200:] += rng.standard_normal(100)
    difference = (causal_convolution(later, k) - causal_convolution(u, k))[:200]
    bound = 0.0 if kernel_length == 5 else 1e-14 * np.linalg.norm(later) * np.linalg.norm(k)
    assert np.abs(difference).max() <= bound


def test_kernels_longer_than_the_signal_are_cut():
    rng = np.random.default_rng(0)
    u, k = rng.standard_normal(50), rng.standard_normal(80)
    assert np.array_equal(causal_convolution(u, k), causal_convolution(u, k[:50]))
    _, grad_k = causal_convolution_adjoint(u, k, u)
    assert np.all(grad_k[50:] == 0.0)
    assert np.all(grad_k[:50] != 0.0)


def test_an_impulse_gives_the_kernel():
    k = np.random.default_rng(0).standard_normal(20)
    assert np.array_equal(causal_convolution(np.eye(30)[4], k), np.r_[np.zeros(4), k, np.zeros(6)])


@given(st.integers(0, 10**6), LENGTHS, LENGTHS)
def test_adjoint(seed, length, kernel_length):
    rng = np.random.default_rng(seed)
    u, k = rng.standard_normal((2, 1, length)), rng.standard_normal((3, kernel_length))
    y = rng.standard_normal((2, 3, length))
    grad_u, grad_k = causal_convolution_adjoint(y, k, u)
    assert grad_u.shape == u.shape
    assert grad_k.shape == k.shape
    value = np.sum(y * causal_convolution(u, k))
    norm = np.linalg.norm(y) * np.linalg.norm(u) * np.linalg.norm(k)
    assert abs(np.sum(grad_u * u) - value) <= 1e-13 * norm
    assert abs(np.sum(grad_k * k) - value) <= 1e-13 * norm


def test_adjoint_of_what_only_the_cotangent_has():
    y, k, u = np.random.default_rng(0).standard_normal((4, 6)), np.ones(2), np.arange(6.0)
    grad_u, grad_k = causal_convolution_adjoint(y, k, u)
    total = causal_convolution_adjoint(y.sum(axis=0), k, u)
    np.testing.assert_allclose(grad_u, total[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(grad_k, total[1], rtol=1e-12)


@pytest.mark.parametrize("library", [None, "array_api_strict"])
def test_no_steps_and_no_channels(library):
    xp = np if library is None else pytest.importorskip(library)
    k, y, none = xp.ones((2, 3)), xp.zeros((2, 0)), xp.zeros((0, 50))
    assert causal_convolution(y, k).shape == (2, 0)
    grad_u, grad_k = causal_convolution_adjoint(y, k, y)
    assert grad_u.shape == (2, 0)
    assert bool(xp.all(grad_k == 0.0))
    assert grad_k.shape == (2, 3)
    assert causal_convolution(none, xp.ones(40)).shape == (0, 50)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
def test_dtypes_and_layouts(dtype):
    u, k = np.array([[1, 0], [0, 1], [1, 1], [0, 0]]).astype(dtype), np.array([1, 9, 1]).astype(dtype)
    u.setflags(write=False)
    kept = dtype if np.dtype(dtype).kind == "f" else np.float64
    y = causal_convolution(u.T, k[::-2])
    assert y.dtype == kept
    np.testing.assert_array_equal(y, [[1, 1, 1, 1], [0, 1, 2, 1]])
    assert all(grad.dtype == kept for grad in causal_convolution_adjoint(y, k, u.T))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kernel_length", [4, 40, 90])
def test_other_libraries(library, kernel_length):
    xp = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    u, k = rng.standard_normal((2, 70)), rng.standard_normal((3, 1, kernel_length))
    y = causal_convolution(u, k)
    found = causal_convolution(xp.asarray(u), xp.asarray(k))
    grads = causal_convolution_adjoint(xp.asarray(y), xp.asarray(k), xp.asarray(u))
    expected = (y, *causal_convolution_adjoint(y, k, u))
    for a, b in zip((found, *grads), expected, strict=True):
        assert type(a) is type(xp.asarray(u))
        np.testing.assert_allclose(np.from_dlpack(a), b, atol=1e-12)
    with pytest.raises(TypeError, match="must be arrays of one library"):
        causal_convolution(xp.asarray(u), k)


def test_the_device_is_kept():
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    u, k = xp.ones(50, device=device), xp.ones(40, device=device)
    assert causal_convolution(u, k).device == device
    assert all(grad.device == device for grad in causal_convolution_adjoint(u, k, u))


@pytest.mark.parametrize(
    ("u", "k", "kind", "message"),
    [
        ([1j], [1.0], TypeError, "u must be real"),
        ([1.0], [1j], TypeError, "k must be real"),
        ([1.0], np.empty(0), ValueError, "k must be of at least one time step"),
        (1.0, [1.0], ValueError, "u must be an array with at least one axis"),
        (np.ones((2, 3)), np.ones((4, 3)), ValueError, "u and k must be of leading axes"),
        ([np.nan], [1.0], ValueError, "u must be finite"),
        ([1.0], [np.inf], ValueError, "k must be finite"),
        ([None], [1.0], TypeError, "u must be of a real or complex"),
    ],
)
def test_bad_input(u, k, kind, message):
    with pytest.raises(kind, match=message):
        causal_convolution(u, k)


def test_bad_cotangents():
    with pytest.raises(ValueError, match=r"y must be of shape \(..., 3\)"):
        causal_convolution_adjoint([1.0], [1.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("u", "k"),
    [
        (np.full(65536, 1e150), np.full(65536, 1e150)),
        (np.full(100, 1e307), np.full(100, 1e-10)),
        (np.full(100, 1e-200), np.full(100, 1e200)),
        (np.full(100, 5e-324), np.full(100, 1e300)),
        (np.full(100, 1e300), np.full(100, 1e-310)),
    ],
)
def test_what_can_be_represented_is(library, u, k):
    xp = pytest.importorskip(library)
    found = np.asarray(causal_convolution(xp.asarray(u), xp.asarray(k)))
    np.testing.assert_allclose(found, u[0] * k[0] * np.arange(1, len(u) + 1), rtol=1e-10)


def test_rows_have_scales_of_their_own():
    u, k = np.random.default_rng(0).standard_normal((2, 1, 100))
    sizes = 2.0 ** np.array([[-1000.0], [0.0], [1000.0]])
    y = causal_convolution(u * sizes, k)
    np.testing.assert_array_equal(y, causal_convolution(u, k) * sizes)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("kernel_length", [3, 50])
def test_gradients_are_arrays_of_their_own(library, kernel_length):
    xp = pytest.importorskip(library)
    y, u = xp.ones((2, 50), dtype=xp.float64), xp.ones(50, dtype=xp.float64)
    for grad in causal_convolution_adjoint(y[0], u[:kernel_length], u):
        grad[...] = 0.0
        assert not isinstance(grad, np.ndarray) or min(grad.strides) > 0
    assert bool(xp.all(u == 1.0) & xp.all(y == 1.0))
