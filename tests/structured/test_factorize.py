"""Butterfly factors of dense matrices: exact recovery, residuals, hard matrices."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

from spectralkit.structured import butterfly_factorize
from tests.structured import reference
from tests.structured.reference import bit_reversal, relative, signals, twiddles

rng = np.random.default_rng(0)


def permuted(n, separate, reverse_first, reverse_second):
    """The order in which entries enter, from the definition: the same choices in each half again."""
    order, length = np.arange(n), n
    while length > 1:
        parts = []
        for part in order.reshape(-1, length):
            first, second = (part[::2], part[1::2]) if separate else np.split(part, 2)
            parts += [first[::-1] if reverse_first else first, second[::-1] if reverse_second else second]
        order, length = np.concatenate(parts), length // 2
    return order


EIGHT = list(itertools.product((False, True), repeat=3))


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", [2, 4, 8, 16, 64, 256])
def test_recovery_behind_each_of_the_eight(n, dtype):
    for choice in EIGHT:
        order = permuted(n, *choice)
        W = reference.dense(twiddles(rng, n, dtype), order)
        result = butterfly_factorize(W)
        assert result.residual <= 1e-14
        assert relative(result.operator.to_dense(), W) <= 1e-14
        assert result.operator.dtype == dtype
    # Behind some other permutation.
    other = W[:, np.random.default_rng(5).permutation(n)]
    assert n < 8 or butterfly_factorize(other).residual > 0.03


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", [2, 4, 8, 32, 128, pytest.param(1024, marks=pytest.mark.slow)])
def test_recovery_behind_a_known_permutation(n, dtype):
    T = twiddles(rng, n, dtype)
    given = np.random.default_rng(n).permutation(n)
    for permutation, order in ((None, np.arange(n)), ("bitrev", bit_reversal(n)), (given, given)):
        W = reference.dense(T, order)
        result = butterfly_factorize(W, permutation=permutation)
        np.testing.assert_array_equal(result.permutation, order)
        assert result.residual <= 1e-14
        assert relative(result.operator.to_dense(), W) <= 1e-14
        assert (result.n_iter, result.converged) == (1, True)
        assert "of 1 permutations" in result.status


@pytest.mark.parametrize("n", [1, 2, 64, 512])
def test_transforms(n):
    for W in (scipy.fft.fft(np.eye(n)), scipy.fft.ifft(np.eye(n)), scipy.linalg.hadamard(n)):
        result = butterfly_factorize(W)
        assert result.residual <= 1e-14
        assert relative(result.operator.to_dense(), W) <= 1e-14


MATRICES = {
    "random": lambda n: rng.standard_normal((n, n)),
    "random, complex": lambda n: signals(rng, (n, n), complex),
    "cosines": lambda n: scipy.fft.dct(np.eye(n)).T,
    "hilbert": lambda n: scipy.linalg.hilbert(n),
    "permutation": lambda n: np.eye(n)[np.random.default_rng(n).permutation(n)],
    "triangle": lambda n: np.tri(n),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("n", [4, 8, 64, 128])
def test_residual_is_the_distance(name, n):
    W = MATRICES[name](n)
    for permutation in ("best", "bitrev", None):
        result = butterfly_factorize(W, permutation=permutation)
        assert 0 <= result.residual < 1
        distance = relative(result.operator.to_dense(), W)
        assert result.residual == pytest.approx(distance, rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("n", [8, 64])
@pytest.mark.parametrize("name", MATRICES)
def test_best_is_the_best_of_eight(name, n):
    W = MATRICES[name](n)
    residuals = [butterfly_factorize(W, permutation=permuted(n, *choice)).residual for choice in EIGHT]
    assert butterfly_factorize(W).residual == pytest.approx(min(residuals), rel=1e-10, abs=1e-14)
    if name in ("permutation", "cosines"):
        return  # ties between singular values, which are broken in another way
    # Blocks that swap rows and columns make up for a reversal.
    np.testing.assert_allclose(residuals[:4], residuals[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(residuals[4:], residuals[4], rtol=1e-10, atol=1e-14)


def test_two_levels_are_optimal():
    # Of two levels, the first is a best rank-one approximation: nothing in its class is closer.
    W = rng.standard_normal((4, 4))
    result = butterfly_factorize(W, permutation=None)
    lost = 0.0
    for parity in range(2):
        for pair in range(2):
            lost += np.linalg.svd(W[parity::2, 2 * pair : 2 * pair + 2], compute_uv=False)[1] ** 2
    assert result.residual == pytest.approx(np.sqrt(lost) / np.linalg.norm(W), rel=1e-12)


def balanced(W):
    """The residual of hierarchical factorization from the middle, with orthogonalisation."""
    with warnings.catch_warnings(record=True):  # about wavelets, at import
        butterfly = pytest.importorskip("lazylinop.butterfly")
        chain = butterfly.Chain.square_dyadic(W.shape)
        return relative(butterfly.ksd(W, chain, order="balanced").toarray(), W)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-2])
def test_as_close_as_the_balanced_method(noise, dtype):
    W, N = reference.dense(twiddles(rng, 64, dtype)), signals(rng, (64, 64), dtype)
    W = W / np.linalg.norm(W) + noise * N / np.linalg.norm(N)
    found, peer = butterfly_factorize(W, permutation=None).residual, balanced(W)
    assert found <= 1.001 * peer + 1e-14
    assert noise == 0.0 or found > 0.8 * noise


@pytest.mark.parametrize("name", MATRICES)
def test_far_from_a_butterfly(name):
    # Neither method is optimal there, and either may be a little closer.
    W = MATRICES[name](64)
    assert butterfly_factorize(W, permutation=None).residual <= 1.03 * balanced(W)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("n", [64, 256])
def test_noise(n, dtype):
    # Blocks take up some of the noise, the part of the 2 n log2(n) parameters among n², and no more.
    W = reference.dense(twiddles(rng, n, dtype), bit_reversal(n))
    N = signals(rng, W.shape, dtype)
    noisy = W + 1e-3 * np.linalg.norm(W) / np.linalg.norm(N) * N
    result = butterfly_factorize(noisy)
    assert 0.85 * 1e-3 < result.residual < 1.0e-3
    # What is left of the noise in the approximation is less than there was.
    assert relative(result.operator.to_dense(), W) < 1e-3


@pytest.mark.parametrize("n", [1, 2, 4, 32])
def test_degenerate_matrices(n):
    u, v = rng.standard_normal(n), rng.standard_normal(n)
    swaps = np.eye(n)[np.arange(n) ^ (n - 1)]
    single = np.zeros((n, n))
    single[n // 2, 0] = -3.0
    for W in (
        np.outer(u, v),
        np.outer(u + 1j * v, v),
        np.diag(u),
        np.eye(n),
        swaps,
        np.ones((n, n)),
        single,
    ):
        result = butterfly_factorize(W)
        assert result.residual <= 1e-14
        assert relative(result.operator.to_dense(), W) <= 1e-14
    result = butterfly_factorize(np.zeros((n, n)))
    assert result.residual == 0.0
    assert not np.any(result.operator.to_dense())


@pytest.mark.parametrize("permutation", ["best", "bitrev", None])
def test_sizes_one_and_two(permutation):
    for W in ([[2.0]], [[-1 - 2j]], [[0.0]], [[1.0, 2.0], [3.0, 4.0]], [[0, 1j], [2, 0]]):
        result = butterfly_factorize(W, permutation=permutation)
        assert result.residual == 0.0
        np.testing.assert_allclose(result.operator.to_dense(), W, rtol=1e-15)


@pytest.mark.parametrize("name", ["random", "random, complex"])
@pytest.mark.parametrize("scale", [1e-200, 1e-305, 1e200, 1e300])
def test_scales(scale, name):
    W = MATRICES[name](16)
    expected, result = butterfly_factorize(W), butterfly_factorize(scale * W)
    assert result.residual == pytest.approx(expected.residual, rel=1e-12)
    assert relative(result.operator.to_dense() / scale, expected.operator.to_dense()) < 1e-12
    exact = scale * reference.dense(twiddles(rng, 16))
    assert butterfly_factorize(exact).residual <= 1e-14


def test_subnormal_and_largest_numbers():
    tiny = np.full((8, 8), 5e-324)
    assert butterfly_factorize(tiny).residual <= 1e-14
    np.testing.assert_array_equal(butterfly_factorize(3 * tiny).operator.to_dense() != 0, True)
    largest = np.diag(np.full(8, np.finfo(float).max))
    np.testing.assert_array_equal(butterfly_factorize(largest).operator.to_dense(), largest)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision(dtype):
    W = reference.dense(twiddles(rng, 64, dtype)).astype(dtype)
    result = butterfly_factorize(W)
    assert result.operator.dtype == result.operator.twiddle.dtype == dtype
    assert relative(result.operator.to_dense(), W) < 1e-6
    # Sums are taken in double precision: what is left out is the rounding of the matrix.
    double = butterfly_factorize(W.astype(complex if "complex" in dtype else float))
    assert result.residual == pytest.approx(double.residual, rel=1e-6)
    assert 1e-8 < double.residual < 1e-7


def test_integers_and_layouts():
    W = scipy.linalg.hadamard(16) * 3
    result = butterfly_factorize(W)
    assert result.operator.dtype == np.float64
    assert relative(result.operator.to_dense(), W) <= 1e-14
    W = rng.standard_normal((16, 16))
    expected = butterfly_factorize(W)
    read_only = W.copy()
    read_only.flags.writeable = False
    strided = np.repeat(np.repeat(W, 2, 0), 2, 1)[::2, ::2]
    for other in (np.asfortranarray(W), read_only, strided, W.astype(">f8"), W.tolist()):
        result = butterfly_factorize(other)
        assert result.residual == pytest.approx(expected.residual, rel=1e-13)
        assert relative(result.operator.to_dense(), expected.operator.to_dense()) < 1e-13


def test_rows_of_the_first_levels_have_norm_one():
    twiddle = butterfly_factorize(rng.standard_normal((32, 32))).operator.twiddle
    np.testing.assert_allclose(np.linalg.norm(twiddle[:-1], axis=-1), 1.0, rtol=1e-14)
