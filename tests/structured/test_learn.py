"""Butterflies learned from matrices and from examples."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from sklearn.exceptions import ConvergenceWarning

from spectralkit.structured import Butterfly, butterfly_factorize, butterfly_gradient, butterfly_learn
from spectralkit.structured._learn import _Problem
from tests.structured import reference
from tests.structured.reference import bit_reversal, relative, signals, twiddles

rng = np.random.default_rng(0)


def rmse(result, W):
    return np.linalg.norm(result.operator.to_dense() - W) / len(W)


@pytest.mark.parametrize("n", [2, 4, 8, 32, 128])
def test_transforms_from_their_matrices(n):
    for W in (np.fft.fft(np.eye(n)), scipy.linalg.hadamard(n), np.fft.ifft(np.eye(n))):
        result = butterfly_learn(W)
        assert result.residual < 1e-13
        assert result.converged
        assert relative(result.operator.to_dense(), W) < 1e-13


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("m", [16, 40])
def test_pairs(m, dtype):
    # Outputs are those of the matrix, row by row.
    W = reference.dense(twiddles(rng, 16, dtype), bit_reversal(16))
    X = signals(rng, (m, 16), dtype)
    result = butterfly_learn((X, X @ W.T))
    assert result.residual < 1e-11
    assert relative(result.operator.to_dense(), W) < 1e-9
    assert relative(butterfly_learn([X, X @ W.T]).operator.to_dense(), W) < 1e-9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_residual_of_pairs():
    X, Y = rng.standard_normal((30, 8)), rng.standard_normal((30, 8))
    for n_blocks in (1, 2):
        result = butterfly_learn((X, Y), n_blocks=n_blocks, max_iter=300)
        assert result.residual == pytest.approx(relative(result.operator.matmul(X), Y), rel=1e-9)
        # No matrix does better than least squares.
        best = np.linalg.lstsq(X, Y, rcond=None)[0]
        assert result.residual >= relative(X @ best, Y)


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_gradient(n_blocks, field):
    # The order is not its own inverse; complex blocks for real data have the real part taken.
    X, Y, order = rng.standard_normal((8, 5)), rng.standard_normal((8, 5)), rng.permutation(8)
    problem = _Problem(X, Y, field == "complex")
    dtype = complex if field == "complex" else float
    theta = np.stack([twiddles(rng, 8, dtype) for _ in range(n_blocks)])
    direction = signals(rng, theta.shape, theta.dtype)
    value, gradient = problem.value_and_gradient(theta, order)
    step = 1e-5
    ahead, behind = (problem.value_and_gradient(theta + h * direction, order)[0] for h in (step, -step))
    slope = np.vdot(gradient, direction).real
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-6)
    assert value == pytest.approx(problem.residual(theta, order) ** 2)


def test_fewer_pairs_than_entries():
    T, order = twiddles(np.random.default_rng(1), 16), bit_reversal(16)
    W, X = reference.dense(T, order), np.random.default_rng(2).standard_normal((12, 16))
    result = butterfly_learn((X, X @ W.T), permutation="bitrev", rng=0, n_restarts=3)
    assert result.residual == pytest.approx(relative(result.operator.matmul(X), X @ W.T), rel=1e-6)
    assert result.residual < 1e-6


@pytest.mark.parametrize("n", [4, 8, 16, 32, 64])
def test_fourier_from_random_starts(n):
    W = np.fft.fft(np.eye(n)) / np.sqrt(n)
    result = butterfly_learn(W, permutation="bitrev", init="random", rng=0)
    assert rmse(result, W) < 1e-8
    np.testing.assert_array_equal(result.permutation, bit_reversal(n))


@pytest.mark.parametrize("n", [8, 16, 32])
def test_random_starts_find_the_permutation(n):
    W = np.fft.fft(np.eye(n)) / np.sqrt(n)
    result = butterfly_learn(W, init="random", n_restarts=1, rng=0)
    assert rmse(result, W) < 1e-8


@pytest.mark.parametrize("dtype", [float, complex])
def test_descent_ends_at_a_stationary_point_below_the_factors(dtype):
    W = signals(np.random.default_rng(0), (16, 16), dtype)
    start, result = butterfly_factorize(W), butterfly_learn(W)
    assert result.residual < 0.99 * start.residual
    found = result.operator.to_dense()
    assert result.residual == pytest.approx(relative(found, W), rel=1e-9)
    assert result.n_iter > 0
    entering = np.eye(16)[:, result.permutation]
    gradient, _ = butterfly_gradient(
        result.operator.twiddle, entering, (found - W).T / np.linalg.norm(W) ** 2
    )
    assert np.linalg.norm(gradient) < 1e-6


@pytest.mark.parametrize("max_iter", [0, 3, 30])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_never_above_the_start(max_iter):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((8, 8)) + 1j * (seed % 2) * rng.standard_normal((8, 8))
        start = butterfly_factorize(W).residual
        assert butterfly_learn(W, max_iter=max_iter).residual <= start * (1 + 1e-12)
        assert butterfly_learn(W, max_iter=max_iter, n_blocks=2).residual <= start * (1 + 1e-12)
    assert butterfly_learn(W, max_iter=0).residual == pytest.approx(start)


def test_two_blocks_make_a_convolution():
    # A circulant matrix is no butterfly: one block fails where two complex ones are exact.
    W = scipy.linalg.circulant(rng.standard_normal(16))
    assert butterfly_learn(W).residual > 0.1
    result = butterfly_learn(W, n_blocks=2, field="complex")
    assert result.residual < 1e-12
    assert relative(result.operator.to_dense(), W) < 1e-12
    assert result.operator.real
    assert result.operator.dtype == np.float64
    assert len(result.operator.factors) == 2
    complex_valued = scipy.linalg.circulant(signals(rng, 16, complex))
    assert butterfly_learn(complex_valued, n_blocks=2).residual < 1e-12


def test_the_real_part_of_a_complex_block_makes_cosines():
    W = scipy.fft.dct(np.eye(8)).T
    assert butterfly_learn(W).residual > 0.1
    order = np.concatenate([np.arange(0, 8, 2), np.arange(1, 8, 2)[::-1]])[bit_reversal(8)]
    result = butterfly_learn(W, field="complex", permutation=order, rng=0, n_restarts=4)
    assert result.residual < 1e-7
    assert relative(result.operator.to_dense(), W) < 1e-7


def test_field():
    X = rng.standard_normal((20, 8))
    assert butterfly_learn(scipy.linalg.hadamard(8), field="real").operator.dtype == np.float64
    assert butterfly_learn((X, X + 0j)).operator.dtype == np.complex128
    for data in (np.fft.fft(np.eye(8)), (X, X + 0j), (X + 0j, X)):
        with pytest.raises(
            ValueError, match=r"field must be complex for complex data; got 'real'\. Take field"
        ):
            butterfly_learn(data, field="real")


@pytest.mark.parametrize("scale", [1e-100, 1e100, 1e300])
@pytest.mark.parametrize("init", ["factorize", "random"])
def test_units_do_not_matter(init, scale):
    W = 0.5 * scipy.linalg.hadamard(8) + 0.1 * np.random.default_rng(0).standard_normal((8, 8))
    expected = butterfly_learn(W, init=init, permutation=None, rng=0)
    result = butterfly_learn(scale * W, init=init, permutation=None, rng=0)
    assert result.residual == pytest.approx(expected.residual, rel=1e-6)
    assert relative(result.operator.to_dense() / scale, expected.operator.to_dense()) < 1e-3
    X = np.random.default_rng(1).standard_normal((20, 8))
    of_pairs = butterfly_learn((X / scale, X @ W.T), permutation=None)
    assert of_pairs.residual < expected.residual + 0.1
    assert relative(of_pairs.operator.matmul(X) / scale, X @ W.T) == pytest.approx(
        of_pairs.residual, rel=1e-6
    )


@pytest.mark.parametrize("init", ["factorize", "random"])
@pytest.mark.parametrize("n_blocks", [1, 2])
def test_zero(n_blocks, init):
    result = butterfly_learn(np.zeros((4, 4)), n_blocks=n_blocks, init=init, rng=0)
    assert result.residual < 1e-12
    assert np.max(np.abs(result.operator.to_dense())) < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision(dtype):
    X = signals(rng, (20, 8), dtype)
    Y = X @ reference.dense(twiddles(rng, 8, dtype)).T.astype(dtype)
    for data in ((X, Y), reference.dense(twiddles(rng, 8, dtype)).astype(dtype)):
        result = butterfly_learn(data)
        assert result.operator.dtype == result.operator.twiddle.dtype == dtype
        assert result.residual < 1e-6
    assert relative(butterfly_learn((X, Y)).operator.matmul(X), Y) < 1e-6
    assert butterfly_learn((X, Y.astype("complex128"))).operator.dtype == "complex128"


def test_equal_seed_equal_operator():
    W = np.random.default_rng(0).standard_normal((8, 8))

    def learn(seed):
        return butterfly_learn(W, init="random", rng=seed).operator.to_dense().tobytes()

    assert learn(3) == learn(3) == learn(np.random.default_rng(3))
    assert learn(3) != learn(4)


def test_callback():
    W, seen = np.random.default_rng(0).standard_normal((16, 16)), []
    whole = butterfly_learn(W, callback=lambda info: seen.append(info))
    assert [info.iteration for info in seen] == list(range(1, whole.n_iter + 1))
    assert np.all(np.diff([info.figure for info in seen]) <= 0)
    assert seen[-1].figure == pytest.approx(whole.residual)
    assert whole.converged
    # True ends descent, without a warning.
    stopped = butterfly_learn(W, callback=lambda info: info.iteration == 5)
    assert (stopped.n_iter, stopped.converged) == (5, False)
    assert "Stopped by the callback" in stopped.status
    assert stopped.residual == pytest.approx(seen[4].figure)
    with pytest.raises(TypeError, match="callback must be a callable or None"):
        butterfly_learn(W, callback=3)


def test_warning():
    W = np.random.default_rng(0).standard_normal((16, 16))
    with pytest.warns(
        ConvergenceWarning, match="butterfly_learn did not converge: .* Raise max_iter"
    ) as caught:
        result = butterfly_learn(W, max_iter=5)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not result.converged
    assert result.n_iter == 5
    assert "raise max_iter" in result.status


def test_nothing_given_is_changed():
    X = np.random.default_rng(0).standard_normal((20, 8))
    Y, W = X @ scipy.linalg.hadamard(8), scipy.linalg.hadamard(8) + 0.0
    copies = X.copy(), Y.copy(), W.copy()
    butterfly_learn((X, Y))
    butterfly_learn(W)
    for given, copy in zip((X, Y, W), copies, strict=True):
        np.testing.assert_array_equal(given, copy)


def test_no_steps_do_not_converge():
    W = np.random.default_rng(0).standard_normal((8, 8))
    with pytest.warns(ConvergenceWarning, match="Raise max_iter"):
        result = butterfly_learn(W, max_iter=0)
    assert (result.n_iter, result.converged) == (0, False)
    assert butterfly_learn(scipy.linalg.hadamard(8), max_iter=0).converged


@pytest.mark.parametrize("tol", [1e200, 1e-200, 0.0])
def test_any_tolerance(tol):
    result = butterfly_learn(np.random.default_rng(0).standard_normal((8, 8)), tol=tol)
    assert result.converged
    assert (result.n_iter == 0) == (tol > 1.0)


def test_complex_numbers_whose_modulus_overflows():
    W = np.full((8, 8), 1.5e308 + 1.5e308j)
    assert butterfly_learn(W, max_iter=20).residual < 1e-12


def test_complex_blocks_for_a_real_butterfly_start_from_its_factors():
    W = Butterfly(twiddles(rng, 32)).to_dense()
    assert butterfly_learn(W, field="complex", permutation=None, rng=0).residual <= 1e-14


def test_the_permutation_of_a_result_is_a_copy():
    result, x = butterfly_learn(np.fft.fft(np.eye(8))), np.arange(8.0)
    before = result.operator @ x
    result.permutation[:] = np.arange(8)
    np.testing.assert_array_equal(result.operator.matmul(x[None])[0], before)
