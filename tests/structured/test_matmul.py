"""Products with bare blocks, and their derivatives."""

import numpy as np
import pytest

from spectralkit.structured import Butterfly, butterfly_gradient, butterfly_matmul
from spectralkit.testing import assert_namespace_preserved
from tests.structured import reference
from tests.structured.reference import relative, signals, twiddles
from tests.structured.test_operator import DTYPES, LIBRARIES, host

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("twiddle_dtype", DTYPES)
def test_products_and_adjoints(twiddle_dtype, dtype):
    result = np.result_type(twiddle_dtype, dtype)
    for n in (1, 2, 8, 64):
        T, X = twiddles(rng, n, twiddle_dtype), signals(rng, (2, 9, n), dtype)
        W = reference.dense(T)
        for adjoint, matrix in ((False, W), (True, W.conj().T)):
            Y = butterfly_matmul(T, X, adjoint=adjoint)
            assert (Y.dtype, Y.shape) == (result, X.shape)
            assert relative(Y, X @ matrix.T) < 30 * np.finfo(result).eps
            single = butterfly_matmul(T, X[1, 2], adjoint=adjoint)
            assert relative(single, Y[1, 2]) < 4 * np.finfo(result).eps


@pytest.mark.parametrize("shape", [(8,), (0, 8), (3, 0, 8), (2, 3, 4, 8)])
def test_leading_axes(shape):
    T, X = twiddles(rng, 8), rng.standard_normal(shape)
    assert butterfly_matmul(T, X).shape == shape
    assert relative(butterfly_matmul(T, X), X @ reference.dense(T).T) < 1e-14


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
def test_out(dtype):
    T = twiddles(rng, 8, np.float32 if dtype == "float16" else dtype)
    X = signals(rng, (20, 8), dtype)
    out = np.full((20, 8), 9, dtype=dtype)
    expected = butterfly_matmul(T, X)
    assert butterfly_matmul(T, X, out=out) is out
    np.testing.assert_array_equal(out, expected)
    # In place as well.
    butterfly_matmul(T, X, out=X)
    np.testing.assert_array_equal(X, expected)


@pytest.mark.parametrize(
    ("out", "error", "match"),
    [
        (
            np.zeros((3, 8), int),
            ValueError,
            r"out must be of shape \(3, 8\) and dtype float64; got .* int64",
        ),
        (np.zeros((3, 8), np.float32), ValueError, "and dtype float32"),
        (np.zeros((3, 8), complex), ValueError, "and dtype complex128"),
        (np.zeros((8, 3)), ValueError, r"got shape \(8, 3\)"),
        (np.zeros(8), ValueError, r"got shape \(8,\)"),
        ([0.0] * 8, TypeError, "out must be an array; got type list"),
    ],
)
def test_wrong_out(out, error, match):
    with pytest.raises(error, match=match):
        butterfly_matmul(twiddles(rng, 8), np.ones((3, 8)), out=out)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_other_libraries(library, adjoint):
    there = LIBRARIES[library]
    for twiddle_dtype in DTYPES:
        for dtype in DTYPES:
            T, X = twiddles(rng, 16, twiddle_dtype), signals(rng, (2, 3, 16), dtype)
            found = butterfly_matmul(there(T), there(X), adjoint=adjoint)
            expected = butterfly_matmul(T, X, adjoint=adjoint)
            assert found.device == there(X).device
            assert host(found).dtype == expected.dtype
            assert relative(host(found), expected) < 8 * np.finfo(expected.dtype).eps
            out = there(np.zeros_like(expected))
            assert butterfly_matmul(there(T), there(X), adjoint=adjoint, out=out) is out
            assert relative(host(out), host(found)) == 0


def test_libraries_do_not_mix():
    T, X = twiddles(rng, 8), rng.standard_normal((3, 8))
    assert_namespace_preserved(butterfly_matmul, T, X)
    for other in LIBRARIES.values():
        with pytest.raises(TypeError, match="one library on one device"):
            butterfly_matmul(other(T), X)
        with pytest.raises(TypeError, match="one library on one device"):
            butterfly_matmul(T, X, out=other(X))
        with pytest.raises(TypeError, match="one library on one device"):
            Butterfly(other(T)) @ Butterfly(T)
    with pytest.raises(TypeError, match="one library on one device"):
        butterfly_matmul(LIBRARIES["strict"](T), LIBRARIES["another device"](X))


