"""Chains of Kronecker-sparse factors."""

import itertools

import array_api_strict
import numpy as np
import pytest

from spectralkit.structured import Butterfly, ks_matmul
from spectralkit.testing import assert_namespace_preserved
from tests.structured.reference import bit_reversal, kronecker_sparse, relative, signals
from tests.structured.test_operator import DTYPES, LIBRARIES, host

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", list(itertools.product((1, 2, 3), (1, 2, 6), (1, 4, 5, 7), (1, 3))))
def test_one_factor(shape):
    K = rng.standard_normal(shape)
    a, b, c, d = shape
    W = kronecker_sparse(K)
    pattern = np.kron(np.eye(a), np.kron(np.ones((b, c)), np.eye(d)))
    np.testing.assert_array_equal(W != 0, pattern != 0)
    X = rng.standard_normal((4, a * c * d))
    assert ks_matmul([K], X).shape == (4, a * b * d)
    assert relative(ks_matmul([K], X), X @ W.T) < 1e-14


def test_blocks_on_the_diagonal_and_diagonals_in_blocks():
    K = rng.standard_normal((3, 2, 5, 1))
    blocks = [[K[i, :, :, 0] if i == j else np.zeros((2, 5)) for j in range(3)] for i in range(3)]
    x = rng.standard_normal(15)
    assert relative(ks_matmul([K], x), np.block(blocks) @ x) < 1e-14
    K = rng.standard_normal((1, 2, 5, 3))
    diagonals = [[np.diag(K[0, r, s]) for s in range(5)] for r in range(2)]
    assert relative(ks_matmul([K], x), np.block(diagonals) @ x) < 1e-14


def test_factors_are_applied_first_to_last():
    shapes = [(2, 3, 4, 1), (1, 5, 2, 3), (3, 1, 5, 1), (1, 7, 3, 1)]
    chain = [rng.standard_normal(shape) for shape in shapes]
    X = rng.standard_normal((2, 3, 8))
    expected = X
    for K in chain:
        expected = expected @ kronecker_sparse(K).T
    found = ks_matmul(chain, X)
    assert found.shape == (2, 3, 7)
    assert relative(found, expected) < 1e-14


@pytest.mark.parametrize("n", [2, 8, 64])
def test_levels_of_a_butterfly(n):
    twiddle = Butterfly.dft(n).twiddle
    chain = []
    for k, level in enumerate(twiddle):
        s = 2**k
        chain.append(level.reshape(n // (2 * s), s, 2, 2).transpose(0, 2, 3, 1))
        assert chain[-1].shape == (n // 2 ** (k + 1), 2, 2, 2**k)
    X = signals(rng, (3, n), complex)
    assert relative(ks_matmul(chain, X[:, bit_reversal(n)]), np.fft.fft(X)) < 1e-14


def test_monarch():
    L, R = rng.standard_normal((1, 4, 4, 3)), rng.standard_normal((4, 3, 3, 1))
    W = kronecker_sparse(L) @ kronecker_sparse(R)
    assert np.all(W != 0)
    # Each block of the product has rank one.
    for i, j in np.ndindex(4, 4):
        block = W[3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        np.testing.assert_allclose(block, np.diag(L[0, i, j]) @ R[j, :, :, 0], rtol=1e-13)
    X = rng.standard_normal((5, 12))
    assert relative(ks_matmul([R, L], X), X @ W.T) < 1e-14


@pytest.mark.parametrize("c", [2, 6])
@pytest.mark.parametrize("x_dtype", DTYPES)
@pytest.mark.parametrize("k_dtype", DTYPES)
def test_dtypes(k_dtype, x_dtype, c):
    K, X = signals(rng, (2, 3, c, 2), k_dtype), signals(rng, (7, 4 * c), x_dtype)
    found = ks_matmul([K], X)
    assert found.dtype == np.result_type(k_dtype, x_dtype)
    assert relative(found, X @ kronecker_sparse(K).T) < 8 * np.finfo(found.dtype).eps


def test_half_precision_and_integers():
    K, X = rng.standard_normal((2, 2, 2, 2)), rng.standard_normal((3, 8))
    single = ks_matmul([K.astype(np.float32)], X.astype(np.float16))
    assert single.dtype == np.float16
    assert relative(single, X @ kronecker_sparse(K).T) < 3e-3
    assert ks_matmul([np.ones((2, 2, 2, 2), int)], np.ones(8, int)).dtype == np.float64


@pytest.mark.parametrize("shape", [(8,), (0, 8), (2, 0, 8), (2, 3, 8)])
def test_leading_axes(shape):
    X, chain = (
        rng.standard_normal(shape),
        [rng.standard_normal((2, 3, 4, 1)), rng.standard_normal((1, 5, 6, 1))],
    )
    W = kronecker_sparse(chain[1]) @ kronecker_sparse(chain[0])
    found = ks_matmul(chain, X)
    assert found.shape == (*shape[:-1], 5)
    assert relative(found, X @ W.T) < 1e-14


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_libraries(library):
    there = LIBRARIES[library]
    chain = [rng.standard_normal((2, 3, 4, 1)), signals(rng, (1, 2, 6, 1), complex)]
    X = rng.standard_normal((3, 8))
    found = ks_matmul([there(K) for K in chain], there(X))
    assert type(found) is type(there(X))
    assert found.device == there(X).device
    assert relative(host(found), ks_matmul(chain, X)) < 1e-14


def test_libraries_do_not_mix():
    K, X = rng.standard_normal((2, 2, 2, 2)), rng.standard_normal((3, 8))
    assert_namespace_preserved(lambda K, X: ks_matmul([K], X), K, X)
    with pytest.raises(TypeError, match="one library"):
        ks_matmul([K, array_api_strict.asarray(K)], X)


@pytest.mark.parametrize(
    ("values", "X", "error", "match"),
    [
        ([], np.ones(8), ValueError, "values must be a list of at least one factor; got an empty list"),
        ([np.ones((2, 2, 2))], np.ones(4), ValueError, r"values\[0\] must be of shape \(a, b, c, d\)"),
        ([np.ones((2, 0, 2, 1))], np.ones(4), ValueError, r"values\[0\] must be of shape \(a, b, c, d\)"),
        (
            [np.ones((2, 2, 2, 1))],
            np.ones(8),
            ValueError,
            r"values\[0\] must be a factor of 8 columns; .* 4",
        ),
        (
            [np.ones((2, 3, 2, 1))] * 2,
            np.ones(4),
            ValueError,
            r"values\[1\] must be a factor of 6 columns",
        ),
        ([np.full((2, 2, 2, 1), np.nan)], np.ones(4), ValueError, r"values\[0\] must be finite"),
        ([np.ones((2, 2, 2, 1))], 1.0, ValueError, r"X must be of shape \(\.\.\., n\); got shape \(\)"),
        (
            [np.ones((2, 2, 2, 1), object)],
            np.ones(4),
            TypeError,
            r"values\[0\] must be of .*; got dtype object",
        ),
        ([np.ones((2, 2, 2, 1))], np.ones(4, "longdouble"), TypeError, "X must be of"),
    ],
)
def test_bad_input(values, X, error, match):
    with pytest.raises(error, match=match):
        ks_matmul(values, X)
