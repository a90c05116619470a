import math

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from spectralkit.testing import check_ratio, dottest, matrix_grid


def test_value():
    eps = np.finfo(np.float64).eps
    assert check_ratio(20 * eps, 2.0, 5, np.float64) == pytest.approx(2.0)
    assert check_ratio(2e-5, 1.0, 100, np.complex64) == pytest.approx(2e-5 / 100 / np.finfo(np.float32).eps)


def test_above_threshold():
    eps = np.finfo(np.float64).eps
    assert check_ratio(30 * eps, 1.0, 1, np.float64) == 30
    with pytest.raises(AssertionError, match=r"^ratio 31 is above the threshold 30: residual .*, n 1, eps"):
        check_ratio(31 * eps, 1.0, 1, np.float64)
    with pytest.raises(AssertionError, match="above the threshold 2:"):
        check_ratio(3 * eps, 1.0, 1, np.float64, threshold=2)


@pytest.mark.parametrize(
    ("residual", "norm"),
    [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (0.0, math.inf), (math.nan, 0.0), (1e-300, 0.0)],
)
def test_never_passes(residual, norm):
    with pytest.raises(AssertionError):
        check_ratio(residual, norm, 10, np.float64, threshold=1e300)


def test_zero():
    assert check_ratio(0.0, 0.0, 10, np.float64) == 0.0
    assert check_ratio(0.0, 1.0, 0, np.float32) == 0.0


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_scale_does_not_matter(scale):
    assert check_ratio(1e-15 * scale, scale, 3, np.float64) == pytest.approx(
        check_ratio(1e-15, 1.0, 3, np.float64)
    )


def test_other_libraries():
    xp = pytest.importorskip("array_api_strict")
    assert check_ratio(xp.asarray(0.0), xp.asarray(1.0), 3, xp.float32) == 0.0


def test_numpy_qr_passes_on_the_grid():
    """The yardstick: a sound factorisation stays far below the threshold on every matrix of the grid."""
    worst = 0.0
    for case in matrix_grid():
        A, n = case.matrix, len(case.matrix)
        Q, R = np.linalg.qr(A)
        residual = np.linalg.norm((Q @ R - A) / case.scale)
        norm = np.linalg.norm(A / case.scale)
        worst = max(worst, check_ratio(residual, norm, n, A.dtype))
        worst = max(worst, check_ratio(np.linalg.norm(Q.T @ Q - np.eye(n)), 1.0, n, A.dtype))
    assert worst < 10


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (3, 50)])
def test_matrices_pass(dtype, shape):
    rng = np.random.default_rng(0)
    A = rng.integers(-5, 5, shape) + (1j * rng.integers(-5, 5, shape) if "complex" in dtype else 0)
    A = A.astype(dtype)
    sparse = scipy.sparse.csr_array(A)
    for operator in (A, sparse, aslinearoperator(A), aslinearoperator(sparse)):
        assert 0 <= dottest(operator, rng=0) < 10


@pytest.mark.parametrize("dtype", [float, complex])
def test_wrong_adjoint(dtype):
    A = np.random.default_rng(0).standard_normal((5, 5)).astype(dtype)
    A = A + 1j * A.T if dtype is complex else A
    for wrong in (A, -A.conj().T, A.T * (1 + 1e-9)):
        operator = LinearOperator(
            (5, 5), matvec=lambda x: A @ x, rmatvec=lambda x, wrong=wrong: wrong @ x, dtype=dtype
        )
        with pytest.raises(AssertionError, match="ratio"):
            dottest(operator, rng=0)


def test_transpose_is_no_adjoint():
    A = np.array([[1j, 2.0], [0.0, 1.0]])
    operator = LinearOperator((2, 2), matvec=lambda x: A @ x, rmatvec=lambda x: A.T @ x, dtype=complex)
    with pytest.raises(AssertionError):
        dottest(operator, rng=0)


def test_own_operator():
    class Difference:
        shape = (3, 4)

        def matvec(self, x):
            return np.diff(x)

        def rmatvec(self, x):
            return -np.diff(x, prepend=0, append=0)

    assert dottest(Difference(), rng=0) < 10
    assert dottest(Difference(), rng=0) == dottest(Difference(), rng=0)


def test_nan_fails():
    with pytest.raises(AssertionError):
        dottest(np.full((2, 2), np.nan))


@pytest.mark.parametrize("wrong", [np.ones(3), 1.0, "A", np.ones((2, 2, 2))])
def test_no_operator(wrong):
    with pytest.raises(TypeError, match=r"^operator must be a matrix or have matvec and rmatvec; got type"):
        dottest(wrong)