def test_half_precision_and_integers():
    T, X = twiddles(rng, 8), rng.standard_normal((3, 8)).astype(np.float16)
    single = butterfly_matmul(T.astype(np.float32), X)
    assert single.dtype == np.float16
    assert relative(single, X.astype(float) @ reference.dense(T).T) < 2e-3
    assert butterfly_matmul(T, X).dtype == np.float64
    assert butterfly_matmul(T, np.arange(8)).dtype == np.float64
    assert relative(butterfly_matmul(T, np.arange(8)), reference.dense(T) @ np.arange(8)) < 1e-14
    assert butterfly_matmul(T, [True] * 8).dtype == np.float64


# Derivatives.


def loss(T, X, C):
    return float(np.vdot(C, reference.product(T, X)).real)


def differences(function, at):
    """Central differences in the real and imaginary parts, exact where each entry enters linearly."""
    gradient = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        for unit in (1, 1j) if at.dtype.kind == "c" else (1,):
            step = np.zeros_like(at)
            step[index] = unit
            gradient[index] += unit * (function(at + step) - function(at - step)) / 2
    return gradient


@pytest.mark.parametrize("c_dtype", [float, complex])
@pytest.mark.parametrize("x_dtype", [float, complex])
@pytest.mark.parametrize("t_dtype", [float, complex])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
def test_gradient_against_differences(n, t_dtype, x_dtype, c_dtype):
    T, X, C = twiddles(rng, n, t_dtype), signals(rng, (3, n), x_dtype), signals(rng, (3, n), c_dtype)
    found = butterfly_gradient(T, X, C)
    expected = differences(lambda T: loss(T, X, C), T), differences(lambda X: loss(T, X, C), X)
    for g, e, like in zip(found, expected, (T, X), strict=True):
        assert (g.shape, g.dtype) == (like.shape, like.dtype)
        assert relative(g, e) < 1e-13 if g.size else True


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradient_against_torch(dtype):
    torch = pytest.importorskip("torch")
    n = 64
    arrays = twiddles(rng, n, dtype), signals(rng, (2, 5, n), dtype), signals(rng, (2, 5, n), dtype)
    T, X, C = (torch.asarray(array.copy()).requires_grad_() for array in arrays)
    Z = X.reshape(10, n)
    for k in range(6):
        s = 1 << k
        pairs = Z.reshape(10, n // (2 * s), 2, s)
        Z = torch.einsum("bjrc,mbcj->mbrj", T[k].reshape(n // (2 * s), s, 2, 2), pairs).reshape(10, n)
    torch.sum(torch.conj(C.detach()).reshape(10, n) * Z).real.backward()
    for found, expected in zip(butterfly_gradient(*arrays), (T.grad, X.grad), strict=True):
        assert relative(found, expected.numpy()) < 1e-14


def test_gradient_in_single_precision():
    # Sums over signals are taken in double precision.
    T, X = np.ones((1, 1, 2, 2), np.float32), np.full((300_000, 2), 0.1, np.float32)
    grad, grad_X = butterfly_gradient(T, X, np.ones_like(X))
    assert grad.dtype == grad_X.dtype == np.float32
    np.testing.assert_allclose(grad, 30_000, rtol=1e-7)


def test_gradient_of_no_signals():
    T = twiddles(rng, 8)
    grad, grad_X = butterfly_gradient(T, np.empty((0, 8)), np.empty((0, 8)))
    np.testing.assert_array_equal(grad, np.zeros_like(T))
    assert grad_X.shape == (0, 8)


def test_gradient_in_the_signals_is_the_adjoint():
    T, x, c = twiddles(rng, 32, complex), signals(rng, 32, complex), signals(rng, 32, complex)
    assert relative(butterfly_gradient(T, x, c)[1], butterfly_matmul(T, c, adjoint=True)) < 1e-14


def test_gradient_in_half_precision():
    rng = np.random.default_rng(0)
    T, x = rng.standard_normal((3, 4, 2, 2)), rng.standard_normal((5, 8))
    found = butterfly_gradient(T.astype("float16"), x.astype("float16"), x)
    assert [part.dtype.name for part in found] == ["float16", "float16"]
    for part, exact in zip(found, butterfly_gradient(T, x, x), strict=True):
        np.testing.assert_allclose(part, exact, rtol=0.02, atol=0.05)
